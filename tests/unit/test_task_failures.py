"""A task that fails: waited for, opened again, given up with the reason; never silent. The clock is the model's."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from streams.broker import BrokerAway, Denied, Writer
from streams.phase import Phase
from streams.processor import Outbox, Record, State, StreamTime, UnfitState
from streams.task import TaskRules
from tests.model.bench import RULES, Bench, Worker
from tests.model.clock import run, until
from tests.model.counting import Counting
from tests.model.crashes import away, refused, stopped_at

GIVE_UP_S = RULES.give_up_after_s


async def wait(seconds: float) -> None:
    """Let time pass: the model's, which takes none."""
    await asyncio.sleep(seconds)


class Failing(Counting):
    """Raises for every record while told to."""

    failing = True

    def process(self, batch: Sequence[Record], state: State, now: StreamTime, outbox: Outbox) -> None:
        if self.failing:
            raise ZeroDivisionError("planted words of a customer")
        super().process(batch, state, now, outbox)


class Unfit(Counting):
    """Cannot go on with the state that it finds."""

    def process(self, batch: Sequence[Record], state: State, now: StreamTime, outbox: Outbox) -> None:
        raise UnfitState("the state was made with other windows: set them back")


def outage(bench: Bench, worker: Worker, error: Callable[[str], BaseException]) -> Callable[[], None]:
    """Let every fence fail from now on; the call that ends it."""
    fence = worker.broker.fence

    async def failing(*args: object) -> Writer:
        raise error("fence")

    worker.broker.fence = failing  # type: ignore[assignment,method-assign]

    def over() -> None:
        worker.broker.fence = fence  # type: ignore[method-assign]

    return over


def test_a_broker_that_is_away_is_waited_for_without_bound() -> None:
    async def scenario(bench: Bench) -> None:
        worker = await bench.running()
        over = outage(bench, worker, away)
        worker.faults.plan("before batch commit", away("batch"))
        bench.send(5)
        await wait(20 * GIVE_UP_S)
        assert worker.fatal == []
        assert not worker.life.done()
        over()
        await bench.drained(worker)
        bench.verify(worker)
        assert worker.noted.failures == []
        await bench.end()

    run(scenario(Bench()))


def test_writes_that_fail_for_too_long_stop_the_worker_with_the_reason() -> None:
    async def scenario(bench: Bench) -> None:
        worker = await bench.running()
        outage(bench, worker, refused)
        worker.task.doubt("somebody wonders")
        await wait(GIVE_UP_S - 30)
        assert worker.fatal == []
        await until(worker.life.done)
        (reason,) = worker.fatal
        assert reason.startswith("counting-0: ")
        assert reason.endswith("failures in 300 s, the last: an error")
        assert worker.task.phase is Phase.BROKEN
        await bench.end()

    run(scenario(Bench()))


def test_a_failure_before_an_outage_is_not_held_against_the_task() -> None:
    async def scenario(bench: Bench) -> None:
        worker = await bench.running()
        over = outage(bench, worker, away)
        worker.faults.plan("before batch commit", refused("batch"))
        bench.send(5)
        await wait(2 * GIVE_UP_S)
        assert not worker.life.done()
        over()
        worker.faults.plan("before claim commit", refused("claim"))
        await bench.drained(worker)
        bench.verify(worker)
        assert worker.fatal == []
        await bench.end()

    run(scenario(Bench()))


def test_two_failures_with_a_quiet_time_between_them_are_two_beginnings() -> None:
    async def scenario(bench: Bench) -> None:
        worker = await bench.running()
        for _ in range(3):
            worker.task.doubt("somebody wonders")
            await until(lambda: worker.task.phase is Phase.BROKEN)
            await until(lambda: worker.task.phase is Phase.RUNNING)
            await wait(2 * GIVE_UP_S)
        assert worker.fatal == []
        assert len(worker.noted.failures) == 3
        await bench.end()

    run(scenario(Bench()))


def test_a_batch_that_always_fails_stops_the_worker_although_every_opening_succeeds() -> None:
    processor = Failing()

    async def scenario(bench: Bench) -> None:
        bench.send(3)
        worker = bench.worker()
        worker.start()
        await until(lambda: worker.fatal, 2 * GIVE_UP_S)
        assert "the last: ZeroDivisionError at test_task_failures.py:" in worker.fatal[0]
        assert worker.noted.phases.count(Phase.RUNNING) > 10
        assert worker.life.done()
        await bench.end()

    run(scenario(Bench(processors=[processor])))


