"""What a new day brings to the agent `risk`: passes over parts of its state, in bounded shares with a cursor, so that a crash
loses one share. Days are exact enough: a silence is one of days, and what is over does not count, swept or not.

The first pass is over the index of who is to be looked at, which sorts by days: it ends with the first day that is to come.
The others let go of what is over. A look at all keys of a state, with which a pass begins, is taken four times a day at most.
"""

from enum import IntEnum
from typing import Final

import msgspec

from agents.account_alerts import AccountAlerts
from agents.cooldowns import COOLDOWN
from agents.lately_erased import MARK
from agents.risk_rules import RiskSettings, is_old, silence_severity
from agents.silence import DUE, RHYTHM, Silence, Silences, due_day
from agents.stored import decimal, decoder
from schemas.times import format_time
from streams.processor import DAY_MS, State

PASSES: Final = b"T"
SWEPT_BITS: Final = 4
"""Rhythms are looked through every 16 days: they are kept for years, and looking at each takes time."""


class Pass(IntEnum):
    """The passes of a day. Each is followed by the next one, and the last one by nothing until another day."""

    LOOK = 0
    COOLDOWNS = 1
    ERASED = 2
    RHYTHMS = 3
    DONE = 4

    @property
    def next(self) -> "Pass":
        """The only one that may follow."""
        return Pass(self + 1)


_PREFIXES: Final = {Pass.LOOK: DUE, Pass.COOLDOWNS: COOLDOWN, Pass.ERASED: MARK, Pass.RHYTHMS: RHYTHM}


class _Cursor(msgspec.Struct, array_like=True):
    """How far the passes of a day have come."""

    day: int = -1
    at: Pass = Pass.DONE
    after: bytes = b""
    swept: int = -1
    """The last 16 days in which rhythms were looked through."""


_decode = decoder(_Cursor)
_encode = msgspec.msgpack.Encoder().encode


class Passes:
    """One share of the passes of one task."""

    __slots__ = ("_alerts", "_settings", "_silences", "_state")

    def __init__(self, settings: RiskSettings, state: State, alerts: AccountAlerts) -> None:
        self._settings = settings
        self._state = state
        self._alerts = alerts
        self._silences = Silences(settings, state)

    def advance(self, now: int) -> bool:
        """Do the next share at `now` in ms. Returns whether there is more."""
        value, day = self._state.get(PASSES), now // DAY_MS
        cursor = _Cursor() if value is None else _decode(value)
        if cursor.day < day:
            cursor = _Cursor(day, Pass.LOOK, b"", cursor.swept)
        elif cursor.at is Pass.DONE:
            return False
        found = self._state.scan(_PREFIXES[cursor.at], cursor.after, self._settings.share)
        ended = len(found) < self._settings.share
        for key in found:
            if cursor.at is Pass.LOOK and due_day(key) > cursor.day:
                ended = True
                break
            self._do(cursor.at, key, now)
        if ended:
            self._turn(cursor)
        else:
            cursor.after = found[-1]
        self._state.put(PASSES, _encode(cursor))
        return cursor.at is not Pass.DONE

    def _turn(self, cursor: _Cursor) -> None:
        """Go on to the next pass of the day; rhythms have one of theirs every 16 days."""
        cursor.at, cursor.after = cursor.at.next, b""
        if cursor.at is Pass.RHYTHMS:
            if cursor.swept == cursor.day >> SWEPT_BITS:
                cursor.at = cursor.at.next
            cursor.swept = cursor.day >> SWEPT_BITS

    def _do(self, at: Pass, key: bytes, now: int) -> None:
        """What one of the passes does with a key."""
        if at is Pass.LOOK:
            silence = self._silences.look(key, now // DAY_MS)
            if silence is not None and "silence" in self._settings.kinds:
                self._tell(silence, now)
        elif at is Pass.RHYTHMS:
            self._silences.sweep(key, now)
        else:
            end = self._state.get(key)
            if end is not None and decimal(end) <= now:
                self._state.delete(key)

    def _tell(self, silence: Silence, now: int) -> None:
        """Raise the alert of a silence, unless it began so long ago that it is no news."""
        if is_old(silence.day, now // DAY_MS, self._settings.alert_max_age_days):
            return
        last = silence.last
        self._alerts.send(
            "silence",
            silence_severity(last.score),
            silence.account,
            silence.respondent,
            (silence.respondent_id, last.at, last.name),
            now,
            now,
            respondent_id=silence.respondent_id,
            score=last.score,
            last_response_at=format_time(last.at),
            usual_days=round(silence.usual / DAY_MS, 1),
        )
