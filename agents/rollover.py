"""What a new day brings to a scoring task: quiet accounts and segments roll over to it, and what is beyond the history goes.

All of it in bounded shares with a cursor in the state, so that a crash loses one share and a day with a million accounts is
many short transactions. A share is repeated without harm: tables that are as of the day already stay as they are.
"""

from typing import Annotated, Final

import msgspec

from agents import keys
from agents.history import History
from agents.ledger import Ledger
from agents.publishing import Publishing
from agents.stored import decoder
from agents.versions import decode_known
from agents.windows import CHUNK_BITS

ROLL_ACCOUNTS: Final = 0
ROLL_SEGMENTS: Final = 1
SWEEP_RESPONSES: Final = 2
SWEEP_RESPONDENTS: Final = 3
DONE: Final = 4


class _Cursor(msgspec.Struct, array_like=True):
    """How far the ticks of a day have come."""

    day: int = -1
    phase: Annotated[int, msgspec.Meta(ge=ROLL_ACCOUNTS, le=DONE)] = DONE
    after: bytes = b""
    swept: int = -1
    """The last period in which all responses were looked through: what is beyond the history counts nowhere whether it is still
    there or not, and looking takes time, so it is done every 16 days."""


_decode = decoder(_Cursor)
_encode = msgspec.msgpack.Encoder().encode


def advance(ledger: Ledger, publishing: Publishing, now: int, roll: int, sweep: int) -> bool:
    """Do the next share of what the ledger's day brings, at `now` in ms: `roll` accounts or segments, or `sweep` responses or
    respondents, at most. Returns whether there is more."""
    state = ledger.state
    value = state.get(keys.TICKS)
    cursor = _Cursor() if value is None else _decode(value)
    if cursor.day < ledger.day:
        cursor = _Cursor(ledger.day, ROLL_ACCOUNTS, b"", cursor.swept)
    elif cursor.phase == DONE:
        return False
    prefix, limit = _SHARES[cursor.phase], roll if cursor.phase <= ROLL_SEGMENTS else sweep
    found = state.scan(prefix, cursor.after, limit)
    for key in found:
        _STEPS[cursor.phase](ledger, publishing, key, now)
    if len(found) == limit:
        cursor.after = found[-1]
    else:
        # The next phase is for another tick: where a pass begins, all keys are looked at.
        cursor.phase, cursor.after = cursor.phase + 1, b""
        if cursor.phase == SWEEP_RESPONSES:
            if cursor.swept == ledger.day >> CHUNK_BITS:
                cursor.phase = DONE
            cursor.swept = ledger.day >> CHUNK_BITS
    state.put(keys.TICKS, _encode(cursor))
    return cursor.phase != DONE


def _roll_account(ledger: Ledger, publishing: Publishing, key: bytes, now: int) -> None:
    account = ledger.accounts.get(key[len(keys.ACCOUNT) :].decode())
    if ledger.accounts.table(account, 0).as_of < ledger.day:
        ledger.accounts.table(account, ledger.day)
        publishing.account(account, now)


def _roll_segment(ledger: Ledger, publishing: Publishing, key: bytes, now: int) -> None:
    name = key[len(keys.SEGMENT) :].decode()
    table = ledger.segments.at(name, 0)
    if table.as_of < ledger.day:
        table.roll(ledger.state, ledger.day)
        publishing.segment(name, table, now)


def _sweep_response(ledger: Ledger, publishing: Publishing, key: bytes, now: int) -> None:
    value = ledger.state.get(key)
    if value is not None and ledger.forgets(decode_known(value)):
        ledger.state.delete(key)


def _sweep_respondent(ledger: Ledger, publishing: Publishing, key: bytes, now: int) -> None:
    history = History(ledger.state, key, keys.RESPONDENT_PART + key[len(keys.RESPONDENT) :], ledger.since)
    if history.trimmed:
        history.save()


_SHARES: Final = (keys.ACCOUNT, keys.SEGMENT, keys.RESPONSE, keys.RESPONDENT)
_STEPS: Final = (_roll_account, _roll_segment, _sweep_response, _sweep_respondent)
