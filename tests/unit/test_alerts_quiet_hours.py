"""Quiet hours: by the clock on the wall, also on the days on which clocks change."""

from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.quiet_hours import EVERY_DAY, LONGEST_MS, QuietHours, is_never_told, quiet_until
from schemas.events import Severity
from schemas.times import format_time, parse_time

BERLIN = ZoneInfo("Europe/Berlin")
WEEKEND = frozenset((5, 6))
NIGHTS = QuietHours(20 * 60, 7 * 60, zone=BERLIN)
WEEKENDS = QuietHours(0, 24 * 60, WEEKEND, BERLIN)
EARLY = QuietHours(0, 150, zone=BERLIN)
"""Until half past two, which in one night of March is never, and in one of October twice."""
LATE = QuietHours(150, 300, zone=BERLIN)
"""From half past two."""

CASES = """
nights            high      2026-03-02T18:59:59  2026-03-02T18:59:59  an hour is not quiet to its last moment before
nights            high      2026-03-02T19:00:00  2026-03-03T06:00:00  it is from its first one
nights            high      2026-03-03T05:59:59  2026-03-03T06:00:00
nights            high      2026-03-03T06:00:00  2026-03-03T06:00:00  the end is not quiet
nights            critical  2026-03-02T22:00:00  2026-03-02T22:00:00  what is critical is told
nights            high      2026-03-28T22:00:00  2026-03-29T05:00:00  clocks go forward at night: an hour less
nights            high      2026-10-24T22:00:00  2026-10-25T06:00:00  and back: an hour more
nights            high      2026-07-01T18:00:00  2026-07-02T05:00:00  summer time
weekends          high      2026-03-06T23:00:00  2026-03-08T23:00:00  both days of it, one after the other
weekends          high      2026-03-27T22:59:59  2026-03-27T22:59:59
weekends          high      2026-03-28T12:00:00  2026-03-29T22:00:00  the Sunday has 23 hours
weekends          high      2026-10-24T12:00:00  2026-10-25T23:00:00  the Sunday has 25 hours
nights+weekends   high      2026-03-06T20:00:00  2026-03-09T06:00:00  from Friday night to Monday morning
nights+weekends   critical  2026-03-07T12:00:00  2026-03-07T12:00:00
early             high      2026-03-29T00:00:00  2026-03-29T01:30:00  02:30 is left out: taken by the offset before, it is 03:30
early             high      2026-03-29T01:29:59  2026-03-29T01:30:00
early             high      2026-10-25T00:00:00  2026-10-25T00:30:00  02:30 comes twice: the first is the end
early             high      2026-10-25T00:30:00  2026-10-25T00:30:00  so it is not quiet at the second 02:00
late              high      2026-03-29T01:00:00  2026-03-29T01:00:00  03:00, an instant after 02:00
late              high      2026-03-29T01:30:00  2026-03-29T03:00:00  03:30
late              high      2026-10-25T00:30:00  2026-10-25T04:00:00  from the first 02:30 to 05:00, three and a half hours
"""
"""Hours, severity, a time and when it is quiet no longer (UTC)."""
HOURS = {
    "nights": (NIGHTS,),
    "weekends": (WEEKENDS,),
    "nights+weekends": (NIGHTS, WEEKENDS),
    "early": (EARLY,),
    "late": (LATE,),
}


@pytest.mark.parametrize("line", CASES.strip().splitlines())
def test_quiet_hours_end_when_the_clock_on_the_wall_says_so(line: str) -> None:
    hours, severity, at, until = line.split()[:4]
    found = quiet_until(HOURS[hours], severity, parse_time(at + "Z"))  # type: ignore[arg-type]
    assert format_time(found) == until + ".000Z"


def test_of_several_quiet_hours_each_has_its_own_exceptions() -> None:
    silent = QuietHours(12 * 60, 13 * 60, excepted=frozenset())
    noon = parse_time("2026-03-02T12:30:00Z")
    assert format_time(quiet_until((NIGHTS, silent), "critical", noon)) == "2026-03-02T13:00:00.000Z"


@pytest.mark.parametrize(
    ("hours", "severity", "never"),
    [
        ((QuietHours(0, 0),), "high", True),
        ((QuietHours(0, 0),), "critical", False),
        ((QuietHours(8 * 60, 20 * 60), QuietHours(20 * 60, 8 * 60)), "elevated", True),
        ((QuietHours(0, 24 * 60, EVERY_DAY - {2}),), "high", False),
        ((NIGHTS, WEEKENDS), "high", False),
        ((), "high", False),
    ],
)
def test_it_is_known_when_it_is_always_quiet(hours: tuple[QuietHours, ...], severity: Severity, never: bool) -> None:
    assert is_never_told(hours, severity) is never


@pytest.mark.parametrize(
    ("begins", "ends", "days"), [(-1, 5, EVERY_DAY), (1440, 5, EVERY_DAY), (0, 1441, EVERY_DAY), (0, 5, ())]
)
def test_hours_that_are_none_are_refused(begins: int, ends: int, days: frozenset[int]) -> None:
    with pytest.raises(ValueError, match="quiet hours"):
        QuietHours(begins, ends, frozenset(days))


ZONES: list[tzinfo] = [UTC, BERLIN, ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Asia/Kolkata")]
ANY_HOURS = st.builds(
    QuietHours,
    st.integers(0, 1439),
    st.integers(0, 1440),
    st.frozensets(st.integers(0, 6), min_size=1),
    st.sampled_from(ZONES),
)


@given(st.lists(ANY_HOURS, max_size=3), st.integers(parse_time("2026-01-01T00:00:00Z"), parse_time("2027-12-31T00:00:00Z")))
def test_when_they_end_it_is_not_quiet_and_until_then_it_is(hours: list[QuietHours], at: int) -> None:
    until = quiet_until(hours, "high", at)
    assert until >= at
    if until <= at + LONGEST_MS:
        assert all(one.end_at(until) is None for one in hours)
    for moment in (at, (at + until) // 2, until - 1):
        assert not at <= moment < until or any(one.end_at(moment) is not None for one in hours)
