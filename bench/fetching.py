"""Records as a worker's consumer gets them: packed into record batches as a producer makes them, and unpacked as the transport
does it, without a broker."""

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import islice, takewhile
from types import SimpleNamespace
from typing import NamedTuple

from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from bench.inputs import PARTITIONS, Encode
from bench.stream import Answer
from streams.processor import Headers, Record, partition_of
from streams.unpacking import Unpacked, unpack_lean

FETCH_BYTES = 1 << 20
"""Of one partition: what the worker's consumer asks for."""


class Fetch(NamedTuple):
    """What a broker answers for one partition."""

    partition: TopicPartition
    first: int
    """Offset of the first record."""
    records: bytes
    """Record batches as they are stored."""


class Assigned:
    """What a fetch asks of the consumer that it belongs to: a partition that nobody moves."""

    active = True
    paused = False

    def __init__(self, position: int) -> None:
        self.position = position

    def state_value(self, partition: TopicPartition) -> "Assigned":
        """See aiokafka's `Assignment`."""
        return self

    def consumed_to(self, position: int) -> None:
        """See aiokafka's `TopicPartitionState`."""
        self.position = position


def fetches(records: Iterable[Record]) -> list[Fetch]:
    """Records of any partitions as the answers to many requests; offsets are those that a broker would give."""
    by_partition: dict[TopicPartition, list[Record]] = {}
    for record in records:
        by_partition.setdefault(TopicPartition(record.topic, record.partition), []).append(record)
    return [fetch for partition, own in by_partition.items() for fetch in _packed(partition, own)]


def _packed(partition: TopicPartition, records: Sequence[Record]) -> Iterable[Fetch]:
    first = 0
    while first < len(records):
        builder = BatchBuilder(FETCH_BYTES, 0)
        count = sum(1 for _ in takewhile(partial(_append, builder), islice(records, first, None)))
        built = bytearray(builder._build())
        built[:8] = first.to_bytes(8, "big")  # where the record batch begins; the checksum does not cover it
        yield Fetch(partition, first, bytes(built))
        first += count


def _append(builder: BatchBuilder, record: Record) -> bool:
    """False if there is no more room."""
    return (
        builder.append(timestamp=record.timestamp, key=record.key, value=record.value, headers=list(record.headers)) is not None
    )


def unpack(fetch: Fetch) -> list[Unpacked]:
    """What the transport makes of it."""
    fetcher = SimpleNamespace(_records={})
    unpack_lean(fetcher)
    records = PartitionRecords(fetch.partition, MemoryRecords(fetch.records), [], fetch.first, None, None, True, READ_COMMITTED)
    fetcher._records[fetch.partition] = FetchResult(
        fetch.partition, assignment=Assigned(fetch.first), partition_records=records, backoff=0.0
    )
    unpacked: list[Unpacked] = fetcher._records[fetch.partition].getall()
    return unpacked


def stored(topic: str, stream: Iterable[Answer], encode: Encode, headers: Headers, now_ms: int) -> list[Unpacked]:
    """The stream as it lies in a topic, keyed by account."""
    records: list[Unpacked] = []
    for answer in stream:
        key = answer.account_id.encode()
        records.append(Unpacked(topic, partition_of(key, PARTITIONS), len(records), now_ms, key, encode(answer), headers))
    return records
