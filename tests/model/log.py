"""One partition: records, transaction markers that take offsets, and how far readers of committed records may look."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from streams.broker import Ends
from streams.processor import Headers


class Outcome(Enum):
    """What became of a transaction."""

    OPEN = "open"
    COMMITTED = "committed"
    ABORTED = "aborted"


@dataclass(slots=True, eq=False)
class Transaction:
    """One transaction of one producer: its records are all visible, or none."""

    outcome: Outcome = Outcome.OPEN


@dataclass(frozen=True, slots=True)
class Stored:
    """One record in a partition. Implements `streams.processor.Record`; the timestamp is in ms, UTC."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class PartitionLog:
    """Records in order, some of them parts of transactions."""

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.start = 0
        """The first offset that retention has left."""
        self._slots: list[tuple[Stored | None, Transaction | None]] = []
        self._unmarked: dict[Transaction, int] = {}

    def append(
        self,
        records: Sequence[tuple[bytes | None, bytes | None, int, Headers]],
        transaction: Transaction | None = None,
    ) -> int:
        """Append key, value, timestamp and headers of each record; the offset of the first."""
        base = len(self._slots)
        for key, value, timestamp, headers in records:
            record = Stored(self.topic, self.partition, len(self._slots), timestamp, key, value, headers)
            self._slots.append((record, transaction))
        if transaction is not None:
            self._unmarked.setdefault(transaction, base)
        return base

    def mark(self, transaction: Transaction) -> None:
        """Write the marker that ends a transaction here: it takes an offset, and nobody reads it."""
        if self._unmarked.pop(transaction, None) is not None:
            self._slots.append((None, transaction))

    @property
    def ends(self) -> Ends:
        """First record, last stable offset (the first one of a transaction without a marker), end."""
        high = len(self._slots)
        return Ends(self.start, min(self._unmarked.values(), default=high), high)

    def committed(self, offset: int, until: int) -> list[Stored]:
        """The records that a reader of committed ones gets from `offset` to before `until`."""
        return [
            record
            for record, transaction in self._slots[max(offset, self.start) : min(until, self.ends.stable)]
            if record is not None and (transaction is None or transaction.outcome is Outcome.COMMITTED)
        ]

    def of(self, transaction: Transaction) -> list[Stored]:
        """The records of a transaction that has no marker yet."""
        slots = self._slots[self._unmarked.get(transaction, len(self._slots)) :]
        return [record for record, its in slots if its is transaction and record is not None]

    def delete_before(self, offset: int) -> None:
        """What retention does."""
        self.start = max(self.start, offset)

    def replace(self, offset: int, key: bytes | None, value: bytes | None) -> None:
        """What a recreated topic looks like: another record at the same offset."""
        timestamp = 0
        self._slots[offset] = (Stored(self.topic, self.partition, offset, timestamp, key, value), None)

    def truncate(self, end: int) -> None:
        """Lose the tail."""
        del self._slots[end:]
