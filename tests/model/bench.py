"""Workers that come and go on a model cluster, and the comparison of all they did with a recount of what was sent to them."""

import asyncio
import random
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

from streams.changelog import META_KEY, Meta, Owner
from streams.checking import OpeningRules
from streams.disk import Disk
from streams.execution import Batch, Execution
from streams.phase import Phase
from streams.processor import Processor
from streams.state import Identity, Store
from streams.task import Task, TaskRules
from streams.task_name import TaskName
from tests.model.broker import ModelBroker
from tests.model.clock import EPOCH_MS
from tests.model.cluster import Cluster
from tests.model.counting import Counting, Work, recount, sent_by_key
from tests.model.disk import ModelDisk
from tests.model.faults import Faults, Killed
from tests.model.flow import ModelFlow

NAME = TaskName("app", "counting", 0)
OWNER = Owner(NAME.group, "host", 1)
DRAIN_S = 900.0
"""Of the model's time: longer than any back-off, and than give_up_after_s."""
POLL_S = 0.02
"""Between two looks at whether all is done."""

RULES = TaskRules(opening=OpeningRules(clock_ms=lambda: EPOCH_MS))


class Differs(AssertionError):
    """What the workers did is not what counting each record once comes to."""


class Stuck(AssertionError):
    """The worker does not get on; the message says where it is."""


class Noted:
    """What a task reports. Implements `streams.task.Probe`."""

    def __init__(self) -> None:
        self.phases: list[Phase] = []
        self.restored: list[int] = []
        self.gaps: list[int] = []
        self.batches: list[int] = []
        self.facts: Counter[tuple[str, ...]] = Counter()
        self.failures: list[bool] = []

    def phase(self, task: TaskName, phase: Phase) -> None:
        """See `streams.task.Probe`."""
        self.phases.append(phase)

    def showed(self, task: TaskName, batch: Batch) -> None:
        """See `streams.task.Probe`."""

    def opened(self, task: TaskName, seconds: float, restored: int, gap: int) -> None:
        """See `streams.task.Probe`."""
        self.restored.append(restored)
        self.gaps.append(gap)

    def committed(self, task: TaskName, batch: Batch, staging_s: float, writing_s: float, waited_s: float, now_ms: int) -> None:
        """See `streams.task.Probe`."""
        self.batches.append(batch.records)
        self.facts.update(batch.outbox.facts)

    def failed(self, task: TaskName, fenced: bool) -> None:
        """See `streams.task.Probe`."""
        self.failures.append(fenced)


