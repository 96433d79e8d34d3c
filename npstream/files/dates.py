"""Times as exports write them, and in which order day and month stand: decided over all times of a file, never by one alone.

Read are RFC 3339 and its relatives (2026-03-31 09:30, 2026/03/31), day and month as numbers (31/12/2026, 12/31/2026 9:30 PM,
31.12.26), months by name (31 Dec 2026, December 31, 2026), epoch numbers in seconds or milliseconds, and in spreadsheets
Excel's days since 1899-12-30. A day alone is its midnight.
"""

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Any, Final, NamedTuple

from npstream.files.labels import DateOrder
from schemas.times import LATEST_MS

_CLOCK: Final = r"(?:[T, ]+(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?)?"
_REST: Final = r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?\s*(?P<zone>Z|z|UTC|GMT|(?:UTC|GMT)?[+-]\d\d:?\d\d)?"
_YEAR_FIRST: Final = re.compile(r"(?P<year>\d{4})([-/.])(?P<month>\d\d?)\2(?P<day>\d\d?)" + _CLOCK + _REST, re.ASCII)
_NUMBERS: Final = re.compile(r"(?P<one>\d\d?)([-/.])(?P<other>\d\d?)\2(?P<year>\d{4}|\d\d)" + _CLOCK + _REST, re.ASCII)
_DAY_NAMED: Final = re.compile(r"(?P<day>\d\d?)[- ](?P<name>[A-Za-z]{3,9})\.?[-, ] ?(?P<year>\d{4})" + _CLOCK + _REST, re.ASCII)
_NAME_FIRST: Final = re.compile(r"(?P<name>[A-Za-z]{3,9})\.? (?P<day>\d\d?),? (?P<year>\d{4})" + _CLOCK + _REST, re.ASCII)
_EPOCH_DIGITS: Final = re.compile(r"\d{9,10}|\d{12,13}", re.ASCII)
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONG_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_SHORT_YEARS_FROM: Final = 2000
"""No survey of npstream's kind is older than that, so 26 is 2026."""
_MILLISECONDS_FROM: Final = 100_000_000_000
"""Epoch numbers from here on are milliseconds, as everywhere in npstream."""
EXCEL_DAYS: Final = (25_569, 109_575)
"""Excel's numbers of the days 1970-01-01 and 2200-01-01. As seconds since 1970 they would be of one day of that year."""
_CENTURY_DAYS: Final = (36_526, 73_050)
"""The same of 2000-01-01 and 2100-01-01."""
_CENTURY_S: Final = 946_684_800
"""2000-01-01 in seconds since 1970."""
_EXCEL_EPOCH: Final = datetime(1899, 12, 30)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SHOWN: Final = 40


def parse(value: Any, zone: tzinfo, order: DateOrder | None) -> int:
    """Milliseconds since 1970-01-01, UTC, of a cell. `zone` is that of a time that names none. Raises ValueError."""
    if isinstance(value, datetime):
        ms = _ms(value, zone)
    elif isinstance(value, date):
        ms = _ms(datetime(value.year, value.month, value.day), zone)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        ms = _of_number(value, zone)
    elif isinstance(value, str):
        ms = _of_text(value.strip(), zone, order)
    else:
        raise ValueError(f"{_shown(value)} is no time")
    if not 0 <= ms < LATEST_MS:
        raise ValueError(f"{_shown(value)} is no time between 1970 and 2199")
    return ms


def is_time(value: Any) -> bool:
    """Whether a cell looks like a time, in either order of day and month. Of numbers those do that are of this century."""
    if isinstance(value, int | float):
        return _CENTURY_DAYS[0] <= value < _CENTURY_DAYS[1] or _CENTURY_S <= value < LATEST_MS
    for order in ("day-first", "month-first"):
        try:
            parse(value, UTC, order)
        except ValueError:
            continue
        return True
    return False


class _Seen(NamedTuple):
    """A date that tells something, and where it stands."""

    where: str
    text: str


