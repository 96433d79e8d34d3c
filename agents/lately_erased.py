"""Respondents who were erased not long ago, for agents that keep something of respondents and read it from several topics.

Scoring sends nothing more of them. But what it sent before may be read after the erasure: topics are read each for itself, and
a state that is made anew reads erasures first and then all that its other sources still hold. So a mark stays for as long as
they may hold it: X<length: 2 bytes><account><respondent's hash>, with the ms of its end.
"""

from typing import Final

from agents import keys
from schemas.erasures import respondent_hash
from streams.processor import DAY_MS, State

MARK: Final = b"X"
MARKED_DAYS: Final = 60
"""Topics of events are kept for 30 days, and a broker deletes a file of a log some days after the last of it was due."""
HASH_BYTES: Final = 16
"""How much of a respondent's hash stands in keys: half of it is enough never to meet another one's."""


def short_hash(account_id: str, respondent_id: str) -> bytes:
    """A respondent's hash as it stands in keys."""
    return bytes.fromhex(respondent_hash(account_id, respondent_id)[: 2 * HASH_BYTES])


def shortened(hashed: str) -> bytes | None:
    """The same of a hash as it stands on the list of the erased; None if it is none."""
    try:
        short = bytes.fromhex(hashed)[:HASH_BYTES]
    except ValueError:
        return None
    return short if len(short) == HASH_BYTES else None


def mark_erased(state: State, account: bytes, respondent: bytes, at: int) -> None:
    """Remember that a respondent was erased, at `at` in ms."""
    state.put(keys.within(MARK, account) + respondent, b"%d" % (max(at, 0) + MARKED_DAYS * DAY_MS))


def was_erased(state: State, account: bytes, respondent: bytes) -> bool:
    """Whether a respondent was erased not long ago."""
    return state.get(keys.within(MARK, account) + respondent) is not None
