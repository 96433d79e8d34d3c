"""Units on real brokers: who reads what from where, hand-over, crashes and zombies; everything held against a recount of what
was sent."""

import asyncio
import random
import re
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.errors import UnknownError

from npstream.broker import EmbeddedBroker
from streams.changelog import META_KEY
from streams.phase import Phase
from tests.conftest import Broker
from tests.integration.counted import KEYS, PARTITIONS, Process, World, until
from tests.integration.engine_worker import RULES, UNIT, Hosted, hosted
from tests.integration.topics_reading import settle


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


async def test_retention_that_takes_nothing_but_markers_and_aborted_records_leaves_no_gap(world: World) -> None:
    async with world.producer(transactional_id=f"{world.app}-upstream") as upstream:
        for aborted in (False, True):
            await upstream.begin_transaction()
            await upstream.send_and_wait(world.source, b"v", b"k", 0)
            await (upstream.abort_transaction() if aborted else upstream.commit_transaction())
    await asyncio.to_thread(settle, world.bootstrap, world.source)
    world.sent = 1
    async with world.unit(replace(RULES, passed_after_s=0.2)) as one:
        await until(lambda: one.unit.tasks[0].positions == {world.source: 4}, "markers and aborted records are passed by")
        async with world.admin() as admin:
            await admin.delete_records({TopicPartition(world.source, 0): RecordsToDelete(before_offset=4)})
    async with world.unit() as one:
        assert (one.noted.gaps, one.unit.tasks[0].positions) == ([0] * PARTITIONS, {world.source: 4})
        await world.send(5, partitions=[0])
        await world.done()
        assert len(await world.committed(world.source)) == 5


async def test_the_end_of_a_units_consumer_is_not_silent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def failing(*args: object, **kwargs: object) -> None:
        raise UnknownError("what nobody expects")

    one = hosted(world.bootstrap, world.app)
    await one.start()
    try:
        await until(lambda: one.unit.ready, "the unit is ready")
        monkeypatch.setattr(one.unit.app.consumer, "_getmany", failing)
        await until(lambda: one.unit.crash_reason is not None, "the unit says why it ended")
        assert isinstance(one.unit.crash_reason, UnknownError)
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
