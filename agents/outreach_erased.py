"""Who was erased, as hashes: to them nothing is sent any more, whatever comes of them later.

Other agents remember it for as long as their sources hold what was said before (`agents.lately_erased`). This one would write
to somebody, and preferences are held for good: so is this list.

Key of the state: E<hash>.
"""

from typing import Final

from agents.forgetting import forgotten_in
from streams.processor import Record, State

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
        forgotten = forgotten_in(record, self._state)
        if forgotten is None:
            return None
        whose = bytes.fromhex(forgotten.hashed)
        self._state.put(ERASED + whose, _LISTED)
        return whose
