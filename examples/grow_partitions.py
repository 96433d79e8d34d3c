"""Copies responses, erasures and CRM facts to a cluster with more partitions, for a replay there: docs/capacity.md.

python grow_partitions.py --source 127.0.0.1:9092 --target 127.0.0.1:9192            # to the end, and ends there
python grow_partitions.py --source 127.0.0.1:9092 --target 127.0.0.1:9192 --follow   # goes on until Ctrl-C or SIGTERM

Keys, values, headers and timestamps stay; partitions are chosen anew. It remembers in a group of the source how far it is, once
the target has all of it: started again it goes on there, and what it then copies twice changes nothing.
"""

import argparse
import signal
from threading import Event

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer

from streams.partitioner import partition_of  # npstream's, and Kafka's own: murmur2

ERASURES, ACCOUNTS, RESPONSES = "nps.erasures", "nps.accounts", "nps.responses"
GROUP = "npstream-grow"
FLUSH_S = 60.0
"""A portion that is not written by then never will be."""


def account_of(message: Message) -> bytes:
    """What decides the partition. The list of the erased has the account before the last bar of its keys."""
    key: bytes = message.key() or b""
    return key.rpartition(b"|")[0] if message.topic() == ERASURES else key


def is_used(message: Message, partitions: int) -> bool:
    """Facts away from home were never used, and of those that are the last to arrive count."""
    return message.topic() != ACCOUNTS or partition_of(message.key() or b"", partitions) == message.partition()


def copy(source: str, target: str, topics: list[str], follow: bool, stop: Event) -> int:
    """How many records were copied."""
    consumer = Consumer(
        {
            "bootstrap.servers": source,
            "group.id": GROUP,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
    )
    producer = Producer({"bootstrap.servers": target, "enable.idempotence": True, "linger.ms": 50})
    counts = {topic: len(producer.list_topics(topic, timeout=FLUSH_S).topics[topic].partitions) for topic in topics}
    numbers = {topic: consumer.list_topics(topic, timeout=FLUSH_S).topics[topic].partitions for topic in topics}
    unread = {(topic, number) for topic in topics for number in numbers[topic]}
    refused: list[KafkaError] = []
    consumer.subscribe(topics)
    copied = 0
    try:
        while not stop.is_set() and (follow or unread):
            records = []
            for message in consumer.consume(num_messages=10_000, timeout=0.5):
                error = message.error()
                if error is None:
                    if is_used(message, len(numbers[message.topic()])):
                        records.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    unread.discard((message.topic(), message.partition()))
                else:
                    raise KafkaException(error)
            for record in records:
                producer.produce(
                    record.topic(),
                    record.value(),
                    record.key(),
                    partition_of(account_of(record), counts[record.topic()]),
                    timestamp=record.timestamp()[1],
                    headers=record.headers(),
                    on_delivery=lambda failed, _: refused.append(failed) if failed else None,
                )
            if records:
                if producer.flush(FLUSH_S) or refused:
                    raise KafkaException(refused[0] if refused else KafkaError(KafkaError._TIMED_OUT))
                consumer.commit(asynchronous=False)
                copied += len(records)
    finally:
        consumer.close()
    return copied


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", required=True, help="a broker of the cluster that is there")
    parser.add_argument("--target", required=True, help="a broker of the one with more partitions")
    parser.add_argument("--follow", action="store_true", help="go on when the end is reached")
    arguments = parser.parse_args()
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    # Who is erased comes first: a state that is made anew then never holds anything of them; and the facts that it counts with.
    first = [ERASURES, ACCOUNTS]
    led = copy(arguments.source, arguments.target, first, follow=False, stop=stop)
    print(f"copied {led} records of {' and '.join(first)}", flush=True)
    responses = copy(arguments.source, arguments.target, [RESPONSES, *first], arguments.follow, stop)
    print(f"copied {responses} records of {RESPONSES} and what came to the others meanwhile", flush=True)


if __name__ == "__main__":
    main()
