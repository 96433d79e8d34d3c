"""Tells of detractors as they appear, with confluent-kafka, until Ctrl-C or SIGTERM.

python detractors_confluent.py --bootstrap 127.0.0.1:9092 --group my-alerts
"""

import argparse
import json
import signal
from threading import Event
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException

REMEMBERED = 100_000
"""Ids kept in memory, some 13 MB."""

REBALANCED = (KafkaError.REBALANCE_IN_PROGRESS, KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID)
"""What a commit is answered when the group has given its partitions to another member."""


def handle(event_id: str, event: dict[str, Any]) -> None:
    """Your part. After a crash it may run again for the same event: make it so that the second time changes nothing, for
    instance with the event's id as the key of what it writes."""
    who = f"{event.get('respondent_id', 'somebody')} of {event['account_id']}"
    if event.get("withdrawn"):
        print(f"{who} is no detractor after all ({event['response_id']})", flush=True)
    elif event["revision"] > 0:
        print(f"{who} now gives a {event['score']}, {event['severity']}: {event.get('comment', '')}", flush=True)
    else:
        print(f"{who} gave a {event['score']}, {event['severity']}: {event.get('comment', '')}", flush=True)


def consume(bootstrap: str, group: str) -> None:
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "isolation.level": "read_committed",  # librdkafka's default; said here, since everything rests on it
            "enable.auto.commit": False,  # by itself it would commit what is not handled yet
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe(["nps.detractors"])
    handled: dict[str, None] = {}  # the ids of the last events, the oldest first
    try:
        while not stop.is_set():
            messages = consumer.consume(num_messages=500, timeout=0.5)
            for message in messages:
                if message.error():
                    raise KafkaException(message.error())
                event_id = dict(message.headers())["ce_id"].decode()
                if event_id not in handled:
                    handle(event_id, json.loads(message.value()))
                    handled[event_id] = None
                    if len(handled) > REMEMBERED:
                        del handled[next(iter(handled))]
            if messages:
                try:
                    consumer.commit(asynchronous=False)
                except KafkaException as error:
                    if error.args[0].code() not in REBALANCED:
                        raise
                    print("another member has some of these partitions now, and handles their last events again", flush=True)
    finally:
        consumer.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", default="127.0.0.1:9092")
    parser.add_argument("--group", default="detractors-confluent")
    arguments = parser.parse_args()
    consume(arguments.bootstrap, arguments.group)
