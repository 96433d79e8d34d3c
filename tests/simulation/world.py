"""All that a schedule moves: the cluster, the group, the processes and the time. Nothing goes wrong here by itself: a rule says
what, and where."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from streams.phase import Phase
from streams.task import TaskRules
from tests.model.bench import RULES, contents
from tests.model.broker import ModelBroker
from tests.model.clock import ModelLoop
from tests.model.cluster import Cluster
from tests.model.disk import ModelDisk
from tests.model.faults import Faults, Killed
from tests.model.group import Group
from tests.model.log import Outcome, Transaction
from tests.model.producer import ModelProducer
from tests.simulation.invariants import Auditor, Violation, differences
from tests.simulation.process import Process, task_name
from tests.simulation.tallying import NAME, REPORTED, SINKS, TOTAL, Tally

TICK_S: Final = 3.0
"""As often as a heartbeat: most ticks find nothing to do, and cost as much as those that do."""
DRAIN_S: Final = 240.0
"""Of the model's time, until all must be quiet: longer than a session, a rebalance, the longest pause of a task, and all the
late requests that wait for their time."""
LOOK_S: Final = 0.5
"""Between two looks at whether all is quiet."""


class _Watched(Cluster):
    """A cluster that lets an auditor see who commits what."""

    auditor: Auditor


class _WatchedProducer(ModelProducer):
    _cluster: _Watched

    def _commit(self) -> None:
        if self._writer is None:
            raise AssertionError("not transactional")
        transactional_id, _ = self._writer
        transaction = self._cluster.open.get(transactional_id)
        written = []
        if transaction is not None:
            written = [r for logs in self._cluster.topics.values() for log in logs for r in log.of(transaction)]
        super()._commit()
        if written:
            self._cluster.auditor.committed(transactional_id, self, written)


class _WatchedBroker(ModelBroker):
    producer = _WatchedProducer
    cluster: _Watched

    def _producer(self, transactional_id: str) -> ModelProducer:
        producer = super()._producer(transactional_id)
        self.cluster.auditor.opened(transactional_id, producer)
        return producer


class World:
    """One schedule's world, from its beginning to its end."""

    machines = 0
    """On whose disks workers keep their state, in turn; none, and it is in memory."""

    def __init__(self, partitions: int, sources: tuple[str, ...], batch_bytes: int, seed: int) -> None:
        self.loop = ModelLoop()
        # What a loop complains of depends on when the collector comes by: how everything ended is looked at in `close`.
        self.loop.set_exception_handler(lambda loop, context: None)
        self.loop.set_task_factory(self._begin)
        self.partitions = partitions
        self.tally = Tally(sources)
        self.cluster = _Watched(dict.fromkeys((*sources, task_name(0).changelog), partitions) | SINKS)
        self.cluster.auditor = self.auditor = Auditor(self.cluster, sources)
        self.group = Group(self.loop, partitions)
        self.processes: list[Process] = []
        self._disks = [ModelDisk() for _ in range(self.machines)]
        self.happened: Counter[str] = Counter()
        """What has gone wrong on purpose, by kind."""
        self._rules: TaskRules = replace(RULES, batch_bytes=batch_bytes, tick_interval_s=TICK_S)
        self._random = random.Random(seed)
        self._names = 0
        self._hanging: dict[tuple[str, int], Transaction] = {}
        self._begun: list[asyncio.Task[Any]] = []

    # The sources.

    def send(self, topic: str, partition: int, keys: Sequence[bytes], aborted: bool = False) -> None:
        """Upstream sends records, or does so within a transaction and aborts it."""
        self.cluster.send(topic, *keys, partition=partition, aborted=aborted)

    def send_everywhere(self, keys: Sequence[bytes]) -> None:
        """Upstream sends the same to every source partition."""
        for topic in self.tally.sources:
            for partition in range(self.partitions):
                self.send(topic, partition, keys)

    def hang(self, topic: str, partition: int, keys: Sequence[bytes]) -> None:
        """Upstream sends records in a transaction, and leaves it open."""
        log = self.cluster.log(topic, partition)
        transaction = self._hanging.setdefault((topic, partition), Transaction())
        log.append([(key, b"%d" % (log.ends.high + i), 0, ()) for i, key in enumerate(keys)], transaction)
        self.happened["a transaction upstream hangs"] += 1

    def decide(self, committed: bool) -> None:
        """Upstream ends its open transactions."""
        for (topic, partition), transaction in self._hanging.items():
            transaction.outcome = Outcome.COMMITTED if committed else Outcome.ABORTED
            self.cluster.log(topic, partition).mark(transaction)
        self._hanging.clear()

    # The processes.

    @property
    def alive(self) -> list[Process]:
        """The processes that have not ended."""
        return [process for process in self.processes if not process.faults.killed]

    def start(self) -> None:
        """Another worker joins."""
        self._names += 1
        broker = _WatchedBroker(self.cluster, Faults())
        name, seed = f"worker-{self._names}", self._random.randrange(1 << 30)
        disk = self._disks[self._names % len(self._disks)].of(broker.faults) if self._disks else None
        self.processes.append(Process(name, broker, self.group, self.tally, self._rules, seed, disk))

    def plan(self, process: Process, point: str, occurrence: int, kind: str, happening: Callable[[], None]) -> None:
        """Let something happen when a process passes a point."""

        def happen() -> None:
            self.happened[kind] += 1
            happening()

        process.faults.plan(point, happen, occurrence)

    def halting(self, process: Process, seconds: float) -> Callable[[], None]:
        """What lets a process stand still for so long when it is called."""

        def halt() -> None:
            process.faults.halt()
            self.loop.call_later(seconds, process.faults.go_on)

        return halt

    def rebalance(self, moves: bool) -> None:
        """The group rebalances; partitions move, or are given back to who had them."""
        self.happened["the group rebalances"] += 1
        self.group.rotation += moves
        self.group.rebalance()

    def time_out(self) -> None:
        """The coordinator ends all open transactions of ours, for taking too long."""
        for transactional_id in self.cluster.open:
            self.cluster.time_out(transactional_id)

    # The time.

    def pass_time(self, seconds: float) -> None:
        """Let everybody do what they do."""
        self.loop.call_later(seconds, self.loop.stop)
        self.loop.run_forever()
        for process in self.processes:
            if process.faults.killed:
                process.bury()
        self.processes = self.alive

    def check(self) -> None:
        """Raises Violation if anything was found that must not be."""
        if self.auditor.found:
            raise Violation(self.auditor.found[0])
        for process in self.processes:
            if process.fatal:
                raise Violation(f"{process.name} has given up: {process.fatal[0]}")
            for task in process.unit.tasks.values():
                if task.phase is Phase.REFUSED:
                    raise Violation(f"{process.name} refuses {task.name}: {task.refusal}")

    # The end.

    def drain(self) -> None:
        """Let no more go wrong, wait until all is done, and compare. Raises Violation."""
        self.decide(committed=True)
        self.send_everywhere((b"d",))
        self.cluster.late_markers = 0
        for process in self.processes:
            process.faults.forget()
            process.faults.go_on()
        if all(process.leaving for process in self.processes):
            self.start()
        deadline = self.loop.time() + DRAIN_S
        while waits := self._waits_for():
            if self.loop.time() > deadline:
                raise Violation(f"nothing gets on: {waits}")
            self.pass_time(LOOK_S)
            self.check()
        for partition in range(self.partitions):
            memory = self._owner(partition).unit.tasks[partition]._execution
            for difference in differences(self.cluster, self.tally, partition, memory):
                raise Violation(difference)
        if self.cluster.open:
            raise Violation(f"transactions are left open: {sorted(self.cluster.open)}")

    def _owner(self, partition: int) -> Process:
        return next(process for process in self.processes if process.name == self.group.owners[partition])

    def _waits_for(self) -> str | None:
        """What is not done yet."""
        self.cluster.look()
        if not self.cluster.settled:
            return "markers are on their way"
        if any(process.leaving for process in self.processes) or not self.group.stable:
            return "the group changes"
        names = {process.name for process in self.processes}
        for partition in range(self.partitions):
            if self.group.owners.get(partition) not in names:
                return f"partition {partition} belongs to nobody"
            task = self._owner(partition).unit.tasks.get(partition)
            ends = {
                topic: records[-1].offset + 1
                for topic in self.tally.sources
                if (records := self.cluster.log(topic, partition).committed(0, 1 << 60))
            }
            if task is None or not task.idle or task.positions != ends:
                at = "no task" if task is None else f"{task.phase.name} at {task.positions}"
                return f"partition {partition}, {at} of {ends}"
            state = contents(task._execution.stores[NAME]) if task._execution is not None else {}
            if state.get(REPORTED) != state.get(TOTAL):
                return f"partition {partition} has reported {state.get(REPORTED)!r} of {state.get(TOTAL)!r}"
        return None

    def close(self) -> None:
        """End everything. Raises Violation if something had ended by itself that must not."""
        for process in self.processes:
            process.kill()
            process.bury()
        self.processes = []
        while left := asyncio.all_tasks(self.loop):  # whoever is cancelled may begin to clean up
            for work in left:
                work.cancel()
            self.loop.run_until_complete(asyncio.wait(left))
        self.loop.close()
        for work in self._begun:
            error = None if work.cancelled() else work.exception()
            if error is not None and not isinstance(error, Killed):
                raise Violation(f"{work.get_name()} ended with {error!r}")

    def _begin(self, loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **options)
        self._begun.append(task)
        return task
