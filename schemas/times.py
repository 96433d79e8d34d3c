"""Times in and out. Inside everything is whole milliseconds since 1970-01-01, UTC, and whole days since the same day;
outside it is RFC 3339 in UTC with milliseconds."""

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final

DAY_MS: Final = 86_400_000
"""Milliseconds of a UTC day."""
LATEST_MS: Final = 7_258_118_400_000
"""2200-01-01T00:00:00Z: what lies beyond is a unit mistaken for another, not a time. The earliest is 1970."""
MILLISECONDS_FROM: Final = 100_000_000_000
"""Numbers from 1e11 on are milliseconds (1973 and later), smaller ones are seconds (up to the year 5138)."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_MILLISECOND = timedelta(milliseconds=1)
_RFC_3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d(?:\.\d+)?)(Z|z|[+-]\d\d:?\d\d)?", re.ASCII)
_SPACED = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d(?:\.\d+)?) (Z|UTC|GMT|[+-]\d\d:?\d\d)", re.ASCII)
"""2016-08-04 13:57:26 -0700: what Ruby, PHP and others write, and so some vendors. In canonical JSON it is faulty."""
_UTC_NAMES: Final = ("UTC", "GMT")
_SHOWN = 40
"""Characters of a value that a message shows."""
_SECONDS_FORM, _MILLIS_FORM = "--T::Z", "--T::."
"""Every third character, from the fifth to the 20th, of 2026-03-01T09:30:00Z and of 2026-03-01T09:30:00.000Z."""
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)

# Formatting by look-up is four times as fast as datetime's, and it happens several times for each response.
_MINUTES = tuple(f"T{minute // 60:02d}:{minute % 60:02d}:" for minute in range(1440))
_SECONDS = tuple(f"{second:02d}." for second in range(60))
_MILLIS = tuple(f"{milli:03d}Z" for milli in range(1000))


def parse_time(value: object, zone: tzinfo | None = None) -> int:
    """Milliseconds since the epoch, UTC, of an RFC 3339 string or of an epoch number in seconds or milliseconds.

    A string without an offset is a time in `zone`, and a ValueError where that is None; where a clock is set back, the
    first of the two readings is meant. With a zone a space may stand before the offset, and UTC or GMT in its place: vendors
    write that. Below a millisecond digits are cut off. Raises ValueError for anything else: other types, booleans, NaN, dates
    without a time, years before 1970 or after 2199.
    """
    if type(value) is str:
        # The usual forms, 2026-03-01T09:30:00.000Z and 2026-03-01T09:30:00Z, without a regular expression.
        form = value[4:20:3]
        if (form == _MILLIS_FORM and len(value) == 24 and value[23] == "Z") or (form == _SECONDS_FORM and len(value) == 20):
            try:
                ms = (datetime.fromisoformat(value) - _EPOCH) // _MILLISECOND
            except ValueError:
                ms = _parse_text(value, zone)
        else:
            ms = _parse_text(value, zone)
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{_shown(value)} is no time: expected RFC 3339 text or an epoch number")
    elif not -LATEST_MS < value < LATEST_MS:  # NaN neither
        raise ValueError(f"{_shown(value)} is no time between 1970 and 2199")
    else:
        ms = int(value) if abs(value) >= MILLISECONDS_FROM else round(value * 1000)
    if not 0 <= ms < LATEST_MS:
        raise ValueError(f"{_shown(value)} is no time between 1970 and 2199")
    return ms


def normal_time(value: object, zone: tzinfo | None = None) -> str:
    """What `parse_time` accepts, in the form that `format_time` writes: fast for what has that form already."""
    if type(value) is str and len(value) == 24 and value[4:20:3] == _MILLIS_FORM and value[23] == "Z":
        try:
            datetime.fromisoformat(value)
        except ValueError:
            return format_time(parse_time(value, zone))
        if "1970" <= value < "2200":
            return value
    return format_time(parse_time(value, zone))


def format_time(ms: int) -> str:
    """RFC 3339 in UTC with milliseconds: 2026-03-01T09:30:00.000Z."""
    day, rest = divmod(ms, DAY_MS)
    minute, rest = divmod(rest, 60_000)
    second, milli = divmod(rest, 1000)
    return format_day(day) + _MINUTES[minute] + _SECONDS[second] + _MILLIS[milli]


def day_of(ms: int) -> int:
    """The UTC day that a time in ms is in, in days since 1970-01-01."""
    return ms // DAY_MS


@lru_cache(maxsize=4096)  # ten years of days
def format_day(day: int) -> str:
    """A day since 1970-01-01 as 2026-03-01. Raises ValueError or OverflowError outside the years 1 to 9999."""
    return date.fromordinal(_EPOCH_ORDINAL + day).isoformat()


def parse_day(text: str) -> int:
    """Days since 1970-01-01 of 2026-03-01. Raises ValueError for any other form."""
    if not _DAY.fullmatch(text):
        raise ValueError(f"{_shown(text)} is no day: expected YYYY-MM-DD")
    return date.fromisoformat(text).toordinal() - _EPOCH_ORDINAL


def _parse_text(text: str, zone: tzinfo | None) -> int:
    """Any other RFC 3339 form; also a space for the T, an offset without its colon, and none at all, or one apart from the
    time, where a zone is known."""
    match = _RFC_3339.fullmatch(text) or (None if zone is None else _SPACED.fullmatch(text))
    if match is None:
        raise ValueError(f"{_shown(text)} is no time: expected RFC 3339, such as 2026-03-01T09:30:00.000Z")
    day, clock, offset = match.groups()
    if offset in _UTC_NAMES:
        offset = "Z"
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{(offset or '').upper()}")
    except ValueError as error:
        raise ValueError(f"{_shown(text)} is no time: {error}") from error
    if moment.tzinfo is None:
        if zone is None:
            raise ValueError(f"{_shown(text)} has no zone: add Z or an offset such as +01:00")
        moment = moment.replace(tzinfo=zone)
    return (moment - _EPOCH) // _MILLISECOND


def _shown(value: object) -> str:
    """The beginning of a value, for messages."""
    if isinstance(value, str):
        return repr(value) if len(value) <= _SHOWN else repr(value[:_SHOWN]) + "..."
    return repr(value) if value is None or isinstance(value, int | float) else f"a {type(value).__name__}"
