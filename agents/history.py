"""A respondent's responses in their order, by (responded_at, response_id). The last one is the present.

The newest are one value in the state, older ones are moved in parts to keys of their own: most respondents have one key, and
one with a response every day for two years, or a test that sends all responses in one name, still writes little at a time.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Final

import msgspec

from agents.categories import CATEGORY_OF, PROMOTER
from agents.stored import StateUnreadable, decoder
from streams.processor import State

NEWEST: Final = 16
"""Most responses in the value that each new response writes: some 20 bytes each."""
MOVED: Final = 8
"""How many of them are moved to an older part when there are more."""
PART: Final = 64
"""Most responses of an older part."""


class Entry(msgspec.Struct, array_like=True, frozen=True, order=True, gc=False):
    """One response of the history."""

    at: int
    """responded_at in ms."""
    response_id: str
    score: int


class _Part(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Where an older part is, and how it begins."""

    first: Entry
    number: int
    length: int


_encode = msgspec.msgpack.Encoder().encode
_decode = decoder(tuple[list[Entry], list[_Part], int])
_decode_part = decoder(list[Entry])
_UNKNOWN: Final = -1


class History:
    """One respondent's responses within the history, oldest first. Written to the state by `save`."""

    __slots__ = ("_loaded", "_part_prefix", "_parts", "_row", "_state", "key", "newest", "trimmed")

    def __init__(self, state: State, key: bytes, part_prefix: bytes, since: int) -> None:
        """Load it; responses before `since` (ms) are beyond the history and let go."""
        self._state = state
        self.key = key
        self._part_prefix = part_prefix
        self._loaded: dict[int, list[Entry]] | None = None
        self.trimmed = False
        """Whether loading it has let something go."""
        value = state.get(key)
        if value is None:
            self.newest: list[Entry] = []
            self._parts: list[_Part] = []
            self._row = 0
            """Length of the row of one category that the older parts end with, if it is known."""
            return
        self.newest, self._parts, self._row = _decode(value)
        if not self.newest:
            raise StateUnreadable("a respondent's history in the state is empty")
        if (self._parts[0].first.at if self._parts else self.newest[0].at) < since:
            self._trim(since)

    @property
    def long(self) -> bool:
        """Whether it has older parts: the longer it is, the longer loading and saving it take."""
        return bool(self._parts)

    @property
    def present(self) -> Entry | None:
        """The last response."""
        return self.newest[-1] if self.newest else None

    def add(self, entry: Entry) -> tuple[Entry | None, Entry | None]:
        """Put a response in its place; returns the ones before and after it."""
        newest = self.newest
        if not newest or newest[-1] < entry:
            before = newest[-1] if newest else None
            newest.append(entry)
            if len(newest) > NEWEST:
                self._move()
            return before, None
        if not self._parts or newest[0] < entry:
            index = bisect_left(newest, entry)
            newest.insert(index, entry)
            before = newest[index - 1] if index else None
            after = newest[index + 1]
            if len(newest) > NEWEST:
                self._move()
            return before, after
        return self._add_older(entry)

    def remove(self, entry: Entry) -> tuple[Entry | None, Entry | None]:
        """Take a response out; returns those that were before and after it. Raises KeyError if it is not there."""
        if self._parts and entry < self.newest[0]:
            return self._remove_older(entry)
        index = bisect_left(self.newest, entry)
        if index == len(self.newest) or self.newest[index] != entry:
            raise KeyError("a response is not in its respondent's history")  # no ids: this would reach the log
        del self.newest[index]
        before = self.newest[index - 1] if index else self._last_older()
        after = self.newest[index] if index < len(self.newest) else None
        if not self.newest and self._parts:
            self._bring_back()
        return before, after

    def row(self, until: Entry) -> int:
        """How many responses in a row have the category of `until`, which is the last one of them."""
        category = CATEGORY_OF[until.score]
        index = len(self.newest)
        if index and self.newest[-1] != until:
            index = bisect_right(self.newest, until)
        if index == 0 and self._parts:
            return self._row_in_parts(until)
        length = 0
        while index and CATEGORY_OF[self.newest[index - 1].score] == category:
            index -= 1
            length += 1
        if index or not self._parts:
            return length
        last = self._last_older()
        if last is None or CATEGORY_OF[last.score] != category:
            return length
        if self._row == _UNKNOWN:
            self._row = self._row_in_parts(last)
        return length + self._row

    def promoter_before(self, entry: Entry) -> bool:
        """Whether a response before this one is a promoter's."""
        as_a_rule = not self._parts and self.newest[-1] == entry
        earlier = self.newest[:-1] if as_a_rule else self._backwards(entry)
        return any(CATEGORY_OF[one.score] == PROMOTER for one in earlier)

    def save(self) -> None:
        """Write it to the state; an empty one leaves it."""
        if not self.newest:
            self._state.delete(self.key)
            return
        self._state.put(self.key, _encode((self.newest, self._parts, self._row)))

    def entries(self) -> list[Entry]:
        """All of it, oldest first."""
        return [entry for part in self._parts for entry in self._read(part)] + self.newest

    def delete(self) -> None:
        """Let go of all of it, in the state too."""
        for part in self._parts:
            self._state.delete(self._part_key(part.number))
        self._parts, self.newest, self._row = [], [], 0
        self.save()

    def _move(self) -> None:
        """Move the oldest of the newest to the older parts."""
        moved = self.newest[:MOVED]
        del self.newest[:MOVED]
        last = self._last_older()
        for entry in moved:
            if last is not None and CATEGORY_OF[last.score] == CATEGORY_OF[entry.score]:
                self._row = self._row if self._row == _UNKNOWN else self._row + 1
            else:
                self._row = 1
            last = entry
        if self._parts and self._parts[-1].length + MOVED <= PART:
            self._write(len(self._parts) - 1, [*self._read(self._parts[-1]), *moved])
        else:
            self._insert_part(len(self._parts), moved)

    def _add_older(self, entry: Entry) -> tuple[Entry | None, Entry]:
        position = max(bisect_right(self._parts, entry, key=_first) - 1, 0)
        entries = self._read(self._parts[position])
        index = bisect_left(entries, entry)
        before, after = self._around(position, entries, index)
        entries.insert(index, entry)
        if len(entries) > PART:
            self._write(position, entries[: PART // 2])
            self._insert_part(position + 1, entries[PART // 2 :])
        else:
            self._write(position, entries)
        self._row = _UNKNOWN
        return before, after

    def _remove_older(self, entry: Entry) -> tuple[Entry | None, Entry]:
        position = max(bisect_right(self._parts, entry, key=_first) - 1, 0)
        entries = self._read(self._parts[position])
        index = bisect_left(entries, entry)
        if index == len(entries) or entries[index] != entry:
            raise KeyError("a response is not in its respondent's history")  # no ids: this would reach the log
        del entries[index]
        before, after = self._around(position, entries, index)
        self._write(position, entries)
        self._row = _UNKNOWN
        return before, after

    def _around(self, position: int, entries: list[Entry], index: int) -> tuple[Entry | None, Entry]:
        """What comes before and after the gap at an index of a part."""
        before = entries[index - 1] if index else (self._read(self._parts[position - 1])[-1] if position else None)
        if index < len(entries):
            return before, entries[index]
        return before, self._parts[position + 1].first if position + 1 < len(self._parts) else self.newest[0]

    def _bring_back(self) -> None:
        """The newest are gone: take the end of the older parts."""
        entries = self._read(self._parts[-1])
        self.newest = entries[-MOVED:]
        self._write(len(self._parts) - 1, entries[:-MOVED])
        self._row = _UNKNOWN if self._parts else 0

    def _trim(self, since: int) -> None:
        self.trimmed = True
        while self._parts and self._parts[0].first.at < since:
            left = [entry for entry in self._read(self._parts[0]) if entry.at >= since]
            self._write(0, left)
            if left:
                break
        if not self._parts:
            self.newest = [entry for entry in self.newest if entry.at >= since]
        if self._row != _UNKNOWN:
            self._row = min(self._row, sum(part.length for part in self._parts))

    def _row_in_parts(self, until: Entry) -> int:
        category = CATEGORY_OF[until.score]
        length = 1
        for entry in self._backwards(until):
            if CATEGORY_OF[entry.score] != category:
                break
            length += 1
        return length

    def _backwards(self, before: Entry) -> Iterator[Entry]:
        """The responses before one, latest first."""
        yield from reversed(self.newest[: bisect_left(self.newest, before)])
        for part in reversed(self._parts):
            if part.first < before:
                entries = self._read(part)
                yield from reversed(entries[: bisect_left(entries, before)])

    def _last_older(self) -> Entry | None:
        return self._read(self._parts[-1])[-1] if self._parts else None

    def _read(self, part: _Part) -> list[Entry]:
        if self._loaded is None:
            self._loaded = {}
        entries = self._loaded.get(part.number)
        if entries is None:
            value = self._state.get(self._part_key(part.number))
            if value is None:
                raise StateUnreadable("a part of a respondent's history is missing from the state")
            entries = self._loaded[part.number] = _decode_part(value)
        return entries

    def _write(self, position: int, entries: list[Entry]) -> None:
        """Replace a part's responses; without any it goes."""
        number = self._parts[position].number
        if self._loaded is None:
            self._loaded = {}
        if not entries:
            del self._parts[position]
            self._loaded.pop(number, None)
            self._state.delete(self._part_key(number))
            return
        self._parts[position] = _Part(entries[0], number, len(entries))
        self._loaded[number] = entries
        self._state.put(self._part_key(number), _encode(entries))

    def _insert_part(self, position: int, entries: list[Entry]) -> None:
        number = max((part.number for part in self._parts), default=0) + 1
        self._parts.insert(position, _Part(entries[0], number, len(entries)))
        self._write(position, entries)

    def _part_key(self, number: int) -> bytes:
        return self._part_prefix + number.to_bytes(4, "big")


def _first(part: _Part) -> Entry:
    return part.first
