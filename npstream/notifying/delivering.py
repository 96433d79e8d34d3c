"""Attempts of one delivery, until the sink has taken it, refuses it, or there is no point any more.

An attempt that failed is made again: after the sink's pause, in turn with all others that wait for the same sink. It ends
- delivered, when the sink has taken it;
- failed, when the sink refuses it for good; when it has been tried for `give_up_after_s`; or when it fails `STRIKES` times
  while the sink takes others in between: then it is the delivery and not the sink, and nobody is to wait for it;
- expired, when nobody wants it any more.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from npstream import clock
from npstream.notifying.answers import Away, NotTaken, Refused, Taken, pause
from npstream.notifying.gate import Gate
from npstream.notifying.metrics import NotifyMetrics
from npstream.notifying.orders import Order
from npstream.notifying.record import Attempt

logger = logging.getLogger(__name__)

STRIKES: Final = 5
"""With their pauses half a minute at most: long enough for what passes, short enough for those behind it."""


class Sink(Protocol):
    """Where deliveries go."""

    @property
    def name(self) -> str: ...

    async def deliver(self, order: Order, now_ms: int) -> Taken:
        """Hand it over, once. Raises Away, Refused; what takes too long is cancelled."""
        ...


class Closing(Exception):
    """The lane ends, and the delivery is not done: whoever reads it next begins anew."""


@dataclass(slots=True)
class Progress:
    """How far a delivery is."""

    attempting: bool = False
    """An attempt is under way: it is not to be cut short without need, since the sink may have taken it already."""
    closing: bool = False
    """No further attempt is to begin."""
    failed: list[Attempt] = field(default_factory=list)
    """Attempts that are to be made again, and were not recorded yet."""


class Delivering:
    """Delivers to one sink, several at once."""

    def __init__(
        self,
        sink: Sink,
        gate: Gate,
        metrics: NotifyMetrics,
        *,
        at_once: int,
        timeout_s: float,
        give_up_after_s: float,
        now_ms: Callable[[], int] = clock.now_ms,
        now: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.sink = sink
        self._gate = gate
        self._metrics = metrics
        self._at_once = asyncio.Semaphore(at_once)
        self._timeout_s = timeout_s
        self._give_up_after_s = give_up_after_s
        self._now_ms = now_ms
        self._now = now
        self._draw = draw
        self._told = ""

    async def deliver(self, order: Order, progress: Progress, news: Callable[[], None]) -> Attempt:
        """Deliver, however long it takes; `news` is called when an attempt has failed. Raises Closing."""
        first: float | None = None
        number = strikes = 0
        answers = self._gate.answers
        while True:
            async with self._at_once, self._gate.passing() as passed:
                if progress.closing:
                    raise Closing
                if order.expires_ms is not None and self._now_ms() >= order.expires_ms:
                    return self._ended(order, Attempt("expired", max(number, 1), self._now_ms()))
                number += 1
                first = self._now() if first is None else first
                result = await self._attempt(order, progress, passed, number)
            if not isinstance(result, Away):
                return result
            if number > 1 and self._gate.answers > answers and not result.of_sink:
                strikes += 1
            answers = self._gate.answers
            if strikes >= STRIKES:
                return self._failed(order, number, _given_up(result, f"{STRIKES} times while others were taken"))
            if self._now() - first >= self._give_up_after_s:
                return self._failed(order, number, _given_up(result, f"for {self._give_up_after_s:g} s"))
            self._metrics.ended(self.sink.name, "retrying")
            progress.failed.append(Attempt("retrying", number, self._now_ms(), result.status, str(result)))
            news()
            if strikes:
                await asyncio.sleep(pause(strikes, draw=self._draw))

    async def _attempt(self, order: Order, progress: Progress, passed: int, number: int) -> Attempt | Away:
        """One attempt; the end of the delivery, or why it has to be made again."""
        began = self._now()
        progress.attempting = True
        try:
            async with asyncio.timeout(self._timeout_s):
                taken = await self.sink.deliver(order, self._now_ms())
        except Away as away:
            self._gate.failed(away, passed)
            return away
        except TimeoutError:
            late = Away(f"does not answer within {self._timeout_s:g} s")
            self._gate.failed(late, passed)
            return late
        except Refused as refused:
            if refused.status is not None:
                self._gate.answered()
            return self._failed(order, number, refused)
        except Exception as error:
            # Whatever it is, it is about this one: the others are to be delivered.
            fault = NotTaken(f"{type(error).__name__}: {error}", None, f"a fault of ours, {type(error).__name__}")
            return self._failed(order, number, fault)
        finally:
            progress.attempting = False
            self._metrics.attempted(self.sink.name, self._now() - began)
        self._gate.answered()
        ended = self._ended(order, Attempt("delivered", number, self._now_ms(), taken.status, taken.note))
        self._metrics.delivered(self.sink.name, (ended.at_ms - order.caused_ms) / 1000)
        return ended

    def _failed(self, order: Order, number: int, cause: NotTaken) -> Attempt:
        if cause.brief != self._told:
            # A wrong address or token fails each delivery in the same way: once is enough.
            logger.warning("sink %s: a delivery failed and is a dead letter: %s", self.sink.name, cause.brief)
            self._told = cause.brief
        return self._ended(order, Attempt("failed", number, self._now_ms(), cause.status, str(cause), cause))

    def _ended(self, order: Order, attempt: Attempt) -> Attempt:
        self._metrics.ended(self.sink.name, attempt.outcome)
        return attempt


def _given_up(away: Away, after: str) -> NotTaken:
    return NotTaken(f"{away}, {after}", away.status, f"{away.brief}, {after}")
