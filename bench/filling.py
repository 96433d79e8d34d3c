"""Fills a topic with the stream before a run begins: what is measured is processing, not production."""

from collections.abc import Callable, Iterable, Mapping

from confluent_kafka import KafkaException, Producer

from bench.stream import Answer

FLUSH_TIMEOUT_S = 120.0
"""Bound of waiting for what is still to be sent: a second on a quiet machine."""
QUEUED = 200_000
"""Records that wait in the producer before it is asked to send some."""
POLLED = 1000
"""Records between two looks at what was delivered."""


def fill(
    bootstrap: str,
    topic: str,
    answers: Iterable[Answer],
    encode: Callable[[Answer], bytes],
    headers: Mapping[str, bytes] | None = None,
) -> None:
    """Produce all answers, keyed by their account, at the partitions of Kafka's own partitioner. Raises KafkaException."""
    failed: list[str] = []

    def delivered(error: object, message: object) -> None:
        if error is not None:
            failed.append(str(error))

    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "partitioner": "murmur2_random",
            "enable.idempotence": True,  # a retry must not change the order, on which the recount rests
            "log_level": 0,  # what goes wrong is raised
            "linger.ms": 50,
            "batch.size": 500_000,
            "queue.buffering.max.messages": 2 * QUEUED,
        }
    )
    fixed = list((headers or {}).items())
    for number, answer in enumerate(answers):
        if number % POLLED == 0:
            producer.poll(0)
            while len(producer) >= QUEUED:
                producer.poll(0.05)
        producer.produce(topic, encode(answer), answer.account_id.encode(), headers=fixed, on_delivery=delivered)
    left = producer.flush(FLUSH_TIMEOUT_S)
    if left or failed:
        raise KafkaException(f"{topic}: {left} records were not sent, {len(failed)} were refused: {failed[:3]}")
