"""A store with what is staged on it, against a plain dict."""

import sys
from collections.abc import Mapping
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from streams.disk import Checkpoint
from streams.disk_store import RocksDisk, RocksTaskDisk
from streams.gradual_sort import SORTED_AT_ONCE
from streams.state import Identity, MemoryStore, StagedState, Store
from streams.task_name import TaskName
from tests.model.bench import contents

KEYS = st.binary(min_size=1, max_size=2).map(lambda key: bytes(b"ab"[byte % 2] for byte in key))
VALUES = st.binary(max_size=3)


class StateAgainstADict(RuleBasedStateMachine):
    """Puts, deletes, commits and abandonments in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.store = self.made()
        self.state = StagedState(self.store, Identity(3, 12, "i"))
        self.committed: dict[bytes, bytes] = {}
        self.present: dict[bytes, bytes] = {}
        self.touched: list[bytes] = []

    def made(self) -> Store:
        """An empty store."""
        return MemoryStore()

    @rule(key=KEYS, value=VALUES)
    def put(self, key: bytes, value: bytes) -> None:
        self.state.put(key, value)
        self.present[key] = value
        self.touched.append(key)

    @rule(key=KEYS)
    def delete(self, key: bytes) -> None:
        self.state.delete(key)
        self.present.pop(key, None)
        self.touched.append(key)

    @rule()
    def commit(self) -> None:
        self.state.commit()
        self.committed = dict(self.present)
        self.touched.clear()

    @rule()
    def abandon(self) -> None:
        self.state.cache["decoded"] = object()
        self.state.abandon()
        self.present = dict(self.committed)
        self.touched.clear()
        assert self.state.cache == {}

    @rule(key=KEYS, value=st.none() | VALUES)
    def restore(self, key: bytes, value: bytes | None) -> None:
        if key in self.touched:
            return
        self.store.apply({key: value})
        for entries in (self.committed, self.present):
            entries.pop(key, None)
            if value is not None:
                entries[key] = value

    @rule(key=KEYS)
    def get(self, key: bytes) -> None:
        assert self.state.get(key) == self.present.get(key)

    @rule(prefix=st.sampled_from([b"", b"a", b"ab", b"b"]), limit=st.integers(1, 3))
    def walk(self, prefix: bytes, limit: int) -> None:
        """A pass with a cursor finds every key once, in order, those of this batch too, but for those that it deletes."""
        found: list[bytes] = []
        after = b""
        while share := self.state.scan(prefix, after, limit):
            found += share
            after = share[-1]
        wanted = [key for key in sorted(self.present) if key.startswith(prefix)]
        shares_without_gaps = [key for key in wanted if key <= after] if found else []
        assert found == shares_without_gaps
        if self.committed.keys() <= self.present.keys():
            assert found == wanted

    @invariant()
    def changes_are_what_differs_from_the_committed_state(self) -> None:
        different = {
            key: self.present.get(key)
            for key in self.committed.keys() | self.present.keys()
            if self.committed.get(key) != self.present.get(key)
        }
        changes = list(self.state.changes())
        assert dict(changes) == different
        assert len(changes) == len(different)
        first_written = [key for key in dict.fromkeys(self.touched) if key in different]
        assert [key for key, _ in changes] == first_written

    @invariant()
    def the_store_is_what_was_committed(self) -> None:
        assert contents(self.store) == self.committed
        if isinstance(self.store, MemoryStore):
            assert self.store.bytes == sum(len(key) + len(value) for key, value in self.committed.items())


class Advancing:
    """A store on disk that is advanced over whenever something is applied, as an execution does for all of its stores."""

    def __init__(self, disk: RocksTaskDisk) -> None:
        self._disk = disk
        self._store = disk.stores["one"]
        self.get, self.scan, self.add = self._store.get, self._store.scan, self._store.add

    def apply(self, changes: Mapping[bytes, bytes | None]) -> None:
        self._store.apply(changes)
        self._disk.advance(Checkpoint(0, 0, 0, 0, {}, {}))


class StateOnDiskAgainstADict(StateAgainstADict):
    """The same in RocksDB."""

    def made(self) -> Store:
        self.folder = Path(mkdtemp(prefix="npstream-test-"))
        self.disk = RocksDisk(self.folder, 16 << 20).open(TaskName("app", "unit", 0), ["one", "other"])
        self.disk.stores["other"].add(b"a", b"another processor's")
        return Advancing(self.disk)

    def teardown(self) -> None:
        self.disk.close()
        rmtree(self.folder)


TestStateOnDiskAgainstADict = StateOnDiskAgainstADict.TestCase
TestStateOnDiskAgainstADict.settings = settings(max_examples=20, stateful_step_count=20)

TestStateAgainstADict = StateAgainstADict.TestCase
TestStateAgainstADict.settings = settings(max_examples=40, stateful_step_count=30)


@given(st.sets(st.binary(min_size=1, max_size=3)), st.binary(max_size=1), st.integers(1, 4))
def test_a_pass_goes_on_after_a_restore_from_its_cursor(keys: set[bytes], prefix: bytes, limit: int) -> None:
    """The cursor is in the state; the sorted list of the pass is not."""
    found: list[bytes] = []
    after = b""
    while True:
        store = MemoryStore()
        for key in keys:
            store.apply({key: b""})
        share = store.scan(prefix, after, limit)
        if not share:
            break
        found += share
        after = share[-1]
    assert found == sorted(key for key in keys if key.startswith(prefix))


def test_keys_deleted_during_a_pass_are_left_out_and_keys_added_may_be_missing() -> None:
    store = MemoryStore()
    for key in (b"a", b"b", b"c", b"d"):
        store.apply({key: b""})
    assert store.scan(b"", b"", 1) == [b"a"]
    store.apply({b"b": None})
    store.apply({b"bb": b""})
    assert store.scan(b"", b"a", 5) == [b"c", b"d"]
    assert store.scan(b"", b"", 5) == [b"a", b"bb", b"c", b"d"]


def test_a_cursor_may_go_back_within_a_pass() -> None:
    store = MemoryStore()
    keys = [b"%05d" % number for number in range(3 * SORTED_AT_ONCE)]
    store.apply(dict.fromkeys(reversed(keys), b""))
    assert store.scan(b"", b"", len(keys) - 1) == keys[:-1]
    assert store.scan(b"", keys[5], 3) == keys[6:9]
    assert store.scan(b"", keys[-3], sys.maxsize) == keys[-2:]


@pytest.mark.parametrize("prefix", [b"", b"a", b"a\xff", b"\xff", b"\xff\xff", b"a\x00"])
@pytest.mark.parametrize("after", [b"", b"a", b"a\xfe", b"a\xff\x01", b"b", b"\xff"])
def test_a_pass_begins_anywhere_with_any_prefix(prefix: bytes, after: bytes) -> None:
    keys = [
        b"`",
        b"a",
        b"a\x00",
        b"a\x00b",
        b"a\xfe",
        b"a\xff",
        b"a\xff\x01",
        b"a\xff\xff",
        b"b",
        b"b\x00",
        b"\xff",
        b"\xff\xff\x01",
    ]
    store = MemoryStore()
    store.apply(dict.fromkeys(keys, b""))
    assert store.scan(prefix, after, 100) == [key for key in keys if key.startswith(prefix) and key > after]


def test_a_state_knows_what_it_is() -> None:
    state = StagedState(MemoryStore(), Identity(3, 12, "i"))
    assert (state.partition, state.partitions, state.incarnation) == (3, 12, "i")


def test_a_key_that_was_deleted_and_never_there_takes_no_place_in_a_share() -> None:
    state = StagedState(MemoryStore(), Identity(3, 12, "i"))
    state.delete(b"a")
    state.put(b"b", b"")
    assert state.scan(b"", b"", 1) == [b"b"]
