"""The one gate that every response passes: from a draft, whose fields have the contract's names and whatever values a survey
platform gave them, to a canonical response or a reason why not.

Coercions happen here and nowhere else: "9", 9.0 and " 9 " are the score 9, numbers are ids, numbers and booleans are segment
values, epoch numbers are times. What is null or empty is as good as absent. The module is on the path of every record, so the
usual case of each field is decided first.
"""

import re
from collections.abc import Mapping
from datetime import tzinfo
from functools import lru_cache
from typing import Any, Final, NoReturn

from schemas.codec import dumps
from schemas.dead_letters import Reason, Unusable
from schemas.events import DIMENSION_PATTERN, MAX_COMMENT_BYTES, MAX_ID_CHARS, MAX_SEGMENT_VALUE_CHARS, MAX_SEGMENTS
from schemas.times import normal_time

SCORES: Final = {str(score): score for score in range(11)}
"""What a score looks like as text, once surrounding white space is gone: "9" is one, "9.0" and "09" are not."""

EXACT: Final = 2**53
"""From here on a float no longer holds every integer, so a float is no id."""

_DIMENSION = re.compile(DIMENSION_PATTERN.strip("^$"))
_WORST_UTF_8 = 4
"""Bytes of the longest character."""
_SHOWN = 40
"""Characters of a faulty value that a message shows."""


def canonical(draft: Mapping[str, Any], source: str, zone: tzinfo | None, account: str | None) -> dict[str, Any]:
    """The canonical response or retraction of a draft: the contract's fields alone, in its order, empty ones left out.

    `source` is the adapter's name, used where the draft names none; `zone` that of times without one (None: they are
    faulty); `account` the account where the draft names none. Raises `Unusable` with the name of the faulty field.
    """
    get = draft.get
    # A call costs as much as the check inside it, so the usual case of the fields that most responses have is decided here.
    response_id = get("response_id")
    if type(response_id) is not str or not 0 < len(response_id) <= MAX_ID_CHARS:
        response_id = _id("response_id", response_id)
    account_id = get("account_id")
    if type(account_id) is not str or not 0 < len(account_id) <= MAX_ID_CHARS:
        account_id = _account_id(account_id, account)
    own_source = get("source")
    if own_source is not None and own_source != "":
        source = _id("source", own_source)
    kind = get("kind")
    if kind is not None and kind != "response":
        return _retraction(kind, response_id, account_id, get("updated_at"), zone, source)

    score = get("score")
    if type(score) is not int or not 0 <= score <= 10:
        score = _score(draft)
    response = {
        "response_id": response_id,
        "account_id": account_id,
        "score": score,
        "responded_at": _time("responded_at", get("responded_at"), zone),
    }
    value = get("respondent_id")
    if value is not None and value != "":
        if type(value) is not str or len(value) > MAX_ID_CHARS:
            value = _id("respondent_id", value)
        response["respondent_id"] = value
    value = get("updated_at")
    if value is not None and value != "":
        response["updated_at"] = _time("updated_at", value, zone)
    value = get("comment")
    if value is not None and value != "":
        response["comment"] = _comment(value)
    segments = _segments(get("segments"), get("segment"))
    if segments:
        response["segments"] = segments
    value = get("survey_id")
    if value is not None and value != "":
        response["survey_id"] = _id("survey_id", value)
    response["source"] = source
    value = get("channel")
    if value is not None and value != "":
        response["channel"] = _id("channel", value)
    value = get("locale")
    if value is not None and value != "":
        response["locale"] = _id("locale", value)
    return response


def _retraction(
    kind: Any, response_id: str, account_id: str, updated_at: Any, zone: tzinfo | None, source: str
) -> dict[str, Any]:
    if kind != "retraction":
        raise Unusable(Reason.NOT_A_RESPONSE, f"kind: {_shown(kind)} is neither 'response' nor 'retraction'")
    retraction = {"kind": "retraction", "response_id": response_id, "account_id": account_id}
    if updated_at is not None and updated_at != "":
        retraction["updated_at"] = _time("updated_at", updated_at, zone)
    retraction["source"] = source
    return retraction


def _account_id(value: Any, account: str | None) -> str:
    if value is None or value == "":
        value = account
        if not value:
            raise Unusable(Reason.NO_ACCOUNT, "account_id: neither the payload nor the header nps-account names the account")
    return _id("account_id", value)


