"""Reads topics to their end, as any consumer of committed records would."""

import time
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from bench.measurement import wait
from tests.integration.topics_reading import ends

READ_TIMEOUT_S = 300.0
"""Bound of reading one topic: a second for 200,000 records on a quiet machine."""
ANSWER_TIMEOUT_S = 20.0
"""A request takes milliseconds; the rest is for a busy machine."""
POLL_S = 0.05
"""Pause between two looks for markers."""
CHUNK = 10_000
"""Records that one call takes."""


class Stored(NamedTuple):
    """One record."""

    partition: int
    key: bytes | None
    value: bytes | None


class NotRead(RuntimeError):
    """A topic was not read to its end; the message says how far."""


def settle(bootstrap: str, topics: Collection[str]) -> None:
    """Wait until all that was committed can be read: a commit returns before its markers are written, and a busy broker has
    thousands of them to write. Raises RunFailed."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    written = ends(admin, topics, committed=False)

    def readable() -> bool:
        stable = ends(admin, topics, committed=True)
        return all(stable[partition] >= end for partition, end in written.items())

    wait(readable, f"all transactions of {', '.join(sorted(topics))} have ended", READ_TIMEOUT_S, POLL_S)


def read(bootstrap: str, topic: str) -> Iterator[Stored]:
    """All committed records up to the end, each partition in its order. Raises NotRead, RunFailed, KafkaException."""
    settle(bootstrap, (topic,))
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "bench-reading",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "queued.min.messages": 200_000,
        }
    )
    try:
        partitions = consumer.list_topics(topic, timeout=ANSWER_TIMEOUT_S).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
        unread = set(partitions)
        deadline = time.monotonic() + READ_TIMEOUT_S
        while unread:
            for message in consumer.consume(CHUNK, timeout=0.2):
                error = message.error()
                if error is None:
                    yield Stored(message.partition(), message.key(), message.value())
                elif error.code() == KafkaError._PARTITION_EOF:
                    unread.discard(message.partition())
                elif not error.retriable():
                    raise KafkaException(error)
            if time.monotonic() > deadline:
                raise NotRead(f"{topic}: partitions {sorted(unread)} not read to the end within {READ_TIMEOUT_S:g} s")
    finally:
        consumer.close()


def last_values(records: Iterable[Stored]) -> dict[bytes, bytes]:
    """The last value of each key; tombstones removed."""
    last = {record.key or b"": record.value for record in records}
    return {key: value for key, value in last.items() if value is not None}


def group_offsets(bootstrap: str, group: str, topic: str) -> int:
    """The sum of a group's committed offsets over the partitions of a topic."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False})
    try:
        partitions = consumer.list_topics(topic, timeout=ANSWER_TIMEOUT_S).topics[topic].partitions
        committed = consumer.committed([TopicPartition(topic, number) for number in partitions], ANSWER_TIMEOUT_S)
        return sum(max(0, found.offset) for found in committed)
    finally:
        consumer.close()
