"""A disk as a model: copies are dicts, and what one process has open no other can open."""

from collections.abc import Mapping, Sequence

from streams.disk import Checkpoint, DiskUnavailable
from streams.state import MemoryStore
from streams.task_name import TaskName
from tests.model.faults import Faults


class _Lying:
    """What is on the disk of one task, whoever has it open."""

    def __init__(self) -> None:
        self.checkpoint: Checkpoint | None = None
        self.entries: dict[str, dict[bytes, bytes]] = {}
        self.holder: Faults | None = None


class _ModelStore:
    """Implements `streams.state.Store`: a store in memory, and what was applied and is not kept yet."""

    def __init__(self, entries: Mapping[bytes, bytes]) -> None:
        self.kept = MemoryStore()
        self.kept.apply(entries)
        self.get = self.kept.get
        self.scan = self.kept.scan
        self.pending: dict[bytes, bytes | None] = {}

    def add(self, key: bytes, value: bytes) -> None:
        self.pending[key] = value

    def apply(self, changes: Mapping[bytes, bytes | None]) -> None:
        self.pending.update(changes)


class ModelTaskDisk:
    """Implements `streams.disk.TaskDisk`, for the process that the faults are of."""

    def __init__(self, lying: _Lying, processors: Sequence[str], faults: Faults) -> None:
        self.stores = {name: _ModelStore(lying.entries.get(name, {})) for name in processors}
        self.checkpoint = lying.checkpoint
        self._lying = lying
        self._faults = faults

    @property
    def size(self) -> tuple[int, int]:
        """See `streams.disk.TaskDisk`."""
        return sum(len(store.kept.entries) for store in self.stores.values()), 0

    def advance(self, checkpoint: Checkpoint) -> None:
        """See `streams.disk.TaskDisk`."""
        self._faults.now("before advance")
        if self._lying.holder is not self._faults:
            raise AssertionError("a copy is written to by a process that let go of it")
        for name, store in self.stores.items():
            store.kept.apply(store.pending)
            store.pending.clear()
            self._lying.entries[name] = dict(store.kept.entries)
        self._lying.checkpoint = self.checkpoint = checkpoint
        self._faults.now("after advance")

    def clear(self) -> None:
        """See `streams.disk.TaskDisk`."""
        self._lying.checkpoint = self.checkpoint = None
        self._lying.entries.clear()
        for store in self.stores.values():
            store.kept.apply(dict.fromkeys(store.kept.entries))
            store.pending.clear()

    def close(self) -> None:
        """See `streams.disk.TaskDisk`."""
        if self._lying.holder is self._faults:
            self._lying.holder = None


class ModelDisk:
    """One machine's disk."""

    def __init__(self) -> None:
        self._lying: dict[TaskName, _Lying] = {}

    def of(self, faults: Faults) -> "_ProcessDisk":
        """As the process sees it that the faults are of."""
        return _ProcessDisk(self._lying, faults)


class _ProcessDisk:
    """Implements `streams.disk.Disk`."""

    def __init__(self, lying: dict[TaskName, _Lying], faults: Faults) -> None:
        self._lying = lying
        self._faults = faults

    def open(self, name: TaskName, processors: Sequence[str]) -> ModelTaskDisk:
        """See `streams.disk.Disk`. A process that has ended holds nothing."""
        self._faults.alive()
        lying = self._lying.setdefault(name, _Lying())
        if lying.holder is not None and not lying.holder.killed:
            raise DiskUnavailable(f"the copy of {name} is in use by another process")
        lying.holder = self._faults
        return ModelTaskDisk(lying, processors, self._faults)
