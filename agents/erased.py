"""The list of erased respondents, as a task has it in its state: by account and hash the entry, as it stands in nps.erasures.

No id of a respondent is in it. An account without erased respondents costs one look-up when it is met.
"""

import re
from typing import Final

from agents import keys
from agents.accounts import Account
from schemas.events import MAX_ID_CHARS
from streams.processor import State

_KEY: Final = re.compile(rb"(.{1,%d})\|([0-9a-f]{64})" % (4 * MAX_ID_CHARS), re.DOTALL)
"""An entry's key in its topic; a character has at most four bytes."""


class Erased:
    """The erased respondents of one task's accounts."""

    __slots__ = ("_state",)

    def __init__(self, state: State) -> None:
        self._state = state

    def entry(self, account: Account, hashed: str) -> bytes | None:
        """The entry of a respondent, None if there is none."""
        return self._state.get(keys.within(keys.ERASED, account.name) + bytes.fromhex(hashed))

    def entry_under(self, key: bytes | None) -> bytes | None:
        """The entry that has this key in its topic, None if none has."""
        found = _KEY.fullmatch(key or b"")
        return None if found is None else self._state.get(keys.within(keys.ERASED, found[1]) + bytes.fromhex(found[2].decode()))

    def add(self, account: Account, hashed: str, entry: bytes) -> None:
        """Put a respondent on the list, for good."""
        self._state.put(keys.within(keys.ERASED, account.name) + bytes.fromhex(hashed), entry)
        self._state.put(keys.ANY_ERASED + account.name, b"")
        account.erased = True
