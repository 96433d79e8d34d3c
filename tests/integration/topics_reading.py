"""Reads topics to their end and tells whether a group has come as far: by another client than npstream's own."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

READ_TIMEOUT_S = 60.0
"""Bound of reading some topics to their end: a second for 100,000 records."""
ANSWER_TIMEOUT_S = 20.0
"""A request takes milliseconds; the rest is for a busy machine."""
CHUNK = 10_000
"""Records that one call takes."""

NO_COORDINATOR_YET = (KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS)
"""Answers of a broker that has just started: a group that has committed nothing there yet has read nothing."""


class Read(NamedTuple):
    """One record as it was read. The timestamp is in ms, UTC."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    def header(self, name: str) -> str:
        """The text of a header; empty if it is not there."""
        return next((value.decode() for key, value in self.headers if key == name), "")


def read(bootstrap: str, *topics: str, committed: bool = True) -> list[Read]:
    """All records of the topics up to the end there is now, topic by topic, partition by partition, in order.

    The end is what fetches say, the last stable offset if `committed`: embedded brokers list another.
    """
    with _consumer(bootstrap, committed=committed) as consumer:
        found = [_as_read(message) for message in _to_end(consumer, _partitions(consumer, topics, {}))]
    return sorted(found, key=lambda record: (record.topic, record.partition, record.offset))


def last_values(records: Iterable[Read]) -> dict[bytes, bytes]:
    """What compaction leaves of records in order: the last value of each key, without tombstones."""
    last = {record.key or b"": record.value for record in records}
    return {key: value for key, value in last.items() if value is not None}


def has_unread(bootstrap: str, group: str, topic: str) -> bool:
    """Whether a topic holds a committed record that is not behind the group's offsets."""
    with _consumer(bootstrap, group) as consumer:
        start = {}
        try:
            for partition in _partitions(consumer, [topic], {}):
                # One at a time: that is all that the embedded broker answers.
                (bookmark,) = consumer.committed([TopicPartition(topic, partition.partition)], ANSWER_TIMEOUT_S)
                start[partition.partition] = bookmark.offset
        except KafkaException as error:
            if error.args[0].code() in NO_COORDINATOR_YET:
                return True
            raise
        unread = next(_to_end(consumer, _partitions(consumer, [topic], start)), None)
    return unread is not None


def ends(admin: AdminClient, topics: Iterable[str], committed: bool) -> dict[tuple[str, int], int]:
    """Of each partition the last stable offset, or with `committed` False the end of the log. Not for the embedded broker."""
    known = admin.list_topics(timeout=ANSWER_TIMEOUT_S).topics
    wanted = {TopicPartition(topic, number): OffsetSpec.latest() for topic in topics for number in known[topic].partitions}
    level = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
    answers = admin.list_offsets(wanted, isolation_level=level, request_timeout=ANSWER_TIMEOUT_S)
    return {(tp.topic, tp.partition): answer.result(ANSWER_TIMEOUT_S).offset for tp, answer in answers.items()}


@contextmanager
def _consumer(bootstrap: str, group: str = "reading", committed: bool = True) -> Iterator[Consumer]:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed" if committed else "read_uncommitted",
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 50,
            "queued.min.messages": 200_000,
        }
    )
    try:
        yield consumer
    finally:
        consumer.close()


def _partitions(consumer: Consumer, topics: Iterable[str], start: Mapping[int, int]) -> list[TopicPartition]:
    """All partitions, at the offsets given, else at their beginning."""
    known = consumer.list_topics(timeout=ANSWER_TIMEOUT_S).topics
    return [
        TopicPartition(topic, number, offset if (offset := start.get(number, -1)) >= 0 else OFFSET_BEGINNING)
        for topic in topics
        for number in known[topic].partitions
    ]


def _to_end(consumer: Consumer, partitions: list[TopicPartition]) -> Iterator[Any]:
    consumer.assign(partitions)
    unread = {(partition.topic, partition.partition) for partition in partitions}
    deadline = time.monotonic() + READ_TIMEOUT_S
    while unread:
        for message in consumer.consume(CHUNK, timeout=0.1):
            error = message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:
                unread.discard((message.topic(), message.partition()))
            elif not error.retriable():
                raise KafkaException(error)
        if time.monotonic() > deadline:
            raise AssertionError(f"not read to the end within {READ_TIMEOUT_S:g} s: {sorted(unread)}")


def _as_read(message: Any) -> Read:
    return Read(
        message.topic(),
        message.partition(),
        message.offset(),
        message.timestamp()[1],
        message.key(),
        message.value(),
        tuple(message.headers() or ()),
    )
