"""Dates in files: the forms that exports have, and which of day and month comes first, as the whole file tells."""

from datetime import UTC, date, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npstream.files.dates import Order, is_time, parse
from npstream.files.labels import DateOrder
from schemas.times import format_time, parse_time

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-03-31T09:30:05.123Z", "2026-03-31T09:30:05.123Z"),
        ("2026-03-31 09:30:05.123456", "2026-03-31T09:30:05.123Z"),
        ("2026-03-31 09:30", "2026-03-31T09:30:00.000Z"),
        ("2026-03-31 09:30:00 UTC", "2026-03-31T09:30:00.000Z"),
        ("2026-03-31 09:30:00 +0200", "2026-03-31T07:30:00.000Z"),
        ("2026-03-31T09:30-05:30", "2026-03-31T15:00:00.000Z"),
        ("2026-03-31", "2026-03-31T00:00:00.000Z"),
        ("2026/3/31", "2026-03-31T00:00:00.000Z"),
        ("31/12/2026", "2026-12-31T00:00:00.000Z"),
        ("31.12.26 9:05", "2026-12-31T09:05:00.000Z"),
        ("31-12-2026, 23:59:59", "2026-12-31T23:59:59.000Z"),
        ("3/4/2026 12:00 AM", "2026-04-03T00:00:00.000Z"),
        ("3/4/2026 12:30 p.m.", "2026-04-03T12:30:00.000Z"),
        ("31 Dec 2026", "2026-12-31T00:00:00.000Z"),
        ("1-Mar-2026 9:30 PM", "2026-03-01T21:30:00.000Z"),
        ("December 31, 2026", "2026-12-31T00:00:00.000Z"),
        ("Sept. 1 2026, 09:30", "2026-09-01T09:30:00.000Z"),
        ("1772357400", "2026-03-01T09:30:00.000Z"),
        ("1772357400123", "2026-03-01T09:30:00.123Z"),
        (1772357400, "2026-03-01T09:30:00.000Z"),
        (1772357400123.0, "2026-03-01T09:30:00.123Z"),
        (46082.395833333336, "2026-03-01T09:30:00.000Z"),
        (46082, "2026-03-01T00:00:00.000Z"),
        (datetime(2026, 3, 1, 9, 30), "2026-03-01T09:30:00.000Z"),
        (date(2026, 3, 1), "2026-03-01T00:00:00.000Z"),
    ],
)
def test_the_forms_that_exports_have(given: Any, expected: str) -> None:
    assert format_time(parse(given, UTC, "day-first")) == expected
    assert is_time(given)


@pytest.mark.parametrize(
    "given",
    [
        *("", "soon", "2026-02-30", "31/02/2026", "32/01/2026", "2026-13-01", "1/2", "12:30", "Marchy 1, 2026", "9", "1.5"),
        *("1/1/1969", "2200-01-01", "2026-01-01 25:00", "1/2/2026 13:00 PM", True, None, float("nan"), float("inf"), -1),
        *("9" * 30, "1/2-2026", [1]),
    ],
)
def test_what_is_no_time(given: Any) -> None:
    with pytest.raises(ValueError, match="time"):
        parse(given, UTC, "day-first")
    assert not is_time(given)


@pytest.mark.parametrize(
    ("given", "zone", "expected"),
    [
        ("2026-07-01 12:00", BERLIN, "2026-07-01T10:00:00.000Z"),
        ("2026-01-01 12:00", BERLIN, "2026-01-01T11:00:00.000Z"),
        ("2026-01-01 12:00 Z", BERLIN, "2026-01-01T12:00:00.000Z"),
        ("2026-10-25 02:30", BERLIN, "2026-10-25T00:30:00.000Z"),  # the clock is set back: the first of the two
        (datetime(2026, 7, 1, 12), BERLIN, "2026-07-01T10:00:00.000Z"),
        (46082.5, BERLIN, "2026-03-01T11:00:00.000Z"),
        ("1772357400", BERLIN, "2026-03-01T09:30:00.000Z"),
    ],
)
def test_a_zone_is_that_of_times_without_one(given: Any, zone: tzinfo, expected: str) -> None:
    assert format_time(parse(given, zone, None)) == expected


def test_the_same_date_is_another_day_month_first() -> None:
    assert format_time(parse("3/4/2026", UTC, "month-first")) == "2026-03-04T00:00:00.000Z"
    with pytest.raises(ValueError, match="day first or month first"):
        parse("3/4/2026", UTC, None)
    assert format_time(parse("4/4/2026", UTC, None)) == "2026-04-04T00:00:00.000Z"


def order_of(*values: Any) -> tuple[DateOrder | None, str]:
    order = Order()
    for number, value in enumerate(values, 2):
        order.look(f"row {number}", value)
    return order.decided()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["03/04/2026", "31/12/2026"], "day-first"),
        (["03/04/2026", "12/31/2026"], "month-first"),
        (["12.31.26 9:00"], "month-first"),
        (["2026-03-04", "", None, 46082.5, "3 Apr 2026", "1772357400"], None),
        (["4/4/2026", "05/05/2026"], None),
        ([], None),
        (["31/31/2026"], None),
    ],
)
def test_one_date_that_can_be_read_in_one_way_tells_of_all(values: list[Any], expected: DateOrder | None) -> None:
    assert order_of(*values)[0] == expected


def test_which_date_told_it_is_said() -> None:
    assert order_of("03/04/2026", "31/12/2026")[1] == "day first, as 31/12/2026 in row 3 tells"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["03/04/2026", "4/4/2026"], "no date tells whether the day or the month comes first, such as 03/04/2026 in row 2"),
        (["31/12/2026", "12/31/2026"], "31/12/2026 in row 2 has the day first, 12/31/2026 in row 3 the month"),
    ],
)
def test_what_cannot_be_decided_is_refused_with_the_flag_that_decides(values: list[str], words: str) -> None:
    with pytest.raises(ValueError, match="--dates day-first or --dates month-first") as refused:
        order_of(*values)
    assert words in str(refused.value)


@given(
    st.lists(st.dates(date(1971, 1, 1), date(2199, 12, 30)), min_size=1),
    st.sampled_from(("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%m-%d-%Y")),
)
def test_dates_are_read_as_they_were_written_or_refused(days: list[date], form: str) -> None:
    written = [day.strftime(form) for day in days]
    try:
        order = order_of(*written)[0]
    except ValueError:
        assert all(day.day <= 12 for day in days)
        return
    read = [format_time(parse(text, UTC, order))[:10] for text in written]
    assert read == [day.isoformat() for day in days]


@given(st.datetimes(datetime(1970, 1, 2), datetime(2199, 12, 30), timezones=st.just(UTC)))
def test_what_is_rfc_3339_is_read_as_everywhere_else(moment: datetime) -> None:
    text = moment.isoformat(timespec="milliseconds")
    assert parse(text, BERLIN, None) == parse_time(text)
