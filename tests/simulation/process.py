"""One worker process: the real unit (streams/unit.py) with its tasks, and what stands in for Faust under it."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Final

from faust.types import TP

from streams.connection import Connection
from streams.disk import Disk
from streams.processor import Record
from streams.task import TaskRules
from streams.task_name import TaskName
from streams.unit import App, Unit
from tests.model.bench import Noted
from tests.model.broker import ModelBroker
from tests.model.cluster import Cluster
from tests.model.faults import Faults, Killed
from tests.model.flow import ModelFlow
from tests.model.group import Answer, Group
from tests.simulation.tallying import Tally

APP: Final = "app"
UNIT: Final = "unit"
HEARTBEAT_S: Final = 3.0
"""As in production."""

HAND_OVER: Final = ("before revoke", "before join", "after join", "before heartbeat")
"""The points that a member of the group passes."""


def task_name(partition: int) -> TaskName:
    """The name of the task that has the partition, whoever runs it."""
    return TaskName(APP, UNIT, partition)


class _Reading(ModelFlow):
    """One partition's reading, by a process that may stand still."""

    def _fetch(self, task: Any, topic: str) -> bool:
        return not self._faults.halted and super()._fetch(task, topic)


class Member:
    """Stands in for the unit's Faust app and for its consumer: joins the group, tells the unit what it has, reads for it."""

    started = True
    crashed = False

    def __init__(self, name: str, cluster: Cluster, group: Group, faults: Faults, sources: Sequence[str], seed: int) -> None:
        self.name = name
        self.conf = SimpleNamespace(id=task_name(0).group)
        self.consumer = self
        self.consumer_generation_id = -1
        self.rebalancing = True
        self.working: list[asyncio.Task[None]] = []
        """What ends with the process."""
        self._thread = self
        self._cluster = cluster
        self._group = group
        self._faults = faults
        self._sources = sources
        self._seed = seed
        self._assigned: set[TP] = set()
        self._readings: dict[int, ModelFlow] = {}
        self._unit: Unit | None = None

    # The app.

    def start(self, unit: Unit) -> None:
        """Join the group, and again whenever it wants."""
        self._unit = unit
        self.work(self._live(unit))

    def work(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Do something in the background, for as long as the process lives."""
        self.working.append(self._group.loop.create_task(coroutine))

    async def stop(self) -> None:
        """Leave the group."""
        self._faults.alive()
        self._group.leave(self.name)
        for work in self.working:
            if work is not asyncio.current_task():
                work.cancel()

    async def _live(self, unit: Unit) -> None:
        while True:
            await self._faults.at("before revoke")
            self.rebalancing = True
            for reading in self._readings.values():
                reading.held = True
            await unit._revoked(self, self._assigned)  # type: ignore[arg-type]
            await self._faults.at("before join")
            self.consumer_generation_id, partitions = await self._group.join(self.name)
            await self._faults.at("after join")
            self._assigned = {TP(topic, partition) for topic in self._sources for partition in partitions}
            await unit._assigned(self, self._assigned)  # type: ignore[arg-type]
            self.rebalancing = False
            while await self._beat() is Answer.FINE:  # noqa: ASYNC110 (that is what a heartbeat is)
                await asyncio.sleep(HEARTBEAT_S)

    async def _beat(self) -> Answer:
        await self._faults.at("before heartbeat")
        return self._group.heartbeat(self.name, self.consumer_generation_id)

    # The consumer.

    async def heartbeat(self) -> bool:
        """Whether the group's coordinator knows this member in this generation, asked now."""
        await self._faults.at("before confirmed")
        return self._group.heartbeat(self.name, self.consumer_generation_id) is Answer.FINE

    def assignment(self) -> set[TP]:
        """What the member believes to have."""
        return self._assigned

    async def commit(self) -> bool:
        """Set the bookmark."""
        if self._unit is None or self.rebalancing:
            return False
        self._faults.alive()
        for tp, offset in self._unit._positions().items():
            self._cluster.groups[self.conf.id, tp.topic, tp.partition] = offset
        return True

    async def move(self, offsets: Mapping[TP, int]) -> int:
        """Read from there on."""
        (partition,) = {tp.partition for tp in offsets}
        reading = self._readings.get(partition)
        if reading is None:
            reading = self._readings[partition] = _Reading(self._cluster, self._faults, self._seed + partition)
            self.work(reading.feed(_Door(self._unit, partition)))  # type: ignore[arg-type]
        return await reading.move(partition, {tp.topic: offset for tp, offset in offsets.items()})

    def hold(self, tps: set[TP]) -> None:
        """Read nothing for now."""
        for partition in {tp.partition for tp in tps} & self._readings.keys():
            self._readings[partition].hold(partition)

    def release(self, tps: set[TP]) -> None:
        """Read on."""
        for partition in {tp.partition for tp in tps} & self._readings.keys():
            self._readings[partition].release(partition)


class _Door:
    """Where what was read goes: to the task that has the partition at that moment."""

    def __init__(self, unit: Unit | None, partition: int) -> None:
        self._unit = unit
        self._partition = partition

    def accept(self, epoch: int, records: Sequence[Record]) -> None:
        """See `streams.task.Task`."""
        task = self._unit.tasks.get(self._partition) if self._unit is not None else None
        if task is not None:
            task.accept(epoch, records)

    def pass_by(self, epoch: int, topic: str, offset: int) -> None:
        """See `streams.task.Task`."""
        task = self._unit.tasks.get(self._partition) if self._unit is not None else None
        if task is not None:
            task.pass_by(epoch, topic, offset)


class _SimulatedUnit(Unit):
    """The unit, with a member in the place of its Faust app."""

    def __init__(self, member: Member, *args: Any, disk: Disk | None) -> None:
        self._member = member
        super().__init__(*args, disk=disk)

    def _faust(self, connection: Connection, session_timeout_s: float, heartbeat_s: float) -> App:
        app: Any = self._member
        return app  # type: ignore[no-any-return]


class Process:
    """A worker from its start to its end."""

    def __init__(
        self,
        name: str,
        broker: ModelBroker,
        group: Group,
        tally: Tally,
        rules: TaskRules,
        seed: int,
        disk: Disk | None = None,
    ) -> None:
        self.faults = broker.faults
        self.noted = Noted()
        self.fatal: list[str] = []
        self.leaving = False
        self._member = Member(name, broker.cluster, group, broker.faults, tally.sources, seed)
        self.unit = _SimulatedUnit(
            self._member,
            APP,
            UNIT,
            [tally],
            Connection("model:9092"),
            broker,
            rules,
            self.noted,
            self.fatal.append,
            disk=disk,
        )
        self._member.start(self.unit)

    @property
    def name(self) -> str:
        """Its name in the group."""
        return self._member.name

    def terminate(self) -> None:
        """What SIGTERM does: finish batches, commit, leave the group."""
        self.leaving = True
        self._member.work(self._stop())

    async def _stop(self) -> None:
        await self.unit.stop()
        self.faults.killed = True

    def kill(self) -> None:
        """What kill -9 does."""
        self.faults.killed = True

    def die(self) -> None:
        """The same, at a point."""
        self.kill()
        raise Killed

    def bury(self) -> None:
        """Cancel what a process that has ended was doing."""
        for work in self._member.working + [task._life for task in self.unit.tasks.values() if task._life is not None]:
            work.cancel()
