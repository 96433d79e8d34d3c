"""Units on real brokers: who reads what from where, hand-over, crashes and zombies; everything held against a recount of what
was sent."""

import asyncio
import random
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.errors import TopicAuthorizationFailedError

from npstream.broker import EmbeddedBroker
from npstream.child import Child
from streams.changelog import META_KEY, Meta
from streams.execution import Execution
from streams.phase import Phase
from streams.processor import Record
from streams.state import Identity
from tests.conftest import Broker
from tests.integration.engine_worker import UNIT, Hosted, hosted, source
from tests.kafka.topics import TopicAdmin
from tests.model.counting import Counting, Work, recount, sent_by_key

PARTITIONS = 4
WAIT_S = 40.0
"""Bound of every wait: many times what it takes."""
PACE_S = 0.03
"""Between two portions of steady traffic: about a thousand records a second, for transactions to be open at any moment."""
KEYS = [b"key-%d" % number for number in range(23)]

ROOT = Path(__file__).parents[2]


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
        client = AIOKafkaProducer(bootstrap_servers=self.bootstrap, **options)
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
            processors = [Counting(UNIT, (self.source,))]
            execution = Execution.restored(processors, Identity(partition, meta.partitions, meta.incarnation), kept)
            work.state[str(partition)] = execution.stores[UNIT].entries
            if (position := execution.position(self.source)) is not None:
                work.positions[UNIT, str(partition)] = position
        return work

    async def verify(self) -> None:
        """Outputs, state and positions are those of counting every committed source record once."""
        await self.done()
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
        return len(response.groups[0][-1] if not hasattr(response.groups[0], "members") else response.groups[0].members)

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        client = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await client.start()
        try:
            yield client
        finally:
            await client.close()

    @asynccontextmanager
    async def unit(self) -> AsyncIterator[Hosted]:
        """A unit in this process, ready; stopped in order at the end."""
        one = hosted(self.bootstrap, self.app)
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
        self.child = Child([sys.executable, "-m", "tests.integration.engine_worker", world.bootstrap, world.app], log, None)

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


@pytest.fixture
def world(kafka: Broker, app_id: str) -> World:
    return World(kafka.bootstrap, app_id)


@pytest.fixture
def start(world: World, tmp_path: Path) -> Iterator[Callable[[], Process]]:
    """Starts worker processes; all are gone at the end."""
    started: list[Process] = []

    def one() -> Process:
        started.append(Process(world, tmp_path / f"worker-{len(started)}.log"))
        return started[-1]

    yield one
    for process in started:
        process.child.kill()
        print(process.child.tail())


def restored(one: Hosted) -> list[int]:
    return one.noted.restored


async def test_idle_partitions_are_opened_and_a_clean_stop_leaves_bookmarks_and_the_group(world: World) -> None:
    async with world.unit() as one:
        assert sorted(one.unit.tasks) == list(range(PARTITIONS))
        claims = await world.committed(world.changelog, PARTITIONS)
        assert sorted(record.partition for record in claims) == list(range(PARTITIONS))
        assert {record.key for record in claims} == {META_KEY}
        await world.send(300, partitions=[0, 2])
        await world.done()
        assert await world.members() == 1
    assert await world.members() == 0
    await world.verify()
    positions = (await world.found()).positions
    assert await world.bookmarks() == {int(partition): offset for (_, partition), offset in positions.items()}


async def test_positions_decide_and_not_the_groups_offsets(world: World) -> None:
    await world.send(300)
    async with world.unit():
        await world.done()
    positions = {int(partition): offset for (_, partition), offset in (await world.found()).positions.items()}
    # Back to the start, on beyond what is next, and far beyond the end.
    await world.set_bookmarks({0: 0, 1: positions[1] + 5, 2: positions[2] - 3, 3: 100_000})
    await world.send(300)
    async with world.unit():
        await world.verify()
    await world.verify()


async def test_what_upstream_aborted_is_seen_by_nobody(world: World) -> None:
    async with world.unit(), world.producer(transactional_id=f"{world.app}-upstream") as upstream:
        for number in range(12):
            await upstream.begin_transaction()
            for partition in range(PARTITIONS):
                for _ in range(5):
                    await upstream.send(world.source, b"v", random.Random(number).choice(KEYS), partition)
            await upstream.flush()
            if number % 3 == 1:
                await upstream.abort_transaction()
            else:
                await upstream.commit_transaction()
                world.sent += 5 * PARTITIONS
        await upstream.begin_transaction()
        await upstream.send_and_wait(world.source, b"v", b"open", 0)
        await world.send(40)  # behind the open one: not yet to be read in partition 0
        seen = await world.committed(f"{world.app}-seen", world.sent - 40)
        assert len(seen) < world.sent
        await upstream.abort_transaction()
        await world.verify()


async def test_who_keeps_a_partition_over_a_rebalance_restores_nothing(world: World) -> None:
    await world.send(400)
    async with world.unit() as first:
        await world.done()
        assert restored(first) == [0] * PARTITIONS  # all new
        async with world.unit() as second:
            await until(lambda: len(first.unit.tasks) == len(second.unit.tasks) == 2, "two partitions each")
            await until(lambda: first.unit.ready and second.unit.ready, "both are ready")
            await world.send(400)
            await world.done()
            assert set(first.unit.tasks) | set(second.unit.tasks) == set(range(PARTITIONS))
            assert restored(first)[PARTITIONS:] == [0, 0]
            assert all(count > 0 for count in restored(second))
        await until(lambda: len(first.unit.tasks) == PARTITIONS and first.unit.ready, "the first has all partitions again")
        await world.send(400)
        await world.verify()
        last = restored(first)[-PARTITIONS:]
        assert sorted(count > 0 for count in last) == [False, False, True, True]
    await world.verify()


