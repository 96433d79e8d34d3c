"""Lengths of time as people say them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npstream.durations import HOUR_MS, MINUTE_MS, SECOND_MS, away, parse_duration, span
from schemas.times import DAY_MS

SPANS = [
    # ms                                    two parts      one
    (0, "0 s", "0 s"),
    (-5, "0 s", "0 s"),
    (59_999, "59 s", "59 s"),
    (MINUTE_MS, "1 min", "1 min"),
    (HOUR_MS - 1, "59 min", "59 min"),
    (HOUR_MS, "1 h", "1 h"),
    (HOUR_MS + 20 * MINUTE_MS, "1 h 20 min", "1 h"),
    (DAY_MS - 1, "23 h 59 min", "23 h"),
    (2 * DAY_MS + 20 * MINUTE_MS, "2 d", "2 d"),
    (2 * DAY_MS + 3 * HOUR_MS, "2 d 3 h", "2 d"),
    (9 * DAY_MS + 23 * HOUR_MS, "9 d 23 h", "9 d"),
    (10 * DAY_MS + 23 * HOUR_MS, "10 d", "10 d"),
    (90_500.5, "1 min", "1 min"),
]


@pytest.mark.parametrize(("ms", "two", "one"), SPANS)
def test_a_length_of_time_in_its_greatest_units(ms: float, two: str, one: str) -> None:
    assert (span(ms), span(ms, 1)) == (two, one)


@pytest.mark.parametrize(
    ("at", "told"),
    [(80 * MINUTE_MS, "in 1 h 20 min"), (0, "in 0 s"), (-1, "late by 0 s"), (-2 * DAY_MS, "late by 2 d")],
)
def test_a_due_time_is_ahead_or_it_is_late(at: int, told: str) -> None:
    assert away(DAY_MS + at, DAY_MS) == told


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("4h", 4 * HOUR_MS),
        ("2d", 2 * DAY_MS),
        ("1w", 7 * DAY_MS),
        ("90m", 90 * MINUTE_MS),
        ("90 min", 90 * MINUTE_MS),
        (" 1d12h ", DAY_MS + 12 * HOUR_MS),
        ("1 d 12 h", DAY_MS + 12 * HOUR_MS),
    ],
)
def test_a_duration_that_somebody_types(text: str, ms: int) -> None:
    assert parse_duration(text) == ms


@pytest.mark.parametrize("text", ["", "2", "d", "2 days", "-2d", "2.5d", "2d!", "\u0662d", "9999999d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration: expected such as 4h, 2d or 1w"):
        parse_duration(text)


@given(st.integers(0, 400 * DAY_MS))
def test_a_span_never_says_more_than_there_is_and_is_read_back(ms: int) -> None:
    told = span(ms)
    if not told.endswith(" s"):
        assert ms - DAY_MS < parse_duration(told) <= ms
    else:
        assert ms < 60 * SECOND_MS
