"""The recount itself: golden figures, hand-made scenarios, and planted mistakes that its comparison must notice."""

import json
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest

from npstream import recount
from npstream.recount import statistics
from npstream.recount.facts import together
from npstream.recount.reading import Refused, home_of, murmur2, parse_time, read
from tests.strategies import BAD_VALUES, GOOD

NOON = parse_time("2026-03-01T12:00:00Z")
DAY_MS = 86_400_000
TODAY = NOON // DAY_MS


@dataclass(frozen=True)
class Row:
    offset: int
    timestamp: int
    value: bytes | None
    key: bytes | None = b"acme"
    partition: int = 0
    headers: tuple[tuple[str, bytes], ...] = ()


def rows(*bodies: dict[str, Any]) -> list[Row]:
    """Records a minute apart, of bodies that name only what matters."""
    common = {"account_id": "acme", "respondent_id": "u-1", "responded_at": "2026-03-01T09:30:00Z"}
    return [Row(i, NOON + i * 60_000, json.dumps(common | body).encode()) for i, body in enumerate(bodies)]


def fields(stream: dict[int, Any], *names: str) -> list[tuple[Any, ...]]:
    """Of the events that must come of partition 0: some of their fields."""
    expected = [event for cause in stream[0] for event in cause.events if not event.optional]
    return [tuple(event.fields.get(name) for name in names) for event in expected]


# ------------------------------------------------------------------------------------------------------------ statistics


def test_the_worked_example_of_the_adjusted_wald_interval() -> None:
    """10 detractors, 20 passives, 70 promoters (Rocks, Interval Estimation for the Net Promoter Score, 2016)."""
    mean, _ = statistics.adjusted((10, 20, 70))
    assert statistics.nps((10, 20, 70)) == 60
    assert 100 * mean == Fraction("58.2524271844").limit_denominator(103)
    stats = statistics.window_stats((10, 20, 70), (0, 0, 0))
    assert (stats["nps"], stats["low"], stats["high"]) == (60.0, 45.3, 71.2)


def test_the_variance_of_one_two_three() -> None:
    assert statistics.variance((1, 2, 3)) == Fraction(5, 9)


def test_the_documented_window() -> None:
    stats = statistics.window_stats((1, 2, 7), (2, 2, 6))
    assert stats == {
        "promoters": 7,
        "passives": 2,
        "detractors": 1,
        "total": 10,
        "nps": 60.0,
        "low": 7.0,
        "high": 85.3,
        "previous_nps": 40.0,
        "change": 20.0,
        "significant": False,
        "band": "excellent",
    }


def test_an_empty_window_has_counts_and_what_was_before() -> None:
    empty = {"promoters": 0, "passives": 0, "detractors": 0, "total": 0}
    assert statistics.window_stats((0, 0, 0), (0, 0, 0)) == empty
    assert statistics.window_stats((0, 0, 0), (1, 0, 0)) == empty | {"previous_nps": -100.0}


def test_unanimity_is_clipped() -> None:
    assert statistics.window_stats((0, 0, 1000), (0, 0, 0))["high"] == 100.0
    assert statistics.window_stats((1000, 0, 0), (0, 0, 0))["low"] == -100.0


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Fraction(1, 20), 0.1),
        (Fraction(-1, 20), -0.1),
        (Fraction(25, 100), 0.3),
        (Fraction(-25, 100), -0.3),
        (Fraction(-1, 100), 0.0),
        (Fraction(249, 1000), 0.2),
        (Fraction(200, 3), 66.7),
    ],
)
def test_rounding_is_half_away_from_zero_and_zero_has_no_sign(value: Fraction, shown: float) -> None:
    assert str(statistics.rounded(value)) == str(shown)


@pytest.mark.parametrize(
    ("score", "band"),
    [
        ("-0.01", "needs work"),
        ("0", "good"),
        ("20", "good"),
        ("20.01", "favourable"),
        ("49.99", "favourable"),
        ("50", "excellent"),
        ("79.99", "excellent"),
        ("80", "world class"),
    ],
)
def test_bands_are_taken_before_rounding(score: str, band: str) -> None:
    assert statistics.band(Fraction(score)) == band


