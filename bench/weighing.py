"""A draft that weighs what a batch brings and keeps none of it: what would be written, in the bytes that Kafka stores."""

from collections import Counter
from collections.abc import Container

from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatch

from agents import keys
from schemas import topics
from streams.changelog import STATE
from streams.processor import Headers
from streams.record_batches import RECORD_BATCH_BYTES

BATCH_BYTES = 61
"""The head of a record batch (Kafka protocol guide, record batch)."""
MARKER_BYTES = 78
"""The mark that ends a transaction in a partition: a record batch of one record, its key 4 bytes and its value 6."""
KINDS = {
    kind: name.lower().replace("_", " ") for name, kind in vars(keys).items() if isinstance(kind, bytes) and len(kind) == 1
}
"""What the keys of scoring's state are, by their first byte."""
PROGRESS = "position, clock, meta"
OTHER = "settings of windows"
"""The one key of the state that is no kind of its own."""


class Weighed:
    """A `streams.draft.Draft`, for as many batches as one likes: `end` closes one."""

    def __init__(self, rollups_of: Container[bytes] = ()) -> None:
        """`rollups_of`: accounts, the last rollup of which is kept."""
        self.bytes: Counter[str] = Counter()
        """Of changelog records, by kind."""
        self.records: Counter[str] = Counter()
        self.framing = 0
        """Bytes of heads of record batches, and of marks."""
        self.written = 0
        """Bytes of all of it as workers write it: record batches in zstd, and marks."""
        self.sent = 0
        """Events."""
        self.rollups: dict[bytes, bytes] = {}
        self._wanted = rollups_of
        self._batch = _record_batch()
        self._count = 0
        """Records in it."""
        self._filled = 0
        self.empty = True

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        timestamp: int,
        headers: Headers = (),
        route: bytes | int | None = None,
    ) -> None:
        """See `streams.draft.Draft`."""
        self.empty = False
        self.sent += 1
        if topic == topics.ACCOUNT_ROLLUPS and key in self._wanted and key is not None:
            self.rollups[key] = value or b""

    def change(self, key: bytes, value: bytes | None) -> None:
        """See `streams.draft.Draft`."""
        self.empty = False
        kind = kind_of(key)
        size = self._batch._builder.size_in_bytes(self._count, 0, key, value, [])
        if self._batch._builder.append(self._count, 0, key, value, []) is None:
            self._close()
            self._batch._builder.append(0, 0, key, value, [])
        self._count += 1
        self._filled += size
        self.bytes[kind] += size
        self.records[kind] += 1

    def end(self) -> None:
        """The batch is done."""
        if self._filled:
            self.framing += MARKER_BYTES + BATCH_BYTES * (1 + self._filled // RECORD_BATCH_BYTES)
            self.written += MARKER_BYTES
            self._close()
        self._filled = 0
        self.empty = True

    def _close(self) -> None:
        self.written += len(self._batch._build())
        self._batch, self._count = _record_batch(), 0

    @property
    def all_bytes(self) -> int:
        """Of the changelog."""
        return self.bytes.total() + self.framing


def _record_batch() -> BatchBuilder:
    return BatchBuilder(RECORD_BATCH_BYTES, DefaultRecordBatch.CODEC_ZSTD, is_transactional=1)


def kind_of(key: bytes) -> str:
    """What a changelog record is, by its key."""
    if not key.startswith(STATE):
        return PROGRESS
    return kind_of_state(key[key.index(b"\0") + 1 :])


def kind_of_state(key: bytes) -> str:
    """What an entry of scoring's state is, by its key."""
    return KINDS.get(key[:1], OTHER)
