"""A task that lingers lets records gather between two transactions, and holds nobody up who comes alone."""

import asyncio
from dataclasses import replace

import pytest

from streams.task import TaskRules
from streams.unpacking import Unpacked
from tests.model.bench import RULES, Bench, Worker
from tests.model.clock import run, until

LINGER_S = 0.05


def arrivals(first: int, count: int) -> list[Unpacked]:
    return [Unpacked("in", 0, offset, 1_700_000_000_000, b"k", b"1", ()) for offset in range(first, first + count)]


async def batches_of(rules: TaskRules, count: int, gap_s: float) -> list[int]:
    """How many records each batch has when so many come one by one."""
    bench = Bench(rules=rules)
    worker: Worker = bench.worker()
    worker.task.start()
    await until(lambda: worker.task.idle)
    for offset in range(count):
        worker.task.accept(worker.task._epoch, arrivals(offset, 1))
        await asyncio.sleep(gap_s)
    await until(lambda: sum(worker.noted.batches) == count)
    sizes = [size for size in worker.noted.batches if size]
    await worker.gone()
    return sizes


@pytest.mark.parametrize(
    ("linger_s", "gap_s", "sizes"),
    [
        pytest.param(0.0, 0.01, [1] * 11, id="without lingering each is a batch"),
        pytest.param(LINGER_S, 0.01, [1, 5, 5], id="the first does not wait, the others gather"),
        pytest.param(LINGER_S, 1.0, [1] * 11, id="who comes after a pause does not wait"),
    ],
)
def test_records_gather_between_the_beginnings_of_two_batches(linger_s: float, gap_s: float, sizes: list[int]) -> None:
    assert run(batches_of(replace(RULES, linger_s=linger_s), 11, gap_s)) == sizes


def test_a_full_batch_does_not_linger() -> None:
    rules = replace(RULES, linger_s=1000.0, batch_bytes=3 * 100)
    assert run(batches_of(rules, 7, 0.01)) == [1, 3, 3]
