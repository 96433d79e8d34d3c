"""Consumers downstream, most as they should not be: `python -m tests.endurance.readers KIND BOOTSTRAP TOPIC`.

- slow: reads one record a second, and says how many it has.
- reading: reads everything again and again with a small buffer, to be stopped in the middle of an answer (SIGSTOP).
- lagging: a member of a group whose offsets stay at the beginning, while the topic grows.
- counting: reads to the end, counts, and stays there; says how many it has.
"""

import sys
import time
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

SECOND_S: Final = 1.0
RECEIVE_BUFFER_BYTES: Final = 8 << 10
"""The socket holds so little that an answer is never read in one go."""
ANSWER_TIMEOUT_S: Final = 20.0
"""A request takes milliseconds; the rest is for a busy machine."""


def consumer(bootstrap: str, group: str, **options: object) -> Consumer:
    """Of committed records, from the beginning."""
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            **options,
        }
    )


def slow(bootstrap: str, topic: str) -> None:
    """One record a second, of each fetch."""
    reader, count = consumer(bootstrap, "slow"), 0
    reader.subscribe([topic])
    while True:
        message = reader.poll(SECOND_S)
        if message is not None and message.error() is None:
            count += 1
            print("read", count, flush=True)
            time.sleep(SECOND_S)


def reading(bootstrap: str, topic: str) -> None:
    """Everything, again and again."""
    reader = consumer(bootstrap, "reading", **{"socket.receive.buffer.bytes": RECEIVE_BUFFER_BYTES})
    partitions = [
        TopicPartition(topic, number, OFFSET_BEGINNING)
        for number in reader.list_topics(topic, ANSWER_TIMEOUT_S).topics[topic].partitions
    ]
    while True:
        reader.assign(partitions)
        for _ in range(100):
            reader.consume(1000, 0.05)
        print("read again", flush=True)


def lagging(bootstrap: str, topic: str) -> None:
    """A member that reads nothing: its offsets are committed once, at the beginning."""
    reader = consumer(bootstrap, "lagging")
    reader.subscribe([topic])
    while not reader.assignment():
        reader.poll(0.1)
    reader.pause(reader.assignment())
    reader.commit(offsets=[TopicPartition(topic, one.partition, 0) for one in reader.assignment()], asynchronous=False)
    print("committed", flush=True)
    while True:
        reader.poll(SECOND_S)


def counting(bootstrap: str, topic: str) -> None:
    """As far as it gets."""
    reader, count = consumer(bootstrap, "counting"), 0
    reader.subscribe([topic])
    while True:
        messages = reader.consume(1000, 0.2)
        count += sum(message.error() is None for message in messages)
        print("read", count, flush=True)


KINDS: Final = {read.__name__: read for read in (slow, reading, lagging, counting)}

if __name__ == "__main__":
    KINDS[sys.argv[1]](*sys.argv[2:])
