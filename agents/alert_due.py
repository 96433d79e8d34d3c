"""What is due when: entries in the state that sort by their time. Each names the key that it is for.

Their order is in memory besides, read from the state when a task is opened and kept up with it: a look at all keys for every
share of a morning's alerts would cost more than what is due. An entry that the state has no more is passed over.
"""

import sys
from heapq import heapify, heappop, heappush
from typing import Final

from agents.alert_keys import DUE, TIME_BYTES
from streams.processor import State

NEVER: Final = -1
"""No time."""
_HEAP: Final = "due"
"""In the cache: the entries, the earliest first; some may be there twice, or be gone."""


class DueIndex:
    """The entries of one task."""

    __slots__ = ("_state", "_taken")

    def __init__(self, state: State) -> None:
        self._state = state
        self._taken: list[bytes] = []

    def move(self, key: bytes, before: int, after: int) -> None:
        """What was due for a key at one time is due at another; times in ms, `NEVER` is none."""
        if before == after:
            return
        if before != NEVER:
            self._state.delete(_entry(before, key))
        if after != NEVER:
            entry = _entry(after, key)
            heap = self._heap()
            self._state.put(entry, b"")
            heappush(heap, entry)

    def due(self, now: int, most: int) -> list[tuple[int, bytes]]:
        """Up to `most` entries that are due at `now`, the earliest first: time and key. The caller moves each of them, or
        leaves it for the next time."""
        heap, taken = self._heap(), self._taken
        while heap and len(taken) < most and _time(heap[0]) <= now:
            entry = heappop(heap)
            if self._state.get(entry) is not None and taken[-1:] != [entry]:
                taken.append(entry)
        return [(_time(entry), entry[len(DUE) + TIME_BYTES :]) for entry in taken]

    def is_more(self, now: int) -> bool:
        """Whether something else is due at `now`: to be asked when what was due has been seen to."""
        heap = self._heap()
        for entry in self._taken:
            if self._state.get(entry) is not None:
                heappush(heap, entry)
        self._taken.clear()
        while heap and self._state.get(heap[0]) is None:
            heappop(heap)
        return bool(heap) and _time(heap[0]) <= now

    def _heap(self) -> list[bytes]:
        heap: list[bytes] | None = self._state.cache.get(_HEAP)
        if heap is None:
            heap = self._state.cache[_HEAP] = self._state.scan(DUE, b"", sys.maxsize)
            heapify(heap)
        return heap


def _entry(due: int, key: bytes) -> bytes:
    return DUE + due.to_bytes(TIME_BYTES, "big") + key


def _time(entry: bytes) -> int:
    return int.from_bytes(entry[len(DUE) : len(DUE) + TIME_BYTES], "big")