class Worker:
    """One process with one task."""

    def __init__(
        self,
        broker: ModelBroker,
        processors: Sequence[Processor],
        rules: TaskRules,
        seed: int,
        owner: Owner = OWNER,
        disk: Disk | None = None,
    ) -> None:
        self.broker = broker
        self.faults = broker.faults
        self.flow = ModelFlow(broker.cluster, broker.faults, seed)
        self.noted = Noted()
        self.fatal: list[str] = []
        self.task = Task(NAME, processors, broker, self.flow, rules, self.noted, lambda: owner, self.fatal.append, disk=disk)
        self._feeding: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Open the task and feed it."""
        self.task.start()
        if self._feeding is None:
            self._feeding = asyncio.create_task(self.flow.feed(self.task))

    @property
    def life(self) -> "asyncio.Task[None]":
        """The coroutine in which the task lives."""
        if self.task._life is None:
            raise Stuck("the task was not started")
        return self.task._life

    async def gone(self) -> None:
        """The process is gone: nothing of it runs any more."""
        self.faults.killed = True
        for one in (self._feeding, self.task._life):
            if one is not None:
                one.cancel()
                with suppress(asyncio.CancelledError, Killed):
                    await one


class Bench:
    """A cluster with sources, and workers on it."""

    machines = 0
    """Whose disks keep the state: a worker is on another one than the worker before it. None of them, and it is in memory."""

    def __init__(
        self,
        seed: int = 0,
        processors: Sequence[Processor] | None = None,
        rules: TaskRules = RULES,
        transactional: bool = True,
        broker: type[ModelBroker] = ModelBroker,
        partitions: int = 1,
    ) -> None:
        self.random = random.Random(seed)
        self.processors = processors or [Counting()]
        self.rules = rules
        self.transactional = transactional
        self.sources = sorted({topic for processor in self.processors for topic in processor.sources})
        topics = dict.fromkeys(self.sources, partitions)
        self.cluster = Cluster(topics | {"out": 2, "seen": 1, NAME.changelog: partitions})
        self.workers: list[Worker] = []
        self.disks = [ModelDisk() for _ in range(self.machines)]
        self._broker = broker

    @property
    def changelog(self) -> list[tuple[bytes, bytes | None]]:
        """All committed changelog records."""
        return [(record.key or b"", record.value) for record in self.cluster.read(NAME.changelog)]

    def send(self, count: int = 20) -> None:
        """Records of few keys into every source; what upstream aborted is among them, and counts for nobody."""
        for topic in self.sources:
            for _ in range(count):
                keys = [self.random.choice((b"a", b"b", b"c")) for _ in range(self.random.randint(1, 3))]
                self.cluster.send(topic, *keys, aborted=self.random.random() < 0.2)

    def worker(self, owner: Owner = OWNER, processors: Sequence[Processor] | None = None) -> Worker:
        """Another worker, not yet started."""
        broker = self._broker(self.cluster, Faults(), self.transactional)
        seed = self.random.randrange(1 << 30)
        disk = self.disks[len(self.workers) % len(self.disks)].of(broker.faults) if self.disks else None
        worker = Worker(broker, processors or self.processors, self.rules, seed, owner, disk)
        self.workers.append(worker)
        return worker

    async def running(self, records: int = 20) -> Worker:
        """A worker that has done all there was to do."""
        self.send(records)
        worker = self.worker()
        worker.start()
        await self.drained(worker)
        return worker

    async def drained(self, worker: Worker) -> None:
        """Wait until the worker has processed all. Raises Stuck, also when it was killed or has given up."""
        try:
            async with asyncio.timeout(DRAIN_S):
                while not self._done(worker):
                    if worker.life.done():
                        raise Stuck(f"the task ended in {worker.task.phase.name}: {worker.task.refusal or worker.fatal}")
                    await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            raise Stuck(f"{worker.task.phase.name} at {worker.task.positions}, fetched {worker.flow.fetched}") from error

    def _done(self, worker: Worker) -> bool:
        ends = {topic: records[-1].offset + 1 for topic in self.sources if (records := self.cluster.read(topic))}
        reached = worker.task.positions
        return worker.task.idle and reached.keys() >= ends.keys() and all(reached[topic] >= end for topic, end in ends.items())

    async def survived(self, worker: Worker) -> Worker:
        """Wait until all is processed: by this worker, or after its death by another one."""
        while True:
            if worker.faults.killed:
                await worker.gone()
                worker = self.worker()
                worker.start()
            try:
                await self.drained(worker)
                return worker
            except Stuck:
                if not worker.faults.killed:
                    raise

    async def goes_on(self, worker: Worker) -> int:
        """All is well; the worker dies, and all is well with the one after it, and the end. How many records that one has read
        from the changelog."""
        self.verify(worker)
        await worker.gone()
        self.send(3)
        last = self.worker()
        last.start()
        await self.drained(last)
        self.verify(last)
        await self.end()
        return last.noted.restored[-1]

    async def end(self) -> None:
        """End all workers."""
        for worker in self.workers:
            await worker.gone()

    # The comparison.

    @property
    def wanted(self) -> Work:
        """The recount."""
        return recount(self.processors, {topic: self.cluster.read(topic) for topic in self.sources})

    @property
    def sent(self) -> dict[bytes, list[bytes]]:
        """The committed records of `out` and `seen`, by key."""
        return sent_by_key(self.cluster.read("out") + self.cluster.read("seen"))

    def restored(self) -> Execution:
        """What a restore of the changelog gives now."""
        entries = {key: value for key, value in dict(self.changelog).items() if value is not None}
        meta = Meta.decode(entries[META_KEY])
        return Execution.restored(self.processors, Identity(NAME.partition, meta.partitions, meta.incarnation), entries)

    def verify(self, worker: Worker | None = None) -> None:
        """Outputs, changelog and the worker's memory are those of counting each committed record once. Raises Differs."""
        wanted = self.wanted
        found: list[tuple[str, object, object]] = [
            ("sent", self.sent, wanted.sent),
            *_kept("changelog", self.restored(), wanted),
        ]
        if worker is not None:
            execution = worker.task._execution
            if execution is None:
                raise Differs(f"the worker has no state in {worker.task.phase.name}")
            found += _kept("memory", execution, wanted)
        for what, is_, should in found:
            if is_ != should:
                raise Differs(f"{what}: {is_!r}, recounted: {should!r}")


def contents(store: Store) -> dict[bytes, bytes]:
    """All that a store has."""
    return {key: store.get(key) or b"" for key in store.scan(b"", b"", sys.maxsize)}


def _kept(where: str, execution: Execution, wanted: Work) -> list[tuple[str, object, object]]:
    state = {name: contents(store) for name, store in execution.stores.items()}
    positions = {key: position.last + 1 for key, position in execution.positions.items()}
    return [(f"state in the {where}", state, wanted.state), (f"positions in the {where}", positions, wanted.positions)]
