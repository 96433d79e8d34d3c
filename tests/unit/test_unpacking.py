"""What a fetcher hands out: records as agents read them, equal in every field to those that aiokafka would make."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from aiokafka.consumer.fetcher import FetchError, FetchResult, PartitionRecords
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from streams.unpacking import Unpacked, unpack_lean

HERE = TopicPartition("source", 3)
FIELDS = Unpacked._fields


def fetched() -> PartitionRecords:
    builder = BatchBuilder(1 << 20, 0)
    for number in range(3):
        builder.append(
            timestamp=1_700_000_000_000 + number, key=b"k%d" % number, value=b"v", headers=[("name", b"%d" % number)]
        )
    builder.append(timestamp=1_700_000_000_003, key=None, value=None, headers=[])
    return PartitionRecords(HERE, MemoryRecords(bytes(builder._build())), [], 0, None, None, True, 1)


def fields(records: Iterator[Any]) -> list[tuple[Any, ...]]:
    return [(*(getattr(record, name) for name in FIELDS[:-1]), list(record.headers)) for record in records]


def test_records_are_lean_and_those_of_aiokafka() -> None:
    fetcher = SimpleNamespace(_records={})
    unpack_lean(fetcher)  # type: ignore[arg-type]
    records = fetched()
    fetcher._records[HERE] = FetchResult(HERE, partition_records=records, assignment=None, backoff=0.0)
    lean = list(records)
    assert {type(record) for record in lean} == {Unpacked}
    assert fields(iter(lean)) == fields(fetched())


def test_what_was_fetched_before_is_kept_and_errors_pass() -> None:
    records = fetched()
    before = FetchResult(HERE, partition_records=records, assignment=None, backoff=0.0)
    fetcher = SimpleNamespace(_records={HERE: before})
    unpack_lean(fetcher)  # type: ignore[arg-type]
    assert fetcher._records == {HERE: before}
    assert {type(record) for record in records} == {Unpacked}
    error = FetchError(error=OSError("away"), backoff=0.0)
    fetcher._records[HERE] = error
    assert fetcher._records[HERE] is error
