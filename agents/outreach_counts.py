"""What was sent already: when to a respondent, and how many to an account and to all on a UTC day.

    R<hash>      when a respondent was last sent a message
    A<account>   how many messages an account was sent on a day
    G            how many all accounts of the partition were
    S            how far a day's sweep has come

What is over counts no more whether it is still there or not; once a day it is swept away, in shares with a cursor.
"""

from typing import Final

import msgspec

from agents.stored import decoder
from streams.processor import DAY_MS, State

RESPONDENT: Final = b"R"
ACCOUNT: Final = b"A"
ALL: Final = b"G"
SWEEP: Final = b"S"
SWEPT: Final = 1_000
"""Keys that are looked at in one tick."""


class _Count(msgspec.Struct, array_like=True):
    day: int
    sent: int


class _Cursor(msgspec.Struct, array_like=True):
    day: int = -1
    prefix: bytes = b""
    """Of the keys that are being looked at; empty: all of the day's were."""
    after: bytes = b""


_decode_count = decoder(_Count)
_decode_cursor = decoder(_Cursor)
_decode_time = decoder(int)
_encode = msgspec.msgpack.Encoder().encode


class SentCounts:
    """What one task has sent, as it is at `now` in ms UTC."""

    __slots__ = ("_day", "_now", "_state")

    def __init__(self, state: State, now: int) -> None:
        self._state = state
        self._now = now
        self._day = now // DAY_MS

    def last_sent(self, whose: bytes) -> int | None:
        """When a respondent, by hash, was last sent a message, in ms UTC."""
        value = self._state.get(RESPONDENT + whose)
        return None if value is None else _decode_time(value)

    def to_account(self, account_id: str) -> int:
        """Messages to an account today."""
        return self._today(ACCOUNT + account_id.encode())

    def of_all(self) -> int:
        """Messages of the partition today."""
        return self._today(ALL)

    def add(self, whose: bytes, account_id: str) -> None:
        """One was sent."""
        self._state.put(RESPONDENT + whose, _encode(self._now))
        for key in (ACCOUNT + account_id.encode(), ALL):
            self._state.put(key, _encode(_Count(self._day, self._today(key) + 1)))

    def sweep(self, cooldown_ms: int) -> bool:
        """Let go of a share of what is over; whether there is more."""
        value = self._state.get(SWEEP)
        cursor = _Cursor() if value is None else _decode_cursor(value)
        if cursor.day < self._day:
            cursor = _Cursor(self._day, ACCOUNT)
        elif not cursor.prefix:
            return False
        found = self._state.scan(cursor.prefix, cursor.after, SWEPT)
        for key in found:
            if self._is_over(key, cooldown_ms):
                self._state.delete(key)
        if len(found) == SWEPT:
            cursor.after = found[-1]
        else:
            cursor.prefix, cursor.after = RESPONDENT if cursor.prefix == ACCOUNT else b"", b""
        self._state.put(SWEEP, _encode(cursor))
        return bool(cursor.prefix)

    def _today(self, key: bytes) -> int:
        value = self._state.get(key)
        if value is None:
            return 0
        count = _decode_count(value)
        return count.sent if count.day == self._day else 0

    def _is_over(self, key: bytes, cooldown_ms: int) -> bool:
        value = self._state.get(key) or b""
        if key.startswith(ACCOUNT):
            return _decode_count(value).day < self._day
        return self._now - _decode_time(value) >= cooldown_ms


def forget_sent(whose: bytes, state: State) -> None:
    """Let go of an erased respondent's cool-down. The counts have no names, and stay."""
    if state.get(RESPONDENT + whose) is not None:
        state.delete(RESPONDENT + whose)
