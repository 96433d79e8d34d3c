"""Times: what is read, what is refused, and that both ways agree."""

import math
import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.times import DAY_MS, LATEST_MS, day_of, format_day, format_time, normal_time, parse_day, parse_time

MS = 1_772_357_400_123  # 2026-03-01T09:30:00.123Z, by `date -u -d 2026-03-01T09:30:00 +%s`
SECOND = 1_772_357_400_000
BERLIN = ZoneInfo("Europe/Berlin")

moments = st.integers(0, LATEST_MS - 1)


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        ("2026-03-01T09:30:00.123Z", MS),
        ("2026-03-01T09:30:00Z", SECOND),
        ("2026-03-01t09:30:00.123z", MS),
        ("2026-03-01 09:30:00.123Z", MS),
        ("2026-03-01T09:30:00.1Z", SECOND + 100),
        ("2026-03-01T09:30:00.123999Z", MS),
        ("2026-03-01T09:30:00.123456789Z", MS),
        ("2026-03-01T10:30:00.123+01:00", MS),
        ("2026-03-01T10:30:00.123+0100", MS),
        ("2026-03-01T04:00:00.123-05:30", MS),
        ("2026-03-01T09:30:00.123-00:00", MS),
        ("1970-01-01T00:00:00Z", 0),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000),
        ("2199-12-31T23:59:59.999Z", LATEST_MS - 1),
        (MS, MS),
        (float(MS), MS),
        (MS // 1000, SECOND),
        (MS / 1000, MS),
        (0, 0),
        (99_999_999_999 // 20, 4_999_999_999_000),  # seconds
        (100_000_000_000, 100_000_000_000),  # milliseconds from 1e11 on
    ],
)
def test_what_is_a_time(value: object, ms: int) -> None:
    assert parse_time(value) == ms


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("2026-03-01T09:30:00", "no zone"),
        ("2026-03-01T09:30:00.123", "no zone"),
        ("2026-03-01T09:30:00.0000", "no zone"),  # as long as the usual form
        ("2026-03-01", "expected RFC 3339"),
        ("2026-03-01T09:30Z", "expected RFC 3339"),
        ("20260301T093000Z", "expected RFC 3339"),
        ("2026-W09-1T09:30:00.000Z", "expected RFC 3339"),  # as long as the usual form
        ("2026-03-01T09:30:00,123Z", "expected RFC 3339"),
        ("2026-03-01T09:30:00 Z", "expected RFC 3339"),
        (" 2026-03-01T09:30:00Z", "expected RFC 3339"),
        ("2026-03-01T09:30:00Z\n", "expected RFC 3339"),
        ("２０２６-03-01T09:30:00Z", "expected RFC 3339"),
        ("yesterday", "expected RFC 3339"),
        ("1772357400", "expected RFC 3339"),
        ("", "expected RFC 3339"),
        ("2026-02-30T09:30:00Z", "day"),
        ("2026-13-01T09:30:00Z", "month"),
        ("2026-03-01T25:30:00Z", "hour"),
        ("2026-03-01T09:30:60Z", "second"),
        ("2026-03-01T09:30:00+25:00", "offset"),
        ("1969-12-31T23:59:59.999Z", "between 1970 and 2199"),
        ("0001-01-01T00:00:00+23:59", "between 1970 and 2199"),
        ("2200-01-01T00:00:00Z", "between 1970 and 2199"),
        ("9999-12-31T23:59:59-23:59", "between 1970 and 2199"),
        (-1, "between 1970 and 2199"),
        (-MS, "between 1970 and 2199"),
        (MS * 1000, "between 1970 and 2199"),  # microseconds
        (1e300, "between 1970 and 2199"),
        (math.nan, "no time"),
        (math.inf, "no time"),
        (-math.inf, "no time"),
        (True, "no time"),
        (False, "no time"),
        (None, "no time"),
        ([], "a list is no time"),
        ({}, "a dict is no time"),
        (b"2026-03-01T09:30:00Z", "a bytes is no time"),
    ],
)
def test_what_is_no_time(value: object, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        parse_time(value)
    with pytest.raises(ValueError, match=re.escape(told)):
        normal_time(value)


def test_a_message_shows_the_beginning_of_a_long_text_only() -> None:
    with pytest.raises(ValueError, match="is no time") as raised:
        parse_time("9" * 10_000_000)
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize(
    ("value", "zone", "ms"),
    [
        ("2026-03-01T10:30:00.123", BERLIN, MS),
        ("2026-03-01 10:30:00.123", BERLIN, MS),
        ("2026-07-01T12:00:00", BERLIN, 1_782_900_000_000),  # summer time: 10:00 UTC
        ("2026-03-01T09:30:00.123", UTC, MS),
        ("2026-03-01T09:30:00.123Z", BERLIN, MS),  # its own zone counts
        ("2026-10-25T02:30:00", BERLIN, 1_792_888_200_000),  # happens twice: the first, 00:30 UTC
        (MS, BERLIN, MS),
        ("2026-03-01 02:30:00 -0700", BERLIN, SECOND),
        ("2026-03-01 02:30:00.123 -07:00", BERLIN, MS),
        ("2026-03-01T09:30:00 Z", BERLIN, SECOND),
        ("2026-03-01 09:30:00 UTC", BERLIN, SECOND),
        ("2026-03-01 09:30:00 GMT", BERLIN, SECOND),
    ],
)
def test_a_zone_is_for_texts_that_have_none(value: object, zone: tzinfo, ms: int) -> None:
    assert parse_time(value, zone) == ms
    assert normal_time(value, zone) == format_time(ms)


@pytest.mark.parametrize(
    "value",
    [
        "2026-03-01 02:30:00 -0700",
        "2026-03-01 09:30:00 UTC",
    ],
)
def test_an_offset_apart_from_its_time_is_for_vendors_alone(value: str) -> None:
    with pytest.raises(ValueError, match="expected RFC 3339"):
        parse_time(value)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("2026-03-01 02:30:00  -0700", "expected RFC 3339"),
        ("2026-03-01 02:30:00 -07", "expected RFC 3339"),
        ("2026-03-01 02:30:00 PST", "expected RFC 3339"),
        ("2026-03-01 02:30:00UTC", "expected RFC 3339"),
        ("2026-03-01 02:30:00 utc", "expected RFC 3339"),
        ("2026-02-30 02:30:00 -0700", "day"),
        ("2026-03-01 02:30:00 -2500", "offset"),
    ],
)
def test_what_is_no_vendors_time_either(value: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        parse_time(value, BERLIN)


@given(moments)
@example(0)
@example(LATEST_MS - 1)
@example(MS)
def test_what_is_written_is_what_datetime_writes_and_is_read_again(ms: int) -> None:
    written = format_time(ms)
    as_datetime = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    assert written == as_datetime.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert parse_time(written) == ms
    assert normal_time(written) == written


@given(moments, st.integers(-1439, 1439))
def test_any_offset_gives_the_same_moment(ms: int, minutes: int) -> None:
    zone = timezone(timedelta(minutes=minutes))
    text = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)).astimezone(zone).isoformat(timespec="milliseconds")
    assert parse_time(text) == ms


