"""Records that carry the time at which they are due, and consumers that note when they come: each in a process of its own.

The load is open: a record is due when its pace says so, whether the ones before it have come through or not, and its latency
counts from then. A producer that is late shows in the latency, and is told of.
"""

import json
import time
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from threading import Event
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from bench.reading import ANSWER_TIMEOUT_S
from bench.stream import answers, raw_record
from schemas import topics
from tests.endurance.pacing import Pace

HEADERS = [("nps-source", b"canonical")]
IDLE_S = 0.0005
"""Pause when nothing is due."""
FLUSH_TIMEOUT_S = 60.0
"""What is queued is sent within a second or two."""
SILENCE_S = 20.0
"""A consumer that gets nothing for so long has got all that comes."""
STARTED_S = 120.0
"""Bound of waiting for the first record."""
POLL_S = 0.1

Starts = Mapping[str, Sequence[int]]
"""Where to begin to read, by topic and partition."""


@dataclass(frozen=True)
class Part:
    """Some responses of the benchmark's stream, at their pace."""

    first: int
    pace: Pace
    stream: int
    """How long all of the stream is."""
    day: int
    """On which it begins."""


class Produced(NamedTuple):
    """What a producer did."""

    sent: int
    latest_ms: float
    """By how much the latest record was handed to the client too late."""


@dataclass
class Seen:
    """The records of one topic that came: when they were due, in ms since the epoch, and when they were there."""

    due: "array[int]" = field(default_factory=lambda: array("q"))
    came: "array[float]" = field(default_factory=lambda: array("d"))
    ids: list[str] = field(default_factory=list)

    def latencies(self, after_ms: float) -> list[float]:
        """In ms, of those that were due after a moment."""
        return [came - due for due, came in zip(self.due, self.came, strict=True) if due >= after_ms]


def produce(bootstrap: str, part: Part, begin: Event | None = None) -> Produced:
    """Send the part to nps.responses.raw, once `begin` is set if it is given. Raises KafkaException."""
    failed: list[str] = []

    def delivered(error: object, message: object) -> None:
        if error is not None:
            failed.append(str(error))

    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "partitioner": "murmur2_random",
            "enable.idempotence": True,  # a retry must not change the order, on which the recount rests
            "linger.ms": 0,
            "log_level": 0,  # what goes wrong is raised
        }
    )
    source = islice(answers(part.stream, part.day), part.first, None)
    for _ in producer.list_topics(topics.RAW, ANSWER_TIMEOUT_S).topics:
        break  # connected
    if begin is not None:
        begin.wait(STARTED_S)
    pace, sent, latest_ms, began = part.pace, 0, 0.0, time.time()
    while sent < pace.total:
        due = pace.due(time.time() - began)
        for number, answer in zip(range(sent, due), source, strict=False):
            at_ms = (began + number / pace.per_second) * 1000
            value, key = raw_record(answer), answer.account_id.encode()
            producer.produce(topics.RAW, value, key, headers=HEADERS, timestamp=int(at_ms), on_delivery=delivered)
            latest_ms = max(latest_ms, time.time() * 1000 - at_ms)
        producer.poll(0)
        if due == sent:
            time.sleep(IDLE_S)
        sent = due
    left = producer.flush(FLUSH_TIMEOUT_S)
    if left or failed:
        raise KafkaException(f"{left} records were not sent, {len(failed)} were refused: {failed[:3]}")
    return Produced(sent, latest_ms)


def ends(bootstrap: str, *names: str) -> dict[str, list[int]]:
    """The offsets at which partitions end now."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench-ends", "enable.auto.commit": False})
    try:
        return {
            name: [
                consumer.get_watermark_offsets(TopicPartition(name, number), ANSWER_TIMEOUT_S)[1]
                for number in consumer.list_topics(name, ANSWER_TIMEOUT_S).topics[name].partitions
            ]
            for name in names
        }
    finally:
        consumer.close()


def consume(bootstrap: str, starts: Starts, wanted: Mapping[str, int]) -> dict[str, Seen]:
    """Read committed records from there on, until as many as wanted have come of each topic, or nothing comes any more. Raises
    KafkaException."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "bench-latency",  # never joined, but the client asks for a name
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    seen = {topic: Seen() for topic in starts}
    try:
        consumer.assign([TopicPartition(t, p, offset) for t, offsets in starts.items() for p, offset in enumerate(offsets)])
        quiet_at = time.monotonic() + STARTED_S
        while time.monotonic() < quiet_at and any(len(seen[topic].due) < count for topic, count in wanted.items()):
            message = consumer.poll(POLL_S)
            if message is None:
                continue
            if message.error() is not None:
                raise KafkaException(message.error())
            came = time.time() * 1000
            one = seen[message.topic()]
            one.due.append(message.timestamp()[1])
            one.came.append(came)
            one.ids.append(json.loads(message.value())["response_id"])
            quiet_at = time.monotonic() + SILENCE_S
    finally:
        consumer.close()
    return seen
