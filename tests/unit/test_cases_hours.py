"""Business hours: golden values with the reason beside each, and what must hold of any."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.business_hours import WEEKDAYS, BusinessHours

BERLIN, NEW_YORK, LORD_HOWE = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe")
BEIRUT, APIA = ZoneInfo("Asia/Beirut"), ZoneInfo("Pacific/Apia")
EVERY_DAY = frozenset(range(7))
AROUND_THE_CLOCK = (EVERY_DAY, 0, 1440)


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def shown(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("start", "hours", "due", "why"),
    [
        ("2026-03-02T09:30:00Z", 2, "2026-03-02 11:30", "a Monday, with the hours of the day left"),
        ("2026-03-02T09:30:00Z", 16, "2026-03-04 09:30", "7.5 h, 8 h, and half an hour of Wednesday"),
        ("2026-03-02T16:00:00Z", 1, "2026-03-02 17:00", "the last moment of a day belongs to it"),
        ("2026-03-02T16:00:01Z", 1, "2026-03-03 09:00", "a second is left over for the next morning"),
        ("2026-03-02T03:00:00Z", 1, "2026-03-02 10:00", "before they open it has not begun"),
        ("2026-03-02T17:00:00Z", 1, "2026-03-03 10:00", "nor after they have closed"),
        ("2026-03-06T16:00:00Z", 2, "2026-03-09 10:00", "a Friday: the weekend does not count"),
        ("2026-03-07T12:00:00Z", 8, "2026-03-09 17:00", "a Saturday: all of Monday"),
        ("2026-03-02T09:00:00Z", 80, "2026-03-13 17:00", "ten days of eight hours are two weeks"),
    ],
)
def test_nine_to_five_in_utc(start: str, hours: int, due: str, why: str) -> None:
    assert shown(BusinessHours().add(ms(start), hours * 60)) == due, why


@pytest.mark.parametrize(
    ("zone", "start", "hours", "due", "why"),
    [
        (BERLIN, "2026-03-27T16:00:00+01:00", 2, "2026-03-30 08:00", "Friday 16 to 17, Monday 9 to 10, by then in summer time"),
        (BERLIN, "2026-10-23T16:00:00+02:00", 2, "2026-10-26 09:00", "the same in autumn: 10 in Berlin is 9 UTC again"),
        (NEW_YORK, "2026-03-06T16:00:00-05:00", 2, "2026-03-09 14:00", "summer time begins three weeks earlier there"),
        (APIA, "2011-12-29T16:00:00-10:00", 2, "2012-01-01 20:00", "Samoa left the 30th out: Thursday, then Monday at 10"),
        (BERLIN, "2026-01-05T23:30:00Z", 1, "2026-01-06 09:00", "half past midnight on Tuesday in Berlin"),
    ],
)
def test_by_the_clock_of_the_zone(zone: ZoneInfo, start: str, hours: int, due: str, why: str) -> None:
    assert shown(BusinessHours(zone).add(ms(start), hours * 60)) == due, why


@pytest.mark.parametrize(
    ("zone", "start", "hours", "due", "why"),
    [
        (BERLIN, "2026-03-29T00:00:00+01:00", 23, "2026-03-29 22:00", "this day has 23 hours: its end is 22:00 UTC"),
        (BERLIN, "2026-10-25T00:00:00+02:00", 25, "2026-10-25 23:00", "and this one 25"),
        (BERLIN, "2026-03-28T12:00:00+01:00", 24, "2026-03-29 11:00", "around the clock an hour is an hour"),
        (LORD_HOWE, "2026-04-05T00:00:00+11:00", 24, "2026-04-05 13:00", "clocks go back by half an hour: the day is not over"),
        (
            BEIRUT,
            "2026-03-28T23:00:00+02:00",
            2,
            "2026-03-28 23:00",
            "midnight is left out there: 24:00 is 01:00, once",
        ),
        (APIA, "2011-12-29T12:00:00-10:00", 24, "2011-12-30 22:00", "a day that never was has no hours"),
    ],
)
def test_around_the_clock_when_clocks_change(zone: ZoneInfo, start: str, hours: int, due: str, why: str) -> None:
    assert shown(BusinessHours(zone, *AROUND_THE_CLOCK).add(ms(start), hours * 60)) == due, why


def test_hours_that_the_clocks_leave_out_or_have_twice() -> None:
    night = BusinessHours(BERLIN, EVERY_DAY, 2 * 60 + 30, 4 * 60)
    spring, autumn = date(2026, 3, 29).toordinal(), date(2026, 10, 25).toordinal()
    opening, closing = night.span(spring) or (0, 0)
    assert (shown(opening), shown(closing)) == ("2026-03-29 01:30", "2026-03-29 02:00"), "half past two is half past three"
    opening, closing = night.span(autumn) or (0, 0)
    assert (shown(opening), shown(closing)) == ("2026-10-25 00:30", "2026-10-25 03:00"), "the first half past two"
    assert BusinessHours(BERLIN, EVERY_DAY, 2 * 60 + 30, 3 * 60).span(spring) is None


def test_holidays_do_not_count() -> None:
    closed = {date(2026, 12, 24), date(2026, 12, 25)}
    hours = BusinessHours(BERLIN, WEEKDAYS, is_closed=closed.__contains__)
    assert shown(hours.add(ms("2026-12-23T16:00:00+01:00"), 120)) == "2026-12-28 09:00"


def test_nothing_is_due_later_than_in_ten_years() -> None:
    hours = BusinessHours(is_closed=lambda day: True)
    assert shown(hours.add(ms("2026-03-02T09:30:00Z"), 60)) == "2036-03-09 09:30"


@pytest.mark.parametrize(
    ("days", "opens", "closes"), [(frozenset(), 0, 1), ({7}, 0, 1), ({0}, 60, 60), ({0}, -1, 60), ({0}, 0, 1441)]
)
def test_hours_that_are_none(days: frozenset[int], opens: int, closes: int) -> None:
    with pytest.raises(ValueError, match=r"days|hours"):
        BusinessHours(UTC, frozenset(days), opens, closes)


@st.composite
def hours_and_a_time(draw: st.DrawFn) -> tuple[BusinessHours, int]:
    zone = draw(st.sampled_from((UTC, BERLIN, NEW_YORK, LORD_HOWE, BEIRUT, APIA)))
    opens = draw(st.sampled_from((0, 30, 90, 150, 540, 1320)))
    closes = draw(st.integers(min(opens + 60, 1440), 1440))
    days = draw(st.frozensets(st.integers(0, 6), min_size=1))
    closed = draw(st.frozensets(st.dates(date(2026, 3, 1), date(2026, 4, 30)), max_size=5))
    around = draw(st.sampled_from((ms("2026-03-28T12:00:00Z"), ms("2026-10-24T12:00:00Z"), ms("2011-12-29T12:00:00Z"))))
    start = around + draw(st.integers(-5 * 86_400_000, 5 * 86_400_000))
    return BusinessHours(zone, days, opens, closes, closed.__contains__), start


MINUTES = st.integers(1, 5_000)


@given(hours_and_a_time(), MINUTES, st.integers(0, 3 * 86_400_000))
def test_later_is_never_due_earlier(case: tuple[BusinessHours, int], minutes: int, later: int) -> None:
    hours, start = case
    assert hours.add(start, minutes) <= hours.add(start + later, minutes)
    assert hours.add(start, minutes) < hours.add(start, minutes + 1)
    assert hours.add(start, minutes) >= start + minutes * 60_000


@given(hours_and_a_time(), MINUTES, MINUTES)
def test_one_after_the_other_is_both(case: tuple[BusinessHours, int], first: int, second: int) -> None:
    hours, start = case
    assert hours.add(hours.add(start, first), second) == hours.add(start, first + second)


@given(hours_and_a_time(), MINUTES)
def test_it_is_due_while_somebody_works(case: tuple[BusinessHours, int], minutes: int) -> None:
    hours, start = case
    due = hours.add(start, minutes)
    day = datetime.fromtimestamp(due / 1000, UTC).date().toordinal()
    spans = [span for number in range(day - 2, day + 3) if (span := hours.span(number)) is not None]
    assert any(opening <= due <= closing for opening, closing in spans)
