"""What a task needs of a disk, as narrow ports: RocksDB implements them (streams/disk_store.py), tests have a model of it.

The changelog stays the truth. What a disk has is a copy of it up to an offset, made after the commit: it is behind the
changelog or level with it, never ahead, and may be thrown away at any time. No I/O in here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Protocol, Self

import orjson

from streams.broker import Denied, Ends, WriteFailed
from streams.changelog import META_KEY
from streams.state import Store
from streams.task_name import TaskName

CONTINUED_MS: Final = 12 * 3_600_000
"""A copy that is behind is continued if it was level with the changelog within this time. What deletes a key is compacted away
24 hours after it was written (delete.retention.ms, Kafka's default) or later: whoever reads on from before that would never
hear of it, and keep the key. Half of that is left for reading."""

_TEXT: Final = "latin-1"
"""Any bytes as text, and back."""


class DiskUnavailable(Denied):
    """The disk does not let us: another process holds the copy, the folder cannot be written, it is full. The message says what
    to do, and trying again helps as soon as that is done."""


class DiskDamaged(WriteFailed):
    """What is on the disk cannot be read: it is dropped, and restored from the changelog."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a copy goes. It is written together with what it speaks of, all of it or none."""

    offset: int
    """Everything in the changelog before this offset is in the copy."""
    end: int
    """Where the changelog ended then: if it still ends there, nobody has written since. After a commit that is one further on,
    for the marker that ends it. All that is known of a marker is that it comes: a record may be where it was expected."""
    claim: int
    """Offset of the meta record in `progress`. No two changelogs have the same one there, so it tells a changelog that was made
    anew from the one that was copied. -1 while none was read."""
    since_ms: int
    """When each value in the copy was the last one of its key, at the latest."""
    versions: dict[str, int]
    """Of each processor's values: they lie on the disk as this version keeps them."""
    progress: dict[bytes, bytes]
    """The changelog's records that are not state, by key: meta, positions, clock."""

    def encode(self) -> bytes:
        """As it is stored."""
        progress = {key.decode(_TEXT): value.decode(_TEXT) for key, value in self.progress.items()}
        return orjson.dumps({**asdict(self), "progress": progress})

    @classmethod
    def decode(cls, stored: bytes) -> Self:
        """From what is stored. Raises DiskDamaged."""
        try:
            fields: dict[str, Any] = orjson.loads(stored)
            fields["progress"] = {key.encode(_TEXT): value.encode(_TEXT) for key, value in fields["progress"].items()}
            return cls(**fields)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DiskDamaged(f"its checkpoint, {len(stored)} bytes, is none") from error


class TaskDisk(Protocol):
    """One task's copy. Nobody else has it open."""

    @property
    def checkpoint(self) -> Checkpoint | None:
        """How far the copy goes; None if there is nothing yet."""

    @property
    def stores(self) -> Mapping[str, Store]:
        """The store of each processor. What is applied to them is kept by the next `advance`."""

    @property
    def size(self) -> tuple[int, int]:
        """Keys, and bytes as they lie on the disk: estimates, since to count would be to read."""

    def advance(self, checkpoint: Checkpoint) -> None:
        """Keep what was applied since the last call together with the checkpoint, all of it or none. Raises DiskUnavailable,
        DiskDamaged."""

    def clear(self) -> None:
        """Drop everything. Raises DiskUnavailable."""

    def close(self) -> None:
        """Let go of it, so that another process may open it. What was not advanced over is forgotten. Never raises."""


class Disk(Protocol):
    """Where copies lie."""

    def open(self, name: TaskName, processors: Sequence[str]) -> TaskDisk:
        """The task's copy, empty if there is none or if it was damaged. Raises DiskUnavailable."""


def obstacle(checkpoint: Checkpoint, versions: Mapping[str, int], ends: Ends, transactional: bool, now_ms: int) -> str | None:
    """Why a copy cannot be continued, None if it can: then the changelog from its offset on is all that must be read, as long
    as it turns out to be the changelog that was copied (`streams.disk_restore`)."""
    if META_KEY not in checkpoint.progress:
        return "its restore was cut short before it knew whose state it is"
    if not transactional:
        return "without transactions another writer's records may lie before its offset"
    if checkpoint.versions != versions:
        return f"it was written by versions {_listed(checkpoint.versions)}, this worker has {_listed(versions)}"
    if ends.high < checkpoint.offset:
        return f"it goes to offset {checkpoint.offset}, and the changelog ends at {ends.high}"
    if checkpoint.offset < ends.start:
        return f"it goes to offset {checkpoint.offset}, and the changelog begins at {ends.start}"
    # The absolute value: a clock that was put back says nothing about the age.
    if ends.high != checkpoint.end and abs(now_ms - checkpoint.since_ms) > CONTINUED_MS:
        return f"it is behind and older than {CONTINUED_MS // 3_600_000} hours: deletions may be compacted away"
    return None


def advanced(checkpoint: Checkpoint, end: int | None, now_ms: int, progress: Mapping[bytes, bytes]) -> Checkpoint:
    """The checkpoint after a commit of the task's own: `end` is where the changelog ends then, None if nobody knows. The copy
    has the commit all the same, and whoever continues reads it once more. Raises WriteFailed where the changelog has lost its
    tail."""
    if end is not None and end < checkpoint.offset:
        raise WriteFailed(f"the changelog ends at {end}, and was at {checkpoint.offset} before: it has lost its tail")
    known = checkpoint if end is None else replace(checkpoint, offset=end - 1, end=end)
    return replace(known, since_ms=now_ms, progress={**checkpoint.progress, **progress})


def _listed(versions: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
