"""What all workers share: topics, transactional ids with their epochs, and the offsets of groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aiokafka.errors import InvalidProducerEpoch, MessageSizeTooLargeError

from streams.processor import Headers
from tests.model.log import Outcome, PartitionLog, Stored, Transaction

MAX_MESSAGE_BYTES = 1_048_588
"""Kafka's default message.max.bytes."""


@dataclass(slots=True)
class _Coordinated:
    """What the transaction coordinator knows of one transactional id."""

    epoch: int = -1
    transaction: Transaction | None = None
    touched: set[tuple[str, int]] = field(default_factory=set)


class Cluster:
    """One cluster. Nothing in here waits: whatever happens, happens between two awaits of the callers."""

    def __init__(self, partitions: Mapping[str, int]) -> None:
        """The topics with their partition counts."""
        self.topics = {topic: [PartitionLog(topic, p) for p in range(count)] for topic, count in partitions.items()}
        self.groups: dict[tuple[str, str, int], int] = {}
        """The offset that a group has committed, by group, topic and partition."""
        self.late_markers = 0
        """How often somebody must ask for ends before the markers of the next transaction that ends are there."""
        self._ids: dict[str, _Coordinated] = {}
        self._due: list[tuple[int, PartitionLog, Transaction]] = []

    def log(self, topic: str, partition: int) -> PartitionLog:
        """One partition."""
        return self.topics[topic][partition]

    def look(self) -> None:
        """Somebody asks for the ends of a partition: markers that are late come nearer."""
        self._due = [(left - 1, where, transaction) for left, where, transaction in self._due]
        for left, where, transaction in self._due:
            if left <= 0:
                where.mark(transaction)
        self._due = [due for due in self._due if due[0] > 0]

    @property
    def settled(self) -> bool:
        """No marker is on its way."""
        return not self._due

    # Transactions.

    def initialise(self, transactional_id: str) -> int:
        """A new epoch for the id. An open transaction is aborted; whoever holds an older epoch can write no more."""
        known = self._ids.setdefault(transactional_id, _Coordinated())
        if known.transaction is not None:
            self._end(known, Outcome.ABORTED)
        known.epoch += 1
        return known.epoch

    def epoch(self, transactional_id: str) -> int:
        """The epoch of the id as it is."""
        return self._ids.setdefault(transactional_id, _Coordinated(epoch=0)).epoch

    def produce(
        self,
        topic: str,
        partition: int,
        records: Sequence[tuple[bytes | None, bytes | None, int, Headers]],
        size: int,
        writer: tuple[str, int] | None = None,
    ) -> int:
        """Append one record batch, within the open transaction of `writer` (id and epoch) if there is one; its first offset."""
        if size > MAX_MESSAGE_BYTES:
            raise MessageSizeTooLargeError(f"{size} bytes")
        transaction = None
        if writer is not None:
            known = self._fenced(*writer)
            transaction = known.transaction = known.transaction or Transaction()
            known.touched.add((topic, partition))
        return self.log(topic, partition).append(records, transaction)

    def commit(self, transactional_id: str, epoch: int) -> None:
        """Everything produced since the last end is committed, all at once."""
        known = self._fenced(transactional_id, epoch)
        if known.transaction is not None:
            self._end(known, Outcome.COMMITTED)

    @property
    def open(self) -> dict[str, Transaction]:
        """The open transactions, by transactional id."""
        return {name: known.transaction for name, known in self._ids.items() if known.transaction is not None}

    def time_out(self, transactional_id: str) -> None:
        """The coordinator ends a transaction that takes too long; to its owner that is the same as being fenced."""
        self.initialise(transactional_id)

    def _fenced(self, transactional_id: str, epoch: int) -> _Coordinated:
        known = self._ids[transactional_id]
        if epoch != known.epoch:
            raise InvalidProducerEpoch(f"{transactional_id} is at epoch {known.epoch}, not {epoch}")
        return known

    def _end(self, known: _Coordinated, outcome: Outcome) -> None:
        if known.transaction is None:
            raise RuntimeError("no transaction to end")
        known.transaction.outcome = outcome
        late, self.late_markers = self.late_markers, 0
        for topic, partition in sorted(known.touched):
            if late:
                self._due.append((late, self.log(topic, partition), known.transaction))
            else:
                self.log(topic, partition).mark(known.transaction)
        known.transaction = None
        known.touched.clear()

    # What tests do from outside.

    def send(self, topic: str, *keys: bytes, partition: int = 0, aborted: bool = False, timestamp: int = 0) -> None:
        """Produce one record for each key, in one transaction if it is to be aborted."""
        log = self.log(topic, partition)
        transaction = Transaction(Outcome.ABORTED) if aborted else None
        log.append([(key, b"%d" % (log.ends.high + i), timestamp, ()) for i, key in enumerate(keys)], transaction)
        if transaction is not None:
            log.mark(transaction)

    def read(self, topic: str) -> list[Stored]:
        """All committed records of a topic, partition by partition."""
        return [record for log in self.topics[topic] for record in log.committed(0, log.ends.high)]