class Order:
    """In which order day and month stand, as the times of a file tell when all of them were looked at."""

    def __init__(self) -> None:
        self._only: dict[DateOrder, _Seen] = {}
        """The first date that can be read in this order alone."""
        self._either: _Seen | None = None

    def look(self, where: str, value: Any) -> None:
        """Take one more cell into account."""
        if not isinstance(value, str) or len(self._only) > 1:
            return
        match = _NUMBERS.fullmatch(value.strip())
        if match is None:
            return
        one, other = int(match["one"]), int(match["other"])
        seen = _Seen(where, value.strip()[:_SHOWN])
        if one <= 12 < other <= 31:
            self._only.setdefault("month-first", seen)
        elif other <= 12 < one <= 31:
            self._only.setdefault("day-first", seen)
        elif self._either is None and one != other and one <= 12 and other <= 12:
            self._either = seen

    def decided(self) -> tuple[DateOrder | None, str]:
        """The order, and how it is known; None where it does not matter. Raises ValueError where the file does not tell."""
        if len(self._only) > 1:
            day, month = self._only["day-first"], self._only["month-first"]
            raise ValueError(
                f"{day.text} in {day.where} has the day first, {month.text} in {month.where} the month; "
                "say which with --dates day-first or --dates month-first: the others are then refused"
            )
        for order, seen in self._only.items():
            return order, f"{order.replace('-', ' ')}, as {seen.text} in {seen.where} tells"
        if self._either is not None:
            raise ValueError(
                f"no date tells whether the day or the month comes first, such as {self._either.text} in {self._either.where}; "
                "say it with --dates day-first or --dates month-first"
            )
        return None, ""


def _of_number(value: float, zone: tzinfo) -> int:
    if EXCEL_DAYS[0] <= value < EXCEL_DAYS[1]:
        # Excel's times are fractions of a day, with an error of some microseconds.
        return _ms(_EXCEL_EPOCH + timedelta(milliseconds=round(value * 86_400_000)), zone)
    if not 0 <= value < LATEST_MS:
        raise ValueError(f"{_shown(value)} is no time between 1970 and 2199")
    return int(value) if value >= _MILLISECONDS_FROM else round(value * 1000)


def _of_text(text: str, zone: tzinfo, order: DateOrder | None) -> int:
    if _EPOCH_DIGITS.fullmatch(text):
        return int(text) if int(text) >= _MILLISECONDS_FROM else int(text) * 1000
    if match := _YEAR_FIRST.fullmatch(text):
        return _made(match, int(match["month"]), int(match["day"]), zone)
    if match := _NUMBERS.fullmatch(text):
        one, other = int(match["one"]), int(match["other"])
        if order is None and one != other:
            raise ValueError(f"{_shown(text)}: day first or month first? See --dates")
        month, day = (one, other) if order == "month-first" else (other, one)
        return _made(match, month, day, zone)
    if match := _DAY_NAMED.fullmatch(text) or _NAME_FIRST.fullmatch(text):
        name = match["name"].lower()
        if name in _LONG_MONTHS or name in _MONTHS or name == "sept":
            return _made(match, _MONTHS.index(name[:3]) + 1, int(match["day"]), zone)
    raise ValueError(f"{_shown(text)} is no time")


def _made(match: re.Match[str], month: int, day: int, zone: tzinfo) -> int:
    year, hour = int(match["year"]), int(match["hour"] or 0)
    if len(match["year"]) == 2:
        year += _SHORT_YEARS_FROM
    half = match["half"]
    if half:
        if not 1 <= hour <= 12:
            raise ValueError(f"{_shown(match[0])} is no time: {hour} {half}")
        hour = hour % 12 + (12 if half[0] in "pP" else 0)
    micros = int((match["fraction"] or "").ljust(6, "0")[:6])
    try:
        moment = datetime(year, month, day, hour, int(match["minute"] or 0), int(match["second"] or 0), micros)
        return _ms(moment, _offset(match["zone"]) or zone)
    except ValueError as error:
        raise ValueError(f"{_shown(match[0])} is no time: {error}") from error


def _offset(text: str | None) -> tzinfo | None:
    if not text:
        return None
    signed = text.upper().removeprefix("UTC").removeprefix("GMT")
    if signed in ("", "Z"):
        return UTC
    minutes = int(signed[1:3]) * 60 + int(signed[-2:])
    return timezone(timedelta(minutes=-minutes if signed[0] == "-" else minutes))


def _ms(moment: datetime, zone: tzinfo) -> int:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