texts = st.one_of(
    st.text(),
    st.from_regex(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{0,9})?( ?(Z|UTC|[+-]\d\d:?\d\d))?", fullmatch=True),
    st.text("0123456789-:.TZWz+ ,", min_size=19, max_size=24),
)


@given(st.one_of(texts, st.integers(), st.floats(), st.booleans(), st.none()), st.sampled_from([None, UTC, BERLIN]))
@example("2026-03-01T09:30:00.+1Z", None)
@example("2026-03-01T09:30:00.000+", None)
def test_anything_is_a_time_in_range_or_a_value_error(value: Any, zone: tzinfo | None) -> None:
    try:
        ms = parse_time(value, zone)
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            normal_time(value, zone)
        return
    assert 0 <= ms < LATEST_MS
    assert normal_time(value, zone) == format_time(ms)


@given(st.integers(-100_000, 1_000_000))
def test_days_are_written_and_read(day: int) -> None:
    assert parse_day(format_day(day)) == day


@pytest.mark.parametrize(
    ("ms", "day"), [(0, 0), (DAY_MS - 1, 0), (DAY_MS, 1), (-1, -1), (MS, 20_513)], ids=lambda value: str(value)
)
def test_the_day_of_a_time(ms: int, day: int) -> None:
    assert day_of(ms) == day
    assert format_day(day_of(MS)) == "2026-03-01"


@pytest.mark.parametrize("text", ["", "2026-3-1", "20260301", "2026-02-30", "2026-W09-1", "2026-03-01T00:00:00Z", "٢٠٢٦-03-01"])
def test_what_is_no_day(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_day(text)