def test_the_end_of_a_pump_is_never_silent(caplog: pytest.LogCaptureFixture) -> None:
    processor = Failing()

    async def scenario(bench: Bench) -> None:
        bench.send(3)
        worker = bench.worker()
        worker.start()
        await until(lambda: worker.noted.failures)
        assert Phase.BROKEN in worker.noted.phases
        processor.failing = False
        await bench.drained(worker)
        bench.verify(worker)
        await bench.end()

    with caplog.at_level(logging.WARNING, "streams.task"):
        run(scenario(Bench(processors=[processor])))
    assert "a batch failed for a reason that is not the broker's" in caplog.text
    assert "ZeroDivisionError at test_task_failures.py:" in caplog.text
    assert "planted words" not in caplog.text, "what an error says may be what a customer said"
    assert "opening again (failure 1)" in caplog.text


def test_a_client_that_cancels_what_waits_for_it_ends_no_task() -> None:
    async def scenario(bench: Bench) -> None:
        worker = bench.worker()
        over = outage(bench, worker, lambda _: asyncio.CancelledError())
        worker.start()
        await until(lambda: len(worker.noted.failures) > 2)
        over()
        bench.send(3)
        await bench.drained(worker)
        bench.verify(worker)
        await bench.end()

    run(scenario(Bench()))


def test_what_is_forbidden_is_said_once_and_stays_the_reason_until_it_is_allowed(caplog: pytest.LogCaptureFixture) -> None:
    lacking = "this user lacks Write on topic out: allow it, and this goes on by itself"

    async def scenario(bench: Bench) -> None:
        worker = bench.worker()
        allow = outage(bench, worker, lambda _: Denied(lacking))
        worker.start()
        await until(lambda: len(worker.noted.failures) > 5)
        assert worker.task.problem == f"{worker.task.name}: {lacking}"
        allow()
        bench.send(3)
        await bench.drained(worker)
        assert worker.task.problem is None
        bench.verify(worker)
        await bench.end()

    with caplog.at_level(logging.WARNING, "streams.task"):
        run(scenario(Bench()))
    assert caplog.text.count(lacking) == 1


def test_a_state_that_its_processor_cannot_go_on_with_is_refused_at_once() -> None:
    async def scenario(bench: Bench) -> None:
        bench.send(3)
        worker = bench.worker()
        worker.start()
        await until(lambda: worker.task.phase is Phase.REFUSED)
        assert worker.task.refusal == "counting-0: the state was made with other windows: set them back"
        assert worker.fatal == []
        assert worker.noted.failures == []
        await bench.end()

    run(scenario(Bench(processors=[Unfit()])))


def test_pauses_between_attempts_grow_up_to_their_bound() -> None:
    rules: TaskRules = replace(RULES, retry_max_s=10.0)

    async def scenario(bench: Bench) -> None:
        worker = await bench.running()
        outage(bench, worker, away)
        worker.faults.plan("before batch commit", away("batch"))
        bench.send(5)
        before = worker.faults.passed["before confirmed"]
        await wait(1.0)
        early = worker.faults.passed["before confirmed"] - before
        assert early >= 2
        await wait(600.0)
        late = worker.faults.passed["before confirmed"] - before - early
        # Every 5 to 10 s, with jitter.
        assert 60 <= late <= 125
        await bench.end()

    run(scenario(Bench(rules=rules)))


def test_a_source_that_was_truncated_under_a_running_task_is_found_once_somebody_doubts_it() -> None:
    async def scenario(bench: Bench) -> None:
        worker = await bench.running()
        bench.cluster.log("in", 0).truncate(4)
        worker.task.doubt("in-0 holds offsets 0 to 4")
        await until(lambda: worker.task.phase is Phase.REFUSED)
        assert "the topic was recreated or truncated" in (worker.task.refusal or "")
        await bench.end()

    run(scenario(Bench()))


def test_a_broker_that_is_away_at_the_very_start_is_waited_for() -> None:
    async def scenario(bench: Bench) -> None:
        bench.send(3)
        worker = bench.worker()
        for time in range(1, 6):
            worker.faults.plan("before fence", BrokerAway("no answer"), time)
        worker.start()
        await bench.drained(worker)
        bench.verify(worker)
        await bench.end()

    run(scenario(Bench()))


def test_what_was_counted_is_exact_when_no_answer_was_lost() -> None:
    async def scenario(bench: Bench) -> None:
        bench.send(10)
        worker = await stopped_at(bench, bench.worker(), "before batch commit", refused("batch"), 2)
        bench.send(10)
        worker = await stopped_at(bench, worker, "before batch produce 2", away("batch"))
        assert worker.noted.facts["counted", "counting"] == len(bench.cluster.read("in"))
        assert worker.task.last_timestamp == 0
        await bench.end()

    run(scenario(Bench()))
