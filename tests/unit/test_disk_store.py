"""State in RocksDB: against a dict with crashes at any time, damaged, held by others, full, and left behind."""

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from streams import disk_store
from streams.disk import Checkpoint, DiskDamaged, DiskUnavailable
from streams.disk_store import RocksDisk, RocksTaskDisk
from streams.state import MemoryStore
from streams.task_name import TaskName
from tests.integration.workers import until
from tests.model.bench import contents

MEMORY_BYTES = 16 << 20
NAME = TaskName("app", "unit", 3)
PROCESSORS = ("one", "two")
KEYS = st.binary(max_size=2).map(lambda key: bytes(b"\0a\xff"[byte % 3] for byte in key))


def at(offset: int) -> Checkpoint:
    return Checkpoint(offset, offset, 0, 0, {}, {})


def opened(folder: Path) -> RocksTaskDisk:
    return RocksDisk(folder, MEMORY_BYTES).open(NAME, PROCESSORS)


class DiskAgainstMemory(RuleBasedStateMachine):
    """Batches, crashes between the commit and the disk's step, crashes right after it, and returns."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(mkdtemp(prefix="npstream-test-"))
        self.disk = opened(self.folder)
        self.memory = {name: MemoryStore() for name in PROCESSORS}
        self.pending: dict[str, dict[bytes, bytes | None]] = {name: {} for name in PROCESSORS}
        self.offset = 0

    @rule(name=st.sampled_from(PROCESSORS), changes=st.dictionaries(KEYS, st.none() | st.binary(max_size=3), max_size=4))
    def apply(self, name: str, changes: dict[bytes, bytes | None]) -> None:
        self.disk.stores[name].apply(changes)
        self.pending[name].update(changes)

    @rule()
    def advance(self) -> None:
        self.offset += 1
        self.disk.advance(at(self.offset))
        for name, changes in self.pending.items():
            self.memory[name].apply(changes)
            changes.clear()

    @rule(clean=st.booleans())
    def reopen(self, clean: bool) -> None:
        """Closed, or copied as it lies there, which is what a crash leaves."""
        if clean:
            self.disk.close()
        else:
            left = Path(mkdtemp(prefix="npstream-test-"))
            shutil.copytree(self.folder, left, dirs_exist_ok=True)
            self.teardown()
            self.folder = left
        for changes in self.pending.values():
            changes.clear()
        self.disk = opened(self.folder)

    @rule()
    def clear(self) -> None:
        self.disk.clear()
        self.offset = 0
        for name in PROCESSORS:
            self.memory[name] = MemoryStore()
            self.pending[name].clear()

    @rule(prefix=KEYS, after=KEYS, limit=st.integers(1, 3))
    def scan(self, prefix: bytes, after: bytes, limit: int) -> None:
        for name in PROCESSORS:
            wanted = sorted(key for key in self.memory[name].entries if key.startswith(prefix) and (not after or key > after))
            assert self.disk.stores[name].scan(prefix, after, limit) == wanted[:limit]

    @invariant()
    def the_disk_has_what_memory_has(self) -> None:
        for name in PROCESSORS:
            assert contents(self.disk.stores[name]) == self.memory[name].entries
        assert self.disk.checkpoint == (at(self.offset) if self.offset else None)

    def teardown(self) -> None:
        self.disk.close()
        shutil.rmtree(self.folder, ignore_errors=True)


TestDiskAgainstMemory = DiskAgainstMemory.TestCase
TestDiskAgainstMemory.settings = settings(max_examples=15, stateful_step_count=20)


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """The folder of a task with some files and a log, closed."""
    disk = opened(tmp_path)
    for number in range(3):
        for key in range(2_000):
            disk.stores["one"].add(b"%d" % key, b"%d" % number * 10)
        disk.advance(at(number))
        if number < 2:
            disk.database.flush()
    disk.close()
    return tmp_path / NAME.transactional_id


def removed(file: Path) -> None:
    file.unlink()


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def flipped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 8] = bytes(255 ^ byte for byte in content[middle : middle + 8])
    file.write_bytes(content)


@pytest.mark.parametrize("damage", [removed, cut, flipped])
@pytest.mark.parametrize("files", ["*.sst", "CURRENT", "MANIFEST-*", "*.log", "rocksdict-config.json", "OPTIONS-*"])
def test_a_damaged_copy_is_dropped_in_one_line_or_as_it_was(
    filled: Path, files: str, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Never half of it: what is there is what a checkpoint speaks of, or nothing at all."""
    for file in filled.glob(files):
        damage(file)
    disk = opened(filled.parent)
    try:
        found = contents(disk.stores["one"])
    except DiskDamaged:  # found only when it is read
        disk.close()
        disk = opened(filled.parent)
        found = contents(disk.stores["one"])
        assert disk.checkpoint is None
    if disk.checkpoint is not None:
        assert found == {b"%d" % key: b"%d" % disk.checkpoint.offset * 10 for key in range(2_000)}
    else:
        assert found == {}
    disk.close()
    for line in caplog.messages:
        assert line.startswith("unit-3: its copy on disk is dropped, and restored from the changelog: ")
        assert "\n" not in line


