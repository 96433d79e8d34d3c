"""Whom `nps.erasures` names, for agents that keep something of respondents: they let go of it, and send no more of it.

Scoring answers a command with an entry of the list, and drops what comes of the respondent afterwards (`agents.erasing`), so
these agents do what a command or an entry asks when it comes, and keep no list of their own.
"""

from typing import Final, NamedTuple

from schemas.codec import loads
from schemas.dead_letters import Unusable
from schemas.erasures import respondent_hash
from streams.processor import Record

KEEP: Final = "keep"
REMOVE: Final = "remove"
"""What becomes of the respondent's counts."""


class Forgotten(NamedTuple):
    """A respondent who is to be forgotten."""

    account_id: str
    hashed: str
    remove: bool = False
    """Whether what the respondent said no longer counts."""

    def is_it(self, respondent_id: str) -> bool:
        """Whether it is this respondent of the account."""
        return respondent_hash(self.account_id, respondent_id) == self.hashed


def forgotten_in(record: Record) -> Forgotten | None:
    """Whom a record of nps.erasures names; None for a tombstone, and for what scoring makes a dead letter of."""
    if record.value is None:
        return None
    try:
        fields = loads(record.value)
    except Unusable:
        return None
    if type(fields) is not dict or type(account_id := fields.get("account_id")) is not str:
        return None
    hashed, respondent_id = fields.get("respondent_hash"), fields.get("respondent_id")
    counts = fields.get("counts", KEEP)
    if counts not in (KEEP, REMOVE):
        return None
    if type(hashed) is str:
        return Forgotten(account_id, hashed, counts == REMOVE)
    if type(respondent_id) is not str:
        return None
    return Forgotten(account_id, respondent_hash(account_id, respondent_id), counts == REMOVE)
