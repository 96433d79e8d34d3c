"""Scoring's tasks while a day ends, without Kafka: the tasks of a worker (streams/task.py) with their pumps on one event loop,
opened from states of yesterday and released all at once, while ordinary responses go on arriving at a steady rate."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka.record.memory_records import MemoryRecords

from agents.scoring import Scoring
from bench.nowhere import Nowhere
from bench.restoring import OWNER, Shelf
from bench.rolling_accounts import RollingAccounts
from bench.scoring_tasks import ScoringTasks, names
from npstream.hosting import processors, task_rules
from npstream.settings import Settings
from schemas import topics
from streams import broker as ports
from streams.draft import Draft
from streams.execution import Batch
from streams.outbox import TransactionalWriter
from streams.phase import Phase
from streams.record_batches import Packed
from streams.task import Task
from streams.task_name import TaskName
from streams.turns import Turns
from tests.endurance.pacing import Pace

COMMIT_S = 0.01
"""What a transaction is taken to wait for its broker: a quiet one answers within so long."""
LOOK_S = 0.005
"""Between two looks at the loop: how late one comes is how long the loop stood still."""
TIMEOUT_S = 600.0
"""Of a transaction: a task's first one may wait until all others have read their states, which holds the loop."""
STOP_S = 5.0
KEPT_BATCHES = 3
"""Of each task so many record batches of rollups are kept to be counted again."""


@dataclass
class Turned:
    """What happened from the release of all tasks until the last account was rolled, and a while after that."""

    rolled: int = 0
    """Rollups that ticks have sent."""
    ticks: int = 0
    largest_tick: int = 0
    """Bytes of record batches, in the transaction of a tick that has most."""
    seconds: float = 0.0
    """Until all were rolled."""
    waits_ms: list[float] = field(default_factory=list)
    """Of each batch while accounts were rolled: from when its oldest response should have been sent until its commit."""
    ordinary_ms: list[float] = field(default_factory=list)
    """The same after that."""
    stalls_ms: list[float] = field(default_factory=list)
    """How late the loop was, at each look, while accounts were rolled."""
    stretches_ms: list[float] = field(default_factory=list)
    """Processor time of the loop between two looks: what it stands still for on a machine that has nothing else to do."""
    rollups: dict[bytes, bytes] = field(default_factory=dict)
    """Some of those that were sent, by account."""
    counted_again: int = 0
    """How many of those were held against the recount."""


class _Midnight:
    """When all tasks are open, they are released: a `streams.task.Flow` and a `streams.task.Probe`."""

    def __init__(self, tasks: int) -> None:
        self.turned = Turned()
        self.done = asyncio.Event()
        self.began = 0.0
        self._tasks = tasks
        self._waiting = 0
        self._struck = asyncio.Event()
        self._unrolled = set(range(tasks))

    async def confirmed(self, partition: int) -> bool:
        """See `streams.task.Flow`."""
        return True

    async def move(self, partition: int, offsets: Mapping[str, int]) -> int:
        """The last step of an opening: none ends before all have come to it."""
        self._waiting += 1
        if self._waiting == self._tasks:
            self.began = time.monotonic()
            self._struck.set()
        await self._struck.wait()
        return 1

    async def struck(self) -> None:
        """Return when all tasks are released."""
        await self._struck.wait()

    def hold(self, partition: int) -> None:
        """Nothing is fetched here."""

    def release(self, partition: int) -> None:
        """Nothing is fetched here."""

    def phase(self, task: TaskName, phase: Phase) -> None:
        """See `streams.task.Probe`."""

    def showed(self, task: TaskName, batch: Batch) -> None:
        """See `streams.task.Probe`."""

    def opened(self, task: TaskName, seconds: float, restored: int, gap: int) -> None:
        """See `streams.task.Probe`."""

    def failed(self, task: TaskName, fenced: bool) -> None:
        """See `streams.task.Probe`."""

    def committed(self, task: TaskName, batch: Batch, staging_s: float, writing_s: float, waited_s: float, now_ms: int) -> None:
        """See `streams.task.Probe`."""
        turned = self.turned
        if batch.records:
            waited_ms = time.time() * 1000 - (batch.oldest_ms or 0)
            (turned.ordinary_ms if self.done.is_set() else turned.waits_ms).append(waited_ms)
            return
        turned.ticks += 1
        if isinstance(batch.draft, Packed):
            turned.rolled += sum(made.count for made in batch.draft.events if made.topic == topics.ACCOUNT_ROLLUPS)
        if not batch.outbox.more:
            self._unrolled.discard(task.partition)
        if not self._unrolled and not self.done.is_set():
            turned.seconds = time.monotonic() - self.began
            self.done.set()


