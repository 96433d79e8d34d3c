"""What the engine and the processors tell Prometheus. Names and labels are a contract with dashboards."""

from collections.abc import Iterable

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from streams.execution import Batch
from streams.metrics import EngineMetrics, Fact, Kind, Reading, Readings, UnknownFact
from streams.phase import Phase
from streams.task_name import TaskName
from tests.batches import batch_of

TASK = TaskName("app", "scoring", 3)
NOW = 1_700_000_000_000

FACTS = (
    Fact("responses", Kind.COUNTER, "Responses", ("category", "source")),
    Fact("duplicates", Kind.COUNTER, "Duplicates"),
    Fact("segment_nps", Kind.GAUGE, "NPS", ("dimension", "value")),
    Fact("headline", Kind.GAUGE, "NPS of all"),
)

NAMES = """
eng_batch_records            histogram  unit
eng_batch_stage_seconds      histogram  stage unit
eng_end_to_end_seconds       histogram  unit
eng_gap_records_total        counter    unit
eng_restore_seconds          histogram  unit
eng_restored_records_total   counter    unit
eng_transactions_total       counter    outcome unit
"""


class Desk:
    """A registry of its own, and its text."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = EngineMetrics(self.registry, "eng_", FACTS)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def commit(self, batch: Batch, now: int = NOW) -> None:
        self.metrics.committed(TASK, batch, staging_s=0.002, writing_s=0.02, waited_s=0.2, now_ms=now)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_the_names_of_the_engines_metrics_and_their_labels(desk: Desk) -> None:
    desk.commit(batch_of(records=1, oldest_ms=NOW))
    desk.metrics.opened(TASK, 1.0, 2, 3)
    found = set()
    for family in desk.registry.collect():
        for sample in family.samples:
            name = sample.name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
            if family.type in ("counter", "histogram") and sample.labels.get("unit") and not sample.name.endswith("_created"):
                found.add((name, family.type, " ".join(sorted(set(sample.labels) - {"le"}))))
    assert found == {tuple(line.split(maxsplit=2)) for line in NAMES.strip().splitlines()}


def test_a_declared_unit_has_its_series_at_zero(desk: Desk) -> None:
    desk.metrics.declare_unit("scoring")
    for outcome in ("committed", "aborted", "fenced"):
        assert desk.value("eng_transactions_total", unit="scoring", outcome=outcome) == 0
    assert desk.value("eng_restored_records_total", unit="scoring") == 0
    assert desk.value("eng_gap_records_total", unit="scoring") == 0


def test_a_committed_batch_is_measured_in_seconds_by_stage(desk: Desk) -> None:
    desk.commit(batch_of(records=7, oldest_ms=NOW - 1500))
    assert desk.value("eng_transactions_total", unit="scoring", outcome="committed") == 1
    assert desk.value("eng_batch_records_sum", unit="scoring") == 7
    for stage, seconds in (("fetch", 0.2), ("process", 0.002), ("transaction", 0.02)):
        assert desk.value("eng_batch_stage_seconds_sum", unit="scoring", stage=stage) == seconds
    assert desk.value("eng_end_to_end_seconds_sum", unit="scoring") == 1.5


def test_a_tick_has_a_transaction_but_no_records_and_no_delay(desk: Desk) -> None:
    desk.commit(batch_of(records=0))
    assert desk.value("eng_transactions_total", unit="scoring", outcome="committed") == 1
    assert desk.value("eng_batch_stage_seconds_sum", unit="scoring", stage="transaction") == 0.02
    assert desk.value("eng_batch_records_count", unit="scoring") is None
    assert desk.value("eng_end_to_end_seconds_count", unit="scoring") is None


def test_a_record_from_the_future_has_no_negative_delay(desk: Desk) -> None:
    desk.commit(batch_of(records=1, oldest_ms=NOW + 5000))
    assert desk.value("eng_end_to_end_seconds_sum", unit="scoring") == 0


@pytest.mark.parametrize(("fenced", "outcome"), [(True, "fenced"), (False, "aborted")])
def test_a_failure_is_counted_by_what_it_was(desk: Desk, fenced: bool, outcome: str) -> None:
    desk.metrics.declare_unit("scoring")
    desk.metrics.failed(TASK, fenced)
    counted = {o: desk.value("eng_transactions_total", unit="scoring", outcome=o) for o in ("committed", "aborted", "fenced")}
    assert counted == {o: float(o == outcome) for o in counted}


def test_an_opening_is_measured_and_its_gap_counted(desk: Desk) -> None:
    desk.metrics.opened(TASK, 1.5, 200, 3)
    assert desk.value("eng_restore_seconds_sum", unit="scoring") == 1.5
    assert desk.value("eng_restored_records_total", unit="scoring") == 200
    assert desk.value("eng_gap_records_total", unit="scoring") == 3


def test_facts_are_added_up_by_their_labels(desk: Desk) -> None:
    for _ in range(2):
        desk.commit(batch_of(facts={("responses", "promoter", "typeform"): 3, ("duplicates",): 1}))
    desk.commit(batch_of(facts={("responses", "detractor", "other"): 1}))
    assert desk.value("eng_responses_total", category="promoter", source="typeform") == 6
    assert desk.value("eng_responses_total", category="detractor", source="other") == 1
    assert desk.value("eng_duplicates_total") == 2


def test_a_gauge_is_set_and_removed(desk: Desk) -> None:
    desk.commit(batch_of(gauges={("segment_nps", "plan", "pro"): 42.5, ("headline",): -3.0}))
    assert desk.value("eng_segment_nps", dimension="plan", value="pro") == 42.5
    assert desk.value("eng_headline") == -3.0
    for _ in range(2):
        desk.commit(batch_of(gauges={("segment_nps", "plan", "pro"): None}))
    assert desk.value("eng_segment_nps", dimension="plan", value="pro") is None
    assert b'"pro"' not in generate_latest(desk.registry)


def shown(desk: Desk) -> float | None:
    return desk.value("eng_segment_nps", dimension="plan", value="pro")


def test_what_a_task_shows_goes_with_it_and_comes_back(desk: Desk) -> None:
    desk.commit(batch_of(gauges={("segment_nps", "plan", "pro"): 42.5}))
    for away in (Phase.SUSPENDED, Phase.BROKEN, Phase.REFUSED):
        desk.metrics.phase(TASK, away)
        assert shown(desk) is None
        desk.metrics.phase(TASK, Phase.RUNNING)
        assert shown(desk) == 42.5
    desk.metrics.phase(TASK, Phase.CLOSED)
    desk.metrics.phase(TASK, Phase.RUNNING)
    assert shown(desk) is None, "another process may have changed it meanwhile"


def test_after_a_restore_a_task_shows_nothing_by_itself(desk: Desk) -> None:
    desk.commit(batch_of(gauges={("segment_nps", "plan", "pro"): 42.5}))
    desk.metrics.phase(TASK, Phase.SUSPENDED)
    desk.metrics.opened(TASK, 1.5, 200, 0)
    desk.metrics.phase(TASK, Phase.RUNNING)
    assert shown(desk) is None


def test_a_tick_with_nothing_to_write_shows_gauges_all_the_same(desk: Desk) -> None:
    desk.metrics.showed(TASK, batch_of(gauges={("segment_nps", "plan", "pro"): 42.5}))
    assert shown(desk) == 42.5
    assert desk.value("eng_transactions_total", unit="scoring", outcome="committed") is None


@pytest.mark.parametrize("batch", [batch_of(facts={("surprise",): 1}), batch_of(gauges={("surprise",): 1.0})])
def test_what_nobody_declared_is_named(desk: Desk, batch: Batch) -> None:
    with pytest.raises(UnknownFact, match="surprise is not declared"):
        desk.commit(batch)


def test_phases_are_no_series_of_their_own(desk: Desk) -> None:
    before = generate_latest(desk.registry)
    desk.metrics.phase(TASK, Phase.RUNNING)
    assert generate_latest(desk.registry) == before


def test_readings_are_read_at_each_scrape() -> None:
    registry = CollectorRegistry()
    lags: dict[tuple[str, ...], float] = {("in", "0"): 5.0}

    def read() -> Iterable[Reading]:
        yield Reading("lag_records", "Lag", ("topic", "partition"), {**lags})

    Readings(registry, "eng_", read)
    assert registry.get_sample_value("eng_lag_records", {"topic": "in", "partition": "0"}) == 5
    lags[("in", "0")] = 3.0
    lags[("in", "1")] = 1.0
    assert registry.get_sample_value("eng_lag_records", {"topic": "in", "partition": "0"}) == 3
    assert registry.get_sample_value("eng_lag_records", {"topic": "in", "partition": "1"}) == 1
    lags.clear()
    assert registry.get_sample_value("eng_lag_records", {"topic": "in", "partition": "0"}) is None
