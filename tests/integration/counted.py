"""The topics of one counting application on a real broker: what is sent into them, what is found there, and the recount."""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from npstream.child import Child
from streams.changelog import META_KEY, Meta
from streams.execution import Execution
from streams.processor import Record
from streams.state import Identity
from streams.task import TaskRules
from tests.integration.engine_worker import RULES, UNIT, Hosted, hosted, source
from tests.integration.topics_reading import settle
from tests.kafka.topics import TopicAdmin
from tests.model.counting import Counting, Work, recount, sent_by_key

PARTITIONS = 4
WAIT_S = 40.0
"""Bound of every wait: many times what it takes."""
PACE_S = 0.03
"""Between two portions of steady traffic: about a thousand records a second, for transactions to be open at any moment."""
KEYS = [b"key-%d" % number for number in range(23)]

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
"""Worker processes find this folder wherever the tests are run from."""


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait until the condition holds; the error says what was waited for."""
    try:
        async with asyncio.timeout(WAIT_S):
            while not condition():  # noqa: ASYNC110 (nothing tells of what others do)
                await asyncio.sleep(0.02)
    except TimeoutError as error:
        raise AssertionError(f"after {WAIT_S:g} s still not: {what}") from error


class World:
    """The topics of one application, what is sent into them, and what is found there."""

    def __init__(self, bootstrap: str, app: str) -> None:
        self.bootstrap = bootstrap
        self.app = app
        self.source = source(app)
        self.group = f"{app}-{UNIT}"
        self.changelog = f"{app}-{UNIT}-changelog"
        self.counting: type[Counting] = Counting
        """The version of the processor that works here."""
        self.sent = 0
        """Committed source records."""
        self._random = random.Random(app)
        topics = TopicAdmin(bootstrap)
        # What is sent has a fixed timestamp, and must not be taken for old.
        kept = {"retention.ms": "-1"}
        topics.create(self.source, f"{app}-out", f"{app}-seen", partitions=PARTITIONS, config=kept)
        topics.create(self.changelog, partitions=PARTITIONS, config={"cleanup.policy": "compact"})

    async def send(self, count: int, partitions: Sequence[int] = range(PARTITIONS)) -> None:
        """Plain records with random keys into random partitions."""
        async with self.producer() as producer:
            for _ in range(count):
                await producer.send(
                    self.source,
                    b"v",
                    self._random.choice(KEYS),
                    self._random.choice(partitions),
                    timestamp_ms=1_700_000_000_000,
                )
            await producer.flush()
        self.sent += count

    @asynccontextmanager
    async def traffic(self) -> AsyncIterator[None]:
        """Records keep coming for as long as this lasts."""
        stop = asyncio.Event()

        async def trickle() -> None:
            while not stop.is_set():
                await self.send(50)
                await asyncio.sleep(PACE_S)

        sending = asyncio.create_task(trickle())
        try:
            yield
        finally:
            stop.set()
            await sending

    @asynccontextmanager
    async def producer(self, **options: object) -> AsyncIterator[AIOKafkaProducer]:
        client = AIOKafkaProducer(bootstrap_servers=self.bootstrap, **{"acks": "all", **options})
        await client.start()
        try:
            yield client
        finally:
            await client.stop()

    async def committed(self, topic: str, count: int = 0) -> list[Record]:
        """All committed records, partition by partition; waits until there are `count`."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, isolation_level="read_committed", auto_offset_reset="earliest",
            enable_auto_commit=False, fetch_max_wait_ms=50,
        )  # fmt: skip
        await consumer.start()
        try:
            tps = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
            consumer.assign(tps)
            found: dict[TopicPartition, list[Record]] = {tp: [] for tp in tps}
            async with asyncio.timeout(WAIT_S):
                ends: dict[TopicPartition, int] = {}
                while sum(map(len, found.values())) < count or not await self._at_end(consumer, ends):
                    for tp, records in (await consumer.getmany(timeout_ms=100)).items():
                        found[tp] += records
                    ends = await consumer.end_offsets(tps)
        except TimeoutError as error:
            raise AssertionError(f"{topic} has {sum(map(len, found.values()))} of {count} records") from error
        finally:
            await consumer.stop()
        return [record for records in found.values() for record in records]

    @staticmethod
    async def _at_end(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> bool:
        return bool(ends) and all([await consumer.position(tp) >= end for tp, end in ends.items()])

    async def done(self) -> None:
        """Wait until as much has come out as was sent in."""
        await self.committed(f"{self.app}-seen", self.sent)

    async def wanted(self) -> Work:
        """The recount, all partitions together: each partition counts for itself."""
        work = Work()
        source_records = await self.committed(self.source)
        for partition in range(PARTITIONS):
            own = [record for record in source_records if record.partition == partition]
            one = recount([Counting(UNIT, (self.source,))], {self.source: own})  # type: ignore[dict-item]
            for key, values in one.sent.items():
                work.sent.setdefault(key, []).extend(values)
            work.state[str(partition)] = one.state[UNIT]
            if own:
                work.positions[UNIT, str(partition)] = own[-1].offset + 1
        return work

    async def found(self) -> Work:
        """What came out, and what a restore of each changelog partition gives."""
        out, seen = await self.committed(f"{self.app}-out"), await self.committed(f"{self.app}-seen")
        work = Work(sent=sent_by_key([*out, *seen]))
        changelog = await self.committed(self.changelog)
        for partition in range(PARTITIONS):
            entries: dict[bytes, bytes | None] = {r.key or b"": r.value for r in changelog if r.partition == partition}
            kept = {key: value for key, value in entries.items() if value is not None}
            meta = Meta.decode(kept[META_KEY])
            counting = self.counting(UNIT, (self.source,))
            execution = Execution.restored([counting], Identity(partition, meta.partitions, meta.incarnation), kept)
            counts = execution.stores[UNIT].entries
            work.state[str(partition)] = {key: b"%d" % counting.read(value) for key, value in counts.items()}
            if (position := execution.position(self.source)) is not None:
                work.positions[UNIT, str(partition)] = position
        return work

    async def verify(self) -> None:
        """Outputs, state and positions are those of counting every committed source record once."""
        await self.done()
        topics = (self.source, self.changelog, f"{self.app}-out", f"{self.app}-seen")
        await asyncio.to_thread(settle, self.bootstrap, *topics)
        wanted, found = await self.wanted(), await self.found()
        # Several source partitions write to one output partition, in no order among them.
        assert {key: sorted(values) for key, values in found.sent.items()} == {
            key: sorted(values) for key, values in wanted.sent.items()
        }
        assert found.state == wanted.state
        assert found.positions == wanted.positions

    async def bookmarks(self) -> dict[int, int]:
        """The group's offsets."""
        async with self.admin() as admin:
            offsets = await admin.list_consumer_group_offsets(self.group)
        return {tp.partition: found.offset for tp, found in offsets.items() if tp.topic == self.source}

    async def set_bookmarks(self, offsets: dict[int, int]) -> None:
        """Somebody sets the group's offsets by hand, while nobody is in it."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, group_id=self.group, enable_auto_commit=False)
        await consumer.start()
        try:
            consumer.assign([TopicPartition(self.source, partition) for partition in offsets])
            await consumer.commit({TopicPartition(self.source, p): offset for p, offset in offsets.items()})
        finally:
            await consumer.stop()

    async def members(self) -> int:
        """How many are in the group."""
        async with self.admin() as admin:
            (response,) = await admin.describe_consumer_groups([self.group])
        return len(response.to_object()["groups"][0]["members"])

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        client = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await client.start()
        try:
            yield client
        finally:
            await client.close()

    @asynccontextmanager
    async def unit(self, rules: TaskRules = RULES) -> AsyncIterator[Hosted]:
        """A unit in this process, ready; stopped in order at the end."""
        one = hosted(self.bootstrap, self.app, counting=self.counting, rules=rules)
        await one.start()
        try:
            await until(lambda: one.unit.ready, "the unit is ready")
            yield one
        finally:
            await one.stop()
        assert one.fatal == []


class Process:
    """A worker process."""

    def __init__(self, world: World, log: Path) -> None:
        self.child = Child(
            [sys.executable, "-m", "tests.integration.engine_worker", world.bootstrap, world.app], log, ENVIRONMENT
        )

    @property
    def said(self) -> list[list[str]]:
        """What it has said so far, in words."""
        return [line.split() for line in self.child.log.read_text().splitlines()]

    def count(self, word: str) -> int:
        """How often a line began with the word."""
        return sum(line[:1] == [word] for line in self.said)

    async def ready(self, times: int = 1) -> None:
        """Wait until it has said for the n-th time that it is ready."""
        await until(lambda: self.count("ready") >= times or not self.child.alive, "the worker is ready")
        assert self.child.alive, self.child.tail()
