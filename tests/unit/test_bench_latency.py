"""The benchmark of latency: percentiles, the hops of a response, and what a worker's metrics say between two looks."""

from array import array

import pytest

from bench import latency
from bench.latency import Percentiles
from bench.processes import Usage
from bench.timed_records import Produced, Seen
from bench.watching import Look
from schemas import topics

DUE_MS = 1_772_000_000_000


def seen(*records: tuple[str, int, float]) -> Seen:
    """Ids, when they were due and when they came, in ms since the load began."""
    found = Seen()
    for name, due, came in records:
        found.ids.append(name)
        found.due.append(DUE_MS + due)
        found.came.append(DUE_MS + came)
    return found


def look(text: str) -> Look:
    return Look.of(text, "intake", Usage(0.0, 0.0, 0.0, 0.0))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5.0], Percentiles(1, 5.0, 5.0, 5.0, 5.0)),
        ([float(n) for n in range(100, 0, -1)], Percentiles(100, 51.0, 91.0, 100.0, 100.0)),
        ([float(n) for n in range(1000)], Percentiles(1000, 500.0, 900.0, 990.0, 999.0)),
    ],
)
def test_percentiles_are_values_that_there_are(values: list[float], expected: Percentiles) -> None:
    assert Percentiles.of(values) == expected


def test_nothing_has_no_latency() -> None:
    with pytest.raises(ValueError, match="nothing has come"):
        Percentiles.of([])


def test_what_is_due_in_the_first_seconds_is_left_out_and_hops_add_up() -> None:
    records = {
        topics.RESPONSES: seen(("r1", 0, 900.0), ("r2", 2_000, 2_010.0), ("r3", 2_001, 2_011.0), ("r4", 2_500, 2_520.0)),
        topics.DETRACTORS: seen(("r1", 0, 950.0), ("r2", 2_000, 2_030.0), ("r4", 2_500, 2_560.0)),
    }
    load = latency._load("slow", 10.0, Produced(4, 1.0), records, 1.0, look(""), look(""))
    assert load.whole == Percentiles(2, 60.0, 60.0, 60.0, 60.0)
    assert (load.first_hop.responses, load.first_hop.most) == (2, 20.0)
    assert (load.second_hop.responses, load.second_hop.most) == (2, 40.0)


def test_stages_are_means_of_the_batches_between_two_looks() -> None:
    def metrics(batches: int, records: int, seconds: float) -> Look:
        return look(
            f'npstream_batch_records_count{{unit="scoring"}} {batches}\n'
            f'npstream_batch_records_sum{{unit="scoring"}} {records}\n'
            f'npstream_batch_stage_seconds_count{{stage="transaction",unit="scoring"}} {batches}\n'
            f'npstream_batch_stage_seconds_sum{{stage="transaction",unit="scoring"}} {seconds}\n'
        )

    worked = latency._worked(metrics(10, 100, 1.0).samples, metrics(30, 200, 1.5).samples)
    assert worked == {"scoring": {"batches": 20.0, "records": 5.0, "fetch": 0.0, "process": 0.0, "transaction": 25.0}}


def test_latencies_are_from_when_a_record_was_due() -> None:
    one = Seen(array("q", [DUE_MS, DUE_MS + 5]), array("d", [DUE_MS + 7.5, DUE_MS + 6.0]), ["a", "b"])
    assert one.latencies(DUE_MS) == [7.5, 1.0]
    assert one.latencies(DUE_MS + 1) == [1.0]
