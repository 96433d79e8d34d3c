"""Cells: what one source partition has counted for a segment, on its way from scoring to rollups. Each says how the counts
stand, never a difference, so that a repeat changes nothing.

Key: `source partition|incarnation|dimension=value|day`, where the last part may be `respondents` instead. A value may contain
`|` and `=`, the parts before it and the last part do not.

Values: a day's cell is `{"responses": [promoters, passives, detractors]}`. The other one is
`{"respondents": {"as_of": day, "now": {"7d": [[p, p, d], [p, p, d]], ...}, "eve": {...}}}`: for each window the counts of the
one that ends with `as_of` and of the one before it; `eve` is the same as it stood when the day before `as_of` ended. It lets
source partitions be added up while midnight passes, which they notice one after the other. A tombstone means no counts at all.
"""

import re
from typing import Any, Final, NamedTuple

from agents.windows import Spans
from schemas.codec import dumps, loads
from schemas.dead_letters import Reason, Unusable
from schemas.events import DIMENSION_PATTERN, MAX_SEGMENT_VALUE_CHARS
from schemas.times import DAY_MS, LATEST_MS, format_day, parse_day

RESPONDENTS: Final = "respondents"
MAX_INCARNATION_CHARS: Final = 100
"""Ours have 22."""
TOO_MANY: Final = 2**40
"""Responses of a segment: sums over all days and source partitions stay within 64 bits, which JSON readers can take."""
_DIMENSION = re.compile(DIMENSION_PATTERN.strip("^$"))
MOST_PARTITIONS: Final = 65_536
"""Two bytes hold the number of a source partition."""


class CellKey(NamedTuple):
    """What a cell is for."""

    source: int
    """The source partition."""
    incarnation: str
    """Of the source partition's state: the greater is the newer."""
    segment: str
    """dimension=value."""
    day: int | None
    """None: the cell of the respondents."""


class Respondents(NamedTuple):
    """Respondents of one segment in one source partition. The sums are in the order of `Spans.base` of one kind."""

    as_of: int
    now: list[int]
    eve: list[int]


def write_key(source: int, incarnation: str, segment: str, day: int | None) -> bytes:
    """A cell's key in its topic."""
    return f"{source}|{incarnation}|{segment}|{RESPONDENTS if day is None else format_day(day)}".encode()


def read_key(key: bytes | None) -> CellKey:
    """Raises `Unusable` for what is no key of a cell."""
    try:
        source, incarnation, rest = (key or b"").decode().split("|", 2)
        segment, day = rest.rsplit("|", 1)
        dimension, _, value = segment.partition("=")
        if _DIMENSION.fullmatch(dimension) is None or not 0 < len(value) <= MAX_SEGMENT_VALUE_CHARS:
            raise ValueError("no segment")
        if len(incarnation) > MAX_INCARNATION_CHARS:
            raise ValueError("no incarnation")
        if not 0 <= int(source) < MOST_PARTITIONS:
            raise ValueError("no partition")
        return CellKey(int(source), incarnation, segment, None if day == RESPONDENTS else _day(day))
    except ValueError as error:
        raise Unusable(Reason.BAD_ID, f"key: not that of a cell: {error}") from error


def write_responses(counts: list[int]) -> bytes:
    """The value of a day's cell: promoters, passives, detractors."""
    return dumps({"responses": counts})


def read_responses(value: bytes) -> list[int]:
    """Raises `Unusable` for what is no value of a day's cell."""
    return _three(_member(loads(value), "responses"))


def write_respondents(spans: Spans, respondents: Respondents) -> bytes:
    """The value of the other cell."""
    return dumps(
        {
            RESPONDENTS: {
                "as_of": format_day(respondents.as_of),
                "now": _by_window(spans, respondents.now),
                "eve": _by_window(spans, respondents.eve),
            }
        }
    )


def read_respondents(spans: Spans, value: bytes) -> Respondents:
    """Raises `Unusable` for what is no value of such a cell, or one with other windows."""
    fields = _member(loads(value), RESPONDENTS)
    try:
        as_of = _day(_member(fields, "as_of"))
    except (ValueError, TypeError) as error:
        raise Unusable(Reason.BAD_TIME, f"as_of: {error}") from error
    return Respondents(as_of, _sums(spans, _member(fields, "now")), _sums(spans, _member(fields, "eve")))


def _day(text: str) -> int:
    day = parse_day(text)
    if not 0 <= day <= LATEST_MS // DAY_MS:
        raise ValueError(f"{text} is not between the years 1970 and 2199")
    return day


def _by_window(spans: Spans, sums: list[int]) -> dict[str, list[list[int]]]:
    return {name: [sums[6 * k : 6 * k + 3], sums[6 * k + 3 : 6 * k + 6]] for k, name in enumerate(spans.names)}


def _sums(spans: Spans, windows: Any) -> list[int]:
    sums: list[int] = []
    for name in spans.names:
        pair = _member(windows, name)
        if type(pair) is not list or len(pair) != 2:
            raise Unusable(Reason.WRONG_TYPE, f"{name}: not the counts of two windows")
        sums += _three(pair[0]) + _three(pair[1])
    return sums


def _three(counts: Any) -> list[int]:
    if type(counts) is not list or len(counts) != 3 or any(type(n) is not int or not 0 <= n < TOO_MANY for n in counts):
        raise Unusable(Reason.WRONG_TYPE, "counts: not three numbers that responses can have")
    return counts


def _member(fields: Any, name: str) -> Any:
    if type(fields) is not dict or name not in fields:
        raise Unusable(Reason.MISSING_FIELD, f"{name}: missing")
    return fields[name]
