"""A task whose partition goes away and comes back: what it keeps, what it restores, and who may open it again."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from streams.changelog import META_KEY
from streams.phase import Phase
from tests.model.bench import NAME, Bench
from tests.model.clock import run, until
from tests.model.crashes import OPENING, away, killed, revoked_at, stopped_at
from tests.model.log import Outcome, Transaction

pytestmark = pytest.mark.usefixtures("each_store")


async def wait(seconds: float) -> None:
    """Let time pass: the model's, which takes none."""
    await asyncio.sleep(seconds)


async def nobody(bench: Bench) -> None:
    """Nothing happens to the changelog."""


async def another_opened(bench: Bench) -> None:
    other = bench.worker()
    other.start()
    await until(lambda: other.task.phase is Phase.RUNNING)
    await other.gone()


async def another_worked(bench: Bench) -> None:
    bench.send(3)
    await another_opened(bench)


async def another_was_killed_within_a_transaction(bench: Bench) -> None:
    bench.send(3)
    other = bench.worker()
    other.faults.plan("after batch produce 3", killed("batch"))
    other.start()
    await until(lambda: other.faults.killed)
    await other.gone()


async def a_transaction_was_aborted(bench: Bench) -> None:
    log, aborted = bench.cluster.log(NAME.changelog, 0), Transaction(Outcome.ABORTED)
    log.append([(META_KEY, b"not committed", 0, ())], aborted)
    log.mark(aborted)


@pytest.mark.parametrize(
    ("meanwhile", "restores", "reads_on"),
    [
        (nobody, False, False),
        (another_opened, True, True),
        (another_worked, True, True),
        (another_was_killed_within_a_transaction, True, True),
        (a_transaction_was_aborted, True, False),
    ],
)
def test_a_suspended_state_is_used_without_a_restore_if_and_only_if_nobody_wrote(
    meanwhile: Callable[[Bench], Awaitable[None]], restores: bool, reads_on: bool
) -> None:
    """From memory it is all or nothing; what lies on a disk is read on from, and an aborted transaction is nothing to read."""

    async def scenario(bench: Bench) -> None:
        worker = await bench.running()
        await worker.task.suspend(5.0)
        assert worker.task.phase is Phase.SUSPENDED
        await meanwhile(bench)
        bench.send(3)
        worker.start()
        await bench.drained(worker)
        bench.verify(worker)
        assert [count > 0 for count in worker.noted.restored] == [False, reads_on if bench.disks else restores]
        await bench.end()

    run(scenario(Bench()))


def test_a_state_is_used_again_at_every_rebalance_that_gives_it_back() -> None:
    async def scenario(bench: Bench) -> None:
        worker = await bench.running()
        for _ in range(5):
            await worker.task.suspend(5.0)
            worker.start()
            bench.send(2)
            await bench.drained(worker)
        bench.verify(worker)
        assert worker.noted.restored == [0] * 6
        await bench.end()

    run(scenario(Bench()))


def test_a_state_that_filled_several_record_batches_is_used_again() -> None:
    """The changelog's end after a batch is known, however many record batches it took."""

    async def scenario(bench: Bench) -> None:
        bench.send()
        worker = bench.worker()
        worker.broker.batch_bytes = 200
        worker.start()
        await bench.drained(worker)
        await worker.task.suspend(5.0)
        worker.start()
        bench.send(2)
        await bench.drained(worker)
        bench.verify(worker)
        assert worker.noted.restored == [0, 0]
        await bench.end()

    run(scenario(Bench()))


