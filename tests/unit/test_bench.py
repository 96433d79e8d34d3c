"""The benchmark's checks: what the agents make of its stream passes them, and whatever is wrong does not."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from agents.intake import Intake
from agents.rollups import Rollups
from agents.scoring import Scoring
from bench import machine, plot, report, stream
from bench.checking import Comparison, compare_values
from bench.document import write_into
from bench.inputs import COUNTING, Inputs
from bench.lines import DEFAULT, lines
from bench.measurement import Measurement, RunFailed
from bench.npstream_outputs import comparisons
from bench.processes import Usage
from bench.reading import Stored
from bench.results import Results, rate
from bench.truth import Truth
from bench.watching import Look, Watch
from npstream.access import access_of
from npstream.facts import FACTS, PREFIX
from npstream.settings import Settings
from schemas import topics
from streams.metrics import EngineMetrics, Reading, Readings
from streams.task_name import TaskName
from streams.test_driver import TestDriver
from tests.batches import batch_of

RESPONSES = 2_000
NOW_MS = 1_772_000_000_000
PARTITIONS = 4
DAY = stream.first_day(RESPONSES, NOW_MS)

COMPARED = (access_of(COUNTING).writes | {topics.ACCOUNTS}) - {topics.RAW, topics.SEGMENT_THEMES}
"""What the agents that count write, and what must be empty; nobody asks for comments' themes."""

Records = dict[str, list[Stored]]


@pytest.fixture(scope="module")
def truth() -> Truth:
    return Truth(stream.answers(RESPONSES, DAY))


@pytest.fixture(scope="module")
def written() -> Records:
    """What the agents make of the stream, by topic."""
    driver = TestDriver([Intake(), Scoring(), Rollups()], now=NOW_MS, partitions=PARTITIONS)
    for answer in stream.answers(RESPONSES, DAY):
        driver.pipe(topics.RAW, answer.account_id.encode(), stream.raw_record(answer), headers=(("nps-source", b"canonical"),))
    driver.run()
    return {
        topic.name: [Stored(r.partition, r.key, r.value) for r in driver.sent(topic.name)]
        for topic in topics.TOPICS
        if topic.name in COMPARED
    }


def compared(truth: Truth, records: Records) -> dict[str, Comparison]:
    settings = Settings(partitions=PARTITIONS)
    return {found.topic: found for found in comparisons(settings, truth, lambda topic: records[topic])}


