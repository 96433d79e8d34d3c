"""Who was erased, as hashes: to them nothing is sent any more, whatever comes of them later.

Other agents let go when they are asked to and keep no list (`agents.forgetting`). This one would write to somebody: an erasure
may be read before a case event that was sent before it, and old case events are read again when a state is made anew.

Key of the state: E<hash>.
"""

import hashlib
from typing import Final

from agents.forgetting import forgotten_in
from streams.processor import Record, State, partition_of

ERASED: Final = b"E"
_LISTED: Final = b"1"


class ErasedList:
    """The erased respondents at one task's partition."""

    __slots__ = ("_state",)

    def __init__(self, state: State) -> None:
        self._state = state

    def has(self, whose: bytes) -> bool:
        """Whether a respondent, by hash, was erased."""
        return self._state.get(ERASED + whose) is not None

    def take(self, record: Record) -> bytes | None:
        """Take in a record of nps.erasures: whom it means, by hash; None if it is nobody here."""
        forgotten = forgotten_in(record)
        if forgotten is None or partition_of(forgotten.account_id.encode(), self._state.partitions) != self._state.partition:
            return None
        try:
            whose = bytes.fromhex(forgotten.hashed)
        except ValueError:
            return None
        if len(whose) != hashlib.sha256().digest_size:
            return None
        self._state.put(ERASED + whose, _LISTED)
        return whose
