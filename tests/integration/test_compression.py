"""Producers choose how they compress, not we: a worker reads every codec of Kafka, and writes what only fits compressed."""

import json
from pathlib import Path

from confluent_kafka import Producer

from schemas import topics
from tests.conftest import Broker
from tests.integration.topics_reading import read
from tests.integration.workers import Workers
from tests.integration.world import SEND_TIMEOUT_S, World

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
BLOWN_UP = b"{" * (5 << 20)
"""Some KB on its way here, and five times what the broker takes of what is not compressed."""


def test_responses_of_every_codec_are_scored_and_what_only_fits_compressed_is_a_dead_letter(
    kafka: Broker, app_id: str, tmp_path: Path
) -> None:
    world = World(kafka.bootstrap, app_id)
    for codec in CODECS:
        options = {"compression.type": codec, "acks": "all", "message.max.bytes": 2 * len(BLOWN_UP)}
        producer = Producer({"bootstrap.servers": kafka.bootstrap, **options})
        response = {"response_id": codec, "account_id": "acme", "score": 9, "responded_at": "2026-03-01T09:30:00.000Z"}
        if codec != "none":
            producer.produce(topics.RAW, BLOWN_UP, b"acme")
        # Long enough for librdkafka to keep what it has compressed.
        producer.produce(topics.RAW, json.dumps(response | {"comment": codec * 200}).encode(), b"acme")
        assert producer.flush(SEND_TIMEOUT_S) == 0
    with Workers(kafka.bootstrap, app_id, tmp_path) as workers:
        workers.start().wait_ready()
        world.wait_processed()
    scored = [json.loads(record.value or b"null")["response_id"] for record in read(kafka.bootstrap, topics.SCORED)]
    assert sorted(scored) == sorted(CODECS)
    letters = read(kafka.bootstrap, topics.DEAD_LETTERS)
    assert [(letter.value == BLOWN_UP, letter.header("nps-reason")) for letter in letters] == [(True, "not json")] * 4
