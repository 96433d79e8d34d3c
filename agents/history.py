"""A respondent's responses in their order, by (responded_at, response_id). The last one is the present.

While each came after all others the state has no more than the last one (`agents.latest`). Once one is late, corrected or
taken back it has all of them, in a list: the newest in one value, older ones moved in parts to keys of their own, so that a
respondent with a response every day for two years, or a test that sends all responses in one name, still writes little.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Final

import msgspec

from agents import keys
from agents.categories import CATEGORY_OF, PROMOTER
from agents.latest import MARK, Entry, Latest, decode_latest, walked
from agents.responses import Pairs
from agents.stored import StateUnreadable, decoder
from streams.processor import State

NEWEST: Final = 16
"""Most responses in the value that each new response writes: some 20 bytes each."""
MOVED: Final = 8
"""How many of them are moved to an older part when there are more."""
PART: Final = 64
"""Most responses of an older part."""


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

    __slots__ = (
        "_latest", "_loaded", "_newest", "_part_prefix", "_parts", "_row", "_since", "_state",
        "followed", "key", "present", "trimmed",
    )  # fmt: skip

    def __init__(self, state: State, key: bytes, part_prefix: bytes, since: int) -> None:
        """Load it; responses before `since` (ms) are beyond the history and let go."""
        self._state = state
        self.key = key
        self._part_prefix = part_prefix
        self._since = since
        self._latest: Latest | None = None
        """All there is, while each response came after all others; None: it is in a list, or empty."""
        self._newest: list[Entry] = []
        self._parts: list[_Part] = []
        self._row = 0
        """Length of the row of one category that the older parts end with, if it is known."""
        self._loaded: dict[int, list[Entry]] | None = None
        self.trimmed = False
        """Whether loading it has let something go."""
        self.present: Entry | None = None
        """The last response."""
        self.followed: Pairs | None = None
        """The segments of the response before the one that was added last, if they are at hand."""
        value = state.get(key)
        if value is None:
            return
        if value.startswith(MARK):
            self._load_latest(decode_latest(value))
            return
        self._newest, self._parts, self._row = _decode(value)
        if not self._newest:
            raise StateUnreadable("a respondent's history in the state is empty")
        if (self._parts[0].first.at if self._parts else self._newest[0].at) < since:
            self._trim(since)
        self.present = self._newest[-1] if self._newest else None

    @property
    def long(self) -> bool:
        """Whether it has older parts: the longer it is, the longer loading and saving it take."""
        return bool(self._parts)

    @property
    def grows(self) -> bool:
        """Whether each response came after all others: then each must name the one before it."""
        return self._latest is not None

    def add(self, entry: Entry, segments: Pairs = ()) -> tuple[Entry | None, Entry | None]:
        """Put a response in its place, with the segments that it is counted in; returns the ones before and after it."""
        present, latest = self.present, self._latest
        if present is None:
            self._latest, self.present = Latest.first(entry, segments), entry
            return None, None
        if latest is not None and present < entry:
            self._latest, self.present, self.followed = latest.followed_by(entry, segments), entry, latest.segments
            return present, None
        self.followed = None
        self._list()
        around = self._insert(entry)
        self.present = self._newest[-1]
        return around

    def _insert(self, entry: Entry) -> tuple[Entry | None, Entry | None]:
        newest = self._newest
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
        self._list()
        around = self._take(entry)
        self.present = self._newest[-1] if self._newest else None
        return around

    def _take(self, entry: Entry) -> tuple[Entry | None, Entry | None]:
        if self._parts and entry < self._newest[0]:
            return self._remove_older(entry)
        index = bisect_left(self._newest, entry)
        if index == len(self._newest) or self._newest[index] != entry:
            raise KeyError("a response is not in its respondent's history")  # no ids: this would reach the log
        del self._newest[index]
        before = self._newest[index - 1] if index else self._last_older()
        after = self._newest[index] if index < len(self._newest) else None
        if not self._newest and self._parts:
            self._bring_back()
        return before, after

    def row(self, until: Entry) -> int:
        """How many responses in a row have the category of `until`, which is the last one of them."""
        if self._latest is not None and until == self.present:
            return self._latest.row
        self._list()
        category = CATEGORY_OF[until.score]
        index = len(self._newest)
        if index and self._newest[-1] != until:
            index = bisect_right(self._newest, until)
        if index == 0 and self._parts:
            return self._row_in_parts(until)
        length = 0
        while index and CATEGORY_OF[self._newest[index - 1].score] == category:
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
        if self._latest is not None and entry == self.present:
            return self._latest.promoter_at >= self._since
        self._list()
        as_a_rule = not self._parts and self._newest[-1] == entry
        earlier = self._newest[:-1] if as_a_rule else self._backwards(entry)
        return any(CATEGORY_OF[one.score] == PROMOTER for one in earlier)

    def save(self) -> None:
        """Write it to the state; an empty one leaves it."""
        if self._latest is not None:
            self._state.put(self.key, _encode(self._latest))
            return
        if not self._newest:
            self._state.delete(self.key)
            return
        self._state.put(self.key, _encode((self._newest, self._parts, self._row)))

    def entries(self) -> list[Entry]:
        """All of it, oldest first."""
        self._list()
        return [entry for part in self._parts for entry in self._read(part)] + self._newest

    def delete(self) -> None:
        """Let go of all of it, in the state too."""
        for part in self._parts:
            self._state.delete(self._part_key(part.number))
        self._parts, self._newest, self._row = [], [], 0
        self._latest = self.present = None
        self.save()

    def _load_latest(self, latest: Latest) -> None:
        if latest.at < self._since:
            self.trimmed = True
            return
        self._latest, self.present = latest, latest.entry
        if latest.row_at < self._since:
            # Its row has lost its first responses, and only the list tells how many.
            self._list()
            self.trimmed = True

    def _list(self) -> None:
        """Have all of it in a list from now on."""
        if self._latest is None:
            return
        entries = walked(self._state, keys.within(keys.RESPONSE, keys.account_of(self.key)), self._latest, self._since)
        self._latest = None
        if len(entries) > NEWEST:
            for start in range(0, len(entries) - MOVED, PART):
                self._insert_part(len(self._parts), entries[start : min(start + PART, len(entries) - MOVED)])
            self._row = _UNKNOWN
            entries = entries[-MOVED:]
        self._newest = entries

    def _move(self) -> None:
        """Move the oldest of the newest to the older parts."""
        moved = self._newest[:MOVED]
        del self._newest[:MOVED]
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
        return before, self._parts[position + 1].first if position + 1 < len(self._parts) else self._newest[0]

    def _bring_back(self) -> None:
        """The newest are gone: take the end of the older parts."""
        entries = self._read(self._parts[-1])
        self._newest = entries[-MOVED:]
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
            self._newest = [entry for entry in self._newest if entry.at >= since]
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
        yield from reversed(self._newest[: bisect_left(self._newest, before)])
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
