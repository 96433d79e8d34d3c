"""What the agent `risk` reads of its sources: of each record the few fields that it decides by.

They are topics of our own, so what cannot be read is nobody's mistake that could be told of: the readers answer None, and the
agent counts it.
"""

from typing import Final, Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from schemas.events import Category, Count, Id, Nps, Score, Segments
from schemas.times import parse_day, parse_time

NEVER: Final = -1
"""Before any time in ms."""
_UNREADABLE: Final = (msgspec.MsgspecError, ValueError, RecursionError)
"""What decoders, `parse_time` and `parse_day` raise. A text that is no UTF-8 is a ValueError."""


class Scored(Struct, frozen=True, gc=False):
    """A scored response: who answered, when, and what it changed (`schemas.events.Scored`)."""

    account_id: Id
    response_id: Id
    change: Literal["new", "correction", "retraction", "late", "expired"]
    respondent_id: Id | UnsetType = UNSET
    responded_at: str | UnsetType = UNSET
    score: Score | UnsetType = UNSET


class Changed(Struct, frozen=True, rename={"before": "from"}):
    """A category change (`schemas.events.CategoryChange`)."""

    account_id: Id
    respondent_id: Id
    response_id: Id
    before: Category
    to: Category | None
    cause: Literal["response", "correction", "retraction"]
    changed_at: str
    score: Score | UnsetType = UNSET
    previous_score: Score | UnsetType = UNSET
    segments: Segments | UnsetType = UNSET


class Stats(Struct, frozen=True, gc=False):
    """One window of a rollup, counted in one way (`schemas.events.WindowStats`)."""

    promoters: Count
    passives: Count
    detractors: Count
    total: Count
    nps: Nps | None = None
    low: Nps | None = None
    high: Nps | None = None
    previous_nps: Nps | None = None
    change: float | None = None
    significant: bool | None = None


class Tables(Struct, frozen=True, gc=False):
    """What of an account's rollup is looked at."""

    as_of: str
    day: int
    """The same in days since 1970-01-01."""
    headline: Stats
    recent: int
    """How many of the headline window's total are in the recent window too; all of them if there is none."""


class _Rollup(Struct, frozen=True, gc=False):
    as_of: str
    windows: dict[str, Raw]


class _Window(Struct, frozen=True, gc=False):
    responses: Raw
    respondents: Raw


class _Total(Struct, frozen=True, gc=False):
    total: Count


_decode_scored = msgspec.json.Decoder(Scored).decode
_decode_changed = msgspec.json.Decoder(Changed).decode
_decode_rollup = msgspec.json.Decoder(_Rollup).decode
_decode_window = msgspec.json.Decoder(_Window).decode
_decode_stats = msgspec.json.Decoder(Stats).decode
_decode_total = msgspec.json.Decoder(_Total).decode


def read_scored(value: bytes | None) -> tuple[Scored, int] | None:
    """A scored response and its time in ms, NEVER where it names no respondent or no time; None if it cannot be read."""
    try:
        scored = _decode_scored(value or b"")
        if scored.respondent_id is UNSET or scored.responded_at is UNSET:
            return scored, NEVER
        return None if scored.score is UNSET else (scored, parse_time(scored.responded_at))
    except _UNREADABLE:
        return None


def read_changed(value: bytes | None) -> tuple[Changed, int] | None:
    """A category change and its time in ms; None if it cannot be read."""
    try:
        changed = _decode_changed(value or b"")
        return changed, parse_time(changed.changed_at)
    except _UNREADABLE:
        return None


class TablesReader:
    """Reads rollups of accounts. Of the windows, most of a record, only those that are asked for are looked into."""

    __slots__ = ("_headline", "_recent", "_respondents")

    def __init__(self, headline_days: int, recent_days: int | None, respondents: bool) -> None:
        """`respondents`: only a respondent's latest response counts, else each one."""
        self._headline = f"{headline_days}d"
        self._recent = None if recent_days is None else f"{recent_days}d"
        self._respondents = respondents

    def read(self, value: bytes) -> Tables | None:
        """What is looked at; None if it cannot be read, or has no such windows."""
        try:
            rollup = _decode_rollup(value)
            headline = _decode_stats(self._counted(rollup, self._headline))
            recent = headline.total
            if self._recent is not None:
                recent = _decode_total(self._counted(rollup, self._recent)).total
            return Tables(rollup.as_of, parse_day(rollup.as_of), headline, recent)
        except (*_UNREADABLE, KeyError):
            return None

    def _counted(self, rollup: _Rollup, name: str) -> Raw:
        """A window, counted in the way that is asked for."""
        window = _decode_window(rollup.windows[name])
        return window.respondents if self._respondents else window.responses
