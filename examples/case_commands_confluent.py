"""Acknowledges a case from another system, with confluent-kafka, and tells what came of it.

python case_commands_confluent.py --account acme --case c-5b1d2f0a9c3e --by csm@vendor.example --id ticket-4711
"""

import argparse
import json
import sys
import time
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

ANSWERS = ["nps.case.events", "nps.case.rejections"]


def at_the_end(bootstrap: str) -> Consumer:
    """A consumer of what is answered from now on. It joins no group, and commits nothing."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "unused", "enable.auto.commit": False, "isolation.level": "read_committed"}
    )
    known = consumer.list_topics(timeout=10).topics
    partitions = [TopicPartition(topic, number) for topic in ANSWERS for number in known[topic].partitions]
    for partition in partitions:
        partition.offset = consumer.get_watermark_offsets(partition, timeout=10)[1]
    consumer.assign(partitions)
    return consumer


def send(bootstrap: str, command: dict[str, Any]) -> None:
    """The key is the account, and the partition murmur2 of it, as everywhere in npstream. Raises KafkaException."""
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "enable.idempotence": True})
    failed: list[Any] = []
    producer.produce(
        "nps.case.commands",
        json.dumps(command).encode(),
        command["account_id"].encode(),
        on_delivery=lambda error, _: failed.append(error) if error else None,
    )
    if producer.flush(10) or failed:
        raise KafkaException(*failed)


def answer(consumer: Consumer, command_id: str, timeout_s: float) -> dict[str, Any] | None:
    """The event or the rejection that has the command's id. One that was used before has had its answer, and gets no other."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        for message in consumer.consume(num_messages=500, timeout=0.2):
            if message.error():
                raise KafkaException(message.error())
            value = json.loads(message.value())
            if value.get("command_id") == command_id:
                return value
    return None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", default="127.0.0.1:9092")
    for name in ("account", "case", "by", "id"):
        parser.add_argument(f"--{name}", required=True)
    given = parser.parse_args()
    command = {
        "command_id": given.id,
        "account_id": given.account,
        "case_id": given.case,
        "command": "acknowledge",
        "by": given.by,
    }
    consumer = at_the_end(given.bootstrap)  # before the command is sent, or the answer might be missed
    try:
        send(given.bootstrap, command)
        found = answer(consumer, given.id, timeout_s=30)
    finally:
        consumer.close()
    if found is None:
        sys.exit("nobody answered: is a worker with the agent care running? The command is sent")
    if "reason" in found:
        sys.exit(f"rejected: {found['message']}")
    print(f"{given.case} of {given.account} is {found['case']['state']}, by {found['by']}")
