"""Respondents who were erased not long ago, for agents that keep something of respondents and read it from several topics.

Scoring sends nothing more of them. But what it sent before may be read after the erasure: topics are read each for itself, and
a state that is made anew reads erasures first and then all that its other sources still hold. So a mark stays for as long as
they may hold it: X<length: 2 bytes><account><respondent's hash>, with the ms of its end.
"""

from typing import Final

from agents import keys
from agents.stored import decimal
from schemas.erasures import respondent_hash
from schemas.times import LATEST_MS
from schemas.topics import BY_NAME
from streams.processor import DAY_MS, State

MARK: Final = b"X"
SPARE_DAYS: Final = 30
"""A broker deletes a file of a log some days after the last of it was due."""
MARKED_DAYS: Final = 60
"""Most topics of events are kept for 30 days."""
HASH_BYTES: Final = 16
"""How much of a respondent's hash stands in keys: half of it is enough never to meet another one's."""
NEVER: Final = -1
"""In place of the end of a mark that there is not."""


def marked_days(source: str) -> int:
    """How long marks are needed by who reads a topic of events."""
    return (BY_NAME[source].retention_days or 0) + SPARE_DAYS


def short_hash(account_id: str, respondent_id: str) -> bytes:
    """A respondent's hash as it stands in keys."""
    return shortened(respondent_hash(account_id, respondent_id))


def shortened(hashed: str) -> bytes:
    """The same of a hash as it stands on the list of the erased."""
    return bytes.fromhex(hashed[: 2 * HASH_BYTES])


def mark_key(account: bytes, respondent: bytes) -> bytes:
    """Where a respondent's mark is."""
    return keys.within(MARK, account) + respondent


def mark_erased(state: State, account: bytes, respondent: bytes, at: int, days: int = MARKED_DAYS) -> tuple[int, int]:
    """Remember for some days that a respondent was erased, at `at` in ms. Returns when a mark that was there would have ended,
    `NEVER` if there was none, and when this one ends."""
    key = mark_key(account, respondent)
    value = state.get(key)
    before = NEVER if value is None else decimal(value)
    # A record may have any timestamp.
    end = max(before, min(max(at, 0), LATEST_MS) + days * DAY_MS)
    if end != before:
        state.put(key, b"%d" % end)
    return before, end


def was_erased(state: State, account: bytes, respondent: bytes) -> bool:
    """Whether a respondent was erased not long ago."""
    return state.get(mark_key(account, respondent)) is not None