class _Waiting(TransactionalWriter):
    """A writer that makes record batches, sends them nowhere, and waits as if it had."""

    def __init__(self, name: TaskName, tasks: int, turned: Turned, kept: list[bytes]) -> None:
        self._nowhere = Nowhere(partitions=tasks)
        super().__init__(self._nowhere, name.changelog, name.partition, TIMEOUT_S)
        self._turned = turned
        self._kept = kept
        self._to_keep = KEPT_BATCHES

    async def write(self, draft: Draft) -> ports.Written:
        """See `streams.broker.Writer`."""
        self._nowhere.bytes = 0
        written = await super().write(draft)
        self._turned.largest_tick = max(self._turned.largest_tick, self._nowhere.bytes)
        rollups = [built for topic, built in self._nowhere.sent() if topic == topics.ACCOUNT_ROLLUPS]
        self._kept += rollups[: self._to_keep]
        self._to_keep -= len(rollups[: self._to_keep])
        self._nowhere.forget()
        await asyncio.sleep(COMMIT_S)
        return written

    async def discard(self) -> None:
        """There is nothing to let go of."""


class _Yesterday(Shelf):
    """The changelog of one task, and a writer that waits."""

    def __init__(self, name: TaskName, tasks: int, file: Path, records: int, turned: Turned, kept: list[bytes]) -> None:
        super().__init__(name.changelog, tasks, file, records)
        self._name = name
        self._tasks = tasks
        self._turned = turned
        self._kept = kept

    async def fence(self, transactional_id: str, changelog: str, partition: int) -> ports.Writer:
        """See `streams.broker.Broker`."""
        return _Waiting(self._name, self._tasks, self._turned, self._kept)


async def turn(
    accounts: RollingAccounts, files: Sequence[Path], records: Sequence[int], per_second: float, after_s: float
) -> Turned:
    """Open all tasks, release them, and send `per_second` responses until all accounts are rolled and `after_s` longer."""
    settings = Settings(partitions=len(files))
    midnight, turns = _Midnight(len(files)), Turns()
    kept: list[bytes] = []
    tasks = []
    for name in names(len(files)):
        shelf = _Yesterday(name, len(files), files[name.partition], records[name.partition], midnight.turned, kept)
        (scoring,) = processors(Scoring.name, settings)
        tasks.append(Task(name, [scoring], shelf, midnight, task_rules(settings), midnight, lambda: OWNER, _fatal, turns))
    for task in tasks:
        task.start()
    await midnight.struck()
    stop = asyncio.Event()
    looking = asyncio.create_task(_look(midnight))
    sending = asyncio.create_task(_send(accounts, tasks, per_second, stop))
    await midnight.done.wait()
    await looking
    await asyncio.sleep(after_s)
    stop.set()
    await sending
    for task in tasks:
        await task.suspend(STOP_S)
        task.close()
    for built in kept:
        midnight.turned.rollups.update(_read(built))
    return midnight.turned


def _fatal(reason: str) -> None:
    raise RuntimeError(reason)


async def _look(midnight: _Midnight) -> None:
    while not midnight.done.is_set():
        began, used = time.perf_counter(), time.thread_time()
        await asyncio.sleep(LOOK_S)
        midnight.turned.stalls_ms.append(max(0.0, time.perf_counter() - began - LOOK_S) * 1000)
        midnight.turned.stretches_ms.append((time.thread_time() - used) * 1000)


async def _send(accounts: RollingAccounts, tasks: Sequence[Task], per_second: float, stop: asyncio.Event) -> None:
    """Each response carries the time at which it is due, also when the loop is late."""
    source = ScoringTasks(len(tasks), Settings(partitions=len(tasks)))
    pace, began, sent = Pace(per_second, 1e9), time.time(), 0
    while not stop.is_set():
        due = pace.due(time.time() - began)
        answers = [accounts.meanwhile(number, int((began + number / per_second) * 1000)) for number in range(sent, due)]
        for task, records in zip(tasks, source.records(answers), strict=True):
            if records:
                task.accept(1, records)
        sent = due
        await asyncio.sleep(LOOK_S)


def _read(built: bytes) -> Iterator[tuple[bytes, bytes]]:
    memory = MemoryRecords(bytes(built))
    while (batch := memory.next_batch()) is not None:
        for record in batch:
            if record.key is not None and record.value is not None:
                yield record.key, record.value
