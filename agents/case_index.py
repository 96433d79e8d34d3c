"""What is due, which open case is the oldest, and which cases of an account are open, without looking at all of them.

The state has a key for each entry, that sorts by time. To look through all keys whenever something may be due would cost more
than what is done about it, so their order is in memory besides: read from the state when a task is opened, and kept up with it.
An entry that the state has no more is passed over when its turn comes.
"""

import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import Final

from agents import case_keys as keys
from streams.processor import State

INDEX: Final = "index"
"""Where it stays between batches."""


class CaseIndex:
    """The index of one task."""

    __slots__ = ("_due", "_open", "_opened", "_spreads", "_state")

    def __init__(self, state: State) -> None:
        self._state = state
        self._due = state.scan(keys.DUE, b"", sys.maxsize)
        self._opened = state.scan(keys.OPENED, b"", sys.maxsize)
        self._spreads = state.scan(keys.SPREAD, b"", sys.maxsize)
        self._open: dict[bytes, list[str]] = {}
        """The open cases of accounts, sorted: an account may have very many, and they are looked through in shares."""
        for key in self._opened:
            account, case_id = keys.case_in(key)
            self._open.setdefault(account, []).append(case_id)
        for cases in self._open.values():
            cases.sort()
        for heap in (self._due, self._opened, self._spreads):
            heapify(heap)

    @classmethod
    def of(cls, state: State) -> "CaseIndex":
        """That of a task, read from its state if it is not at hand."""
        index: CaseIndex | None = state.cache.get(INDEX)
        if index is None:
            index = state.cache[INDEX] = cls(state)
        return index

    def move(self, account: bytes, case_id: str, before: int, after: int) -> None:
        """A case is due at another time than before, in ms; less than 0 is none."""
        if before == after:
            return
        if before >= 0:
            self._state.delete(keys.timed(keys.DUE, before, account, case_id))
        if after >= 0:
            self._put(self._due, keys.timed(keys.DUE, after, account, case_id))

    def open(self, account: bytes, case_id: str, opened_at: int) -> None:
        """A case is open."""
        self._put(self._opened, keys.timed(keys.OPENED, opened_at, account, case_id))
        cases = self._open.setdefault(account, [])
        place = bisect_left(cases, case_id)
        if cases[place : place + 1] != [case_id]:
            cases.insert(place, case_id)

    def close(self, account: bytes, case_id: str, opened_at: int) -> None:
        """A case is open no more."""
        self._state.delete(keys.timed(keys.OPENED, opened_at, account, case_id))
        cases = self._open.get(account)
        if cases is None:
            return
        place = bisect_left(cases, case_id)
        if cases[place : place + 1] == [case_id]:
            del cases[place]
        if not cases:
            del self._open[account]

    def next_due(self, now: int) -> tuple[int, bytes, str] | None:
        """Time, account and case of the entry that is due first, if that is by `now`."""
        key = self._first(self._due)
        return None if key is None or keys.time_in(key) > now else (keys.time_in(key), *keys.case_in(key))

    def oldest(self) -> int | None:
        """When the oldest open case was opened, in ms."""
        key = self._first(self._opened)
        return None if key is None else keys.time_in(key)

    def open_of(self, account: bytes, after: str, limit: int) -> list[str]:
        """Up to `limit` open cases of an account in order, those after one of them ("": the first ones)."""
        cases = self._open.get(account, [])
        start = bisect_right(cases, after)
        return cases[start : start + limit]

    def spread_later(self, account: bytes, after: str) -> None:
        """An account's facts have yet to come to its open cases after one of them."""
        key = keys.SPREAD + account
        if self._state.get(key) is None:
            heappush(self._spreads, key)
        self._state.put(key, after.encode())

    def spread(self, account: bytes) -> None:
        """They have come to all of them."""
        key = keys.SPREAD + account
        if self._state.get(key) is not None:
            self._state.delete(key)

    def spreads(self) -> Iterator[tuple[bytes, str]]:
        """The accounts whose facts have not come to all their open cases, each with the last case to which they did. One comes
        again until it is done with."""
        while (key := self._first(self._spreads)) is not None:
            yield key[len(keys.SPREAD) :], (self._state.get(key) or b"").decode()

    def _put(self, heap: list[bytes], key: bytes) -> None:
        self._state.put(key, b"")
        heappush(heap, key)

    def _first(self, heap: list[bytes]) -> bytes | None:
        while heap:
            if self._state.get(heap[0]) is not None:
                return heap[0]
            heappop(heap)
        return None
