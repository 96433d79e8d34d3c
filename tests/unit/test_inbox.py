"""What waits for a task: order, bytes, and what arrives again."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.inbox import RECORD_OVERHEAD_BYTES, Inbox, size_of
from streams.processor import Record
from tests.model.log import Stored


def record(offset: int, size: int = 10, topic: str = "in") -> Stored:
    return Stored(topic, 0, offset, 0, b"k", b"v" * (size - 1))


def run(*offsets: int, topic: str = "in", size: int = 10) -> list[Stored]:
    return [record(offset, size, topic) for offset in offsets]


def offsets(records: Sequence[Record]) -> list[int]:
    return [one.offset for one in records]


def test_empty_records_have_a_size_as_well() -> None:
    assert size_of([Stored("in", 0, 0, 0, None, None)] * 3) == 3 * RECORD_OVERHEAD_BYTES
    assert size_of(run(1, size=10)) == RECORD_OVERHEAD_BYTES + 10


def test_an_inbox_with_nothing_in_it_is_false() -> None:
    inbox = Inbox()
    assert not inbox
    inbox.add(run(1))
    assert inbox
    inbox.take(1 << 20)
    assert not inbox
    assert inbox.bytes == 0


@pytest.mark.parametrize(
    ("limit", "taken"), [(0, []), (1, [0]), (110, [0]), (220, [0, 1]), (230, [0, 1, 2]), (10_000, [*range(9)])]
)
def test_what_is_taken_is_the_oldest_until_the_limit_is_reached(limit: int, taken: list[int]) -> None:
    inbox = Inbox()
    inbox.add(run(0, 1, 2, 3, 4))
    inbox.add(run(5, 6, 7, 8))
    assert offsets(inbox.take(limit)) == taken


def test_one_record_larger_than_the_limit_is_taken_alone() -> None:
    inbox = Inbox()
    inbox.add(run(0, size=10_000))
    inbox.add(run(1))
    assert offsets(inbox.take(100)) == [0]


@pytest.mark.parametrize("again", [[0, 1, 2], [2], [0]])
def test_what_arrives_again_is_left_out(again: list[int]) -> None:
    inbox = Inbox()
    inbox.add(run(0, 1, 2))
    inbox.add(run(*again))
    inbox.add(run(3))
    assert offsets(inbox.take(1 << 20)) == [0, 1, 2, 3]


def test_what_arrives_again_is_left_out_although_it_was_taken_meanwhile() -> None:
    inbox = Inbox()
    inbox.add(run(0, 1, 2))
    inbox.take(1 << 20)
    inbox.add(run(1, 2, 3))
    assert offsets(inbox.take(1 << 20)) == [3]


def test_each_topic_has_offsets_of_its_own() -> None:
    inbox = Inbox()
    inbox.add(run(7, 8))
    inbox.add(run(3, topic="more"))
    inbox.add(run(9))
    assert [(one.topic, one.offset) for one in inbox.take(1 << 20)] == [("in", 7), ("in", 8), ("more", 3), ("in", 9)]


def test_a_cleared_inbox_takes_everything_again() -> None:
    inbox = Inbox()
    inbox.add(run(5, 6))
    inbox.clear()
    assert (bool(inbox), inbox.bytes) == (False, 0)
    inbox.add(run(5))
    assert offsets(inbox.take(1 << 20)) == [5]


@given(
    runs=st.lists(st.lists(st.integers(1, 3000), min_size=1, max_size=6), max_size=8),
    limits=st.lists(st.integers(1, 2000), min_size=1, max_size=40),
)
def test_nothing_is_lost_reordered_or_miscounted(runs: list[list[int]], limits: list[int]) -> None:
    inbox = Inbox()
    added: list[Stored] = []
    taken: list[Record] = []
    for sizes in runs:
        fetched = [record(len(added) + i, size) for i, size in enumerate(sizes)]
        added += fetched
        inbox.add(fetched)
    assert inbox.bytes == size_of(added)
    for limit in limits:
        share = inbox.take(limit)
        assert bool(share) == (len(taken) < len(added))
        taken += share
        assert inbox.bytes >= 0
        assert bool(inbox) == (len(taken) < len(added))
    while inbox:
        taken += inbox.take(1 << 20)
    assert taken == added
    assert inbox.bytes == 0
