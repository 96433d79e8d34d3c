"""Fetched records without what nobody asks for: aiokafka makes a frozen dataclass of eleven fields of each, which takes longer
than unpacking the record itself."""

from collections import OrderedDict
from typing import Any, NamedTuple

from aiokafka.consumer.fetcher import Fetcher, FetchResult
from aiokafka.structs import TopicPartition

from streams.processor import Headers


class Unpacked(NamedTuple):
    """A `streams.processor.Record`."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


def unpack_lean(fetcher: Fetcher) -> None:
    """Let this fetcher hand out `Unpacked` records instead of aiokafka's."""
    fetcher._records = _Fetches(fetcher._records)


class _Fetches(OrderedDict[TopicPartition, Any]):
    """What a fetcher has fetched and not handed out: a run of records for a partition, unpacked as they are asked for."""

    def __setitem__(self, partition: TopicPartition, fetched: Any) -> None:
        if isinstance(fetched, FetchResult):
            fetched._partition_records._consumer_record = _unpacked
        super().__setitem__(partition, fetched)


_new = tuple.__new__


def _unpacked(partition: TopicPartition, record: Any) -> Unpacked:
    # What Unpacked(...) does, without the function that a named tuple's constructor is.
    return _new(
        Unpacked,
        (partition.topic, partition.partition, record.offset, record.timestamp, record.key, record.value, record.headers),
    )
