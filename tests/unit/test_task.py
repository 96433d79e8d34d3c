"""A task on the model broker: crashed at every step of a batch, overtaken, fed too much, suspended; and the proof that the
comparison would notice."""

from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from typing import Any

import pytest

from streams.execution import Batch, Execution
from streams.phase import Phase
from streams.task import TaskRules
from tests.model.bench import NAME, RULES, Bench, Differs, Worker, contents
from tests.model.clock import run
from tests.model.counting import Counting
from tests.model.crashes import (
    APPLYING,
    ERRORS,
    STAGING,
    WRITING,
    away,
    killed,
    overtaken_at,
    refused,
    revoked_at,
    stopped_at,
)
from tests.simulation import bugs

SEEDS = (1, 2)
BATCH_BYTES = (1, 1 << 20)
"""One record a batch, or whatever has arrived."""

FUSED = [Counting("counting", ("in", "more")), Counting("second", ("in",))]


def rules(batch_bytes: int) -> TaskRules:
    return replace(RULES, batch_bytes=batch_bytes)


pytestmark = pytest.mark.usefixtures("each_store")


@pytest.fixture(autouse=True)
def points_of_the_execution(monkeypatch: pytest.MonkeyPatch) -> Callable[[Bench], None]:
    """Let staging and applying be points as well, of the worker that came last."""
    current: list[Bench] = []
    process, commit = Execution.process, Execution.commit

    def processing(self: Execution, *args: object) -> Batch:
        faults = current[0].workers[-1].faults
        faults.now("before process")
        batch = process(self, *args)  # type: ignore[arg-type]
        faults.now("after process")
        return batch

    def committing(self: Execution, batch: Batch, *args: object) -> None:
        faults = current[0].workers[-1].faults
        faults.now("before apply")
        commit(self, batch, *args)  # type: ignore[arg-type]
        faults.now("after apply")

    def watch(bench: Bench) -> None:
        current[:] = [bench]
        monkeypatch.setattr(Execution, "process", processing)
        monkeypatch.setattr(Execution, "commit", committing)

    return watch


def benches(**options: object) -> Iterator[tuple[Bench, int]]:
    """Some work each: seeds, and batches small and large; with the batch at which something happens."""
    for seed in SEEDS:
        for batch_bytes in BATCH_BYTES:
            bench = Bench(seed, rules=rules(batch_bytes), **options)  # type: ignore[arg-type]
            bench.send()
            yield bench, seed


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
@pytest.mark.parametrize("point", STAGING + WRITING + APPLYING)
def test_a_batch_that_ends_at_any_step_is_counted_exactly_once(
    point: str, error: Callable[[str], BaseException], points_of_the_execution: Callable[[Bench], None]
) -> None:
    async def scenario(bench: Bench, occurrence: int) -> None:
        last = await stopped_at(bench, bench.worker(), point, error(point), occurrence)
        bench.verify(last)
        await bench.end()

    for bench, occurrence in benches():
        points_of_the_execution(bench)
        run(scenario(bench, occurrence))


@pytest.mark.parametrize("point", WRITING)
def test_a_partition_that_is_revoked_within_a_batch_and_comes_back_is_counted_exactly_once(point: str) -> None:
    async def scenario(bench: Bench, occurrence: int) -> None:
        worker = bench.worker()
        await revoked_at(bench, worker, point, occurrence)
        bench.verify(worker)
        assert worker.noted.phases.count(Phase.SUSPENDED) == 1
        await bench.end()

    for bench, occurrence in benches():
        run(scenario(bench, occurrence))


@pytest.mark.parametrize("point", WRITING)
def test_a_zombie_is_fenced_at_any_step_of_a_batch(point: str) -> None:
    async def scenario(bench: Bench, occurrence: int) -> None:
        zombie = bench.worker()
        owner = await overtaken_at(bench, zombie, point, occurrence)
        bench.verify(owner)
        # What it had committed before it stood still was in; the next thing that it wrote was refused.
        assert zombie.noted.failures == [True]
        assert zombie.task.phase is Phase.BROKEN
        await bench.end()

    for bench, occurrence in benches():
        run(scenario(bench, occurrence))


@pytest.mark.parametrize("point", WRITING)
def test_a_transaction_that_the_coordinator_ends_is_opened_again(point: str) -> None:
    async def scenario(bench: Bench, occurrence: int) -> None:
        worker = bench.worker()
        worker.faults.plan(point, lambda: bench.cluster.time_out(NAME.transactional_id), occurrence)
        worker.start()
        await bench.drained(worker)
        bench.verify(worker)
        assert worker.noted.failures == [True]
        assert len(worker.noted.restored) == 2
        await bench.end()

    for bench, occurrence in benches():
        run(scenario(bench, occurrence))