def test_a_large_difference_is_significant_and_the_same_of_few_is_not() -> None:
    assert statistics.significant((100, 100, 300), (300, 100, 100)) is True
    assert statistics.significant((1, 1, 3), (3, 1, 1)) is False


# --------------------------------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("data", "hashed"),
    [  # from Apache Kafka's UtilsTest.testMurmur2
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_kafkas(data: bytes, hashed: int) -> None:
    assert murmur2(data) == hashed & 0xFFFFFFFF


@pytest.mark.parametrize("value", BAD_VALUES)
def test_what_is_no_response_is_refused(value: bytes) -> None:
    assert isinstance(read(Row(0, NOON, value)), Refused)
    assert not isinstance(read(Row(0, NOON, json.dumps(GOOD).encode())), Refused)


def test_more_than_a_day_ahead_of_its_arrival_is_refused() -> None:
    assert not isinstance(read(Row(0, NOON, json.dumps(GOOD | {"responded_at": NOON + DAY_MS}).encode())), Refused)
    assert read(Row(0, NOON, json.dumps(GOOD | {"responded_at": NOON + DAY_MS + 1}).encode())) == Refused(frozenset({"future"}))


# ---------------------------------------------------------------------------------------------------------------- events


def test_a_respondents_way_from_promoter_to_detractor() -> None:
    found = recount.events(
        rows(
            {"response_id": "a", "score": 9, "responded_at": "2026-02-20T09:30:00Z"},
            {"response_id": "b", "score": 4, "responded_at": "2026-02-21T09:30:00Z"},
            {"response_id": "c", "score": 2, "responded_at": "2026-02-22T09:30:00Z"},
            {"response_id": "l", "score": 8, "responded_at": "2026-02-19T09:30:00Z"},
        )
    )
    assert fields(found.scored, "response_id", "change") == [("a", "new"), ("b", "new"), ("c", "new"), ("l", "late")]
    assert fields(found.changes, "from", "to", "direction", "cause") == [("promoter", "detractor", "down", "response")]
    assert fields(found.promoters, "response_id", "first") == [("a", True)]
    assert fields(found.detractors, "response_id", "severity", "consecutive", "account_nps") == [
        ("b", "high", 1, (0.0,)),
        ("c", "critical", 2, (-33.3,)),
    ]
    assert found.open_questions == []


def test_a_detractor_is_corrected_and_withdrawn() -> None:
    found = recount.events(
        rows(
            {"response_id": "a", "score": 6},
            {"response_id": "a", "score": 5},
            {"response_id": "a", "score": 5, "comment": "Slow."},
            {"response_id": "a", "score": 8, "comment": "Slow."},
            {"response_id": "a", "kind": "retraction"},
        )
    )
    assert fields(found.scored, "change") == [("new",), ("correction",), ("correction",), ("correction",), ("retraction",)]
    assert fields(found.detractors, "score", "withdrawn") == [
        (6, (False, recount.ABSENT)),
        (5, (False, recount.ABSENT)),
        (None, True),
    ]
    assert fields(found.changes, "from", "to") == [("detractor", "passive"), ("passive", (None, recount.ABSENT))]


def test_the_same_again_raises_the_version_and_changes_nothing_else() -> None:
    def version(minute: int) -> str:
        return f"2026-03-01T10:{minute:02}:00Z"

    found = recount.events(
        rows(
            {"response_id": "a", "score": 6, "updated_at": version(1)},
            {"response_id": "a", "score": 6, "updated_at": version(3)},
            {"response_id": "a", "score": 9, "updated_at": version(2)},
        )
    )
    assert fields(found.scored, "score", "change") == [(6, "new")]


def test_a_retraction_wins_before_it_is_met() -> None:
    records = rows({"response_id": "a", "kind": "retraction"}, {"response_id": "a", "score": 6, "updated_at": NOON - 1})
    found = recount.events(records)
    assert [fields(topic, "response_id") for topic in (found.scored, found.detractors, found.changes)] == [[], [], []]
    assert recount.account_tables(records, TODAY) == {}


def test_who_arrives_elsewhere_is_sent_home_once() -> None:
    value = json.dumps(GOOD).encode()
    home = home_of("acme", 3)
    away = (home + 1) % 3
    found = recount.events(
        [
            Row(0, NOON, value, partition=away),
            Row(1, NOON, value, partition=away, headers=(("nps-stray", b"1"),)),
            Row(0, NOON, value, partition=home, headers=(("nps-stray", b"1"),)),
        ],
        partitions=3,
    )
    assert found.strays == [recount.Stray(home, NOON, value, away, 0)]
    assert [(letter.offset, letter.reasons) for letter in found.dead_letters] == [(1, frozenset({"stray"}))]
    assert len(found.scored[home]) == 1
    assert found.scored[away] == []


# ---------------------------------------------------------------------------------------------------------------- tables


def test_a_window_holds_its_days_and_the_one_before_it_the_days_before() -> None:
    records = rows({"response_id": "a", "score": 9, "responded_at": "2026-03-01T00:00:00Z"})
    totals = []
    for as_of in (TODAY - 1, TODAY, TODAY + 6, TODAY + 7, TODAY + 13, TODAY + 14):
        row = recount.account_tables(records, as_of, windows=(7,)).get(b"acme")
        totals.append(row and (row["windows"]["7d"]["responses"]["total"], "previous_nps" in row["windows"]["7d"]["responses"]))
    assert totals == [None, (1, False), (1, False), (0, True), (0, True), None]


def test_who_moved_to_enterprise_has_left_smb() -> None:
    records = rows(
        {"response_id": "a", "score": 9, "segments": {"plan": "smb"}, "responded_at": "2026-02-27T00:00:00Z"},
        {"response_id": "b", "score": 3, "segments": {"plan": "enterprise"}},
    )
    tables = recount.segment_tables(records, TODAY, windows=(7,))
    counted = {
        key: tuple(row["windows"]["7d"][kind]["total"] for kind in ("responses", "respondents")) for key, row in tables.items()
    }
    assert counted == {b"plan=smb": (1, 0), b"plan=enterprise": (1, 1)}


def test_a_correction_without_segments_keeps_the_old_ones_whichever_came_first() -> None:
    records = rows({"response_id": "a", "score": 9, "segment": "smb"}, {"response_id": "a", "score": 3})
    there = recount.segment_tables(records, TODAY)
    assert there[b"segment=smb"]["windows"]["7d"]["responses"]["detractors"] == 1
    assert recount.segment_tables(records[::-1], TODAY) == there


# ----------------------------------------------------------------------------------------------- a verifier that can fail


@dataclass(frozen=True)
class Out:
    partition: int
    timestamp: int
    key: bytes | None
    value: bytes | None


DETRACTOR = {
    "account_id": "acme",
    "respondent_id": "u-1",
    "response_id": "a",
    "score": 3,
    "severity": "high",
    "revision": 0,
    "consecutive": 1,
    "responded_at": "2026-03-01T09:30:00.000Z",
    "account_nps": -100.0,
}


def stream(**planted: Any) -> list[Out]:
    body = {name: value for name, value in (DETRACTOR | planted).items() if value is not ...}
    return [Out(0, NOON, b"acme", json.dumps(body).encode())]


def test_the_right_stream_has_no_differences() -> None:
    found = recount.events(rows({"response_id": "a", "score": 3}))
    assert recount.stream_differences(found.detractors, stream()) == []


@pytest.mark.parametrize(
    "sent",
    [
        [],
        stream() * 2,
        stream(score=4),
        stream(severity=...),
        stream(severity="critical"),
        stream(revision=1),
        stream(revision=False),
        stream(consecutive=2),
        stream(account_nps=-99.9),
        stream(account_nps=...),
        stream(comment="made up"),
        stream(withdrawn=True),
        stream(responded_at="2026-03-01T09:30:00Z"),
        [Out(1, NOON, b"acme", stream()[0].value)],
        [Out(0, NOON + 1, b"acme", stream()[0].value)],
        [Out(0, NOON, b"globex", stream()[0].value)],
        [Out(0, NOON, b"acme", b"[]")],
    ],
)
def test_a_planted_mistake_in_a_stream_is_noticed(sent: list[Out]) -> None:
    found = recount.events(rows({"response_id": "a", "score": 3}))
    assert recount.stream_differences(found.detractors, sent) != []


def test_two_events_in_the_wrong_order_are_noticed() -> None:
    found = recount.events(rows({"response_id": "a", "score": 3}, {"response_id": "b", "score": 3, "account_id": "globex"}))
    globex = json.dumps(DETRACTOR | {"response_id": "b", "account_id": "globex"}).encode()
    right = [*stream(), Out(0, NOON + 60_000, b"globex", globex)]
    assert recount.stream_differences(found.detractors, right) == []
    assert recount.stream_differences(found.detractors, right[::-1]) != []


def planted(path: tuple[str, ...], value: Any) -> dict[bytes, bytes]:
    """The right table with one wrong value (`...`: without it)."""
    row = recount.account_tables(rows({"response_id": "a", "score": 8}), TODAY)[b"acme"]
    place = row
    for name in path[:-1]:
        place = place[name]
    if path and value is ...:
        del place[path[-1]]
    elif path:
        place[path[-1]] = value
    return {b"acme": json.dumps(row).encode()}


STATS = ("windows", "90d", "respondents")


@pytest.mark.parametrize(
    "given",
    [
        {},
        planted((), None) | {b"globex": b"{}"},
        planted(("as_of",), "2026-03-02"),
        planted(("windows", "7d"), ...),
        planted((*STATS, "total"), 2),
        planted((*STATS, "total"), True),
        planted((*STATS, "nps"), -0.0),
        planted((*STATS, "nps"), ...),
        planted((*STATS, "low"), -67.2),
        planted((*STATS, "band"), "favourable"),
        planted((*STATS, "change"), 0.0),
        planted((*STATS, "previous_nps"), None),
    ],
)
def test_a_planted_mistake_in_a_table_is_noticed(given: dict[bytes, bytes]) -> None:
    wanted = recount.account_tables(rows({"response_id": "a", "score": 8}), TODAY)
    assert recount.table_differences(wanted, planted((), None)) == []
    assert recount.table_differences(wanted, given) != []


# ------------------------------------------------------------------------------------------------------------------ CRM facts


def fact(offset: int, segments: dict[str, str] | None, key: bytes = b"acme") -> Row:
    return Row(offset, NOON, None if segments is None else json.dumps({"segments": segments}).encode(), key)


def test_all_facts_of_an_account_are_possible_and_none_of_another_one() -> None:
    records = [fact(0, {"plan": "a"}), fact(1, {"plan": "x"}, b"globex"), fact(2, None), fact(3, {"plan": "b"})]
    found = recount.Facts(records, 1, {0: 0})
    assert [one.segments for one in found.of("acme") or ()] == [{}, {"plan": "a"}, {}, {"plan": "b"}]
    assert [one.segments for one in found.of("nobody") or ()] == [{}]


@pytest.mark.parametrize(("offsets", "start"), [((1, 2), 0), ((0, 2), 0), ((0, 1), 1)])
def test_nobody_can_tell_once_compaction_has_taken_something(offsets: tuple[int, int], start: int) -> None:
    assert recount.Facts([fact(offset, {}) for offset in offsets], 1, {0: start}).of("acme") is None


@pytest.mark.parametrize(
    ("own", "facts", "counted"),
    [
        ({}, {}, {}),
        ({"plan": "own"}, {"plan": "crm", "region": "emea"}, {"plan": "own", "region": "emea"}),
        ({f"o{n}": "x" for n in range(19)}, {"b": "y", "a": "y"}, {f"o{n}": "x" for n in range(19)} | {"a": "y"}),
        ({f"o{n}": "x" for n in range(20)}, {"a": "y"}, {f"o{n}": "x" for n in range(20)}),
    ],
)
def test_a_response_has_its_own_segments_and_some_of_its_account(
    own: dict[str, str], facts: dict[str, str], counted: dict[str, str]
) -> None:
    assert together(own, facts) == counted
