"""Producers choose how they compress, not we: a worker reads every codec of Kafka, and writes what only fits compressed. How it
compresses itself is a setting."""

import asyncio
import json
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka import Producer

from schemas import topics
from tests.conftest import Broker
from tests.integration.topics_reading import read
from tests.integration.workers import PARTITIONS, POLL_S, Workers
from tests.integration.world import SEND_TIMEOUT_S, Sending, World

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
"""In the order of their numbers in a record batch's attributes (Kafka protocol guide, record batch)."""
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


@pytest.mark.parametrize("codec", ["none", "snappy", "zstd"])
def test_what_a_worker_writes_is_compressed_as_its_setting_says(kafka: Broker, app_id: str, tmp_path: Path, codec: str) -> None:
    world = World(kafka.bootstrap, app_id)
    response = {"response_id": "r-1", "account_id": "acme", "score": 3, "responded_at": int(time.time())}
    world.send([Sending(topics.RESPONSES, json.dumps(response | {"comment": "slow " * 100}).encode(), b"acme")])
    with Workers(kafka.bootstrap, app_id, tmp_path, agents="scoring", compression=codec) as workers:
        workers.start().wait_ready()
        world.wait_processed("scoring")
    for topic in (topics.DETRACTORS, f"{app_id}-scoring-changelog"):
        assert asyncio.run(_codecs(kafka.bootstrap, topic)) == {CODECS.index(codec)}, topic


async def _codecs(bootstrap: str, topic: str) -> set[int]:
    """The codecs of a topic's record batches, as their attributes have them, without those that end transactions."""
    found = set()
    async with AIOKafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
    ) as consumer:
        parts = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        for part, end in (await consumer.end_offsets(parts)).items():
            if not end:
                continue
            consumer.assign([part])
            await consumer.seek_to_beginning(part)
            async with asyncio.timeout(SEND_TIMEOUT_S):
                while part not in consumer._fetcher._records:  # noqa: ASYNC110  # a fetcher tells only who takes its records
                    await asyncio.sleep(POLL_S)
            records = consumer._fetcher._records[part]._partition_records._records
            while (batch := records.next_batch()) is not None:
                if not batch.is_control_batch:
                    found.add(batch.compression_type)
    return found
