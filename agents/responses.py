"""From a decoded record to a response or retraction that can be counted: strict, since anybody may write to the topic.

What is null or empty is as good as absent; nothing else is coerced.
"""

import re
from functools import lru_cache
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from schemas.codec import MAX_RECORD_BYTES, dumps, loads
from schemas.dead_letters import Reason, Unusable
from schemas.events import (
    DIMENSION_PATTERN,
    MAX_COMMENT_BYTES,
    MAX_ID_CHARS,
    MAX_SEGMENT_VALUE_CHARS,
    MAX_SEGMENTS,
    Id,
    Score,
    SegmentValue,
)
from schemas.times import LATEST_MS, format_time, parse_time
from streams.processor import DAY_MS

REMEMBERED_SEGMENTS: Final = 4_096
"""Most responses name the same pairs as an earlier one did; each set of pairs takes up to some 10 KB, mostly 500 bytes."""
REMEMBERED_BYTES: Final = 2_048
"""Of longer ones nothing is remembered: the longest that is right takes ten times that, and spaces may take any number."""
REMEMBERED_TIMES: Final = 4_096
"""A time is written several times for each response, and responses that arrive together are of the same time, or nearly."""
WORST_UTF_8: Final = 4
"""Bytes of the longest character."""

TIME_CHARS: Final = len("2026-03-01T09:30:00.000Z")
"""Of these many characters, with T and Z in their places, a time is as we write it."""

Pairs = tuple[str, ...]
"""Segments as `dimension=value`, sorted. A dimension has no `=`, so a pair is read from its left."""

Moment = Annotated[str, Meta(min_length=1)] | int | float
"""A time as it comes."""


