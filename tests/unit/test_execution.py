"""The pure part of a task, through the TestDriver: staging, skipping, restoring, time."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from streams.changelog import ChangelogUnreadable, Meta, Position, position_key, state_prefix
from streams.draft import Kept
from streams.execution import Execution
from streams.processor import DAY_MS, Outbox, Record, State, StreamTime
from streams.state import Identity, MemoryStore
from streams.test_driver import TestDriver

NOON = 1_700_000_000_000


class Counting:
    """Counts records by key; its tick emits every count once a day, two keys a share."""

    name = "counting"
    sources = ("in",)

    def process(self, batch: Sequence[Record], state: State, now: StreamTime, outbox: Outbox) -> None:
        for record in batch:
            at = now.at(record.timestamp)
            key = b"k" + (record.key or b"")
            count = int(state.get(key) or b"0") + 1
            state.put(key, b"%d" % count)
            outbox.send("out", record.key, b"%d" % count, at)
            outbox.count("counted")

    def tick(self, now: int, state: State, outbox: Outbox) -> None:
        day, _, cursor = (state.get(b"cursor") or b"0 ").partition(b" ")
        if int(day) != now // DAY_MS:
            day, cursor = b"%d" % (now // DAY_MS), b""
        keys = state.scan(b"k", cursor, 2)
        for key in keys:
            outbox.send("daily", key[1:], state.get(key), now)
        if keys:
            state.put(b"cursor", day + b" " + keys[-1])
        outbox.more |= len(keys) == 2


@pytest.fixture
def driver() -> TestDriver:
    return TestDriver([Counting()], now=NOON)


@pytest.mark.parametrize("batch", [1, 7, 500])
def test_batch_size_never_matters(driver: TestDriver, batch: int) -> None:
    for i in range(20):
        driver.pipe("in", b"ab"[i % 2 : i % 2 + 1], b"")
    driver.run(batch=batch)
    assert [(r.key, r.value) for r in driver.sent("out")] == [
        (b"ab"[i % 2 : i % 2 + 1], b"%d" % (i // 2 + 1)) for i in range(20)
    ]
    assert driver.facts[("counted",)] == 20


def test_a_restart_skips_what_was_consumed_although_it_is_fed_again(driver: TestDriver) -> None:
    for _ in range(3):
        driver.pipe("in", b"a", b"")
        driver.run()
        driver.restart()
    driver.run()
    assert [r.value for r in driver.sent("out")] == [b"1", b"2", b"3"]


def test_an_abandoned_batch_leaves_no_trace(driver: TestDriver) -> None:
    driver.pipe("in", b"a", b"")
    driver.abandon()
    assert driver.sent("out") == []
    driver.run()
    assert [r.value for r in driver.sent("out")] == [b"1"]


def test_ticks_walk_the_state_in_bounded_shares_across_a_restart(driver: TestDriver) -> None:
    for key in (b"c", b"a", b"b", b"d", b"e"):
        driver.pipe("in", key, b"")
    driver.run()
    driver.advance(DAY_MS)
    driver.restart()
    driver.advance(0)
    assert [r.key for r in driver.sent("daily")] == [b"a", b"b", b"c", b"d", b"e"]


def test_time_never_goes_back_and_one_far_record_cannot_take_it_along(driver: TestDriver) -> None:
    for timestamp in (NOON - 5, NOON - 10, NOON + 10 * DAY_MS, NOON):
        driver.pipe("in", b"a", b"", timestamp)
    driver.run(batch=2)
    assert [r.timestamp for r in driver.sent("out")] == [NOON - 5, NOON - 5, NOON + DAY_MS, NOON + DAY_MS]


def test_the_clock_survives_a_restart(driver: TestDriver) -> None:
    driver.pipe("in", b"a", b"", NOON + 7)
    driver.run()
    driver.restart()
    driver.pipe("in", b"a", b"", NOON)
    driver.run()
    assert driver.sent("out")[-1].timestamp == NOON + 7


def test_a_position_never_goes_back_when_an_old_batch_is_read_again() -> None:
    records = _records(6)
    execution = Execution([Counting()], Identity(0, 1, "i"))
    execution.commit(execution.process(records, NOON, Kept()))
    stale = execution.process(records[:3], NOON, Kept())
    assert stale.empty
    execution.commit(stale)
    assert execution.position("in") == 6


def test_an_idle_position_moves_past_what_nobody_gets_and_the_last_record_stays_known() -> None:
    execution = Execution([Counting()], Identity(0, 1, "i"))
    never_read = execution.tick(NOON, Kept(), {"in": 9})
    assert never_read.empty  # without a position reading begins at the start of the topic
    execution.commit(execution.process(_records(6), NOON, Kept()))
    execution.commit(execution.tick(NOON, Kept()))
    before, clock = execution.positions["counting", "in"], execution.clock
    draft = Kept()
    execution.commit(execution.tick(clock, draft, {"in": 9, "other": 99}))
    assert draft.changes == [(position_key("counting", "in"), b"9 5 %d" % before.fingerprint)]
    assert execution.positions["counting", "in"] == replace(before, next=9)
    assert execution.tick(clock, Kept(), {"in": 9}).empty
    assert execution.tick(clock, Kept(), {"in": 8}).empty


def test_a_value_that_did_not_change_is_not_written() -> None:
    store = MemoryStore()
    execution = Execution([Counting()], Identity(0, 1, "i"))
    execution.stores["counting"] = store
    batch = execution.tick(NOON, Kept())
    assert batch.empty


def test_state_of_a_processor_that_is_not_hosted_is_refused() -> None:
    with pytest.raises(ChangelogUnreadable, match="does not run"):
        Execution.restored([Counting()], Identity(0, 1, "i"), {state_prefix("other") + b"k": b"v"})


@pytest.mark.parametrize("value", [b"", b"x", b"1 2"])
def test_a_foreign_position_record_is_refused(value: bytes) -> None:
    with pytest.raises(ChangelogUnreadable, match="not one of ours"):
        Position.decode(value)


def test_a_newer_format_is_refused() -> None:
    newer = Meta(4, "i", format=99).encode()
    with pytest.raises(ChangelogUnreadable, match="format 99"):
        Meta.decode(newer)


def test_the_store_knows_its_size_in_bytes() -> None:
    store = MemoryStore()
    for key, value in ((b"a", b"123"), (b"a", b"1"), (b"b", b""), (b"a", None), (b"zz", None)):
        store.apply({key: value})
    assert store.bytes == sum(len(k) + len(v) for k, v in store.entries.items()) == 1


def _records(count: int) -> list[Record]:
    driver = TestDriver([], now=NOON)
    for _ in range(count):
        driver.pipe("in", b"a", b"")
    return list(driver.sent("in"))