async def test_rebalances_in_the_middle_of_the_work_lose_and_double_nothing(world: World) -> None:
    async with world.unit():
        async with world.traffic():
            for _ in range(3):
                async with world.unit() as other:
                    await until(lambda: len(other.noted.batches) > 5, "the other works")
        await world.verify()


async def test_a_running_task_that_retention_overtakes_does_not_skip_what_it_has_not_read(world: World) -> None:
    async with world.unit() as one:
        task = one.unit.tasks[0]
        one.unit.hold(0)  # as a full inbox does
        async with world.producer() as producer:
            for _ in range(300):
                await producer.send(world.source, b"v" * 10_000, b"k", 0)  # several times what is fetched ahead
            await producer.flush()
        async with world.admin() as admin:
            await admin.delete_records({TopicPartition(world.source, 0): RecordsToDelete(before_offset=300)})
        one.unit.release(0)
        await until(lambda: task.phase is Phase.REFUSED, "the task is refused")
        assert re.search(r"begins at 300, the position says \d+: retention deleted \d+ offsets before", task.refusal or "")
        assert 0 < len(await world.committed(f"{world.app}-seen")) < 300


async def test_the_end_of_a_units_consumer_is_not_silent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def failing(*args: object, **kwargs: object) -> None:
        raise TopicAuthorizationFailedError(world.source)

    one = hosted(world.bootstrap, world.app)
    await one.start()
    try:
        await until(lambda: one.unit.ready, "the unit is ready")
        monkeypatch.setattr(one.unit.app.consumer, "_getmany", failing)
        await until(lambda: one.unit.crash_reason is not None, "the unit says why it ended")
        assert isinstance(one.unit.crash_reason, TopicAuthorizationFailedError)
    finally:
        await one.stop()


async def test_one_of_two_workers_is_killed_and_the_other_takes_over(world: World, start: Callable[[], Process]) -> None:
    one, two = start(), start()
    await one.ready()
    await two.ready()
    async with world.traffic():
        await world.committed(f"{world.app}-seen", 500)
        one.child.kill()
        await until(lambda: two.count("open") >= PARTITIONS + 2, "the other has taken over")
    await world.verify()
    assert two.child.alive
    assert {line[1] for line in two.said if line[0] == "open"} == {str(partition) for partition in range(PARTITIONS)}
    two.child.signal(signal.SIGTERM)
    await until(lambda: not two.child.alive, "the worker has ended")
    assert two.child.process.returncode == 0
    assert two.said[-1] == ["stopped"]


async def test_a_worker_that_stood_still_for_longer_than_its_session_is_fenced_and_doubles_nothing(
    world: World, start: Callable[[], Process]
) -> None:
    zombie = start()
    await zombie.ready()
    async with world.traffic():
        await world.committed(f"{world.app}-seen", 300)
        zombie.child.signal(signal.SIGSTOP)  # in the middle of its transactions
        owner = start()
        await until(lambda: owner.count("open") == PARTITIONS, "the new owner has taken over")
        await world.done()
        zombie.child.signal(signal.SIGCONT)
        await zombie.ready(2)
        await owner.ready(2)
    await world.verify()
    assert zombie.child.alive
    assert owner.child.alive


async def test_without_transactions_nothing_is_lost_and_state_and_positions_fit(
    embedded: EmbeddedBroker, app_id: str, tmp_path: Path
) -> None:
    world = World(embedded.bootstrap, app_id)
    await world.send(200)
    process = Process(world, tmp_path / "worker.log")
    try:
        await process.ready()
        async with world.traffic():
            await world.committed(f"{app_id}-seen", 600)
            process.child.kill()
    finally:
        process.child.kill()
    async with world.unit() as one:
        assert not one.broker.transactional
        await until(lambda: all(task.phase is Phase.RUNNING for task in one.unit.tasks.values()), "all tasks run")
        wanted = await world.wanted()
        await until(
            lambda: (
                {(UNIT, str(partition)): task.positions.get(world.source) for partition, task in one.unit.tasks.items()}
                == wanted.positions
            ),
            "everything is processed",
        )
    found = await world.found()
    assert (found.state, found.positions) == (wanted.state, wanted.positions)
    assert set(found.sent) == set(wanted.sent)
    for key, values in wanted.sent.items():
        assert set(values) <= set(found.sent[key])


async def test_without_transactions_a_restart_knows_the_true_end_of_a_batch_that_was_written_as_one(
    embedded: EmbeddedBroker, app_id: str
) -> None:
    """Asked for it, the embedded broker names too low an end."""
    world = World(embedded.bootstrap, app_id)
    async with world.producer() as producer:
        for partition in range(PARTITIONS):
            batch = producer.create_batch()
            for number in range(100):
                batch.append(key=KEYS[number % 7], value=b"v", timestamp=1_700_000_000_000)
            await (await producer.send_batch(batch, world.source, partition=partition))
    world.sent = 100 * PARTITIONS
    async with world.unit():
        await world.done()
    async with world.unit() as again:
        assert {partition: task.positions for partition, task in again.unit.tasks.items()} == {
            partition: {world.source: 100} for partition in range(PARTITIONS)
        }
    await world.verify()