class Given(Struct, omit_defaults=True, gc=False):
    """The fields of a record as accepted; the times as text. A retraction has the ids, and what it brings besides.

    `segment` and `kind` are read, and no more: what is accepted has neither."""

    response_id: Id
    account_id: Id
    score: Score | UnsetType
    responded_at: Moment | UnsetType
    respondent_id: Id | UnsetType = UNSET
    updated_at: Moment | UnsetType = UNSET
    comment: Annotated[str, Meta(min_length=1, max_length=MAX_COMMENT_BYTES // WORST_UTF_8)] | UnsetType = UNSET
    segments: Raw | UnsetType = UNSET
    """As they are written: few sets of them are written again and again."""
    segment: SegmentValue | UnsetType = UNSET
    survey_id: Id | UnsetType = UNSET
    source: Id | UnsetType = UNSET
    channel: Id | UnsetType = UNSET
    locale: Id | UnsetType = UNSET
    kind: Literal["response"] | UnsetType = UNSET


class Said(Struct, gc=False):
    """One usable record."""

    given: Given
    version: int
    """`updated_at`, else the record's timestamp, in ms."""
    live: bool
    """False: a retraction."""
    score: int = 0
    at: int = 0
    """`responded_at` in ms."""
    respondent_id: str | None = None
    pairs: Pairs = ()
    """Empty if it names none."""


text_of = lru_cache(maxsize=REMEMBERED_TIMES)(format_time)
"""`format_time`, remembered."""

_decode = msgspec.json.Decoder(Given).decode
_DIMENSION = re.compile(DIMENSION_PATTERN.strip("^$"))
_TEXTS: Final = ("survey_id", "source", "channel", "locale")


def decode(value: bytes) -> Any:
    """A record's JSON: `Given` at once if it is a response with nothing wrong, else whatever it says.

    Raises `Unusable` for what is no JSON; of fields that nobody reads it matters not if a number is too large."""
    try:
        if len(value) <= MAX_RECORD_BYTES and (value.isascii() or str(value, "utf-8")):
            return _decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass  # Rare, and perhaps no fault: a retraction, or something null or empty.
    return loads(value)


def read(fields: Any, timestamp: int) -> Said:
    """Check what `decode` returned for a record with this timestamp in ms. Raises `Unusable` with the name of the faulty
    field."""
    given = fields if type(fields) is Given else _look_closely(fields)
    pairs: Pairs = ()
    if given.segments is not UNSET or given.segment is not UNSET:
        pairs = _pairs_of(given)
    version = timestamp
    if given.updated_at is not UNSET:
        version = _time("updated_at", given.updated_at)
        given.updated_at = text_of(version)
    elif not 0 <= timestamp < LATEST_MS:
        raise Unusable(
            Reason.BAD_TIME, f"the record's timestamp, {timestamp}, is its version, and no time between 1970 and 2199"
        )
    if given.responded_at is UNSET:
        return Said(given, version, False)
    responded_at = given.responded_at
    at = _time("responded_at", responded_at)
    if at > timestamp + DAY_MS:
        raise Unusable(Reason.FUTURE, f"responded_at: {format_time(at)} is more than a day after the record")
    if type(responded_at) is not str or len(responded_at) != TIME_CHARS or responded_at[10:24:13] != "TZ":
        given.responded_at = text_of(at)
    if given.kind is not UNSET:
        given.kind = UNSET
    respondent_id = given.respondent_id
    return Said(
        given,
        version,
        True,
        given.score,  # type: ignore[arg-type]
        at,
        None if respondent_id is UNSET else respondent_id,
        pairs,
    )


@lru_cache(maxsize=REMEMBERED_SEGMENTS)
def by_dimension(pairs: Pairs) -> Any:
    """The pairs as they stand in events: a JSON object, as text already."""
    return Raw(dumps(dict(pair.split("=", 1) for pair in pairs)))


def _time(field: str, value: Any) -> int:
    try:
        return parse_time(value)
    except ValueError as error:
        raise Unusable(Reason.BAD_TIME, f"{field}: {error}") from error


def _pairs_of(given: Given) -> Pairs:
    """The pairs, each dimension once; the field `segment` is the dimension of that name, unless there is one."""
    segments = b"" if given.segments is UNSET else bytes(given.segments)
    segment, given.segment = given.segment, UNSET
    read = _pairs if len(segments) <= REMEMBERED_BYTES else _pairs.__wrapped__
    return read(segments, None if segment is UNSET else segment)


@lru_cache(maxsize=REMEMBERED_SEGMENTS)
def _pairs(segments: bytes, segment: str | None) -> Pairs:
    found = loads(segments) if segments else None
    if found is not None and type(found) is not dict:
        raise Unusable(Reason.WRONG_TYPE, "segments: no object")
    pairs = {dimension: _segment(dimension, value) for dimension, value in (found or {}).items() if value not in (None, "")}
    if segment is not None:
        pairs.setdefault("segment", segment)
    for dimension in pairs:
        if _DIMENSION.fullmatch(dimension) is None:
            raise Unusable(Reason.BAD_SEGMENT, f"segments: {dimension[:40]!r} is no dimension: a-z, 0-9 and _, at most 40")
    if len(pairs) > MAX_SEGMENTS:
        raise Unusable(Reason.BAD_SEGMENT, f"segments: {len(pairs)} pairs, at most {MAX_SEGMENTS} are counted")
    return tuple(sorted(f"{dimension}={value}" for dimension, value in pairs.items()))


def _look_closely(fields: Any) -> Given:
    """What is null or empty left out, or else what is wrong, in the order of the fields."""
    if type(fields) is not dict:
        raise Unusable(Reason.WRONG_TYPE, "the record is no JSON object")
    fields = {name: value for name, value in fields.items() if value is not None or name == "score"}
    ids = (identity("response_id", fields.get("response_id")), identity("account_id", fields.get("account_id")))
    texts: dict[str, Any] = {name: identity(name, fields[name]) for name in _TEXTS if fields.get(name, "") != ""}
    if fields.get("updated_at", "") != "":
        texts["updated_at"] = fields["updated_at"]
    kind = fields.get("kind", "response")
    if kind == "retraction":
        return Given(*ids, UNSET, UNSET, **texts)
    if kind != "response":
        raise Unusable(Reason.NOT_A_RESPONSE, "kind: neither 'response' nor 'retraction'")
    if "score" not in fields:
        raise Unusable(Reason.MISSING_FIELD, "score: missing")
    score = fields["score"]
    if type(score) is not int or not 0 <= score <= 10:
        raise Unusable(Reason.BAD_SCORE, "score: no integer from 0 to 10")
    if "responded_at" not in fields:
        raise Unusable(Reason.MISSING_FIELD, "responded_at: missing")
    if fields.get("respondent_id", "") != "":
        texts["respondent_id"] = identity("respondent_id", fields["respondent_id"])
    if fields.get("comment", "") != "":
        texts["comment"] = _comment(fields["comment"])
    if "segments" in fields:
        try:
            texts["segments"] = Raw(dumps(fields["segments"]))
        except TypeError as error:  # what may be read is deeper than what can be written
            raise Unusable(Reason.TOO_DEEP, "segments: nested too deeply") from error
    if fields.get("segment", "") != "":
        texts["segment"] = _segment("segment", fields["segment"])
    return Given(*ids, score, fields["responded_at"], **texts)


def identity(field: str, value: Any) -> str:
    """The text of an id. Raises `Unusable` for what is none."""
    if value is None:
        raise Unusable(Reason.MISSING_FIELD, f"{field}: missing")
    if type(value) is not str:
        raise Unusable(Reason.WRONG_TYPE, f"{field}: no text")
    if not 0 < len(value) <= MAX_ID_CHARS:
        raise Unusable(Reason.BAD_ID, f"{field}: {len(value)} characters, must be 1 to {MAX_ID_CHARS}")
    return value


def _comment(value: Any) -> str:
    if type(value) is not str:
        raise Unusable(Reason.WRONG_TYPE, "comment: no text")
    if len(value.encode()) > MAX_COMMENT_BYTES:
        raise Unusable(Reason.TOO_LARGE, f"comment: more than {MAX_COMMENT_BYTES} bytes")
    return value


def _segment(dimension: str, value: Any) -> str:
    if type(value) is not str:
        raise Unusable(Reason.BAD_SEGMENT, f"segments.{dimension}: no text")
    if len(value) > MAX_SEGMENT_VALUE_CHARS:
        raise Unusable(Reason.BAD_SEGMENT, f"segments.{dimension}: more than {MAX_SEGMENT_VALUE_CHARS} characters")
    return value
