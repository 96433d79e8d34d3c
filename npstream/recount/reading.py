"""Read one record of nps.responses as the contract says, or say why it is refused. Nothing but the standard library.

Choices made here where the contract leaves one (no test depends on them):
- "", {} and null in an optional field are the same as no field; an empty response_id or account_id counts as missing.
- A "segment" beside a "segment" dimension: the dimension's own value wins.
- A `kind` other than "retraction" is a response.
- Fractions of a second beyond three digits are cut off.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache, partial
from math import isinf
from typing import Any, NoReturn, Protocol

DAY_MS = 86_400_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DIMENSION = re.compile(r"[a-z0-9_]{1,40}")
MOST_SEGMENTS = 20
TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:?\d\d)", re.ASCII)
LATEST_MS = 7_258_118_400_000
"""2200-01-01T00:00:00Z: no record has a version from here on."""
REMEMBERED = 500_000
"""Records that are read once for all that is counted of them; they are immutable, and kept by who counts anyway."""
LEAST_MILLISECONDS = 1e11
"""An epoch number from here on is in milliseconds, below in seconds."""


class SourceRecord(Protocol):
    """A record as any consumer or test driver shows it; the timestamp is in ms, UTC."""

    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


@dataclass(frozen=True)
class Arrival:
    """One response or retraction as it came. Times in ms, UTC."""

    account_id: str
    response_id: str
    version: int
    retraction: bool
    score: int = -1
    responded_at: int = 0
    respondent_id: str | None = None
    comment: str | None = None
    segments: Mapping[str, str] = field(default_factory=dict)
    """Its own ones."""
    updated_at: int | None = None
    other: Mapping[str, str] = field(default_factory=dict)
    """survey_id, source, channel and locale, where given."""
    told: Mapping[str, str] | None = None
    """The segments that it has from its account, as its scored event tells; None if none tells."""

    @cached_property
    def category(self) -> str:
        return category_of(self.score)

    @cached_property
    def day(self) -> int:
        """Days since 1970-01-01, UTC, of responded_at."""
        return self.responded_at // DAY_MS

    @cached_property
    def place(self) -> tuple[int, str]:
        """What orders a respondent's responses: the greatest is the present."""
        return (self.responded_at, self.response_id)

    @cached_property
    def counted(self) -> Mapping[str, str]:
        """The segments that it counts in."""
        return {**(self.told or {}), **self.segments}

    @property
    def content(self) -> tuple[int, str | None, int, tuple[tuple[str, str], ...]]:
        """What makes a response that comes again a duplicate or a correction."""
        return (self.score, self.comment, self.responded_at, tuple(sorted(self.segments.items())))


@dataclass(frozen=True)
class Refused:
    """Why a record is a dead letter: any of the reasons will do, since several may hold and the first found is reported."""

    reasons: frozenset[str]


def category_of(score: int) -> str:
    if score <= 6:
        return "detractor"
    if score <= 8:
        return "passive"
    return "promoter"


def read(record: SourceRecord) -> Arrival | Refused:
    """The record's response or retraction, or why it is refused: its content first, then a responded_at in the future."""
    return _read(record.value or b"", record.timestamp)


