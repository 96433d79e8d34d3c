"""The index of planned messages: what is due is found once, in order, in bounded shares, however it was put in."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import outreach_plans
from agents.outreach_plans import BUCKET_MS, Plan, Plans
from schemas.cases import Case
from schemas.examples import EXAMPLES
from streams.state import Identity, MemoryStore, StagedState

CASE = msgspec.convert(EXAMPLES["Case"], Case)


def state() -> StagedState:
    return StagedState(MemoryStore(), Identity(0, 1, "x"))


def plan(name: str = "o-1") -> Plan:
    return Plan(name, CASE, 0, 0)


def test_a_plan_is_due_in_its_bucket_and_never_early() -> None:
    plans = Plans(state())
    plans.put(b"a", plan(), 25_000)
    assert plans.due(29_999, 10) == ({}, False)
    found, more = plans.due(30_000, 10)
    assert (list(found), more) == ([b"a"], False)
    assert plans.due(10**9, 10) == ({}, False)


def test_what_was_put_off_is_due_then_and_what_was_removed_never() -> None:
    plans = Plans(state())
    for whose in (b"a", b"b", b"c"):
        plans.put(whose, plan(), 10_000)
    plans.put(b"a", plan(), 50_000)
    plans.remove(b"b")
    assert list(plans.due(10_000, 10)[0]) == [b"c"]
    assert list(plans.due(50_000, 10)[0]) == [b"a"]


def test_one_that_is_planned_twice_for_the_same_time_is_due_once() -> None:
    plans = Plans(state())
    plans.put(b"a", plan(), 10_000)
    plans.remove(b"a")
    plans.put(b"a", plan("o-2"), 10_000)
    assert {whose: one.outreach_id for whose, one in plans.due(10_000, 10)[0].items()} == {b"a": "o-2"}


def test_what_is_kept_of_a_plan_is_all_of_it() -> None:
    plans = Plans(state())
    kept = Plan("o-1", CASE, 5, 7, traceparent=b"00", waited=True)
    plans.put(b"a", kept, 10_000)
    assert plans.get(b"a") == kept
    kept.at = 6
    plans.update(b"a", kept)
    assert plans.get(b"a") == kept


def test_long_gaps_are_passed_over_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outreach_plans, "MOST_BUCKETS", 100)
    plans = Plans(state())
    plans.put(b"a", plan(), 0)
    plans.put(b"b", plan(), 250 * BUCKET_MS)
    turns = [plans.due(10**9, 10) for _ in range(3)]
    assert [(list(found), more) for found, more in turns] == [([b"a"], True), ([b"b"], False), ([], False)]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.integers(0, 5), st.integers(0, 40)),
            st.tuples(st.just("remove"), st.integers(0, 5), st.just(0)),
            st.tuples(st.just("due"), st.integers(1, 3), st.integers(0, 15)),
            st.tuples(st.sampled_from(["commit", "abandon"]), st.just(0), st.just(0)),
        ),
        max_size=60,
    )
)
def test_it_finds_what_a_plain_list_finds(steps: list[tuple[str, int, int]]) -> None:
    kept = state()
    plans = Plans(kept)
    listed: dict[bytes, int] = {}
    committed: dict[bytes, int] = {}
    now = committed_now = 0
    for what, number, time in steps:
        whose = b"%d" % number
        if what == "put":
            plans.put(whose, plan(), time * BUCKET_MS)
            listed[whose] = time
        elif what == "remove":
            plans.remove(whose)
            listed.pop(whose, None)
        elif what == "due":
            now += time
            more: Any = True
            while more:
                found, more = plans.due(now * BUCKET_MS, number)
                assert len(found) <= number
                for one in found:
                    assert listed.pop(one) <= now
                    plans.remove(one)
            assert all(time > now for time in listed.values())
        elif what == "commit":
            kept.commit()
            committed, committed_now = dict(listed), now
        else:
            kept.abandon()
            listed, now = dict(committed), committed_now
    for one in listed:
        plans.remove(one)
    while plans.due(10**9, 10)[1]:
        pass
    kept.commit()
    assert kept.scan(b"", b"", 10) == []
