"""A respondent's history against a sorted list, however long it is, whatever is put in, taken out and forgotten."""

from bisect import bisect_left, insort

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.categories import CATEGORY_OF
from agents.history import MOVED, NEWEST, PART, Entry, History
from streams.state import Identity, MemoryStore, StagedState

LARGEST_VALUE = PART * 40
"""Bytes that no value of the state may exceed: a part full of short ids."""


class Kept:
    """A history that is saved after each change, and the list that it should be."""

    def __init__(self) -> None:
        self.state = StagedState(MemoryStore(), Identity(0, 1, "0000000000001-a"))
        self.entries: list[Entry] = []
        self.since = 0

    def load(self) -> History:
        return History(self.state, b"P", b"p", self.since)

    def add(self, entry: Entry) -> None:
        index = bisect_left(self.entries, entry)
        around = (self.entries[index - 1] if index else None, self.entries[index] if index < len(self.entries) else None)
        insort(self.entries, entry)
        history = self.load()
        assert history.add(entry) == around
        self.check(history)

    def remove(self, entry: Entry) -> None:
        index = self.entries.index(entry)
        del self.entries[index]
        around = (self.entries[index - 1] if index else None, self.entries[index] if index < len(self.entries) else None)
        history = self.load()
        assert history.remove(entry) == around
        self.check(history)

    def forget(self, since: int) -> None:
        self.since = since
        self.entries = [entry for entry in self.entries if entry.at >= since]
        self.check(self.load())

    def check(self, history: History) -> None:
        assert history.present == (self.entries[-1] if self.entries else None)
        for entry in self.entries[:: max(len(self.entries) // 5, 1)] + self.entries[-1:]:
            assert history.row(entry) == self.row(entry)
            assert history.promoter_before(entry) == any(e.score >= 9 for e in self.entries if e < entry)
        history.save()
        self.state.commit()

    def row(self, until: Entry) -> int:
        row = 0
        for entry in reversed(self.entries[: self.entries.index(until) + 1]):
            if CATEGORY_OF[entry.score] != CATEGORY_OF[until.score]:
                break
            row += 1
        return row


scores = st.sampled_from((3, 3, 3, 8, 9))
actions = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 3), scores),
        st.tuples(st.just("append"), st.integers(0, 3), scores),
        st.tuples(st.just("insert"), st.integers(0, 300), scores),
        st.tuples(st.just("remove"), st.integers(0, 300), st.just(0)),
        st.tuples(st.just("forget"), st.integers(0, 12), st.just(0)),
    ),
    max_size=120,
)


@given(st.integers(0, 100), actions)
def test_a_history_is_a_sorted_list(length: int, actions: list[tuple[str, int, int]]) -> None:
    kept = Kept()
    for index in range(length):
        kept.add(Entry(index, f"r{index}", (3, 3, 3, 8)[index % 4]))
    for number, (action, position, score) in enumerate(actions):
        if action == "append":
            kept.add(Entry((kept.entries[-1].at if kept.entries else kept.since) + position, f"x{number:03}", score))
        elif action == "insert":
            at = kept.entries[position % len(kept.entries)].at if kept.entries else kept.since
            kept.add(Entry(at, f"i{number:03}", score))
        elif action == "remove" and kept.entries:
            kept.remove(kept.entries[position % len(kept.entries)])
        elif action == "forget":
            kept.forget(kept.since + position)
    while kept.entries:
        kept.remove(kept.entries[-1])
    assert kept.state.scan(b"", b"", 10) == []


def test_a_long_history_is_written_in_small_values() -> None:
    kept = Kept()
    for index in range(500):
        history = kept.load()
        history.add(Entry(index, f"r{index:04}", 3))
        history.save()
        written = [len(value or b"") for _, value in kept.state.changes()]
        assert max(written) < LARGEST_VALUE
        assert len(written) <= 2
        kept.state.commit()
    assert kept.load().row(Entry(499, "r0499", 3)) == 500


def test_parts_are_larger_than_what_is_moved_to_them() -> None:
    assert MOVED < NEWEST
    assert PART % MOVED == 0


def test_taking_out_what_is_not_there_is_an_error() -> None:
    kept = Kept()
    for index in range(40):
        kept.add(Entry(index, "r", 3))
    for entry in (Entry(3, "other", 3), Entry(39, "other", 3), Entry(99, "other", 3)):
        with pytest.raises(KeyError, match="not in its respondent"):
            kept.load().remove(entry)
