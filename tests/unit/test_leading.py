"""Leading sources on the model broker: read to their end before anything else is, wherever the worker is stopped."""

from collections.abc import Callable, Sequence

import pytest

from streams.phase import Phase
from streams.processor import Outbox, Record, State, StreamTime
from streams.test_driver import TestDriver
from tests.model.bench import NAME, Bench
from tests.model.clock import run, until
from tests.model.counting import Counting
from tests.model.crashes import ERRORS, killed, revoked_at, stopped_at
from tests.model.log import Outcome, Transaction

LEAD = ("before lead", "within lead", "after lead")


class Led(Counting):
    """Counts, and keeps the order in which topics and offsets came."""

    leading = ("list",)

    def __init__(self) -> None:
        super().__init__("counting", ("in", "list"))
        self.seen: list[tuple[str, int]] = []

    def process(self, batch: Sequence[Record], state: State, now: StreamTime, outbox: Outbox) -> None:
        self.seen += [(record.topic, record.offset) for record in batch]
        super().process(batch, state, now, outbox)


def led(processor: Led, of: int) -> list[tuple[str, int]]:
    """What came before the first record of another source; `of` is how many there were to come."""
    first = next((i for i, (topic, _) in enumerate(processor.seen) if topic != "list"), len(processor.seen))
    assert len(processor.seen) >= of
    return processor.seen[:first]


def test_all_of_a_leading_source_comes_before_anything_else() -> None:
    processor = Led()

    async def scenario(bench: Bench) -> None:
        bench.send(20)
        worker = bench.worker()
        worker.start()
        await bench.drained(worker)
        listed = [("list", record.offset) for record in bench.cluster.read("list")]
        assert led(processor, 20) == listed
        bench.verify(worker)
        await bench.end()

    run(scenario(Bench(processors=[processor])))


def test_what_comes_later_is_read_as_it_comes_and_leads_again_at_the_next_opening() -> None:
    processor = Led()

    async def scenario(bench: Bench) -> None:
        worker = await bench.running()
        bench.send(5)
        await bench.drained(worker)
        await worker.gone()
        bench.send(20)
        processor.seen.clear()
        worker = bench.worker()
        worker.start()
        await bench.drained(worker)
        assert len(led(processor, 20)) == len({offset for topic, offset in processor.seen if topic == "list"})
        bench.verify(worker)
        await bench.end()

    run(scenario(Bench(processors=[processor])))


@pytest.mark.parametrize("tail", ["nothing", "aborted", "markers"])
def test_a_leading_source_with_nothing_to_read_holds_nobody_up(tail: str) -> None:
    async def scenario(bench: Bench) -> None:
        bench.cluster.send("in", b"a", b"b")
        log = bench.cluster.log("list", 0)
        if tail == "aborted":
            bench.cluster.send("list", b"a", b"b", aborted=True)
        if tail == "markers":
            for _ in range(3):
                transaction = Transaction(Outcome.COMMITTED)
                log.append([], transaction)
                log.mark(transaction)
        worker = bench.worker()
        worker.start()
        await bench.drained(worker)
        assert worker.flow.moves[-1]["list"] == log.ends.stable
        bench.verify(worker)
        await bench.end()

    run(scenario(Bench(processors=[Led()])))


def test_a_transaction_that_is_open_on_a_leading_source_holds_nobody_up() -> None:
    """What it holds back was not there yet when the task was opened."""

    async def scenario(bench: Bench) -> None:
        bench.cluster.send("list", b"a")
        transaction = Transaction()
        bench.cluster.log("list", 0).append([(b"b", b"1", 0, ())], transaction)
        bench.cluster.send("in", b"a")
        worker = bench.worker()
        worker.start()
        await until(lambda: worker.task.positions == {"in": 1, "list": 1})
        transaction.outcome = Outcome.COMMITTED
        bench.cluster.log("list", 0).mark(transaction)
        await bench.drained(worker)
        bench.verify(worker)
        await bench.end()

    run(scenario(Bench(processors=[Led()])))


def test_nothing_is_released_and_nothing_runs_while_a_task_is_led() -> None:
    async def scenario(bench: Bench) -> None:
        bench.send(20)
        worker = bench.worker()
        worker.faults.plan("within lead", None)
        worker.start()
        await worker.faults.reached.wait()
        assert worker.task.phase is Phase.CLAIMING
        assert worker.flow.moves == []
        worker.faults.resume.set()
        await bench.drained(worker)
        bench.verify(worker)
        await bench.end()

    run(scenario(Bench(processors=[Led()])))


@pytest.mark.parametrize("point", LEAD)
@pytest.mark.parametrize("error", ERRORS)
def test_wherever_it_is_stopped_each_record_counts_once(point: str, error: Callable[[str], BaseException]) -> None:
    async def scenario(bench: Bench) -> None:
        bench.send(20)
        worker = await stopped_at(bench, bench.worker(), point, error(point))
        bench.verify(worker)
        await bench.end()

    run(scenario(Bench(processors=[Led()])))


@pytest.mark.parametrize("point", ["before batch commit", "after batch commit"])
def test_a_batch_of_a_leading_source_is_written_once(point: str) -> None:
    async def scenario(bench: Bench) -> None:
        bench.send(20)
        worker = await stopped_at(bench, bench.worker(), point, killed(point))
        bench.verify(worker)
        await bench.end()

    run(scenario(Bench(processors=[Led()])))


@pytest.mark.parametrize("point", LEAD)
def test_a_partition_may_be_revoked_while_its_task_is_led(point: str) -> None:
    async def scenario(bench: Bench) -> None:
        bench.send(20)
        worker = bench.worker()
        await revoked_at(bench, worker, point)
        bench.verify(worker)
        assert bench.cluster.log(NAME.changelog, 0).ends.high > 0
        await bench.end()

    run(scenario(Bench(processors=[Led()])))


def test_the_driver_leads_as_a_worker_does() -> None:
    processor = Led()
    driver = TestDriver([processor], now=0)
    driver.pipe("in", b"a", b"")
    driver.pipe("list", b"a", b"")
    driver.pipe("in", b"a", b"")
    driver.run()
    assert processor.seen == [("in", 0), ("list", 0), ("in", 1)]
    processor.seen.clear()
    driver.start_anew()
    driver.run()
    assert processor.seen == [("list", 0), ("in", 0), ("in", 1)]
    processor.seen.clear()
    driver.pipe("in", b"a", b"")
    driver.pipe("list", b"a", b"")
    driver.restart()
    driver.run()
    assert processor.seen == [("list", 1), ("in", 2)]