@lru_cache(maxsize=REMEMBERED)
def _read(value: bytes, timestamp: int) -> Arrival | Refused:
    reasons: set[str] = set()
    beyond: list[str] = []
    try:
        body = json.loads(
            value.decode(),
            parse_constant=_no_constant,
            parse_float=partial(_number, float, beyond),
            parse_int=partial(_number, int, beyond),
        )
        if b"\\u" in value:
            json.dumps(body, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except RecursionError:
        return Refused(frozenset({"too deep"}))
    except ValueError:
        return Refused(frozenset({"not json", "too deep", "empty"}))
    if not isinstance(body, dict):
        return Refused(frozenset({"wrong type", "not a response", "unknown shape"} | set(beyond)))
    account_id = _required_text(body, "account_id", reasons, "no account")
    response_id = _required_text(body, "response_id", reasons)
    updated_at = _optional_time(body, "updated_at", reasons)
    version = timestamp if updated_at is None else updated_at
    if updated_at is None and not 0 <= timestamp < LATEST_MS:
        reasons |= {"bad time", "future"}
    if body.get("kind") == "retraction":
        if reasons:
            return Refused(frozenset(reasons | set(beyond)))
        return Arrival(account_id, response_id, version, True, updated_at=updated_at)
    score = _score(body, reasons)
    responded_at = _responded_at(body, reasons)
    arrival = Arrival(
        account_id,
        response_id,
        version,
        False,
        score,
        responded_at,
        _optional_text(body, "respondent_id", reasons),
        _optional_text(body, "comment", reasons),
        _segments(body, reasons),
        updated_at,
        _other(body, reasons),
    )
    if reasons:
        return Refused(frozenset(reasons | set(beyond)))
    if responded_at > timestamp + DAY_MS:
        return Refused(frozenset({"future"}))
    return arrival


def home_of(account_id: str, partitions: int) -> int:
    """The partition of an account: Kafka's murmur2 of the UTF-8 bytes, without the sign bit, modulo the partitions."""
    return (murmur2(account_id.encode()) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """MurmurHash2, 32 bits, seed 0x9747b28c, as org.apache.kafka.common.utils.Utils computes it (here unsigned)."""
    whole, multiplier = len(data) // 4 * 4, 0x5BD1E995
    h = (0x9747B28C ^ len(data)) & 0xFFFFFFFF
    for start in range(0, whole, 4):
        k = int.from_bytes(data[start : start + 4], "little") * multiplier & 0xFFFFFFFF
        k = (k ^ k >> 24) * multiplier & 0xFFFFFFFF
        h = (h * multiplier & 0xFFFFFFFF) ^ k
    if len(data) > whole:
        h = (h ^ int.from_bytes(data[whole:], "little")) * multiplier & 0xFFFFFFFF
    h = (h ^ h >> 13) * multiplier & 0xFFFFFFFF
    return h ^ h >> 15


def parse_time(value: object) -> int:
    """Ms, UTC, of an RFC 3339 text with a zone or of an epoch number. ValueError for anything else, and for what is not in the
    years 1970 to 2199."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{value!r} is no time")
    if isinstance(value, str):
        ms = _parse_text(value)
    else:
        try:
            ms = int(value) if abs(value) >= LEAST_MILLISECONDS else round(value * 1000)
        except OverflowError as error:
            raise ValueError(f"{value!r} is no time") from error
    if not 0 <= ms < LATEST_MS:
        raise ValueError(f"{value!r} is not in the years 1970 to 2199")
    return ms


def _parse_text(text: str) -> int:
    found = TIME.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no RFC 3339 time with a zone")
    date, clock, fraction, zone = found.groups()
    moment = datetime.fromisoformat(f"{date}T{clock}{'+00:00' if zone in 'Zz' else zone}")
    return (moment - EPOCH) // timedelta(milliseconds=1) + int(((fraction or "") + "000")[:3])


def format_time(ms: int) -> str:
    """2026-03-01T09:30:00.000Z. ValueError outside the years 1 to 9999."""
    try:
        return (EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except OverflowError as error:
        raise ValueError(f"{ms} ms is not in the years 1 to 9999") from error


def format_day(day: int) -> str:
    """2026-03-01, of days since 1970-01-01."""
    return (EPOCH + timedelta(days=day)).date().isoformat()


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


def _number(kind: type[int] | type[float], beyond: list[str], text: str) -> int | float:
    """A number. Beyond a double it is no JSON to some readers: then that is a reason too."""
    if isinf(float(text)):
        beyond.append("not json")
    return kind(text)


def _required_text(body: dict[str, Any], name: str, reasons: set[str], also: str = "missing field") -> str:
    value = body.get(name)
    if isinstance(value, str) and value:
        return value
    if value is None or value == "":
        reasons |= {"missing field", also}
    if name in body:
        reasons |= {"wrong type", "bad id"}
    return ""


def _optional_text(body: dict[str, Any], name: str, reasons: set[str]) -> str | None:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        reasons.add("wrong type")
        return None
    return value or None


def _optional_time(body: dict[str, Any], name: str, reasons: set[str]) -> int | None:
    if body.get(name) is None:
        return None
    try:
        return parse_time(body[name])
    except ValueError:
        reasons |= {"bad time"} if isinstance(body[name], str | int | float) else {"bad time", "wrong type"}
        return None


def _score(body: dict[str, Any], reasons: set[str]) -> int:
    score = body.get("score")
    if type(score) is int and 0 <= score <= 10:
        return score
    if "score" not in body:
        reasons |= {"missing field", "no score"}
    elif score is None:
        reasons |= {"missing field", "no score", "bad score", "wrong type"}
    elif type(score) is int:
        reasons.add("bad score")
    else:
        reasons |= {"bad score", "wrong type"}
    return -1


def _responded_at(body: dict[str, Any], reasons: set[str]) -> int:
    if body.get("responded_at") is None:
        reasons |= {"missing field"} if "responded_at" not in body else {"missing field", "bad time", "wrong type"}
        return 0
    return _optional_time(body, "responded_at", reasons) or 0


def _segments(body: dict[str, Any], reasons: set[str]) -> dict[str, str]:
    given = body.get("segments")
    if given is not None and not isinstance(given, dict):
        reasons |= {"wrong type", "bad segment"}
        return {}
    segments = dict(given or {})
    single = _optional_text(body, "segment", reasons)
    if single is not None:
        segments.setdefault("segment", single)
    for dimension, value in segments.items():
        if not isinstance(value, str) or not value:
            reasons |= {"wrong type", "bad segment"}
        elif not DIMENSION.fullmatch(dimension):
            reasons.add("bad segment")
    if len(segments) > MOST_SEGMENTS:
        reasons.add("bad segment")
    return segments


def _other(body: dict[str, Any], reasons: set[str]) -> dict[str, str]:
    values = {name: _optional_text(body, name, reasons) for name in ("survey_id", "source", "channel", "locale")}
    return {name: value for name, value in values.items() if value}
