"""Ways in which a worker is stopped at a point, and what the comparison says when it is over."""

import asyncio
from collections.abc import Callable

from aiokafka.errors import KafkaConnectionError, UnknownError

from streams.broker import BrokerAway, WriteFailed
from tests.model.bench import Bench, Worker
from tests.model.faults import Killed

OPENING = (
    "before confirmed",
    "before fence",
    "after fence",
    "before settle",
    "after settle",
    "before partition count",
    "after partition count",
    "before restore",
    "within restore",
    "after restore",
    "before source ends",
    "after source ends",
    "before fingerprint",
    "after fingerprint",
    "before claim begin",
    "after claim begin",
    "before claim produce 1",
    "after claim produce 1",
    "before claim commit",
    "after claim commit",
    "before release",
    "after release",
)
"""Steps 1 to 6 of streams/opening.py, each from both sides."""

FIRST_OPENING = ("before group offset", "after group offset")
"""What is asked when there is no state yet."""

STAGING = ("before process", "after process")
"""Step 1 of a batch in streams/task.py."""

WRITING = (
    "before batch begin",
    "after batch begin",
    "before batch produce 1",
    "after batch produce 1",
    "before batch produce 2",
    "after batch produce 2",
    "before batch produce 3",
    "after batch produce 3",
    "before batch commit",
    "after batch commit",
)
"""Steps 1 to 3 of streams/outbox.py: two topics of events, then the changelog."""

APPLYING = ("before apply", "after apply")
"""Step 4 of a batch in streams/task.py."""


def killed(point: str) -> BaseException:
    """kill -9."""
    return Killed()


def away(point: str) -> BaseException:
    """The broker does not answer: whether it did what it was asked is unknown."""
    return KafkaConnectionError("no answer") if _of_the_producer(point) else BrokerAway("no answer")


def refused(point: str) -> BaseException:
    """The broker answers with an error."""
    return UnknownError("an error") if _of_the_producer(point) else WriteFailed("an error")


def broken(point: str) -> BaseException:
    """A bug, or an error that nobody has thought of."""
    return RuntimeError("a bug")


ERRORS: tuple[Callable[[str], BaseException], ...] = (killed, away, refused, broken)


def _of_the_producer(point: str) -> bool:
    return "claim" in point or "batch" in point


async def stopped_at(bench: Bench, worker: Worker, point: str, error: BaseException, occurrence: int = 1) -> Worker:
    """Let it happen, and wait until the worker, or one after it, has done all the work."""
    worker.faults.plan(point, error, occurrence)
    if worker._feeding is None:
        worker.start()
    last = await bench.survived(worker)
    if worker.faults.outstanding:
        raise RuntimeError(f"never happened: {worker.faults.outstanding}")
    return last


async def revoked_at(bench: Bench, worker: Worker, point: str, occurrence: int = 1) -> None:
    """The partition is revoked while the worker stands at the point, and comes back."""
    worker.faults.plan(point, None, occurrence)
    if worker._feeding is None:
        worker.start()
    await worker.faults.reached.wait()
    await worker.task.suspend(5.0)
    worker.start()
    await bench.drained(worker)


async def overtaken_at(bench: Bench, zombie: Worker, point: str, occurrence: int = 1) -> Worker:
    """The worker stands still at the point for so long that another one gets the partition, and then goes on."""
    zombie.faults.plan(point, None, occurrence)
    if zombie._feeding is None:
        zombie.start()
    await zombie.faults.reached.wait()
    zombie.flow.assigned = False
    owner = bench.worker()
    owner.start()
    await bench.drained(owner)
    zombie.faults.resume.set()
    for _ in range(20):
        await asyncio.sleep(0.1)
    bench.send(5)
    await bench.drained(owner)
    return owner
