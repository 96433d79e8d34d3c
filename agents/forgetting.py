"""Whom `nps.erasures` names, for agents that keep something of respondents: they let go of it, and send no more of it.

Scoring answers a command with an entry of the list, and drops what comes of the respondent afterwards (`agents.erasing`), so
these agents do what a command or an entry asks when it comes. What scoring had sent before may be read later all the same:
topics are read each for itself, and a state that is made anew reads erasures first. So they remember for a while who was erased
(`agents.lately_erased`), and pass over what is still on its way.
"""

import re
from typing import Final, NamedTuple, TypeGuard

from schemas.codec import loads
from schemas.dead_letters import Unusable
from schemas.erasures import respondent_hash
from schemas.events import MAX_ID_CHARS
from streams.processor import Record, State, partition_of

KEEP: Final = "keep"
REMOVE: Final = "remove"
"""What becomes of the respondent's counts."""
_HASH: Final = re.compile(r"[0-9a-f]{64}")


class Forgotten(NamedTuple):
    """A respondent who is to be forgotten."""

    account_id: str
    hashed: str
    """As 64 hexadecimal digits."""
    remove: bool = False
    """Whether what the respondent said no longer counts."""

    def is_it(self, respondent_id: str) -> bool:
        """Whether it is this respondent of the account."""
        return respondent_hash(self.account_id, respondent_id) == self.hashed


def forgotten_in(record: Record, state: State) -> Forgotten | None:
    """Whom a record of nps.erasures names; None for a tombstone, for what scoring makes a dead letter of, and for a record that
    scoring sends home to another partition."""
    if record.value is None:
        return None
    try:
        fields = loads(record.value)
    except Unusable:
        return None
    if type(fields) is not dict:
        return None
    account_id, counts = fields.get("account_id"), fields.get("counts", KEEP)
    if not _is_id(account_id) or counts not in (KEEP, REMOVE):
        return None
    if partition_of(account_id.encode(), state.partitions) != state.partition:
        return None
    if "respondent_hash" in fields:
        hashed = fields["respondent_hash"]
        if type(hashed) is not str or _HASH.fullmatch(hashed) is None:
            return None
    else:
        respondent_id = fields.get("respondent_id")
        if not _is_id(respondent_id):
            return None
        hashed = respondent_hash(account_id, respondent_id)
    return Forgotten(account_id, hashed, counts == REMOVE)


def _is_id(value: object) -> TypeGuard[str]:
    return type(value) is str and 0 < len(value) <= MAX_ID_CHARS
