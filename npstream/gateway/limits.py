"""Limits that shed load before it costs memory. Both belong to one event loop."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from npstream.gateway.refusals import Refused

REQUEST_BYTES: Final = 4 * 1024
"""What a request costs beside its body: headers, task, record. So a flood of empty ones is bounded as well."""
CROWDED_RETRY_S: Final = 1.0
"""What is in flight is acknowledged within a second, or Kafka is away."""


class Rate:
    """A token bucket: so many a second in the long run, and so many at once after a quiet time."""

    def __init__(self, per_s: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` in seconds."""
        self._per_s = per_s
        self._burst = float(burst)
        self._clock = clock
        self._tokens = float(burst)
        self._looked = clock()

    def take(self) -> None:
        """One more. Raises Refused with 429, and when there will be a token again."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._looked) * self._per_s)
        self._looked = now
        if self._tokens < 1:
            raise Refused(
                429, "more requests than this vendor may make: come again later", retry_after_s=(1 - self._tokens) / self._per_s
            )
        self._tokens -= 1


class InFlight:
    """Bytes of all requests that are not answered yet."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self.bytes = 0
        self.requests = 0

    @contextmanager
    def room(self) -> Iterator["Room"]:
        """The room of one request; it is given back at the end. Raises Refused with 503 if there is none."""
        room = Room(self)
        self.requests += 1
        try:
            room.grow(REQUEST_BYTES)
            yield room
        finally:
            self.requests -= 1
            self.bytes -= room.bytes

    def grow(self, more: int) -> None:
        """Hold so many bytes more. Raises Refused with 503 if they are too many."""
        if self.bytes + more > self._most:
            raise Refused(503, "too much is in flight: come again in a second", retry_after_s=CROWDED_RETRY_S)
        self.bytes += more


class Room:
    """What one request holds."""

    def __init__(self, of: InFlight) -> None:
        self._of = of
        self.bytes = 0

    def grow(self, more: int) -> None:
        """Hold so many bytes more. Raises Refused with 503."""
        self._of.grow(more)
        self.bytes += more
