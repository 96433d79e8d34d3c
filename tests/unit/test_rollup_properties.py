"""The rolling tables against the recount: whatever arrived and however it was batched, on any day."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import assume, example, given, note
from hypothesis import strategies as st

from agents.rollups import Rollups, RollupSettings
from agents.scoring import Scoring, ScoringSettings
from npstream import recount
from npstream.recount import WINDOWS
from schemas import topics
from streams.processor import DAY_MS, Outbox, Processor, Record, State, StreamTime
from tests.strategies import (
    SMALL_GRACE,
    SMALL_HEADLINE,
    SMALL_JUMPS,
    SMALL_WINDOWS,
    Arriving,
    Round,
    batches,
    reorderable,
    rounds,
    small_days,
)
from tests.verification import Played


def processors() -> list[Processor]:
    return [Scoring(), Rollups()]


def small_processors() -> list[Processor]:
    return [
        Scoring(
            ScoringSettings(
                windows_days=SMALL_WINDOWS,
                headline_days=SMALL_HEADLINE,
                grace_days=SMALL_GRACE,
                roll_accounts=1,
                sweep_keys=1,
            )
        ),
        Rollups(
            RollupSettings(windows_days=SMALL_WINDOWS, headline_days=SMALL_HEADLINE, grace_days=SMALL_GRACE, roll_segments=1)
        ),
    ]


class OneShareATick:
    """A processor that gets no second share until time passes again: what happens if batches come in between."""

    def __init__(self, inner: Processor) -> None:
        self.inner = inner
        self.name = inner.name
        self.sources = inner.sources
        self.unfinished: set[int] = set()
        """Partitions where the last share left work over."""

    def process(self, batch: Sequence[Record], state: State, now: StreamTime, outbox: Outbox) -> None:
        self.inner.process(batch, state, now, outbox)

    def tick(self, now: int, state: State, outbox: Outbox) -> None:
        self.inner.tick(now, state, outbox)
        (self.unfinished.add if outbox.more else self.unfinished.discard)(state.partition)
        outbox.more = False


def check_tables(played: Played) -> None:
    for record in played.records:
        note(f"{record.partition}:{record.offset} at {record.timestamp} {record.value!r}")
    assume(not played.recounted().open_questions)
    assert played.table_differences() == []
    played.settle()
    assert played.table_differences() == []


@given(rounds())
def test_the_tables_are_those_of_a_recount(arrivals: list[Round]) -> None:
    check_tables(Played(processors(), arrivals))


@given(st.integers(2, 3).flatmap(lambda n: st.tuples(st.just(n), rounds(partitions=n, strays=True))))
def test_segments_are_added_up_across_partitions(case: tuple[int, list[Round]]) -> None:
    partitions, arrivals = case
    check_tables(Played(processors(), arrivals, partitions))


@given(rounds(partitions=2, most_rounds=1, jumps=(0,), gaps=(1, 60_000)), batches)
def test_the_tables_follow_each_record_within_the_day(arrivals: list[Round], batch: int) -> None:
    played = Played(processors(), [], partitions=2)
    for arriving in arrivals[0].arriving:
        played.arrive([arriving], batch)
        if not played.recounted().open_questions:
            assert played.table_differences() == []


@given(rounds(most_rounds=2), st.data())
def test_the_tables_roll_without_traffic(arrivals: list[Round], data: st.DataObject) -> None:
    """To days at which something enters or leaves a window, or the one before it, and to the days before those."""
    played = Played(processors(), arrivals)
    check_tables(played)
    today = played.driver.now // DAY_MS
    days = {response.day for held in recount.held_responses(played.records).values() for response in held}
    edges = {day + days_of * times - early for day in days for days_of in WINDOWS for times in (1, 2) for early in (0, 1)}
    ahead = sorted(edge for edge in edges if edge > today) or [today + 1]
    for edge in sorted(data.draw(st.sets(st.sampled_from(ahead), min_size=1, max_size=4))):
        played.driver.advance(edge * DAY_MS - played.driver.now)
        assert played.table_differences() == []


SEGMENTS_OF_THE_EXPIRED = [
    Arriving(b'{"response_id": "r-1", "account_id": "acme", "score": 3, "responded_at": 1770624000000}', b"acme", 1),
    Arriving(
        b'{"response_id": "r-1", "account_id": "acme", "score": 3, "responded_at": 1770624000000, "segment": "smb", '
        b'"updated_at": "2026-02-28T09:30:50.003Z"}',
        b"acme",
        1,
    ),
]
"""A response beyond the history, and an earlier version of it that comes later and names segments."""


LATE_AFTER_A_RETRACTION = [
    Arriving(b'{"response_id": "r-2", "account_id": "acme", "score": 3, "responded_at": 1772352000000}', b"acme", 1),
    Arriving(
        b'{"response_id": "r-1", "account_id": "acme", "score": 3, "responded_at": 1772409599999, "respondent_id": "u-1"}',
        b"acme",
        1,
    ),
    Arriving(b'{"kind": "retraction", "account_id": "acme", "response_id": "r-2"}', b"acme", 1),
    Arriving(
        b'{"response_id": "r-2", "account_id": "acme", "score": 9, "responded_at": 1772352000000, "respondent_id": "u-1"}',
        b"acme",
        1,
    ),
    Arriving(b'{"kind": "retraction", "account_id": "acme", "response_id": "r-1"}', b"acme", 1),
    Arriving(
        b'{"response_id": "r-2", "account_id": "acme", "score": 9, "responded_at": 1772352000000, "respondent_id": "u-1", '
        b'"comment": "Said again"}',
        b"acme",
        1,
    ),
]
"""A detractor that was taken back and came again as somebody's late response: nothing of it stands that could be withdrawn."""


