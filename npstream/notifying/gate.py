"""Whether a sink is up, and who asks while it is not: one delivery at a time, with growing pauses, instead of all at once."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from npstream.notifying.answers import Away, pause
from npstream.notifying.metrics import NotifyMetrics

logger = logging.getLogger(__name__)


class Gate:
    """Every attempt to deliver to one sink passes here, and says what came of it with `answered` or `failed`."""

    def __init__(
        self,
        sink: str,
        metrics: NotifyMetrics,
        now: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.answers = 0
        """How often the sink has answered so that it must be up."""
        self._sink = sink
        self._metrics = metrics
        self._now = now
        self._draw = draw
        self._failures = 0
        """In a row; 0 while it is up."""
        self._down_since = 0.0
        self._next = 0.0
        """When it may be asked again."""
        self._turn = asyncio.Lock()  # who waits for it gets it in order
        self._back = asyncio.Event()

    @property
    def is_up(self) -> bool:
        """Whether the last attempt was answered."""
        return self._failures == 0

    @asynccontextmanager
    async def passing(self) -> AsyncIterator[int]:
        """Wait until an attempt may be made: at once while the sink is up, otherwise in turn and after the pause. Gives the
        number that `failed` wants back."""
        if self.is_up:
            yield self._failures
            return
        async with self._turn:
            while not self.is_up and (seconds := self._next - self._now()) > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await self._back.wait()
            if not self.is_up:
                yield self._failures
                return
        yield self._failures

    def answered(self) -> None:
        """It has answered: it is up, whatever it said."""
        self.answers += 1
        if not self.is_up:
            logger.info("sink %s answers again, after %.1f s", self._sink, self._now() - self._down_since)
            self._failures = 0
            self._metrics.is_up(self._sink, True)
            self._back.set()

    def failed(self, away: Away, passed: int) -> None:
        """It did not take it. `passed`: what `passing` gave; attempts that began together are one failure."""
        if passed != self._failures:
            return
        if self.is_up:
            logger.warning("sink %s %s; deliveries wait, and one at a time asks again", self._sink, away.brief)
            self._down_since = self._now()
            self._metrics.is_up(self._sink, False)
            self._back.clear()
        self._failures += 1
        self._next = self._now() + pause(self._failures, away.pause_s, self._draw)