def _id(field: str, value: Any) -> str:
    if type(value) is not str:
        value = _id_from_number(field, value)
    if 0 < len(value) <= MAX_ID_CHARS:
        return value  # type: ignore[no-any-return]
    if not value:
        raise Unusable(Reason.BAD_ID, f"{field}: empty")
    raise Unusable(Reason.BAD_ID, f"{field}: {len(value)} characters, at most {MAX_ID_CHARS} are accepted")


def _id_from_number(field: str, value: Any) -> str:
    if value is None:
        raise Unusable(Reason.MISSING_FIELD, f"{field}: missing")
    if type(value) is int or (type(value) is float and value.is_integer() and abs(value) < EXACT):
        return str(int(value))
    return _wrong_type(field, value, "text")


def _score(draft: Mapping[str, Any]) -> int:
    """What else than an integer from 0 to 10 is a score."""
    value = draft.get("score")
    if type(value) is float:
        if 0 <= value <= 10 and value.is_integer():
            return int(value)
    elif type(value) is str:
        score = SCORES.get(value.strip())
        if score is not None:
            return score
    elif value is None and "score" not in draft:
        raise Unusable(Reason.MISSING_FIELD, "score: missing")
    raise Unusable(Reason.BAD_SCORE, f"score: {_shown(value)} is no whole number from 0 to 10")


def _time(field: str, value: Any, zone: tzinfo | None) -> str:
    if value is None or value == "":
        raise Unusable(Reason.MISSING_FIELD, f"{field}: missing")
    try:
        return normal_time(value, zone)
    except ValueError as error:
        raise Unusable(Reason.BAD_TIME, f"{field}: {error}") from error


def _comment(value: Any) -> str:
    if type(value) is not str:
        _wrong_type("comment", value, "text")
    if len(value) > MAX_COMMENT_BYTES // _WORST_UTF_8 and len(value.encode()) > MAX_COMMENT_BYTES:
        raise Unusable(Reason.TOO_LARGE, f"comment: {len(value.encode())} bytes, at most {MAX_COMMENT_BYTES} are accepted")
    return value


def _segments(given: Any, segment: Any) -> dict[str, str]:
    """The pairs of `segments`, and `segment` as the dimension of that name unless they have it."""
    segments: dict[str, str] = {}
    if given is not None and given != "":
        if type(given) is not dict:
            _wrong_type("segments", given, "an object")
        for dimension, value in given.items():
            if not is_dimension(dimension):
                raise Unusable(
                    Reason.BAD_SEGMENT, f"segments: {_shown(dimension)} is no dimension: a-z, 0-9 and _, at most 40 of them"
                )
            if value is not None and value != "":
                segments[dimension] = _segment_value(dimension, value)
    if segment is not None and segment != "" and "segment" not in segments:
        segments["segment"] = _segment_value("segment", segment)
    if len(segments) > MAX_SEGMENTS:
        raise Unusable(Reason.BAD_SEGMENT, f"segments: {len(segments)} pairs, at most {MAX_SEGMENTS} are counted")
    return segments


@lru_cache(maxsize=1024)  # the dimensions in use are few; faulty ones may be many
def is_dimension(name: str) -> bool:
    """Whether a segment's dimension may have this name."""
    return _DIMENSION.fullmatch(name) is not None


def _segment_value(dimension: str, value: Any) -> str:
    if type(value) is not str:
        if type(value) is bool:
            return "true" if value else "false"
        if type(value) is int:
            return str(value)
        if type(value) is float:
            return str(int(value)) if value.is_integer() and abs(value) < EXACT else str(value)
        raise Unusable(Reason.BAD_SEGMENT, f"segments.{dimension}: {_shown(value)} is no text")
    if len(value) > MAX_SEGMENT_VALUE_CHARS:
        raise Unusable(
            Reason.BAD_SEGMENT,
            f"segments.{dimension}: {len(value)} characters, at most {MAX_SEGMENT_VALUE_CHARS} are accepted",
        )
    return value


def _wrong_type(field: str, value: Any, expected: str) -> NoReturn:
    raise Unusable(Reason.WRONG_TYPE, f"{field}: {_shown(value)} is not {expected}")


def _shown(value: Any) -> str:
    """The beginning of a faulty value, for messages."""
    if isinstance(value, str):
        return repr(value) if len(value) <= _SHOWN else repr(value[:_SHOWN]) + "..."
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return dumps(value).decode()
