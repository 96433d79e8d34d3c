"""Counts of comments by day in the state: 16 days are one entry, so that what changes daily is written in small pieces."""

from collections.abc import Iterable
from typing import Annotated, Final

import msgspec

from agents.comment_counts import OfDay
from agents.stored import StateUnreadable, decoder
from streams.processor import State

CHUNK_BITS: Final = 4
"""Days of an entry, as a power of two: some 2 KB of an account that is written to daily."""
IN_CHUNK: Final = (1 << CHUNK_BITS) - 1

_encode = msgspec.msgpack.Encoder().encode
_decode = decoder(dict[Annotated[int, msgspec.Meta(ge=0, le=IN_CHUNK)], OfDay])

ChunkNumbers = list[Annotated[int, msgspec.Meta(ge=0, lt=1 << 16)]]
"""The numbers of a table's entries, as they may stand in the state."""


class Days:
    """Counts by day and theme, for one batch or tick. Its owner remembers which entries there are (`numbers`)."""

    __slots__ = ("_chunks", "_dirty", "_prefix", "_state", "numbers")

    def __init__(self, state: State, prefix: bytes, numbers: Iterable[int] = ()) -> None:
        """`prefix` begins the keys; two bytes follow it."""
        self._state = state
        self._prefix = prefix
        self._chunks: dict[int, dict[int, OfDay]] = {}
        self._dirty: set[int] = set()
        self.numbers = set(numbers)
        """Of the entries that are there, with those that are only to be saved."""

    def of_day(self, day: int) -> OfDay:
        """What was counted on a day, to be looked at."""
        if day >> CHUNK_BITS not in self.numbers:
            return {}
        return self._chunk(day >> CHUNK_BITS).get(day & IN_CHUNK, {})

    def change(self, day: int) -> OfDay:
        """What was counted on a day, to be changed."""
        number = day >> CHUNK_BITS
        self.numbers.add(number)
        self._dirty.add(number)
        return self._chunk(number).setdefault(day & IN_CHUNK, {})

    def all(self) -> list[tuple[int, OfDay]]:
        """Every day with what was counted on it."""
        return [
            ((number << CHUNK_BITS) + offset, counts)
            for number in sorted(self.numbers)
            for offset, counts in sorted(self._chunk(number).items())
        ]

    def forget(self, day: int) -> bool:
        """Let go of the entries that hold only days before this one; whether there were any."""
        old = [number for number in sorted(self.numbers) if number < day >> CHUNK_BITS]
        for number in old:
            self._chunks.pop(number, None)
            self._dirty.discard(number)
            self.numbers.discard(number)
            self._state.delete(self._key(number))
        return bool(old)

    def save(self) -> None:
        """Write what has changed to the state; what is empty leaves it."""
        for number in sorted(self._dirty):
            chunk = {offset: counts for offset, counts in sorted(self._chunk(number).items()) if counts}
            self._chunks[number] = chunk
            if chunk:
                self._state.put(self._key(number), _encode(chunk))
            else:
                self.numbers.discard(number)
                self._state.delete(self._key(number))
        self._dirty.clear()

    def drop(self) -> None:
        """Take all of it out of the state."""
        for number in sorted(self.numbers):
            self._state.delete(self._key(number))
        self.numbers.clear()
        self._chunks.clear()
        self._dirty.clear()

    def _chunk(self, number: int) -> dict[int, OfDay]:
        chunk = self._chunks.get(number)
        if chunk is None:
            value = self._state.get(self._key(number))
            if value is None and number in self.numbers and number not in self._dirty:
                raise StateUnreadable("counts of comments are missing from the state")
            chunk = self._chunks[number] = {} if value is None else _decode(value)
        return chunk

    def _key(self, number: int) -> bytes:
        # Two bytes last 2,800 years and are always the last of the key, so no other key can look the same.
        return self._prefix + number.to_bytes(2, "big")
