"""A unit: co-partitioned processors hosted by one Faust app, with one task for each partition number.

Each unit is a consumer group of its own, so a worker may host any choice of units, and two workers different ones.
"""

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import faust
from faust.app.base import BootStrategy
from faust.types import TP
from yarl import URL

from streams.broker import Broker, Ends
from streams.changelog import Owner
from streams.connection import Connection
from streams.disk import Disk
from streams.lag import Progress
from streams.phase import Phase
from streams.processor import Processor
from streams.task import Probe, Task, TaskRules
from streams.task_name import TaskName
from streams.transport import Consumer, Transport
from streams.turns import Turns

logger = logging.getLogger(__name__)

SUSPEND_TIMEOUT_S = 5.0
"""A batch takes milliseconds; a rebalance waits for this, and must not take longer than the group allows."""

STREAM_BUFFER = 16
"""Messages (runs of records) that may wait between transport and agent: the inbox is where records wait."""

BOOKMARK_INTERVAL_S = 2.8
"""How often group offsets are committed. Positions are in the changelog; this is for who looks at the group's lag."""


LOOK_TIMEOUT_S = 5.0
"""The consumer's thread answers between two fetches."""


class _Boot(BootStrategy):
    """Faust's own producer and web server are not needed: writers are ours, HTTP is the worker's."""

    enable_kafka_producer = False
    enable_web = False


class App(faust.App):
    """A Faust app without a data directory: state is in changelogs."""

    logger = logging.getLogger("faust.app")
    BootStrategy = _Boot

    def _create_directories(self) -> None:
        """Nothing is kept on disk."""


