"""The rolling tables against the recount: whatever arrived and however it was batched, on any day."""

import json

import pytest
from hypothesis import assume, given, note
from hypothesis import strategies as st

from agents.rollups import Rollups
from agents.scoring import Scoring
from schemas import topics
from streams.processor import DAY_MS, Processor
from tests.strategies import Arriving, Round, batches, reorderable, rounds
from tests.verification import Played


def processors() -> list[Processor]:
    return [Scoring(), Rollups()]


def check_tables(played: Played) -> None:
    for record in played.records:
        note(f"{record.partition}:{record.offset} at {record.timestamp} {record.value!r}")
    assume(not played.recounted().open_questions)
    played.settle()
    assert played.table_differences() == []


@given(rounds())
def test_the_tables_are_those_of_a_recount(arrivals: list[Round]) -> None:
    check_tables(Played(processors(), arrivals))


@given(st.integers(2, 3).flatmap(lambda n: st.tuples(st.just(n), rounds(partitions=n, strays=True))))
def test_segments_are_added_up_across_partitions(case: tuple[int, list[Round]]) -> None:
    partitions, arrivals = case
    check_tables(Played(processors(), arrivals, partitions))


@given(rounds(most_rounds=2), st.lists(st.sampled_from((1, 2, 6, 7, 23, 30, 60, 90, 185, 365)), min_size=1, max_size=3))
def test_the_tables_roll_without_traffic(arrivals: list[Round], days: list[int]) -> None:
    played = Played(processors(), arrivals)
    check_tables(played)
    for passed in days:
        played.driver.advance(passed * DAY_MS)
        assert played.table_differences() == []


@given(reorderable(), batches, st.booleans(), st.integers(1, 2))
def test_the_tables_do_not_depend_on_the_order_of_arrival(
    orders: tuple[list[Arriving], list[Arriving]], batch: int, crash: bool, partitions: int
) -> None:
    tables = []
    for order in orders:
        played = Played(processors(), [Round(order, batch, (3,) if crash else (), crash)], partitions)
        played.settle()
        assert played.table_differences() == []
        tables.append([played.driver.table(topic) for topic in (topics.ACCOUNT_ROLLUPS, topics.SEGMENT_ROLLUPS)])
    assert tables[0] == tables[1]


@given(rounds(partitions=2, strays=True))
def test_batches_and_crashes_leave_no_trace_in_the_tables(arrivals: list[Round]) -> None:
    tables = []
    for batch in (1, 7, 500):
        played = Played(processors(), arrivals, partitions=2, batch=batch, crashes=batch != 1)
        tables.append([played.driver.table(topic) for topic in (topics.ACCOUNT_ROLLUPS, topics.SEGMENT_ROLLUPS)])
    assert tables[0] == tables[1] == tables[2]


@pytest.mark.parametrize("first", [0, 1])
def test_segments_of_a_lower_version_are_kept_whichever_came_first(first: int) -> None:
    common = {"account_id": "acme", "response_id": "a", "responded_at": "2026-03-01T08:00:00Z"}
    with_segments = common | {"score": 9, "segments": {"plan": "smb"}, "updated_at": "2026-03-01T08:01:00Z"}
    without = common | {"score": 3, "updated_at": "2026-03-01T08:02:00Z"}
    bodies = [with_segments, without] if first == 0 else [without, with_segments]
    played = Played(processors(), [Round([Arriving(json.dumps(body).encode(), b"acme") for body in bodies])])
    played.settle()
    assert played.table_differences() == []


def test_an_emptied_table_is_a_tombstone() -> None:
    body = {"account_id": "acme", "response_id": "a", "score": 9, "segment": "smb", "responded_at": "2026-03-01T08:00:00Z"}
    played = Played(processors(), [Round([Arriving(json.dumps(body).encode(), b"acme")])])
    assert played.driver.table(topics.ACCOUNT_ROLLUPS).keys() == {b"acme"}
    assert played.driver.table(topics.SEGMENT_ROLLUPS).keys() == {b"segment=smb"}
    played.driver.advance(730 * DAY_MS)
    for topic in (topics.ACCOUNT_ROLLUPS, topics.SEGMENT_ROLLUPS):
        assert played.driver.table(topic) == {}
        assert played.driver.sent(topic)[-1].value is None
