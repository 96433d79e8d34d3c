"""Scoring against the recount: for any arrivals, batches, crashes and re-starts, each record brings what it should."""

import json
from collections import Counter

import pytest
from hypothesis import assume, given, note
from hypothesis import strategies as st

from agents.rollups import Rollups
from agents.scoring import Scoring
from schemas import topics
from streams.processor import Processor
from tests.strategies import Arriving, Round, rounds
from tests.verification import EVENT_TOPICS, Played


def processors() -> list[Processor]:
    return [Scoring(), Rollups()]


def check_events(played: Played) -> None:
    expected = played.recounted()
    for record in played.records:
        note(f"{record.partition}:{record.offset} at {record.timestamp} {record.value!r}")
    assume(not expected.open_questions)
    assert played.event_differences(expected) == []


@given(rounds())
def test_the_events_are_those_of_records_taken_one_by_one(arrivals: list[Round]) -> None:
    check_events(Played(processors(), arrivals))


@given(st.integers(2, 3).flatmap(lambda n: st.tuples(st.just(n), rounds(partitions=n, strays=True))))
def test_so_they_are_across_partitions_with_strays(case: tuple[int, list[Round]]) -> None:
    partitions, arrivals = case
    check_events(Played(processors(), arrivals, partitions))


@given(rounds(partitions=2, strays=True))
def test_batches_and_crashes_leave_no_trace_in_the_events(arrivals: list[Round]) -> None:
    one_by_one = Played([Scoring()], arrivals, partitions=2, batch=1, crashes=False)
    for batch in (7, 500):
        played = Played([Scoring()], arrivals, partitions=2, batch=batch)
        assert played.event_stream() == one_by_one.event_stream()
        assert played.driver.facts == one_by_one.driver.facts


@given(rounds(partitions=2, strays=True))
def test_what_is_counted_is_what_happened(arrivals: list[Round]) -> None:
    played = Played([Scoring()], arrivals, partitions=2)
    expected = played.recounted()
    assume(not expected.open_questions)
    counted: Counter[str] = Counter()
    for labels, amount in played.driver.facts.items():
        counted[labels[0]] += amount
    assert counted["dead_letters"] == len(expected.dead_letters)
    assert counted["strays"] == len(expected.strays)
    assert counted["category_changes"] == len(played.driver.sent(topics.CHANGES))
    assert counted["promoters"] == len(played.driver.sent(topics.PROMOTERS))


@given(rounds())
def test_every_event_has_an_id_of_its_own(arrivals: list[Round]) -> None:
    played = Played([Scoring()], arrivals)
    for topic in EVENT_TOPICS:
        ids = [dict(record.headers)["ce_id"] for record in played.driver.sent(topic)]
        assert len(set(ids)) == len(ids)


def arriving(**body: object) -> Arriving:
    common = {"account_id": "acme", "respondent_id": "u-1", "responded_at": "2026-03-01T08:00:00Z"}
    return Arriving(json.dumps(common | body).encode(), b"acme")


@pytest.mark.parametrize("batch", [1, 7, 500])
@pytest.mark.parametrize(
    "arrivals",
    [
        pytest.param(
            [
                arriving(response_id="a", score=6, updated_at="2026-03-01T08:01:00Z"),
                arriving(response_id="a", score=6, updated_at="2026-03-01T08:03:00Z"),
                arriving(response_id="a", score=9, updated_at="2026-03-01T08:02:00Z"),
            ],
            id="the same again raises the version",
        ),
        pytest.param(
            [
                arriving(response_id="a", kind="retraction"),
                arriving(response_id="a", score=1, updated_at="2026-03-01T08:00:00Z"),
            ],
            id="a retraction wins although it came first",
        ),
        pytest.param(
            [arriving(response_id="r-10", score=1), arriving(response_id="r-9", score=9), arriving(response_id="r-1", score=8)],
            id="of the same moment the greatest response_id is the present",
        ),
        pytest.param(
            [
                arriving(response_id="a", score=1),
                arriving(response_id="b", score=9),
                arriving(response_id="b", kind="retraction"),
            ],
            id="a retraction of the present brings back the one before",
        ),
        pytest.param(
            [arriving(response_id="a", score=6), arriving(response_id="a", score=5), arriving(response_id="a", score=4)],
            id="a detractor changes severity",
        ),
        pytest.param(
            [
                arriving(response_id="a", score=3, segments={"plan": "smb"}),
                arriving(response_id="a", score=3),
                arriving(response_id="a", score=3, comment="!"),
            ],
            id="a correction without segments keeps the old ones",
        ),
        pytest.param(
            [arriving(response_id="a", score=3, respondent_id=None), arriving(response_id="b", score=9, respondent_id=None)],
            id="anonymous responses are detractors and promoters and change no category",
        ),
        pytest.param(
            [
                arriving(response_id="a", score=3, responded_at="2024-02-26T08:00:00Z"),
                arriving(response_id="b", score=3, responded_at="2024-02-20T08:00:00Z"),
            ],
            id="beyond the history is expired",
        ),
        pytest.param(
            [
                arriving(response_id="a", score=3, responded_at="2026-03-02T09:30:00.001Z"),
                arriving(response_id="b", score=3, responded_at="2026-03-02T09:30:00.003Z"),
            ],
            id="more than a day ahead is a dead letter",
        ),
        pytest.param(
            [arriving(response_id="a", score=3), arriving(response_id="a", score=9, respondent_id="u-2", comment="not me")],
            id="a response turns out to be another respondent's",
        ),
    ],
)
def test_cases_worth_a_name(arrivals: list[Arriving], batch: int) -> None:
    played = Played(processors(), [Round(arrivals, batch, pass_ms=60_000)])
    expected = played.recounted()
    assert expected.open_questions == []
    assert played.event_differences(expected) == []
    played.settle()
    assert played.table_differences() == []
