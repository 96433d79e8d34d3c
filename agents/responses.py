"""From a decoded record to a response or retraction that can be counted: strict, since anybody may write to the topic.

What is null or empty is as good as absent; nothing else is coerced. The order of the checks is that of the fields.
"""

import re
from functools import lru_cache
from typing import Any, Final

import msgspec

from schemas.dead_letters import Reason, Unusable
from schemas.events import DIMENSION_PATTERN, MAX_COMMENT_BYTES, MAX_ID_CHARS, MAX_SEGMENT_VALUE_CHARS, MAX_SEGMENTS
from schemas.times import format_time, parse_time
from streams.processor import DAY_MS

REMEMBERED_SEGMENTS: Final = 8_192
"""Most responses name the same pairs as an earlier one did; each set of pairs takes up to some 2 KB."""

Segments = tuple[str, ...]
"""Pairs as `dimension=value`, sorted. A dimension has no `=`, so a pair is read from its left."""

REMEMBERED_TIMES: Final = 4_096
"""A time is written several times for each response, and responses that arrive together are of the same time, or nearly."""

text_of = lru_cache(maxsize=REMEMBERED_TIMES)(format_time)
"""`format_time`, remembered."""

_DIMENSION = re.compile(DIMENSION_PATTERN.strip("^$"))
_PASSED_ON: Final = ("survey_id", "source", "channel", "locale")
_WORST_UTF_8: Final = 4
"""Bytes of the longest character."""


class Said(msgspec.Struct, gc=False):
    """One usable record: a response, or a retraction (`live` is false, and there is nothing but the ids and the version)."""

    account_id: str
    response_id: str
    version: int
    """`updated_at`, else the record's timestamp, in ms."""
    live: bool
    body: dict[str, Any]
    """The fields as accepted, in the contract's order, for the event that tells of it; without segments."""
    score: int = 0
    responded_at: int = 0
    respondent_id: str | None = None
    comment: str = ""
    segments: Segments = ()
    """Empty if it names none."""


def read(fields: Any, timestamp: int) -> Said:
    """Check a decoded record with its timestamp in ms.

    Raises `Unusable` with the name of the faulty field.
    """
    if type(fields) is not dict:
        raise Unusable(Reason.WRONG_TYPE, "the record is no JSON object")
    get = fields.get
    response_id = get("response_id")
    if type(response_id) is not str or not 0 < len(response_id) <= MAX_ID_CHARS:
        raise _bad_id("response_id", response_id)
    account_id = get("account_id")
    if type(account_id) is not str or not 0 < len(account_id) <= MAX_ID_CHARS:
        raise _bad_id("account_id", account_id)
    kind = get("kind")
    if kind is not None and kind != "response":
        if kind != "retraction":
            raise Unusable(Reason.NOT_A_RESPONSE, "kind: neither 'response' nor 'retraction'")
        taken_back = {"response_id": response_id, "account_id": account_id}
        version = _version(get("updated_at"), timestamp, taken_back)
        _pass_on(fields, taken_back)
        return Said(account_id, response_id, version, False, taken_back)

    score = get("score")
    if type(score) is not int or not 0 <= score <= 10:
        if "score" not in fields:
            raise Unusable(Reason.MISSING_FIELD, "score: missing")
        raise Unusable(Reason.BAD_SCORE, "score: no integer from 0 to 10")
    responded_at = get("responded_at")
    if responded_at is None:
        raise Unusable(Reason.MISSING_FIELD, "responded_at: missing")
    try:
        at = parse_time(responded_at)
    except ValueError as error:
        raise Unusable(Reason.BAD_TIME, f"responded_at: {error}") from error
    if at > timestamp + DAY_MS:
        raise Unusable(Reason.FUTURE, f"responded_at: {text_of(at)} is more than a day after the record")
    body: dict[str, Any] = {
        "response_id": response_id,
        "account_id": account_id,
        "score": score,
        "responded_at": text_of(at),
    }
    respondent_id = get("respondent_id")
    if respondent_id is not None:
        if respondent_id == "":
            respondent_id = None
        elif type(respondent_id) is not str or len(respondent_id) > MAX_ID_CHARS:
            raise _bad_id("respondent_id", respondent_id)
        else:
            body["respondent_id"] = respondent_id
    version = _version(get("updated_at"), timestamp, body)
    comment = get("comment")
    if comment is None:
        comment = ""
    elif type(comment) is not str:
        raise Unusable(Reason.WRONG_TYPE, "comment: no text")
    elif comment:
        if len(comment) > MAX_COMMENT_BYTES // _WORST_UTF_8 and len(comment.encode()) > MAX_COMMENT_BYTES:
            raise Unusable(Reason.TOO_LARGE, f"comment: more than {MAX_COMMENT_BYTES} bytes")
        body["comment"] = comment
    segments = _read_segments(get("segments"), get("segment"))
    _pass_on(fields, body)
    return Said(account_id, response_id, version, True, body, score, at, respondent_id, comment, segments)


