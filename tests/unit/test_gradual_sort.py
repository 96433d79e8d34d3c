"""Keys that are sorted as they are asked for come out as if all had been sorted."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import gradual_sort
from streams.gradual_sort import PARTS, GradualSort

FEW = 40
"""Sorted at once in these tests, so that a few hundred keys are many parts."""


@pytest.fixture(autouse=True, scope="module")
def sorted_a_few_at_once() -> object:
    patch = pytest.MonkeyPatch()
    patch.setattr(gradual_sort, "SORTED_AT_ONCE", FEW)
    yield
    patch.undo()


@given(st.sets(st.binary(min_size=1, max_size=4), max_size=400), st.integers(1, 90))
def test_shares_come_in_order_and_none_is_left_out(keys: set[bytes], share: int) -> None:
    sort = GradualSort(list(keys), b"")
    found: list[bytes] = []
    while some := list(islice(sort.following(found[-1] if found else b""), share)):
        found += some
    assert found == sorted(keys)


@given(st.sets(st.binary(min_size=1, max_size=4), min_size=1, max_size=400), st.lists(st.binary(max_size=4), max_size=6))
def test_keys_may_be_passed_over(keys: set[bytes], cursors: list[bytes]) -> None:
    sort = GradualSort(list(keys), b"")
    for cursor in sorted(cursors):
        assert next(sort.following(cursor), None) == min((key for key in keys if key > cursor), default=None)


def test_a_share_sorts_about_a_part_of_the_keys() -> None:
    keys = [b"%06d" % (number * 7_919 % 100_003) for number in range(100_000)]
    sort = GradualSort(keys, b"")
    assert list(islice(sort.following(b""), 10)) == sorted(keys)[:10]
    assert 0 < len(sort._sorted) < 2 * len(keys) / PARTS


def test_keys_that_were_passed_over_are_not_missing_without_a_word() -> None:
    keys = [b"%03d" % number for number in range(500)]
    sort = GradualSort(list(keys), b"")
    assert next(sort.following(b"400")) == b"401"
    for cursor in keys:
        try:
            assert next(sort.following(cursor), None) == min((key for key in keys if key > cursor), default=None)
        except ValueError:
            assert cursor < sort.begin


def test_keys_that_were_passed_are_not_given_again() -> None:
    sort = GradualSort([b"%03d" % number for number in range(500)], b"")
    *_, last = islice(sort.following(b""), 300)
    assert sort.begin > b"", "some were let go of"
    with pytest.raises(ValueError, match="passed already"):
        next(sort.following(b"000"))
    assert next(sort.following(last)) == b"300"