@pytest.mark.parametrize("stopped", ["revoked", "away"])
@pytest.mark.parametrize("point", [point for point in OPENING if "restore" not in point])
def test_a_suspended_state_that_was_not_taken_up_is_there_for_the_next_opening(point: str, stopped: str) -> None:
    """Rebalances come in rows: each would cost a restore otherwise."""

    async def scenario(bench: Bench) -> None:
        worker = await bench.running()
        await worker.task.suspend(5.0)
        bench.send(3)
        worker.start()
        if stopped == "revoked":
            await revoked_at(bench, worker, point)
        else:
            await stopped_at(bench, worker, point, away(point))
        bench.verify(worker)
        if bench.disks:
            # The claim is on the disk, too, unless the crash was between the commit and that.
            changed = point == "after claim commit"
        else:
            changed = OPENING.index(point) >= OPENING.index("after claim produce 1")
        assert (worker.noted.restored[-1] > 0) is changed
        await bench.end()

    run(scenario(Bench()))


def test_a_batch_that_does_not_end_in_time_is_abandoned_and_its_state_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(bench: Bench) -> None:
        worker = await bench.running()
        worker.faults.plan("after batch produce 3", None)
        bench.send(3)
        await worker.faults.reached.wait()
        await worker.task.suspend(5.0)
        assert worker.task.phase is Phase.SUSPENDED
        worker.start()
        await bench.drained(worker)
        bench.verify(worker)
        assert (worker.noted.restored[-1] > 0) is not bool(bench.disks)  # the disk had nothing of that batch
        await bench.end()

    run(scenario(Bench()))
    assert "did not end within 5 s and was abandoned" in caplog.text


def test_a_suspended_task_finishes_its_batch_and_leaves_its_inbox() -> None:
    async def scenario(bench: Bench) -> None:
        worker = await bench.running()
        worker.faults.plan("before batch commit", None)
        bench.send(30)
        await worker.faults.reached.wait()
        await wait(0.5)  # more arrives meanwhile
        suspending = asyncio.create_task(worker.task.suspend(5.0))
        await wait(0.1)
        worker.faults.resume.set()
        await suspending
        restored, wanted = bench.restored().position("in") or 0, bench.wanted.positions["counting", "in"]
        assert worker.task.positions == {"in": restored}
        assert restored < wanted
        worker.start()
        await bench.drained(worker)
        bench.verify(worker)
        assert worker.noted.restored == [0, 0]
        await bench.end()

    run(scenario(Bench()))


def test_a_closed_task_forgets_its_state() -> None:
    async def scenario(bench: Bench) -> None:
        worker = await bench.running()
        assert worker.task.state_size[0] == 3
        await worker.task.suspend(5.0)
        worker.task.close()
        assert worker.task.phase is Phase.CLOSED
        assert worker.task.state_size == (0, 0)
        assert worker.task.positions == {}
        worker.task.close()
        await bench.end()

    run(scenario(Bench()))


def test_no_writer_is_left_behind() -> None:
    async def scenario(bench: Bench) -> None:
        worker = await bench.running()
        for point in ("after claim commit", "after restore", "before batch commit"):
            bench.send(5)
            worker.task.doubt("a reason to open again")
            await stopped_at(bench, worker, point, away(point))
        await worker.task.suspend(5.0)
        await wait(5.0)
        assert len(worker.broker.producers) > 4
        assert all(producer.stopped for producer in worker.broker.producers)
        await bench.end()

    run(scenario(Bench()))


# Fencing.


def test_a_fenced_task_opens_again_only_when_the_group_says_that_it_may() -> None:
    async def scenario(bench: Bench) -> None:
        worker = await bench.running()
        worker.flow.assigned = False
        bench.cluster.time_out(NAME.transactional_id)
        bench.send(3)
        await until(lambda: worker.task.phase is Phase.BROKEN)
        fenced = worker.faults.passed["before fence"]
        await wait(60.0)
        assert worker.faults.passed["before confirmed"] > 3
        assert worker.faults.passed["before fence"] == fenced
        assert worker.task.phase is Phase.BROKEN
        worker.flow.assigned = True
        await bench.drained(worker)
        bench.verify(worker)
        assert worker.noted.failures == [True]
        await bench.end()

    run(scenario(Bench()))