@lru_cache(maxsize=REMEMBERED_SEGMENTS)
def by_dimension(segments: Segments) -> dict[str, str]:
    """The pairs as they stand in events. Do not change the result."""
    return dict(pair.split("=", 1) for pair in segments)


def _version(updated_at: Any, timestamp: int, body: dict[str, Any]) -> int:
    if updated_at is None or updated_at == "":
        return timestamp
    try:
        version = parse_time(updated_at)
    except ValueError as error:
        raise Unusable(Reason.BAD_TIME, f"updated_at: {error}") from error
    body["updated_at"] = text_of(version)
    return version


def _pass_on(fields: dict[str, Any], body: dict[str, Any]) -> None:
    for name in _PASSED_ON:
        if name in fields:
            value = fields[name]
            if value is None or value == "":
                continue
            if type(value) is not str:
                raise Unusable(Reason.WRONG_TYPE, f"{name}: no text")
            if len(value) > MAX_ID_CHARS:
                raise Unusable(Reason.BAD_ID, f"{name}: more than {MAX_ID_CHARS} characters")
            body[name] = value


def _read_segments(given: Any, segment: Any) -> Segments:
    if given is None:
        given = {}
    elif type(given) is not dict:
        raise Unusable(Reason.WRONG_TYPE, "segments: no object")
    if segment is not None and segment != "" and not given.get("segment"):
        given = {**given, "segment": segment}
    if not given:
        return ()
    try:
        return _pairs(tuple(given.items()))
    except TypeError:  # a list or an object for a value
        raise Unusable(Reason.BAD_SEGMENT, "segments: a value is no text") from None


@lru_cache(maxsize=REMEMBERED_SEGMENTS)
def _pairs(items: tuple[tuple[str, Any], ...]) -> Segments:
    pairs = []
    for dimension, value in items:
        if _DIMENSION.fullmatch(dimension) is None:
            raise Unusable(Reason.BAD_SEGMENT, f"segments: {dimension[:40]!r} is no dimension: a-z, 0-9 and _, at most 40")
        if value is None or value == "":
            continue
        if type(value) is not str:
            raise Unusable(Reason.BAD_SEGMENT, f"segments.{dimension}: no text")
        if len(value) > MAX_SEGMENT_VALUE_CHARS:
            raise Unusable(Reason.BAD_SEGMENT, f"segments.{dimension}: more than {MAX_SEGMENT_VALUE_CHARS} characters")
        pairs.append(f"{dimension}={value}")
    if len(pairs) > MAX_SEGMENTS:
        raise Unusable(Reason.BAD_SEGMENT, f"segments: {len(pairs)} pairs, at most {MAX_SEGMENTS} are counted")
    return tuple(sorted(pairs))


def _bad_id(field: str, value: Any) -> Unusable:
    if value is None:
        return Unusable(Reason.MISSING_FIELD, f"{field}: missing")
    if type(value) is not str:
        return Unusable(Reason.WRONG_TYPE, f"{field}: no text")
    return Unusable(Reason.BAD_ID, f"{field}: {'more than ' + str(MAX_ID_CHARS) + ' characters' if value else 'empty'}")
