"""Producers choose how they compress, not we: a worker reads every codec that Kafka knows."""

import json
from pathlib import Path

from confluent_kafka import Producer

from schemas import topics
from tests.conftest import Broker
from tests.integration.topics_reading import read
from tests.integration.workers import Workers
from tests.integration.world import SEND_TIMEOUT_S, World

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


def test_responses_of_every_codec_are_scored(kafka: Broker, app_id: str, tmp_path: Path) -> None:
    world = World(kafka.bootstrap, app_id)
    for codec in CODECS:
        producer = Producer({"bootstrap.servers": kafka.bootstrap, "compression.type": codec, "acks": "all"})
        response = {"response_id": codec, "account_id": "acme", "score": 9, "responded_at": "2026-03-01T09:30:00.000Z"}
        # Long enough for librdkafka to keep what it has compressed.
        producer.produce(topics.RAW, json.dumps(response | {"comment": codec * 200}).encode(), b"acme")
        assert producer.flush(SEND_TIMEOUT_S) == 0
    with Workers(kafka.bootstrap, app_id, tmp_path) as workers:
        workers.start().wait_ready()
        world.wait_processed()
    scored = [json.loads(record.value or b"null")["response_id"] for record in read(kafka.bootstrap, topics.SCORED)]
    assert sorted(scored) == sorted(CODECS)