def test_the_stream_is_the_same_each_time_and_begins_on_the_day_given() -> None:
    assert list(stream.answers(100, DAY)) == list(stream.answers(200, DAY))[:100]
    assert {answer.responded_at // stream.DAY_MS for answer in stream.answers(RESPONSES, DAY)} == {DAY}


@pytest.mark.parametrize("responses", [1, 864_000, 864_001, stream.MOST])
def test_the_last_response_is_of_yesterday_at_the_latest(responses: int) -> None:
    day = stream.first_day(responses, NOW_MS)
    last = day * stream.DAY_MS + (responses - 1) // stream.PER_INTERVAL * stream.INTERVAL_MS
    assert last // stream.DAY_MS <= NOW_MS // stream.DAY_MS - 1
    assert NOW_MS // stream.DAY_MS + 1 - day < min(Settings().windows_days), "all lie in every window, tomorrow as well"


def test_the_prepared_input_of_scoring_is_what_intake_makes_of_the_raw_one(written: Records) -> None:
    prepared = {stream.canonical_record(answer) for answer in stream.answers(RESPONSES, DAY)}
    assert {record.value for record in written[topics.RESPONSES]} == prepared


def test_what_the_agents_write_equals_the_recount(truth: Truth, written: Records) -> None:
    found = compared(truth, written)
    assert [str(comparison) for comparison in found.values() if not comparison.equal] == []
    assert set(found) == set(written)
    assert found[topics.SCORED].found == RESPONSES
    assert found[topics.CHANGES].found > 10
    assert found[topics.SEGMENT_ROLLUPS].found == stream.SEGMENTS


def without_last(records: list[Stored]) -> list[Stored]:
    return records[:-1]


def with_last_again(records: list[Stored]) -> list[Stored]:
    return [*records, records[-1]]


def with_another_key(records: list[Stored]) -> list[Stored]:
    return [*records[:-1], records[-1]._replace(key=b"somebody-else")]


def with_another_field(records: list[Stored]) -> list[Stored]:
    value = records[-1].value or b""
    return [*records[:-1], records[-1]._replace(value=value.replace(b'"account_id":"acct-', b'"account_id":"acct-9'))]


def with_a_field_more(records: list[Stored]) -> list[Stored]:
    return [*records[:-1], records[-1]._replace(value=(records[-1].value or b"")[:-1] + b',"more":1}')]


@pytest.mark.parametrize("topic", [topics.RESPONSES, topics.SCORED, topics.CHANGES, topics.DETRACTORS, topics.PROMOTERS])
@pytest.mark.parametrize("spoil", [without_last, with_last_again, with_another_key, with_another_field, with_a_field_more])
def test_a_spoiled_event_topic_fails(
    truth: Truth, written: Records, topic: str, spoil: Callable[[list[Stored]], list[Stored]]
) -> None:
    found = compared(truth, written | {topic: spoil(written[topic])})
    assert [name for name, comparison in found.items() if not comparison.equal] == [topic]


@pytest.mark.parametrize("topic", [topics.ACCOUNT_ROLLUPS, topics.SEGMENT_ROLLUPS, topics.CELLS])
def test_a_table_with_a_row_lost_changed_or_added_fails(truth: Truth, written: Records, topic: str) -> None:
    records = written[topic]
    key = next(record.key for record in records if record.value is not None and b'respondents":{"as_of' not in record.value)
    lost = [record for record in records if record.key != key]
    changed = [
        record
        if record.key != key
        else record._replace(value=(record.value or b"").replace(b"[", b"[9").replace(b":1", b":91"))
        for record in records
    ]
    added = [*records, Stored(0, b"0|i|segment=other|2026-01-01", b'{"responses":[1,0,0]}')]
    for spoiled in (lost, changed, added):
        found = compared(truth, written | {topic: spoiled})
        assert [name for name, comparison in found.items() if not comparison.equal] == [topic]


def test_any_dead_letter_fails(truth: Truth, written: Records) -> None:
    found = compared(truth, written | {topics.DEAD_LETTERS: [Stored(0, b"k", b"no json")]})
    assert not found[topics.DEAD_LETTERS].equal


def test_a_look_reads_the_metrics_as_a_worker_writes_them() -> None:
    registry = CollectorRegistry()
    metrics = EngineMetrics(registry, PREFIX, FACTS)
    batch = batch_of(records=7, facts={("responses", "promoter", "canonical"): 4, ("responses", "passive", "other"): 3})
    metrics.committed(TaskName("app", "rollups", 0), batch, 0.1, 0.2, 0.0, NOW_MS)
    values = {("scoring", "running"): 2.0, ("scoring", "fencing"): 1.0, ("intake", "running"): 4.0}
    Readings(registry, PREFIX, lambda: [Reading("tasks", "Tasks", ("unit", "phase"), values)])
    look = Look.of(generate_latest(registry).decode(), "scoring", Usage(0.0, 0.0, None, 0.0))
    assert (look.running, look.responses, look.cells) == (2, 7, 7)


def looks(*running_and_responses: tuple[float, float]) -> Callable[[], Look | None]:
    """A worker that is seen doing this, a second apart."""
    script = iter(enumerate(running_and_responses))

    def look() -> Look | None:
        second, (running, responses) = next(script)
        return Look(Usage(float(second), 0.0, None, 0.0), running, responses, 0.0, 0.0, {})

    return look


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    monkeypatch.setattr("bench.watching.FAST_S", 0.0)
    monkeypatch.setattr("bench.watching.SLOW_S", 0.0)
    return Watch("", "scoring", lambda: True, lambda: Usage(0.0, 0.0, None, 0.0))


def test_the_clock_starts_before_any_task_runs_and_stops_when_the_last_response_is_counted(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "look", looks((0, 0), (0, 0), (1, 0), (4, 0), (4, 60), (4, 99), (4, 100), (4, 100)))
    before, done = watch.until_processed(100, rollups=False, timeout_s=10)
    assert (before.usage.at, done.usage.at) == (1, 6)


@pytest.mark.parametrize("script", [((4, 0), (4, 100)), ((0, 0), (0, 100))])
def test_a_worker_that_does_not_show_when_it_began_is_no_figure(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, script: tuple[tuple[float, float], ...]
) -> None:
    monkeypatch.setattr(watch, "look", looks(*script))
    with pytest.raises(RunFailed):
        watch.until_processed(100, rollups=False, timeout_s=10)


def measured(line: str, rate: float, failures: Iterable[str] = ()) -> Measurement:
    return Measurement(line, 1000, 1000 / rate, 0.5, 0.1, 0.0, 100.0, list(failures))


@pytest.fixture
def results() -> Results:
    rounds = [
        {"scoring": measured("scoring", 100), "kstreams": measured("kstreams", 50), "faust": measured("faust", 10)},
        {"scoring": measured("scoring", 400), "kstreams": measured("kstreams", 50), "faust": measured("faust", 20)},
        {"scoring": measured("scoring", 90), "kstreams": measured("kstreams", 90), "faust": measured("faust", 30, ["lost"])},
    ]
    return Results({"Kafka": "4"}, {"scoring": "npstream", "kstreams": "Streams", "faust": "Faust"}, rounds)


@pytest.mark.parametrize(("baseline", "times"), [("faust", [3, 10, 20]), ("kstreams", [1, 2, 8])])
def test_ratios_are_those_within_a_round(results: Results, baseline: str, times: list[int]) -> None:
    ratio = results.ratio("scoring", baseline, rate)
    assert ratio is not None
    assert [round(figure) for figure in ratio] == times
    assert results.failures == ["round 3, faust: lost"]


def test_figures_say_how_busy_and_how_quick_the_machine_was_before_and_after() -> None:
    described = machine.describe(own_broker=True)
    machine.finish(described)
    for moment in ("Before", "After"):
        found = re.fullmatch(r"load [\d.]+ [\d.]+ [\d.]+; (\d+) ns for an addition in a Python loop", described[moment])
        assert found is not None
        assert int(found[1]) > 0


def test_figures_take_the_place_of_older_ones_in_a_document(tmp_path: Path, results: Results) -> None:
    document = tmp_path / "performance.md"
    document.write_text("before\n<!-- figures: begin -->\nold\n<!-- figures: end -->\nafter\n", encoding="utf-8")
    for _ in range(2):
        write_into(document, "figures", report.markdown(results))
    text = document.read_text(encoding="utf-8")
    assert text.startswith("before\n<!-- figures: begin -->\n| Line |")
    assert text.endswith("- Kafka: 4\n<!-- figures: end -->\nafter\n")
    assert "old" not in text


def test_a_line_without_a_baseline_has_no_ratio_and_is_shown_all_the_same(tmp_path: Path) -> None:
    alone = Results({}, {"scoring": "npstream"}, [{"scoring": measured("scoring", 100)}])
    assert alone.ratio("scoring", "faust", rate) is None
    assert "| npstream | 1,000 | 100 (100 to 100) |" in report.markdown(alone)
    plot.draw(alone, tmp_path / "alone.png")
    assert (tmp_path / "alone.png").stat().st_size


def test_the_plot_is_a_picture_whose_title_says_how_many_times_as_fast(tmp_path: Path, results: Results) -> None:
    plot.draw(results, tmp_path / "figures.png")
    assert (tmp_path / "figures.png").read_bytes().startswith(b"\x89PNG")
    assert plot.message(results) == "npstream: 2.0 times Streams and 10.0 times Faust, and exactly once"


@pytest.mark.parametrize(
    "found", [{"a": 1}, {"a": 1, "b": 3}, {"a": 1, "b": 2, "c": 3}, {}], ids=["lost", "changed", "added", "empty"]
)
def test_a_spoiled_table_fails(found: dict[str, int]) -> None:
    assert compare_values("accounts", {"a": 1, "b": 2}, {"a": 1, "b": 2}).equal
    assert not compare_values("accounts", {"a": 1, "b": 2}, found).equal


def test_every_line_that_is_measured_is_known_and_has_a_name_of_its_own() -> None:
    known = lines(2_000, 1_000, {})
    assert set(DEFAULT) <= set(known)
    assert len({line.title for line in known.values()}) == len(known)
    compared = {name for name in DEFAULT if known[name].responses == 2_000}
    ours = {"engine", "scoring", "scoring-2", "scoring-compiled", "scoring-compiled-2"}
    assert compared == ours | {"kstreams", "aiokafka", "limit"}


def test_a_topic_is_filled_again_only_with_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    filled: list[tuple[str, int]] = []
    monkeypatch.setattr("bench.inputs.fill", lambda _, topic, stream, *rest: filled.append((topic, len(list(stream)))))
    inputs = Inputs("nowhere", DAY)
    for responses in (10, 10, 20):
        inputs.fill("a", responses, stream.raw_record)
    inputs.forget("a")
    inputs.fill("a", 20, stream.raw_record)
    assert filled == [("a", 10), ("a", 20), ("a", 20)]
    assert not inputs.holds("a", 20, stream.canonical_record)
