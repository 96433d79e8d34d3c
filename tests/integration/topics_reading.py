"""Reads topics to their end and tells whether an agent has come as far: by another client than npstream's own."""

import time
from collections.abc import Collection, Iterable, Iterator
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

from streams.changelog import Position, position_key

READ_TIMEOUT_S = 60.0
"""Bound of reading some topics to their end: a second for 100,000 records."""
ANSWER_TIMEOUT_S = 20.0
"""A request takes milliseconds; the rest is for a busy machine."""
SETTLE_POLL_S = 0.02
"""Pause between two looks for transaction markers: they take some milliseconds."""
CHUNK = 10_000
"""Records that one call takes."""

TAIL = 500
"""Records at the end of a changelog in which a position is looked for first: each batch ends with its positions."""


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
        found = [_as_read(message) for message in _to_end(consumer, _partitions(consumer, topics))]
    return sorted(found, key=lambda record: (record.topic, record.partition, record.offset))


def last_values(records: Iterable[Read]) -> dict[bytes, bytes]:
    """What compaction leaves of records in order: the last value of each key, without tombstones."""
    last = {record.key or b"": record.value for record in records}
    return {key: value for key, value in last.items() if value is not None}


def has_unread(bootstrap: str, topic: str, agent: str, changelog: str, only: int | None = None) -> bool:
    """Whether a topic, or one partition of it, holds a committed record that is not behind the agent's positions.

    Positions are what the changelog says, committed together with all that came of the records behind them.
    """
    with _consumer(bootstrap) as consumer:
        positions = _positions(consumer, changelog, position_key(agent, topic))
        unread = [
            TopicPartition(topic, one.partition, positions.get(one.partition, OFFSET_BEGINNING))
            for one in _partitions(consumer, [topic])
            if only is None or one.partition == only
        ]
        return next(_to_end(consumer, unread), None) is not None


def _positions(consumer: Consumer, changelog: str, key: bytes) -> dict[int, int]:
    """The last position that each partition of a changelog holds, looked for from its end."""
    found: dict[int, int] = {}
    missing = _partitions(consumer, [changelog])
    back = TAIL
    while missing:
        tails, lows = [], {}
        for partition in missing:
            low, high = consumer.get_watermark_offsets(partition, ANSWER_TIMEOUT_S)
            tails.append(TopicPartition(changelog, partition.partition, max(low, high - back)))
            lows[partition.partition] = low
        for message in _to_end(consumer, tails):
            if message.key() == key:
                found[message.partition()] = Position.decode(message.value()).next
        missing = [tail for tail in tails if tail.partition not in found and tail.offset > lows[tail.partition]]
        back *= 10
    return found


def ends(admin: AdminClient, topics: Collection[str], committed: bool) -> dict[tuple[str, int], int]:
    """Of each partition the last stable offset, or with `committed` False the end of the log. The embedded
    broker's are too low. A broker that has just made a topic may not know yet that it leads it: then it is asked again."""
    deadline = time.monotonic() + ANSWER_TIMEOUT_S
    while True:
        try:
            return _ends(admin, topics, committed)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION or time.monotonic() > deadline:
                raise
        time.sleep(SETTLE_POLL_S)


def _ends(admin: AdminClient, topics: Collection[str], committed: bool) -> dict[tuple[str, int], int]:
    known = admin.list_topics(timeout=ANSWER_TIMEOUT_S).topics
    wanted = {TopicPartition(topic, number): OffsetSpec.latest() for topic in topics for number in known[topic].partitions}
    level = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
    answers = admin.list_offsets(wanted, isolation_level=level, request_timeout=ANSWER_TIMEOUT_S)
    return {(tp.topic, tp.partition): answer.result(ANSWER_TIMEOUT_S).offset for tp, answer in answers.items()}


def settle(bootstrap: str, *topics: str) -> None:
    """Wait until no transaction is open in any partition: a commit returns before its markers are written, and until then what
    it has committed cannot be read. Raises KafkaException."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    deadline = time.monotonic() + ANSWER_TIMEOUT_S
    written = ends(admin, topics, committed=False)
    while any(stable < written[partition] for partition, stable in ends(admin, topics, committed=True).items()):
        if time.monotonic() > deadline:
            raise KafkaException(f"a transaction in {topics} is still open after {ANSWER_TIMEOUT_S:g} s")
        time.sleep(SETTLE_POLL_S)


@contextmanager
def _consumer(bootstrap: str, committed: bool = True) -> Iterator[Consumer]:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "reading",  # never joined, but the client asks for a name
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


def _partitions(consumer: Consumer, topics: Iterable[str]) -> list[TopicPartition]:
    """All partitions, at their beginning."""
    known = consumer.list_topics(timeout=ANSWER_TIMEOUT_S).topics
    return [TopicPartition(topic, number, OFFSET_BEGINNING) for topic in topics for number in known[topic].partitions]


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
