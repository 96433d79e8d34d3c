"""State on disk, in RocksDB: one database for each task, in a folder named like it, with the changelog's own keys.

RocksDB's lock on the database keeps a second process out of it. Caches and write buffers are shared by all databases of the
process and have one bound. Its log is written with every batch and not synced: a batch is there with its checkpoint or not at
all, in order, also after a power loss; and what is lost then is read from the changelog again.
"""

import errno
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Final

from rocksdict import (
    BlockBasedOptions,
    Cache,
    DataBlockIndexType,
    DBCompressionType,
    Options,
    Rdict,
    WriteBatch,
    WriteBufferManager,
)

from streams.changelog import state_prefix
from streams.disk import CONTINUED_MS, Checkpoint, DiskDamaged, DiskUnavailable
from streams.task_name import TaskName

logger = logging.getLogger(__name__)

CHECKPOINT_KEY: Final = b"\0checkpoint"
"""No key of a changelog begins with a zero."""
WRITE_BUFFERS: Final = 4
"""One part in so many of the memory is for what was written and is not in a file yet; the rest caches what is in files."""
WRITE_BUFFER_BYTES: Final = 8 << 20
"""Of one task: larger makes fewer files, and more tasks than the memory has room for are flushed earlier anyway."""
LOG_BYTES: Final = 32 << 20
"""Of one task's write-ahead log, which is read when the database is opened after a crash: a fraction of a second."""
BLOOM_BITS: Final = 10
"""For each key: of the lookups of a key that is not there, one in a hundred reads a file."""
OPEN_FILES: Final = 32
"""Of one task; a process has tasks by the dozen, and 1,024 files unless somebody raised that."""
MANIFEST_BYTES: Final = 64 << 10
"""Reserved on the disk for the list of files; RocksDB's own 4 MB would be most of what a small task takes."""
REWRITTEN_S: Final = 86_400
"""What is deleted, erased respondents among it, shall be gone from the disk, too: what is only in the log goes to a file when
it is so old, and a file is rewritten, one level further down, so that a deletion meets what it deletes."""

SAID: Final = 120
"""Characters of what RocksDB says of damage: it repeats long paths."""
HELD: Final = ("lock hold by current process", "While lock file")
"""What RocksDB says of a database that is open elsewhere."""
NOT_DAMAGE: Final = tuple(
    os.strerror(number)
    for number in (errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENOMEM)
)
"""What the system says of a disk that does not let us: files are as they were."""


class RocksStore:
    """The state of one processor. Implements `streams.state.Store`."""

    __slots__ = ("_disk", "_prefix")

    def __init__(self, disk: "RocksTaskDisk", processor: str) -> None:
        self._disk = disk
        self._prefix = state_prefix(processor)

    def get(self, key: bytes) -> bytes | None:
        """See `streams.state.Store`. Raises DiskUnavailable, DiskDamaged, as all do."""
        try:
            value: bytes | None = self._disk.database.get(self._prefix + key)
        except Exception as error:
            raise self._disk.failure(error) from error
        return value

    def add(self, key: bytes, value: bytes) -> None:
        """See `streams.state.Store`."""
        self._disk.pending.put(self._prefix + key, value)

    def apply(self, changes: Mapping[bytes, bytes | None]) -> None:
        """See `streams.state.Store`. What is applied is read only once it was advanced over."""
        pending, prefix = self._disk.pending, self._prefix
        for key, value in changes.items():
            if value is None:
                pending.delete(prefix + key)
            else:
                pending.put(prefix + key, value)

    def scan(self, prefix: bytes, after: bytes, limit: int) -> list[bytes]:
        """See `streams.state.Store`."""
        found: list[bytes] = []
        wanted, own = self._prefix + prefix, len(self._prefix)
        walk = self._disk.database.iter()
        try:
            walk.seek(max(wanted, self._prefix + after + b"\0" if after else b""))
            while len(found) < limit and walk.valid() and (key := walk.key()).startswith(wanted):
                found.append(key[own:])
                walk.next()
            walk.status()
        except Exception as error:
            raise self._disk.failure(error) from error
        finally:
            del walk  # it holds the database open, and an error that is told of would hold it
        return found


