"""What a worker hosts, and where it keeps the state."""

import sys
from pathlib import Path

import pytest

from npstream.failures import CheckFailed
from npstream.hosting import UNITS, disk, processors
from npstream.settings import AGENTS, Settings
from streams.disk_store import RocksDisk
from streams.task_name import TaskName


def on_disk(folder: Path) -> Settings:
    return Settings(state_store="disk", state_folder=str(folder))


def test_every_agent_is_made_under_its_name() -> None:
    assert tuple(UNITS) == AGENTS
    assert all(processors(name, Settings())[0].name == name for name in AGENTS if name != "care")


def test_state_is_in_memory_unless_a_setting_says_otherwise() -> None:
    assert disk(Settings()) is None


def test_a_folder_for_the_state_is_made(tmp_path: Path) -> None:
    kept = disk(on_disk(tmp_path / "a" / "b"))
    assert isinstance(kept, RocksDisk)
    kept.open(TaskName("app", "scoring", 0), ["scoring"]).close()
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["app-scoring-0"]


def test_without_the_optional_package_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "streams.disk_store", raising=False)
    monkeypatch.setitem(sys.modules, "rocksdict", None)
    with pytest.raises(CheckFailed, match=r"^state_store disk needs RocksDB, which is not there .*npstream\[disk\]"):
        disk(on_disk(tmp_path))


def test_a_folder_that_cannot_be_written_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckFailed, match=r"^state_folder .*Not a directory: give the right to write, or choose another$"):
        disk(on_disk(tmp_path / "file" / "state"))