def test_processors_that_share_a_task_are_written_together() -> None:
    async def scenario(bench: Bench, occurrence: int) -> None:
        worker = bench.worker()
        for point in WRITING:
            bench.send(4)
            worker = await stopped_at(bench, worker, point, away(point), occurrence)
            bench.send(4)
            worker = await stopped_at(bench, worker, point, killed(point))
        bench.verify(worker)
        await bench.end()

    for bench, occurrence in benches(processors=FUSED):
        run(scenario(bench, occurrence))


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
@pytest.mark.parametrize("point", [point for point in WRITING if "produce" in point])
def test_without_transactions_events_may_come_again_and_state_and_positions_are_right(
    point: str, error: Callable[[str], BaseException]
) -> None:
    async def scenario(bench: Bench, occurrence: int) -> None:
        await stopped_at(bench, bench.worker(), point, error(point), occurrence)
        restored, wanted = bench.restored(), bench.wanted
        assert {name: contents(store) for name, store in restored.stores.items()} == wanted.state
        assert {key: position.next for key, position in restored.positions.items()} == wanted.positions
        assert bench.sent.keys() == wanted.sent.keys()
        for key, values in wanted.sent.items():
            assert list(dict.fromkeys(bench.sent[key])) == values  # without repeats, in order
        await bench.end()

    for bench, occurrence in benches(transactional=False):
        run(scenario(bench, occurrence))


# The proof that the comparison notices: each of these breaks one rule of the protocol (tests/simulation/bugs.py), at a point
# where that must show. The simulation finds the same bugs without being told where to look.


async def differs(bench: Bench, worker: Worker) -> bool:
    """Whether the comparison notices anything."""
    try:
        bench.verify(worker)
    except Differs:
        return True
    finally:
        await bench.end()
    return False


def noticed(scenario: Callable[[Bench, int], Coroutine[Any, Any, bool]], **options: object) -> list[bool]:
    return [run(scenario(bench, occurrence)) for bench, occurrence in benches(**options)]


def test_opening_without_a_fence_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(bench: Bench, occurrence: int) -> bool:
        last = await stopped_at(bench, bench.worker(), "after batch produce 1", killed("batch"), occurrence)
        return await differs(bench, last)

    assert not any(noticed(scenario))
    bugs.skip_fencing(monkeypatch)
    assert all(noticed(scenario))


def test_a_position_outside_the_transaction_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(bench: Bench, occurrence: int) -> bool:
        # Every other transaction writes positions: the second, the fourth.
        last = await stopped_at(bench, bench.worker(), "before batch begin", killed("batch"), 2 * occurrence)
        return await differs(bench, last)

    assert not any(noticed(scenario))
    bugs.position_outside_the_transaction(monkeypatch)
    assert all(noticed(scenario))


@pytest.mark.parametrize("point", ["before batch produce 1", "before batch produce 2"])
def test_a_commit_although_a_produce_failed_is_noticed(point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(bench: Bench, occurrence: int) -> bool:
        last = await stopped_at(bench, bench.worker(), point, refused(point), occurrence)
        return await differs(bench, last)

    assert not any(noticed(scenario))
    bugs.commit_after_a_failed_produce(monkeypatch)
    assert all(noticed(scenario))


def test_a_restore_to_the_last_stable_offset_alone_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(bench: Bench, occurrence: int) -> bool:
        worker = bench.worker()
        worker.faults.plan("before batch commit", lambda: setattr(bench.cluster, "late_markers", 2), occurrence)
        last = await stopped_at(bench, worker, "after batch commit", killed("batch"), occurrence)
        return await differs(bench, last)

    assert not any(noticed(scenario))
    bugs.restore_without_the_stable_end(monkeypatch)
    assert all(noticed(scenario))


def test_a_position_that_goes_back_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(bench: Bench, occurrence: int) -> bool:
        worker = bench.worker()
        worker.flow.early = 1.0
        await stopped_at(bench, worker, "after batch commit", away("batch"), occurrence)
        return await differs(bench, worker)

    assert not any(noticed(scenario))
    bugs.position_that_goes_back(monkeypatch)
    assert all(noticed(scenario))


def test_a_batch_of_an_earlier_epoch_that_is_taken_in_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(bench: Bench, occurrence: int) -> bool:
        last = bench.worker()
        for _ in range(4):
            bench.send(5)
            last = await stopped_at(bench, last, "after batch begin", away("batch"))
        return await differs(bench, last)

    assert not any(noticed(scenario))
    bugs.batch_of_an_earlier_epoch(monkeypatch)
    assert all(noticed(scenario))


def test_a_state_that_is_used_again_although_somebody_wrote_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(bench: Bench, occurrence: int) -> bool:
        first, second = bench.worker(), bench.worker()
        first.start()
        await bench.drained(first)
        await first.task.suspend(5.0)
        bench.send()
        second.start()
        await bench.drained(second)
        await second.gone()
        first.start()
        bench.send()
        await bench.drained(first)
        return await differs(bench, first)

    assert not any(noticed(scenario))
    bugs.suspended_state_although_somebody_wrote(monkeypatch)
    assert all(noticed(scenario))