class Unit:
    """Hosts processors that share their sources' partitioning."""

    def __init__(
        self,
        app_id: str,
        name: str,
        processors: Sequence[Processor],
        connection: Connection,
        broker: Broker,
        rules: TaskRules,
        probe: Probe,
        fatal: Callable[[str], None],
        *,
        session_timeout_s: float = 10.0,
        heartbeat_s: float = 3.0,
        disk: Disk | None = None,
    ) -> None:
        """With a disk, state is kept there."""
        self.name = name
        self.processors = tuple(processors)
        self.sources = tuple(sorted({topic for processor in processors for topic in processor.sources}))
        self.tasks: dict[int, Task] = {}
        self.rebalances = 0
        self._missing: str | None = None
        self._app_id = app_id
        self._broker = broker
        self._rules = rules
        self._probe = probe
        self._fatal = fatal
        self._disk = disk
        self._stopped = False
        self._turns = Turns()
        self.app = self._faust(connection, session_timeout_s, heartbeat_s)

    def _faust(self, connection: Connection, session_timeout_s: float, heartbeat_s: float) -> App:
        url = [URL(f"kafka://{server}") for server in connection.bootstrap.split(",")]
        app = App(
            f"{self._app_id}-{self.name}",
            broker=url,
            store="memory://",
            web_enabled=False,
            # Standbys are for Faust's tables. With any, its assignor fills members up to the ceiling, and leaves others empty:
            # four partitions on three members are 2, 2 and 0. Without, everybody gets some, and nobody more than the ceiling.
            table_standby_replicas=0,
            topic_disable_leader=True,
            topic_allow_declare=False,
            stream_wait_empty=False,
            stream_buffer_maxsize=STREAM_BUFFER,
            broker_commit_interval=BOOKMARK_INTERVAL_S,
            broker_session_timeout=session_timeout_s,
            broker_heartbeat_interval=heartbeat_s,
            broker_rebalance_timeout=max(session_timeout_s, 2 * SUSPEND_TIMEOUT_S),
            broker_request_timeout=max(40.0, session_timeout_s + 5),
            worker_redirect_stdouts=False,
        )
        app.transport = Transport(url, app, connection=connection, read_committed=self._broker.transactional)
        # Values are runs of records; acknowledging record by record is what the bookmark replaces.
        topic = app.topic(*self.sources, key_serializer="raw", value_serializer="raw", acks=False, internal=False)

        async def feed(stream: Any) -> None:
            async for event in stream.noack().events():
                task = self.tasks.get(event.message.partition)
                if task is not None:
                    fetched = event.value
                    if fetched.records:
                        task.accept(fetched.epoch, fetched.records)
                    if fetched.passed is not None:
                        task.pass_by(fetched.epoch, event.message.topic, fetched.passed)
                event.ack()

        app.agent(topic, name=self.name)(feed)
        app.on_partitions_assigned.connect(self._assigned)
        app.on_partitions_revoked.connect(self._revoked)
        return app

    async def start(self) -> None:
        """Join the group; tasks open as partitions are assigned."""
        self.app.in_worker = True
        self.app.finalize()
        self._consumer.positions = self._positions
        self._consumer.out_of_range = self._out_of_range
        await self.app.start()

    async def stop(self) -> None:
        """Finish batches, commit, leave the group."""
        self._stopped = True
        await asyncio.gather(*(task.suspend(SUSPEND_TIMEOUT_S) for task in self.tasks.values()))
        if self.app.started and not self.app.crashed:
            await self._consumer.commit()
        await self.app.stop()

    @property
    def crash_reason(self) -> BaseException | None:
        """What stopped Faust, if anything did."""
        reason: BaseException | None = self.app.crash_reason
        return reason

    async def look(self) -> None:
        """See whether reading is forbidden; if it is for too long, the worker ends. To be called every few seconds."""
        if not self.app.started or self._stopped or self.app.crashed:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_TIMEOUT_S):
                await self._consumer.look_for_denials()
        for denial in self._consumer.denials:
            if time.monotonic() - denial.since > self._rules.give_up_after_s:
                self._fatal(f"{self.name}: for {self._rules.give_up_after_s:g} s {denial.reason}")

    @property
    def ready(self) -> bool:
        """In the group, and every assigned task runs."""
        return not self.problems()

    def problems(self) -> list[str]:
        """What keeps the unit from being ready, a line each."""
        if not self.app.started or self.rebalances == 0:
            return [f"{self.name}: has not joined its group yet"]
        if denials := self._consumer.denials:
            return [f"{self.name}: {denial.reason}" for denial in denials]
        if self.app.rebalancing:
            return [f"{self.name}: its group is rebalancing"]
        if self._missing is not None:
            return [f"{self.name}: source topic {self._missing} was deleted: restore it, or create it"]
        return [problem for task in self.tasks.values() if (problem := task.problem) is not None]

    async def look_for_sources(self) -> None:
        """A group whose topic is gone is assigned nothing, and would wait in silence until its metadata is old: say so, and
        ask anew as soon as the topic is back. So does one whose leader asked a broker that was just starting, and named only
        some of the topics. Raises BrokerAway."""
        if self.rebalances == 0 or any(task.phase is not Phase.ASSIGNED for task in self.tasks.values()):
            return
        missing = [topic for topic in self.sources if await self._broker.partitions(topic) is None]
        if missing and self._missing is None:
            self._missing = missing[0]
            logger.error("%s: source topic %s was deleted", self.name, self._missing)
        elif not missing:
            await self._consumer.refresh()

    def progress(self) -> dict[tuple[str, int], Progress]:
        """Where each task is, by source topic and partition."""
        found = {}
        for task in list(self.tasks.values()):
            positions = task.positions
            for tp in self._tps(task.name.partition):
                found[(tp.topic, tp.partition)] = Progress(
                    positions.get(tp.topic), self._consumer.fetched(tp), task.idle, task.last_timestamp
                )
        return found

    def compare(self, progress: Mapping[tuple[str, int], Progress], ends: Mapping[tuple[str, int], Ends]) -> None:
        """Doubt the tasks whose position is not within what the source holds any more: a consumer would silently go on at the
        start of a topic that was recreated or truncated. `ends` must have been asked for after `progress`."""
        for (topic, partition), at in progress.items():
            task, end = self.tasks.get(partition), ends.get((topic, partition))
            if (
                task is None
                or end is None
                or topic not in self.sources
                or at.position is None
                or not self._broker.transactional
            ):
                continue
            if not end.start <= at.position <= end.high:
                task.doubt(f"{topic}-{partition} holds offsets {end.start} to {end.high}, the position says {at.position}")

    @property
    def _consumer(self) -> Consumer:
        consumer: Consumer = self.app.consumer
        return consumer

    def _positions(self) -> dict[TP, int]:
        return {TP(t, task.name.partition): offset for task in self.tasks.values() for t, offset in task.positions.items()}

    def _out_of_range(self, tp: TP, offset: int) -> None:
        task = self.tasks.get(tp.partition)
        if task is not None:
            task.doubt(f"{tp.topic}-{tp.partition} no longer holds offset {offset}")

    # What the group does.

    async def _revoked(self, app: faust.App, revoked: set[TP], **_: Any) -> None:
        gone = {tp.partition for tp in revoked}
        await asyncio.gather(*(task.suspend(SUSPEND_TIMEOUT_S) for p, task in self.tasks.items() if p in gone))

    async def _assigned(self, app: faust.App, assigned: set[TP], **_: Any) -> None:
        if self._stopped:
            return
        self.rebalances += 1
        self._missing = None
        partitions = {tp.partition for tp in assigned}
        for partition in sorted(set(self.tasks) - partitions):
            self.tasks.pop(partition).close()
        for partition in sorted(partitions):
            task = self.tasks.get(partition)
            if task is None:
                task = self.tasks[partition] = self._task(partition)
            elif task.phase is not Phase.SUSPENDED:
                await task.suspend(SUSPEND_TIMEOUT_S)
            task.start()
        logger.info("%s: assigned partitions %s", self.name, sorted(partitions))

    def _task(self, partition: int) -> Task:
        name = TaskName(self._app_id, self.name, partition)
        return Task(
            name, self.processors, self._broker, self, self._rules, self._probe, self._owner, self._fatal,
            self._turns, self._disk,
        )  # fmt: skip

    def _owner(self) -> Owner:
        return Owner(self.app.conf.id, socket.gethostname(), self.app.consumer_generation_id)

    # What a task asks for: streams.task.Flow.

    def _tps(self, partition: int) -> set[TP]:
        return {TP(topic, partition) for topic in self.sources}

    async def confirmed(self, partition: int) -> bool:
        """See `streams.task.Flow`."""
        if self.app.rebalancing or not self._tps(partition) <= self._consumer.assignment():
            return False
        return bool(await self._consumer._thread.heartbeat())

    async def move(self, partition: int, offsets: dict[str, int]) -> int:
        """See `streams.task.Flow`."""
        return await self._consumer.move({TP(topic, partition): offset for topic, offset in offsets.items()})

    def hold(self, partition: int) -> None:
        """See `streams.task.Flow`."""
        self._consumer.hold(self._tps(partition))

    def release(self, partition: int) -> None:
        """See `streams.task.Flow`."""
        self._consumer.release(self._tps(partition))