@given(rounds(partitions=2, strays=True, days=small_days, jumps=SMALL_JUMPS))
@example([Round(LATE_AFTER_A_RETRACTION, batch=1, lost_batches=[], restart=False, pass_ms=3)])
@example([Round(SEGMENTS_OF_THE_EXPIRED, batch=1, lost_batches=[], restart=False, pass_ms=3)])
def test_records_may_come_between_the_shares_of_a_roll_over(arrivals: list[Round]) -> None:
    """With windows and shares so small that responses leave the history, and every roll-over takes many ticks."""
    shares = [OneShareATick(one) for one in small_processors()]
    played = Played(shares, arrivals, partitions=2)
    expected = played.recounted(SMALL_WINDOWS, SMALL_HEADLINE, SMALL_GRACE)
    for record in played.records:
        note(f"{record.partition}:{record.offset} at {record.timestamp} {record.value!r}")
    assume(not expected.open_questions)
    assert played.event_differences(expected) == []
    played.settle()
    for _ in range(1000):
        if not any(one.unfinished for one in shares):
            break
        played.driver.advance(0)
    assert played.table_differences(SMALL_WINDOWS) == []


counts = st.tuples(*[st.integers(0, 40)] * 3) | st.sampled_from(((0, 15, 1), (5, 22, 5), (80, 0, 0), (1, 30, 1), (0, 79, 1)))


@given(counts, counts, st.booleans())
def test_the_statistics_of_larger_counts(now: tuple[int, ...], before: tuple[int, ...], named: bool) -> None:
    arriving: list[Arriving] = []
    for day, numbers in (("2026-03-01", now), ("2026-02-20", before)):
        for score, number in zip((6, 7, 9), numbers, strict=True):
            for _ in range(number):
                body = {
                    "response_id": f"r-{len(arriving)}",
                    "account_id": "acme",
                    "score": score,
                    "responded_at": f"{day}T08:00:00Z",
                    "segment": "smb",
                }
                respondent = {"respondent_id": f"u-{len(arriving)}"} if named else {}
                arriving.append(Arriving(json.dumps(body | respondent).encode(), b"acme"))
    played = Played(processors(), [Round(arriving)])
    played.settle()
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


def test_an_account_that_fell_silent_leaves_nothing_behind() -> None:
    """Histories, marks of retractions and cells go with the history, or the state would grow for ever."""
    common = {"account_id": "acme", "response_id": "a", "responded_at": "2026-03-01T08:00:00Z", "segment": "smb"}
    bodies = [common | {"score": 9}, common | {"response_id": "b", "kind": "retraction"}]
    played = Played(processors(), [Round([])])
    played.driver.advance(DAY_MS)
    empty = [played.driver.state(name).keys() for name in ("scoring", "rollups")]
    played.arrive([Arriving(json.dumps(body).encode(), b"acme") for body in bodies], 500)
    for _ in range(20):
        played.driver.advance(100 * DAY_MS)
    for name, keys in zip(("scoring", "rollups"), empty, strict=True):
        left = played.driver.state(name)
        assert [key for key in left if b"acme" in key or b"smb" in key] == []
        assert len(left.keys() - keys) <= 3, "more than a cursor and the like"


def test_an_emptied_table_is_a_tombstone() -> None:
    body = {"account_id": "acme", "response_id": "a", "score": 9, "segment": "smb", "responded_at": "2026-03-01T08:00:00Z"}
    played = Played(processors(), [Round([Arriving(json.dumps(body).encode(), b"acme")])])
    assert played.driver.table(topics.ACCOUNT_ROLLUPS).keys() == {b"acme"}
    assert played.driver.table(topics.SEGMENT_ROLLUPS).keys() == {b"segment=smb"}
    played.driver.advance(730 * DAY_MS)
    for topic in (topics.ACCOUNT_ROLLUPS, topics.SEGMENT_ROLLUPS):
        assert played.driver.table(topic) == {}
        assert played.driver.sent(topic)[-1].value is None