class RocksTaskDisk:
    """One task's database. Implements `streams.disk.TaskDisk`."""

    def __init__(self, path: Path, processors: Sequence[str], options: Callable[[], Options]) -> None:
        """Open it, or make it. Raises DiskUnavailable, DiskDamaged."""
        self.pending = WriteBatch(raw_mode=True)
        """What was applied and not yet advanced over."""
        self.checkpoint: Checkpoint | None = None
        self.stores = {name: RocksStore(self, name) for name in processors}
        self._path = path
        self._options = options
        self._flushed_ms = 0
        self._damaged = False
        self._closed = True
        self._open()

    def _open(self) -> None:
        try:
            self.database = Rdict(str(self._path), self._options())
            self._closed = self._damaged = False
            self.database.set_options({"periodic_compaction_seconds": str(REWRITTEN_S)})
            stored = self.database.get(CHECKPOINT_KEY)
            self.checkpoint = None if stored is None else Checkpoint.decode(stored)
        except DiskDamaged:
            self.close()
            raise
        except Exception as error:  # it raises no other kind
            self.close()
            raise self.failure(error) from error

    @property
    def size(self) -> tuple[int, int]:
        """See `streams.disk.TaskDisk`. Asked for by the thread that serves metrics, also while the database is being closed."""
        try:
            values = [self.database.property_int_value(f"rocksdb.{name}") or 0 for name in _SIZES]
        except Exception:
            return 0, 0
        return values[0], values[1] + values[2]

    def advance(self, checkpoint: Checkpoint) -> None:
        """See `streams.disk.TaskDisk`."""
        self.pending.put(CHECKPOINT_KEY, checkpoint.encode())
        try:
            self.database.write(self.pending)
            if checkpoint.since_ms - self._flushed_ms > REWRITTEN_S * 1000:
                self._flushed_ms = checkpoint.since_ms
                self.database.flush(False)
        except Exception as error:
            raise self.failure(error) from error
        self.pending = WriteBatch(raw_mode=True)
        self.checkpoint = checkpoint

    def clear(self) -> None:
        """See `streams.disk.TaskDisk`."""
        self.close()
        _remove(self._path)
        self.pending = WriteBatch(raw_mode=True)
        self._open()

    def close(self) -> None:
        """See `streams.disk.TaskDisk`. One that was found to be damaged is removed."""
        if self._closed:
            return
        self._closed = True
        try:
            self.database.close()
            if self._damaged:
                _remove(self._path)
        except Exception as error:
            logger.debug("%s was not closed in order: %s", self._path, error)

    def failure(self, error: Exception) -> DiskUnavailable | DiskDamaged:
        """What an error of RocksDB means."""
        said = str(error).strip()
        if any(sign in said for sign in HELD):
            return DiskUnavailable(
                f"{self._path} is in use by another process: it lets go of it when the partition is taken from it; "
                "if it is not one of the same workers, give each their own state_folder"
            )
        if reason := next((reason for reason in NOT_DAMAGE if reason in said), None):
            return DiskUnavailable(
                f"{self._path}: {reason}: make room or give the right to write, or choose another state_folder"
            )
        self._damaged = True
        return DiskDamaged(f"{self._path} cannot be read ({shorten(said, SAID) or type(error).__name__})")


_SIZES: Final = ("estimate-num-keys", "estimate-live-data-size", "cur-size-all-mem-tables")
"""Properties of RocksDB: keys, bytes in files, bytes that are in none yet."""


class RocksDisk:
    """A folder with the databases of many tasks, perhaps of several processes. Implements `streams.disk.Disk`."""

    def __init__(self, folder: Path, memory_bytes: int) -> None:
        """`memory_bytes` bounds caches and write buffers of all tasks together. Raises DiskUnavailable."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass  # it can be written
        except OSError as error:
            raise DiskUnavailable(
                f"state_folder {folder}: {error.strerror}: give the right to write, or choose another"
            ) from error
        self._folder = folder
        self._cache = Cache(memory_bytes)
        # Counted within the cache; a writer does not wait for room, since flushing is what makes it.
        self._buffers = WriteBufferManager.new_write_buffer_manager_with_cache(
            memory_bytes // WRITE_BUFFERS, False, self._cache
        )
        self._began = time.time()

    def open(self, name: TaskName, processors: Sequence[str]) -> RocksTaskDisk:
        """See `streams.disk.Disk`."""
        self._remove_left_behind()
        path = self._folder / name.transactional_id
        try:
            return RocksTaskDisk(path, processors, self._options)
        except DiskDamaged as error:
            logger.warning("%s: its copy on disk is dropped, and restored from the changelog: %s", name, error)
        _remove(path)
        return RocksTaskDisk(path, processors, self._options)

    def _options(self) -> Options:
        blocks = BlockBasedOptions()
        blocks.set_block_cache(self._cache)
        blocks.set_bloom_filter(BLOOM_BITS, False)
        blocks.set_cache_index_and_filter_blocks(True)
        blocks.set_data_block_index_type(DataBlockIndexType.binary_and_hash())
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_block_based_table_factory(blocks)
        options.set_write_buffer_manager(self._buffers)
        options.set_write_buffer_size(WRITE_BUFFER_BYTES)
        options.set_max_total_wal_size(LOG_BYTES)
        options.set_compression_type(DBCompressionType.lz4())
        options.set_max_open_files(OPEN_FILES)
        options.set_manifest_preallocation_size(MANIFEST_BYTES)
        options.set_keep_log_file_num(1)
        return options

    def _remove_left_behind(self) -> None:
        """Databases of partitions that went elsewhere, once they are too old to be continued. A process that has just started
        does not know yet which of them come back to it."""
        now = time.time()
        if (now - self._began) * 1000 < CONTINUED_MS:
            return
        for path in self._folder.iterdir():
            if (now - _touched(path)) * 1000 > CONTINUED_MS:
                try:
                    Rdict.destroy(str(path))
                    _remove(path)
                    logger.info("%s was removed: its partition left long ago", path)
                except Exception as error:
                    logger.debug("%s stays: %s", path, error)  # somebody has it open


def _touched(path: Path) -> float:
    """When anything was written to it last, in s since the epoch."""
    try:
        return max((file.stat().st_mtime for file in path.iterdir()), default=path.stat().st_mtime)
    except OSError:
        return time.time()


def _remove(path: Path) -> None:
    """Raises DiskUnavailable."""
    try:
        shutil.rmtree(path, ignore_errors=False)
    except FileNotFoundError:
        return
    except OSError as error:
        raise DiskUnavailable(f"{path}: {error.strerror}: remove it, or choose another state_folder") from error
