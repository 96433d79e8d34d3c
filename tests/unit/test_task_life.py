"""A task between its batches: held back, halved, ticked, retried and given up. The clock is the model's."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from streams.phase import Phase
from streams.processor import Outbox, Record, State, StreamTime
from tests.model.bench import NAME, RULES, Bench
from tests.model.clock import run, until
from tests.model.counting import Counting
from tests.model.crashes import away, killed, refused

GIVE_UP_S = RULES.give_up_after_s


async def wait(seconds: float) -> None:
    """Let time pass: the model's, which takes none."""
    await asyncio.sleep(seconds)


# What arrives.


def test_what_arrives_before_the_task_is_open_or_under_another_epoch_is_discarded() -> None:
    async def scenario(bench: Bench) -> None:
        worker = await bench.running()
        records = bench.cluster.read("in")
        for epoch in (-1, 0, 2, 99):
            worker.task.accept(epoch, records)
        assert worker.task.idle
        await worker.task.suspend(5.0)
        for epoch in (-1, 0, 1):
            worker.task.accept(epoch, records)
        worker.start()
        await until(lambda: worker.task.phase is Phase.RUNNING)
        bench.verify(worker)
        await bench.end()

    run(scenario(Bench()))


def test_a_consumer_that_starts_over_changes_nothing() -> None:
    """After an offset out of range aiokafka goes to the log's start, in the middle of what the inbox holds."""

    async def scenario(bench: Bench) -> None:
        worker = await bench.running()
        bench.send(5)
        records = bench.cluster.read("in")
        epoch = worker.flow._epoch
        worker.task.accept(epoch, records[10:])
        worker.task.accept(epoch, records[:7])
        await bench.drained(worker)
        bench.verify(worker)
        await bench.end()

    run(scenario(Bench()))


@pytest.mark.parametrize("inbox_bytes", [1, 2000])
def test_a_full_inbox_holds_the_partition_and_half_an_inbox_releases_it(inbox_bytes: int) -> None:
    async def scenario(bench: Bench) -> None:
        worker = await bench.running()
        worker.faults.plan("before batch commit", None)
        bench.send(200)
        await worker.faults.reached.wait()
        await wait(5.0)
        assert worker.flow.held
        full = worker.task._inbox.bytes
        assert inbox_bytes < full < inbox_bytes + 1000
        worker.faults.resume.set()
        await bench.drained(worker)
        bench.verify(worker)
        assert not worker.flow.held
        await bench.end()

    run(scenario(Bench(rules=replace(RULES, inbox_bytes=inbox_bytes, batch_bytes=400))))


def test_a_partition_is_held_while_its_task_is_not_open() -> None:
    async def scenario(bench: Bench) -> None:
        worker = await bench.running()
        worker.flow.assigned = False
        worker.task.doubt("somebody wonders")
        await until(lambda: worker.task.phase is Phase.BROKEN)
        assert worker.flow.held
        worker.flow.assigned = True
        await until(lambda: worker.task.phase is Phase.RUNNING)
        assert not worker.flow.held
        await bench.end()

    run(scenario(Bench()))


# Batches that are too large.


def test_a_batch_too_large_for_one_record_batch_is_halved_until_it_fits() -> None:
    async def scenario(bench: Bench) -> None:
        bench.send(40)
        worker = bench.worker()
        worker.broker.batch_bytes = 300
        worker.start()
        await bench.drained(worker)
        bench.verify(worker)
        assert worker.noted.failures == []
        assert worker.noted.facts["counted", "counting"] == len(bench.cluster.read("in"))
        await bench.end()

    run(scenario(Bench(transactional=False, processors=[Counting(), Counting("second")])))


def test_one_record_whose_changes_do_not_fit_stops_the_worker_with_the_reason() -> None:
    async def scenario(bench: Bench) -> None:
        worker = await bench.running()
        for producer in worker.broker.producers:
            producer._batch_bytes = 80
        worker.broker.batch_bytes = 140  # enough for the claim
        bench.send(1)
        await until(lambda: worker.fatal, 2 * GIVE_UP_S)
        assert "changes take" in worker.fatal[0]
        assert "\n" not in worker.fatal[0]
        await bench.end()

    run(scenario(Bench(transactional=False, processors=[Counting(f"a-processor-{i}") for i in range(4)])))


# What nobody gets.


def test_an_idle_task_notes_that_it_has_passed_by_what_nobody_gets() -> None:
    async def scenario(bench: Bench) -> None:
        worker = await bench.running()
        bench.cluster.send("in", b"a", b"b", aborted=True)
        position, end = worker.task.positions["in"], bench.cluster.log("in", 0).ends.high
        worker.task.pass_by(worker.task._epoch - 1, "in", end + 100)  # from before the last opening
        worker.task.pass_by(worker.task._epoch, "in", end)
        await wait(bench.rules.passed_after_s - 5)
        assert worker.task.positions == {"in": position}
        await wait(10.0)
        assert worker.task.positions == {"in": end}
        written = len(bench.changelog)
        await wait(2 * bench.rules.passed_after_s)
        assert len(bench.changelog) == written
        await worker.gone()
        bench.cluster.log("in", 0).delete_before(end)  # what retention does
        worker = bench.worker()
        worker.start()
        await until(lambda: worker.task.idle)
        assert (worker.noted.gaps, worker.flow.moves) == ([0], [{"in": end}])
        await bench.end()

    run(scenario(Bench()))


