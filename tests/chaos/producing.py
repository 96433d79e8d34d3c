"""Survey platforms: they produce at a steady rate, whatever happens to the broker, and what they produce arrives once."""

import threading
import time
from types import TracebackType
from typing import Any, Final, Self

from confluent_kafka import Producer

from tests.integration.traffic import Traffic

PORTION_S: Final = 0.05
"""How often some are sent."""
DELIVERED_WITHIN_MS: Final = 300_000
"""A record may wait for a broker that is away, several times in a row."""
QUEUED: Final = 200_000
"""Records that may wait in the producer; many times what comes in 30 s."""
FLUSH_TIMEOUT_S: Final = 120.0
"""Once the broker is there, all that waits is delivered within seconds; the rest is for a busy machine."""


class Producing:
    """Sends what `traffic` makes, `rate` records a second, from a thread of its own, until it is told to `end`."""

    def __init__(self, bootstrap: str, traffic: Traffic, rate: float) -> None:
        self.sent = 0
        self.failed: list[str] = []
        """Why records were not delivered: there must be none."""
        self._traffic = traffic
        self._rate = rate
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._produce, name="survey platforms", daemon=True)
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,  # what is sent again because an answer was lost arrives once, and in order
                "message.timeout.ms": DELIVERED_WITHIN_MS,
                "reconnect.backoff.max.ms": 1000,
                "linger.ms": 5,
                "queue.buffering.max.messages": 2 * QUEUED,
                "log_level": 0,  # it would tell of each broker that a fault has taken away
            }
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join(FLUSH_TIMEOUT_S)

    def end(self) -> None:
        """Send no more, and return when all that was sent is acknowledged. Raises AssertionError if some never is."""
        self._ended.set()
        self._thread.join(FLUSH_TIMEOUT_S)
        left = self._producer.flush(FLUSH_TIMEOUT_S)
        if left or self.failed:
            raise AssertionError(f"{left} records were not delivered, {len(self.failed)} were refused: {self.failed[:3]}")

    def _produce(self) -> None:
        began = time.monotonic()
        while not self._ended.wait(PORTION_S):
            due = int((time.monotonic() - began) * self._rate) - self.sent
            room = QUEUED - len(self._producer)
            for record in self._traffic.take(max(0, min(due, room))):
                where = {} if record.partition is None else {"partition": record.partition}
                self._producer.produce(
                    record.topic,
                    record.value,
                    record.key,
                    timestamp=record.timestamp,
                    headers=list(record.headers),
                    on_delivery=self._delivered,
                    **where,
                )
                self.sent += 1
            self._producer.poll(0)

    def _delivered(self, error: Any, message: Any) -> None:
        if error is not None:
            self.failed.append(str(error))
