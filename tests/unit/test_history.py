"""A respondent's history against a sorted list, however long it is, whatever is put in, taken out and forgotten."""

from bisect import bisect_left, insort

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import keys
from agents.categories import CATEGORY_OF
from agents.history import MOVED, NEWEST, PART, History
from agents.latest import Entry
from agents.versions import Known, encode_known
from streams.state import Identity, MemoryStore, StagedState

RESPONDENT = keys.within(keys.RESPONDENT, b"acme") + b"u-1"
RESPONSES = keys.within(keys.RESPONSE, b"acme")
SEGMENTS = ("plan=pro",)
LARGEST_VALUE = PART * 40
"""Bytes that no value of the state may exceed: a part full of short ids."""


class Kept:
    """A history that is saved after each change, and the list that it should be."""

    def __init__(self) -> None:
        self.state = StagedState(MemoryStore(), Identity(0, 1, "0000000000001-a"))
        self.entries: list[Entry] = []
        self.since = 0

    def load(self) -> History:
        return History(self.state, RESPONDENT, b"p", self.since)

    def put(self, history: History, entry: Entry) -> tuple[Entry | None, Entry | None]:
        """As the ledger does it: a response is known by its own key, and names the one before it while each came last."""
        around = history.add(entry, SEGMENTS)
        earlier = around[0].response_id if around[0] is not None and history.grows else None
        known = Known(0, b"", 0, True, entry.score, entry.at, "u-1", segments=SEGMENTS, earlier=earlier)
        self.state.put(RESPONSES + entry.response_id.encode(), encode_known(known))
        return around

    def add(self, entry: Entry) -> None:
        index = bisect_left(self.entries, entry)
        around = (self.entries[index - 1] if index else None, self.entries[index] if index < len(self.entries) else None)
        insort(self.entries, entry)
        history = self.load()
        assert self.put(history, entry) == around
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
        history.save()
        self.state.commit()
        assert history.present == (self.entries[-1] if self.entries else None)
        history = self.load()  # what is asked of it may bring it into a list, and shall not be kept
        for entry in self.entries[:: max(len(self.entries) // 5, 1)] + self.entries[-1:]:
            assert history.row(entry) == self.row(entry)
            assert history.promoter_before(entry) == any(e.score >= 9 for e in self.entries if e < entry)
        self.state.abandon()

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
    assert [key for key in kept.state.scan(b"", b"", 1000) if not key.startswith(RESPONSES)] == []


def test_a_long_history_is_written_in_small_values() -> None:
    kept = Kept()
    for index in range(500):
        history = kept.load()
        if not index:
            history.add(Entry(1000, "late", 3))
            kept.state.put(RESPONSES + b"late", encode_known(Known(0, b"", 0, True, 3, 1000, "u-1")))
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
        kept.add(Entry(index, f"r{index}", 3))
    for entry in (Entry(3, "other", 3), Entry(39, "other", 3), Entry(99, "other", 3)):
        with pytest.raises(KeyError, match="not in its respondent"):
            kept.load().remove(entry)


def test_while_each_comes_last_the_value_stays_small_and_knows_the_row_and_the_promoters() -> None:
    kept = Kept()
    for index in range(300):
        kept.add(Entry(index, f"r{index:04}", 9 if index == 100 else 3))
    value = kept.state.get(RESPONDENT)
    assert value is not None
    assert len(value) < 40
    assert [key for key in kept.state.scan(b"", b"", 1000) if not key.startswith(RESPONSES)] == [RESPONDENT]
    history = kept.load()
    assert (history.grows, history.row(kept.entries[-1]), history.promoter_before(kept.entries[-1])) == (True, 199, True)


def test_one_that_is_late_brings_all_of_them_into_the_list() -> None:
    kept = Kept()
    for index in range(300):
        kept.add(Entry(2 * index, f"r{index:04}", index % 11))
    kept.add(Entry(301, "late", 9))
    assert not kept.load().grows
    assert kept.load().entries() == kept.entries


def test_a_row_that_has_lost_its_first_responses_is_counted_anew() -> None:
    kept = Kept()
    for index in range(40):
        kept.add(Entry(index, f"r{index:04}", 9 if index < 5 else 3))
    kept.forget(30)
    assert kept.load().row(kept.entries[-1]) == 10
    assert not kept.load().promoter_before(kept.entries[-1])


def test_what_comes_anew_under_the_name_of_what_was_forgotten_stands_in_one_place() -> None:
    kept = Kept()
    for index in range(5):
        kept.add(Entry(index, f"r{index}", 3))
    kept.forget(2)
    kept.add(Entry(7, "r1", 9))
    kept.add(Entry(6, "late", 3))
    assert kept.load().entries() == kept.entries


def test_only_one_that_comes_last_has_the_segments_of_the_one_before_at_hand() -> None:
    kept = Kept()
    history = kept.load()
    for at, name in ((0, "r0"), (2, "r1")):
        kept.put(history, Entry(at, name, 3))
    assert history.followed == SEGMENTS
    kept.put(history, Entry(1, "late", 3))
    assert history.followed is None
