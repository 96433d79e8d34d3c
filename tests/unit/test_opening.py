"""Opening a task on the model broker: crashed right before and right after every step, revoked and overtaken there; what is
written, read and kept."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from streams.changelog import META_KEY, Meta, Owner
from streams.phase import Phase
from tests.model.bench import NAME, OWNER, RULES, Bench
from tests.model.clock import EPOCH_MS, run, until
from tests.model.counting import Counting
from tests.model.crashes import ERRORS, FIRST_OPENING, OPENING, overtaken_at, revoked_at, stopped_at

SEEDS = (1, 2)

NOT_AT_FIRST = {"within restore", "before fingerprint", "after fingerprint"}
"""What a task without a past has no occasion for."""


def benches() -> Iterator[Bench]:
    for seed in SEEDS:
        bench = Bench(seed, rules=replace(RULES, batch_bytes=400))
        bench.send()
        yield bench


pytestmark = pytest.mark.usefixtures("each_store")


async def worked(bench: Bench) -> None:
    """A worker was here, did some of the work, and was killed; there is more to do now. On each machine, if there are several:
    what the disk of the next one has is behind."""
    for _ in bench.disks or (None,):
        worker = bench.worker()
        worker.start()
        await bench.drained(worker)
        await worker.gone()
        bench.send()


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
@pytest.mark.parametrize("point", OPENING)
def test_an_opening_that_ends_at_any_step_is_made_good_by_the_next(point: str, error: Callable[[str], BaseException]) -> None:
    async def scenario(bench: Bench) -> None:
        await worked(bench)
        await bench.goes_on(await stopped_at(bench, bench.worker(), point, error(point)))

    for bench in benches():
        run(scenario(bench))


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
@pytest.mark.parametrize("point", [point for point in OPENING + FIRST_OPENING if point not in NOT_AT_FIRST])
def test_the_first_opening_of_all_may_end_at_any_step(point: str, error: Callable[[str], BaseException]) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.goes_on(await stopped_at(bench, bench.worker(), point, error(point)))

    for bench in benches():
        run(scenario(bench))


@pytest.mark.parametrize("point", OPENING)
def test_a_partition_that_is_revoked_while_it_opens_and_comes_back_is_opened_anew(point: str) -> None:
    async def scenario(bench: Bench) -> None:
        await worked(bench)
        worker = bench.worker()
        await revoked_at(bench, worker, point)
        assert Phase.SUSPENDED in worker.noted.phases
        await bench.goes_on(worker)

    for bench in benches():
        run(scenario(bench))


@pytest.mark.parametrize("point", OPENING)
def test_a_zombie_that_wakes_up_within_its_opening_harms_nobody(point: str) -> None:
    async def scenario(bench: Bench) -> None:
        await worked(bench)
        zombie = bench.worker()
        owner = await overtaken_at(bench, zombie, point)
        # One that was just before its fence has fenced the owner, and is fenced in turn when it writes.
        bench.send(3)
        await bench.drained(owner)
        await until(lambda: zombie.task.phase is not Phase.RUNNING)
        await bench.goes_on(owner)

    for bench in benches():
        run(scenario(bench))


def test_the_phases_of_an_opening_come_in_order() -> None:
    async def scenario(bench: Bench) -> None:
        worker = bench.worker()
        worker.start()
        await bench.drained(worker)
        names = [phase.name for phase in worker.noted.phases]
        assert names == ["FENCING", "SETTLING", "RESTORING", "CHECKING", "CLAIMING", "RUNNING"]
        await bench.end()

    run(scenario(Bench()))


def test_an_idle_partition_is_opened_and_claimed_as_well() -> None:
    async def scenario(bench: Bench) -> None:
        worker = bench.worker()
        worker.start()
        await bench.drained(worker)
        (claim,) = bench.changelog
        assert claim[0] == META_KEY
        assert claim[1] is not None
        meta = Meta.decode(claim[1])
        assert meta.owner == OWNER
        assert meta.partitions == 1
        assert meta.transactional
        assert meta.incarnation.startswith(f"{EPOCH_MS:013d}-")
        assert worker.flow.moves == [{"in": 0}]
        await bench.end()

    run(scenario(Bench()))


def test_the_next_owner_keeps_the_incarnation_and_writes_its_own_name() -> None:
    async def scenario(bench: Bench) -> None:
        bench.send()
        await worked(bench)
        before = Meta.decode(dict(bench.changelog)[META_KEY] or b"")
        other = Owner(OWNER.group, "elsewhere", 7)
        worker = bench.worker(other)
        worker.start()
        await bench.drained(worker)
        after = Meta.decode(dict(bench.changelog)[META_KEY] or b"")
        assert (after.owner, after.incarnation, after.partitions) == (other, before.incarnation, before.partitions)
        await bench.end()

    run(scenario(Bench()))


@pytest.mark.parametrize("bookmark", [None, 0, 1, 1000])
def test_reading_starts_at_the_position_whatever_the_groups_offset_says(bookmark: int | None) -> None:
    async def scenario(bench: Bench) -> None:
        bench.send()
        await worked(bench)
        end = bench.restored().position("in")
        if bookmark is not None:
            bench.cluster.groups[NAME.group, "in", 0] = bookmark
        worker = bench.worker()
        worker.start()
        await bench.drained(worker)
        assert worker.flow.moves == [{"in": end}]
        await bench.goes_on(worker)

    run(scenario(Bench(3)))


def test_a_new_task_reads_from_where_the_source_begins() -> None:
    async def scenario(bench: Bench) -> None:
        bench.send()
        bench.cluster.log("in", 0).delete_before(5)
        worker = bench.worker()
        worker.start()
        await bench.drained(worker)
        assert worker.flow.moves == [{"in": 5}]
        assert worker.noted.gaps == [0]
        await bench.end()

    run(scenario(Bench()))


def test_a_source_that_is_added_later_is_read_from_its_start() -> None:
    async def scenario(bench: Bench) -> None:
        bench.send()
        first = bench.worker(processors=[Counting("counting", ("in",))])
        first.start()
        await until(lambda: first.task.positions.get("in") == bench.wanted.positions["counting", "in"])
        await first.gone()
        worker = bench.worker()
        worker.start()
        await bench.drained(worker)
        assert worker.flow.moves == [{"in": bench.wanted.positions["counting", "in"], "more": 0}]
        await bench.goes_on(worker)

    run(scenario(Bench(processors=[Counting("counting", ("in", "more"))])))


def test_the_slower_of_two_processors_decides_where_reading_starts() -> None:
    """One that is added to a unit is behind; the records that the other has had are skipped for that one."""

    async def scenario(bench: Bench) -> None:
        bench.send()
        first = bench.worker(processors=bench.processors[:1])
        first.start()
        await until(lambda: first.task.positions.get("in") == bench.wanted.positions["counting", "in"])
        await first.gone()
        worker = bench.worker()
        worker.start()
        await bench.drained(worker)
        assert worker.flow.moves == [{"in": 0}]
        await bench.goes_on(worker)

    run(scenario(Bench(processors=[Counting("counting"), Counting("second")])))


def test_committed_state_behind_a_late_marker_is_waited_for() -> None:
    async def scenario(bench: Bench) -> None:
        bench.send()
        await worked(bench)
        late = bench.worker()
        late.faults.plan("before claim commit", lambda: setattr(bench.cluster, "late_markers", 9))
        await stopped_at(bench, late, "after claim commit", ERRORS[0](""))
        last = bench.workers[-1]
        assert last.faults.passed["after settle"] > 5
        await bench.goes_on(last)

    run(scenario(Bench()))


def test_the_last_owners_transaction_is_aborted_by_the_fence() -> None:
    async def scenario(bench: Bench) -> None:
        bench.send()
        worker = bench.worker()
        last = await stopped_at(bench, worker, "after batch produce 3", ERRORS[0](""))
        assert bench.cluster.epoch(NAME.transactional_id) == 1
        log = bench.cluster.log(NAME.changelog, 0)
        assert log.ends.stable == log.ends.high
        await bench.goes_on(last)

    run(scenario(Bench()))