def test_a_task_with_work_before_it_passes_by_nothing() -> None:
    async def scenario(bench: Bench) -> None:
        worker = await bench.running()
        worker.flow.hold(0)
        bench.send(10)
        first, *others = bench.cluster.log("in", 0).committed(worker.task.positions["in"], 1 << 60)
        worker.faults.plan("before batch commit", None)
        worker.task.accept(worker.task._epoch, [first])
        await worker.faults.reached.wait()
        worker.task.accept(worker.task._epoch, others)
        worker.task.pass_by(worker.task._epoch, "in", bench.cluster.log("in", 0).ends.high)
        await wait(5.0)  # a tick is due, with others in the inbox
        worker.faults.resume.set()
        await until(lambda: worker.task.idle)
        assert bench.sent == bench.wanted.sent
        await bench.end()

    run(scenario(Bench(rules=replace(RULES, passed_after_s=0.0))))


# Ticks.


class Ticking(Counting):
    """Counts shares of ticks, and wants `shares` of them for each record."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def process(self, batch: Sequence[Record], state: State, now: StreamTime, outbox: Outbox) -> None:
        self.calls.append("batch")
        state.put(b"todo", b"%d" % (int(state.get(b"todo") or b"0") + 3 * len(batch)))
        for record in batch:
            now.at(record.timestamp)

    def tick(self, now: int, state: State, outbox: Outbox) -> None:
        todo = int(state.get(b"todo") or b"0")
        self.calls.append("tick" if todo else "idle")
        if todo:
            state.put(b"todo", b"%d" % (todo - 1))
            outbox.send("out", b"tick", b"%d" % todo, now)
            outbox.count("ticked")
            outbox.more |= todo > 1


def ticked(bench: Bench) -> int:
    return len(bench.sent.get(b"tick", []))


def test_ticks_that_want_more_take_turns_with_batches() -> None:
    processor = Ticking()

    async def scenario(bench: Bench) -> None:
        bench.send(20)
        worker = bench.worker()
        worker.faults.plan("before batch commit", None)
        worker.start()
        await worker.faults.reached.wait()
        await wait(5.0)  # the inbox fills
        worker.faults.resume.set()
        total = 3 * len(bench.cluster.read("in"))
        await until(lambda: ticked(bench) == total)
        calls = [call for call in processor.calls if call != "idle"]
        assert calls.count("batch") > 5
        last = max(i for i, call in enumerate(calls) if call == "batch")
        for before, after in pairwise(calls[: last + 1]):
            assert {before, after} == {"batch", "tick"}
        await bench.end()

    run(scenario(Bench(processors=[processor], rules=replace(RULES, batch_bytes=300))))


class Patient(Ticking):
    patient = True


def test_no_time_passes_for_a_patient_task_before_what_there_was_has_been_read() -> None:
    processor = Patient()

    async def scenario(bench: Bench) -> None:
        worker = await bench.running()
        await until(lambda: "idle" in processor.calls)
        await worker.task.suspend(5.0)
        bench.send(20)
        processor.calls.clear()
        worker.start()
        await bench.drained(worker)
        await until(lambda: "idle" in processor.calls)
        batches = [number for number, call in enumerate(processor.calls) if call == "batch"]
        ticks = [number for number, call in enumerate(processor.calls) if call != "batch"]
        assert batches
        assert max(batches) < min(ticks)
        await bench.end()

    run(scenario(Bench(processors=[processor], rules=replace(RULES, batch_bytes=300))))


def test_a_patient_task_with_nothing_to_read_lets_time_pass() -> None:
    processor = Patient()

    async def scenario(bench: Bench) -> None:
        worker = bench.worker()
        worker.start()
        await until(lambda: "idle" in processor.calls)
        await bench.end()

    run(scenario(Bench(processors=[processor])))


@pytest.mark.parametrize("point", ["before batch begin", "after batch produce 1", "before batch commit", "after batch commit"])
@pytest.mark.parametrize("error", [killed, away, refused])
def test_a_tick_that_is_cut_short_happens_exactly_once(point: str, error: Callable[[str], BaseException]) -> None:
    async def scenario(bench: Bench) -> None:
        bench.send(3)
        worker = bench.worker()
        worker.faults.plan(point, error(point), 6)
        worker.start()
        await until(lambda: not worker.faults.outstanding)
        worker = await bench.survived(worker)
        total = 3 * len(bench.cluster.read("in"))
        await until(lambda: ticked(bench) >= total)
        await wait(10.0)
        values = sorted(int(value) for value in bench.sent[b"tick"])
        assert len(values) == total
        assert values[0] == 1
        assert worker.task.state_size[0] == 1
        await bench.end()

    run(scenario(Bench(processors=[Ticking()])))


def test_a_committed_tick_moves_the_clock_on_and_a_new_owner_goes_on_from_there() -> None:
    async def scenario(bench: Bench) -> None:
        bench.send(2)
        worker = bench.worker()
        worker.start()
        total = 3 * len(bench.cluster.read("in"))
        await until(lambda: ticked(bench) == total)
        newest = max(record.timestamp for record in bench.cluster.read("out"))
        assert newest > 0
        assert bench.restored().clock == newest
        await bench.end()

    run(scenario(Bench(processors=[Ticking()])))


def test_a_quiet_task_writes_nothing() -> None:
    async def scenario(bench: Bench) -> None:
        worker = await bench.running()
        end = bench.cluster.log(NAME.changelog, 0).ends.high
        await wait(600.0)
        assert bench.cluster.log(NAME.changelog, 0).ends.high == end
        assert worker.task.idle
        await bench.end()

    run(scenario(Bench()))
