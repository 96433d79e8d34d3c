"""Reads the events of scoring that cases are made of. They are ours, but anybody may write to the topics."""

from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET

from agents.categories import CATEGORY_OF, DETRACTOR
from schemas.codec import MAX_RECORD_BYTES, loads
from schemas.dead_letters import Reason, Unusable
from schemas.events import Category, CategoryChange, Detractor
from schemas.times import parse_time

MOST_COUNT: Final = 2**53
"""Of what is counted: more is no count, and does not fit into the state."""

T = TypeVar("T")

_decode_detractor = msgspec.json.Decoder(Detractor).decode
_decode_change = msgspec.json.Decoder(CategoryChange).decode


class Recovered(NamedTuple):
    """A respondent who was a detractor is none any more, by a new response."""

    account_id: str
    respondent_id: str
    response_id: str
    to: Category
    score: int
    at: int
    """When it was said, in ms."""


def read_detractor(value: bytes | None) -> tuple[Detractor, int]:
    """A detractor event, and when it was said in ms. Raises `Unusable`."""
    event = _read(value, _decode_detractor, Detractor)
    if CATEGORY_OF[event.score] != DETRACTOR:
        raise Unusable(Reason.BAD_SCORE, "score: none of a detractor")
    if max(event.revision, event.consecutive) > MOST_COUNT:
        raise Unusable(Reason.WRONG_TYPE, f"revision, consecutive: at most {MOST_COUNT} are counted")
    return event, _time("responded_at", event.responded_at)


def read_change(value: bytes | None) -> tuple[str, Recovered | None]:
    """Whose a category change is, an account's, and the recovery, if it is one. Raises `Unusable`."""
    event = _read(value, _decode_change, CategoryChange)
    at = _time("changed_at", event.changed_at)
    if event.cause != "response" or event.before != "detractor" or event.score is UNSET:
        return event.account_id, None
    if event.to is None or event.to == "detractor":
        return event.account_id, None
    return event.account_id, Recovered(event.account_id, event.respondent_id, event.response_id, event.to, event.score, at)


def _read(value: bytes | None, decode: Callable[[bytes], T], kind: type[T]) -> T:
    if value is None:
        raise Unusable(Reason.EMPTY, "the record has no value")
    try:
        if len(value) <= MAX_RECORD_BYTES:
            return decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass  # rare: find out what is wrong with it
    try:
        return msgspec.convert(loads(value), kind)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        raise Unusable(Reason.WRONG_TYPE, f"{where.strip('`').removeprefix('$.') or 'the record'}: {what.lower()}") from None


def _time(field: str, text: str) -> int:
    try:
        return parse_time(text)
    except ValueError as error:
        raise Unusable(Reason.BAD_TIME, f"{field}: {error}") from error
