"""What a new day brings to the comments of a task: quiet accounts roll over to it, and what is beyond the longest window goes.

In bounded shares with a cursor in the state, as in `agents.rollover`. A share is repeated without harm.
"""

from typing import Annotated, Final

import msgspec

from agents.comment_days import CHUNK_BITS
from agents.comment_keys import ACCOUNT, RESPONSE, SEGMENT, TICKS, day_of_segment_key
from agents.comment_tables import AccountTable
from agents.kept_comments import decode_kept
from agents.stored import decoder
from schemas.times import day_of
from streams.processor import Outbox, State

ROLL_ACCOUNTS: Final = 0
SWEEP_COMMENTS: Final = 1
SWEEP_CELLS: Final = 2
DONE: Final = 3


class _Cursor(msgspec.Struct, array_like=True):
    """How far the ticks of a day have come."""

    day: int = -1
    phase: Annotated[int, msgspec.Meta(ge=ROLL_ACCOUNTS, le=DONE)] = DONE
    after: bytes = b""
    swept: int = -1
    """The last period in which all was looked through: what is beyond the windows counts nowhere whether it is still there or
    not, and looking takes time, so it is done every 16 days."""


_PREFIXES: Final = (ACCOUNT, RESPONSE, SEGMENT)

_decode = decoder(_Cursor)
_encode = msgspec.msgpack.Encoder().encode


def advance(windows_days: tuple[int, ...], state: State, now: int, roll: int, sweep: int, outbox: Outbox) -> bool:
    """Do the next share of what the day of `now` (ms) brings: `roll` accounts, or `sweep` comments or cells, at most. Returns
    whether there is more."""
    value = state.get(TICKS)
    cursor = _Cursor() if value is None else _decode(value)
    day = day_of(now)
    if cursor.day < day:
        cursor = _Cursor(day, ROLL_ACCOUNTS, b"", cursor.swept)
    elif cursor.phase == DONE:
        return False
    limit = roll if cursor.phase == ROLL_ACCOUNTS else sweep
    found = state.scan(_PREFIXES[cursor.phase], cursor.after, limit)
    for key in found:
        if cursor.phase == ROLL_ACCOUNTS:
            _roll(windows_days, state, key, now, outbox)
        elif _day_of(state, cursor.phase, key) <= day - windows_days[-1]:
            state.delete(key)
    if len(found) == limit:
        cursor.after = found[-1]
    else:
        # The next phase is for another tick: where a pass begins, all keys are looked at.
        cursor.phase, cursor.after = cursor.phase + 1, b""
        if cursor.phase == SWEEP_COMMENTS:
            if cursor.swept == day >> CHUNK_BITS:
                cursor.phase = DONE
            cursor.swept = day >> CHUNK_BITS
    state.put(TICKS, _encode(cursor))
    return cursor.phase != DONE


def _roll(windows_days: tuple[int, ...], state: State, key: bytes, now: int, outbox: Outbox) -> None:
    table = AccountTable(windows_days, state, key[len(ACCOUNT) :], day_of(now))
    if table.as_of < day_of(now):
        table.roll(day_of(now))
        table.publish(now, outbox)


def _day_of(state: State, phase: int, key: bytes) -> int:
    if phase == SWEEP_CELLS:
        return day_of_segment_key(key)
    value = state.get(key)
    return -1 if value is None else decode_kept(value).day
