"""A task's state: committed stores, and the staged view that a processor works on. No I/O in here."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from streams.gradual_sort import GradualSort

LAST_BYTE = 255
"""No prefix follows right behind one that ends so."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a task is: its partition number, how many there are, and the random id of its state."""

    partition: int
    partitions: int
    incarnation: str


class Store(Protocol):
    """The committed state of one processor in one task: bytes to bytes, in memory or on disk (docs/state.md)."""

    @property
    def get(self) -> Callable[[bytes], bytes | None]:
        """The value of a key; None if there is none. The call itself, so that a store in memory can give its dict's own."""

    def add(self, key: bytes, value: bytes) -> None:
        """Take in a key that is not there yet: what a restore does for each."""

    def apply(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Make committed changes, all at once."""

    def scan(self, prefix: bytes, after: bytes, limit: int) -> list[bytes]:
        """Up to `limit` keys with the prefix, greater than `after`, in order; see `streams.processor.State`."""


class MemoryStore:
    """A store in memory.

    Values are bytes, not objects: the collector never walks them, a changelog record is what is stored, and a restore is one
    assignment a record.
    """

    __slots__ = ("_pass", "bytes", "entries", "get")

    def __init__(self) -> None:
        self.entries: dict[bytes, bytes] = {}
        self.get: Callable[[bytes], bytes | None] = self.entries.get
        self.bytes = 0
        """Sum of the lengths of keys and values in bytes."""
        self._pass: tuple[bytes, GradualSort] | None = None

    def add(self, key: bytes, value: bytes) -> None:
        """Take in a key that is not there yet: what a restore does for each."""
        self.entries[key] = value
        self.bytes += len(key) + len(value)

    def apply(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Make committed changes, all at once: a call for each would show, since this is done for every key of every batch."""
        entries, size = self.entries, self.bytes
        for key, value in changes.items():
            old = entries.get(key)
            if value is None:
                if old is not None:
                    del entries[key]
                    size -= len(key) + len(old)
            else:
                entries[key] = value
                size += len(value) - len(old) if old is not None else len(key) + len(value)
        self.bytes = size

    def scan(self, prefix: bytes, after: bytes, limit: int) -> list[bytes]:
        """Up to `limit` keys with the prefix, greater than `after`, in order.

        A pass gathers the keys once, when it begins or when its cursor comes from a state that was restored, and sorts them as
        it comes to them: a look at all keys for each share would cost more than the share.
        """
        entries = self.entries
        if not after or self._pass is None or self._pass[0] != prefix or after < self._pass[1].begin:
            self._pass = (prefix, GradualSort(_keys(entries, prefix, after), after))
        return list(islice((key for key in self._pass[1].following(after) if key in entries), limit))


def _keys(entries: Mapping[bytes, bytes], prefix: bytes, after: bytes) -> list[bytes]:
    """The keys with the prefix that are greater than `after`, in no order. Half of the time of asking each for its prefix."""
    if not prefix or prefix[-1] == LAST_BYTE:
        return [key for key in entries if key > after and key.startswith(prefix)]
    end = prefix[:-1] + bytes((prefix[-1] + 1,))
    if after < prefix:
        return [key for key in entries if prefix <= key < end]
    return [key for key in entries if after < key < end]


class StagedState:
    """One processor's view of its store while a batch is made: reads see the batch's own writes, nothing is kept until
    `commit`. Implements `streams.processor.State`."""

    __slots__ = ("_cache", "_identity", "_position", "_staged", "_store")

    def __init__(self, store: Store, identity: Identity, position: Callable[[str], int] = lambda topic: 0) -> None:
        """`position` tells how far the processor has come in a source."""
        self._store = store
        self._identity = identity
        self._position = position
        self._staged: dict[bytes, bytes | None] = {}
        self._cache: dict[Any, Any] = {}

    @property
    def partition(self) -> int:
        """The partition number of the task."""
        return self._identity.partition

    @property
    def partitions(self) -> int:
        """How many partitions each source has."""
        return self._identity.partitions

    @property
    def incarnation(self) -> str:
        """The random id made together with this state; the later made is the greater."""
        return self._identity.incarnation

    @property
    def cache(self) -> dict[Any, Any]:
        """Decoded values between batches, emptied when a batch is abandoned."""
        return self._cache

    def position(self, topic: str) -> int:
        """The first offset of a source that was not processed before this batch."""
        return self._position(topic)

    def get(self, key: bytes) -> bytes | None:
        """The value as this batch has left it so far."""
        if key in self._staged:
            return self._staged[key]
        return self._store.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        """Stage a value."""
        self._staged[key] = value

    def delete(self, key: bytes) -> None:
        """Stage a deletion."""
        self._staged[key] = None

    def scan(self, prefix: bytes, after: bytes, limit: int) -> list[bytes]:
        """Keys in order, as this batch has left them so far."""
        keys = self._store.scan(prefix, after, limit)
        # Beyond the last of a full share lies what the store was not asked for: keys of this batch there are for the next one.
        last = keys[-1] if len(keys) == limit else None
        committed = self._store.get
        staged = [
            key
            for key, value in self._staged.items()
            if key.startswith(prefix) and key > after and value is not None
            if committed(key) is None and (last is None or key < last)
        ]
        found = sorted(keys + staged) if staged else keys
        return [key for key in found[:limit] if self._staged.get(key, b"") is not None]

    def changes(self) -> Iterator[tuple[bytes, bytes | None]]:
        """What differs from the committed state, each key once, in the order of first writing."""
        committed = self._store.get
        for key, value in self._staged.items():
            if committed(key) != value:
                yield key, value

    def commit(self) -> None:
        """Make the staged changes the state."""
        self._store.apply(self._staged)
        self._staged.clear()

    def abandon(self) -> None:
        """Forget the staged changes, and the decoded values that may hold them."""
        self._staged.clear()
        self._cache.clear()
