"""Which incarnation of each source partition is the latest: what older ones have said is dropped.

Keys of the state; a source partition has two bytes:

    I<source>    the latest incarnation of a source partition
    N            how many times one had another incarnation
"""

from typing import Final

from agents.stored import decimal
from streams.processor import State

INCARNATION: Final = b"I"
CHANGES: Final = b"N"


class Incarnations:
    """Of the source partitions of one task."""

    __slots__ = ("_state",)

    def __init__(self, state: State) -> None:
        self._state = state

    @property
    def changes(self) -> int:
        """How many times a source partition has had another incarnation."""
        return decimal(self._state.get(CHANGES) or b"0")

    def is_latest(self, source: int, incarnation: str) -> bool:
        """Whether an incarnation of a source partition is the latest one; a later one than those known is, from now on."""
        key = INCARNATION + source.to_bytes(2, "big")
        known = self._state.get(key)
        if known is not None and incarnation.encode() <= known:
            return incarnation.encode() == known
        self._state.put(key, incarnation.encode())
        if known is not None:
            self._state.put(CHANGES, b"%d" % (self.changes + 1))
        return True

    def is_older(self, source: int, incarnation: str) -> bool:
        """Whether there is a later one than this."""
        return incarnation.encode() != self._state.get(INCARNATION + source.to_bytes(2, "big"))