def test_damage_that_is_found_later_drops_the_copy_when_it_is_closed(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = opened(filled.parent)
    database = disk.database

    class Bad:
        """A block that cannot be read any more."""

        def get(self, key: bytes) -> bytes:
            raise Exception("Corruption: block checksum mismatch\nstored = 1")  # noqa: TRY002 (RocksDB's wheel raises no other)

        def close(self) -> None:
            database.close()

    monkeypatch.setattr(disk, "database", Bad())
    with pytest.raises(DiskDamaged, match=r"app-unit-3 cannot be read \(Corruption: block checksum mismatch stored = 1\)$"):
        disk.stores["one"].get(b"1")
    disk.close()
    assert not filled.exists()


def test_a_copy_that_another_process_holds_is_refused_in_one_line_and_left_alone(filled: Path) -> None:
    holding = (
        "import sys\nfrom rocksdict import Options, Rdict\n"
        f"database = Rdict({str(filled)!r}, Options(raw_mode=True))\nprint('held', flush=True)\nsys.stdin.read()"
    )
    process = subprocess.Popen([sys.executable, "-c", holding], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(DiskUnavailable, match=r"app-unit-3 is in use by another process: .* state_folder$"):
            opened(filled.parent)
    finally:
        process.kill()
        process.communicate()
    again = opened(filled.parent)
    assert again.checkpoint == at(2)
    again.close()


def test_a_second_opening_in_one_process_is_refused_until_the_first_is_closed(filled: Path) -> None:
    first = opened(filled.parent)
    with pytest.raises(DiskUnavailable, match="in use"):
        opened(filled.parent)
    first.close()
    first.close()
    assert first.size == (0, 0)
    opened(filled.parent).close()


@pytest.mark.parametrize("said", disk_store.NOT_DAMAGE)
def test_a_disk_that_does_not_let_us_is_not_damage(filled: Path, said: str) -> None:
    disk = opened(filled.parent)
    error = disk.failure(Exception(f"IO error: {said}: While appending to file: 000007.log"))
    assert isinstance(error, DiskUnavailable)
    assert said in str(error)
    disk.close()
    assert filled.exists()


def test_a_folder_that_is_none_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DiskUnavailable, match=r"state_folder .*file/state: Not a directory: give the right to write"):
        RocksDisk(tmp_path / "file" / "state", MEMORY_BYTES)


def test_what_was_erased_leaves_the_files_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RocksDB keeps what was deleted until the file is rewritten: here each second, instead of each day."""
    monkeypatch.setattr(disk_store, "REWRITTEN_S", 1)
    disk = opened(tmp_path)
    now_ms = itertools.count(1_000_000_000_000, 1_001)

    def work() -> None:
        disk.advance(replace(at(1), since_ms=next(now_ms)))

    def found() -> list[Path]:
        return [file for file in tmp_path.rglob("*") if file.is_file() and b"erased-respondent" in file.read_bytes()]

    def gone() -> bool:
        work()
        return not found()

    for key in range(20_000):
        disk.stores["one"].add(b"%d" % key, os.urandom(16))
    disk.stores["one"].add(b"r", b"erased-respondent")
    work()
    disk.database.flush()
    disk.database.compact_range(None, None)  # at the bottom, where a deletion comes last
    assert found()
    disk.stores["one"].apply({b"r": None})
    until(gone, "nothing of it in any file", timeout_s=60.0, poll_s=1.0)
    disk.close()


def test_sizes_are_estimates(filled: Path) -> None:
    disk = opened(filled.parent)
    keys, size = disk.size
    assert 2_000 <= keys <= 3 * 2_000 + 10
    assert size > 2_000
    disk.close()


def test_what_partitions_left_behind_is_removed_when_it_is_too_old_to_continue(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = filled.parent
    disk = RocksDisk(folder, MEMORY_BYTES)
    others = [disk.open(TaskName("app", "unit", partition), PROCESSORS) for partition in (4, 5)]
    others[0].close()
    for task in folder.iterdir():
        for file in task.iterdir():
            os.utime(file, (0, 0))
    disk.open(TaskName("app", "unit", 6), PROCESSORS).close()
    assert len(list(folder.iterdir())) == 4  # a process that has just started does not know what comes back to it
    monkeypatch.setattr(disk, "_began", 0.0)
    disk.open(TaskName("app", "unit", 7), PROCESSORS).close()
    assert sorted(path.name for path in folder.iterdir()) == ["app-unit-5", "app-unit-6", "app-unit-7"]
    others[1].close()
