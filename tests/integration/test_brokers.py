"""What npstream rests on at its brokers, and what docs/decisions/0003-embedded-broker.md says that the embedded one lacks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, ProducerFenced
from aiokafka.protocol.admin import ApiVersionRequest
from confluent_kafka import KafkaException

from npstream.broker import EmbeddedBroker
from tests.conftest import Broker
from tests.kafka.broker import QUICK_RESTART, KafkaBroker
from tests.kafka.topics import TopicAdmin

WAIT_S = 40.0
"""Bound of every wait: many times what it takes."""
SESSION_MS = 6_000
"""The embedded broker's groups wait for half of it at each join."""

INIT_PRODUCER_ID, END_TXN, WRITE_TXN_MARKERS, LIST_TRANSACTIONS = 22, 26, 27, 66


@contextlib.asynccontextmanager
async def producer(broker: Broker, **options: Any) -> AsyncIterator[AIOKafkaProducer]:
    client = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, **options)
    try:
        async with asyncio.timeout(WAIT_S):
            await client.start()
        yield client
    finally:
        await client.stop()


@contextlib.asynccontextmanager
async def consumer(broker: Broker, *partitions: TopicPartition, **options: Any) -> AsyncIterator[AIOKafkaConsumer]:
    options = {"auto_offset_reset": "earliest", "enable_auto_commit": False, "fetch_max_wait_ms": 50} | options
    client = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap, **options)
    await client.start()
    try:
        client.assign(partitions)
        yield client
    finally:
        await client.stop()


async def take(client: AIOKafkaConsumer, count: int) -> list[ConsumerRecord]:
    async with asyncio.timeout(WAIT_S):
        return [await client.getone() for _ in range(count)]


async def send_as_one_batch(broker: Broker, partition: TopicPartition, values: Sequence[bytes]) -> None:
    """Whatever the time between them, these records go as one batch."""
    async with producer(broker) as client:
        batch = client.create_batch()
        for value in values:
            batch.append(key=None, value=value, timestamp=None)
        batch.close()
        await (await client.send_batch(batch, partition.topic, partition=partition.partition))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 (nothing tells of an assignment that is not ours)
            await asyncio.sleep(0.02)


@pytest.fixture
def topic(broker: Broker, app_id: str) -> TopicPartition:
    """A topic of one partition on either broker."""
    TopicAdmin(broker.bootstrap).create(app_id, partitions=1)
    return TopicPartition(app_id, 0)


@pytest.fixture
def kafka_topic(kafka: Broker, app_id: str) -> TopicPartition:
    TopicAdmin(kafka.bootstrap).create(app_id, partitions=1)
    return TopicPartition(app_id, 0)


@pytest.fixture
def embedded_topic(embedded: EmbeddedBroker, app_id: str) -> TopicPartition:
    TopicAdmin(embedded.bootstrap).create(app_id, partitions=1)
    return TopicPartition(app_id, 0)


async def test_a_record_comes_back_as_it_was_sent(broker: Broker, topic: TopicPartition) -> None:
    headers = [("twice", b"1"), ("twice", b"2"), ("empty", b"")]
    async with producer(broker, compression_type="gzip") as client:
        await client.send_and_wait(topic.topic, b"v" * 1000, b"k", 0, 1_600_000_000_123, headers)
        await client.send_and_wait(topic.topic, None, b"k", 0, 1_500_000_000_000)
    async with consumer(broker, topic) as client:
        full, tombstone = await take(client, 2)
    assert (full.key, full.value, full.timestamp) == (b"k", b"v" * 1000, 1_600_000_000_123)
    assert list(full.headers) == headers
    assert (tombstone.key, tombstone.value, tombstone.timestamp) == (b"k", None, 1_500_000_000_000)
    assert (full.offset, tombstone.offset) == (0, 1)


async def test_reading_starts_in_the_middle_of_a_batch(broker: Broker, topic: TopicPartition) -> None:
    await send_as_one_batch(broker, topic, [b"%d" % number for number in range(100)])
    async with consumer(broker, topic) as client:
        client.seek(topic, 75)
        assert [record.value for record in await take(client, 3)] == [b"75", b"76", b"77"]


async def test_a_fetch_tells_the_end_of_the_log(broker: Broker, topic: TopicPartition) -> None:
    await send_as_one_batch(broker, topic, [b"x"] * 100)
    async with consumer(broker, topic, isolation_level="read_committed") as client:
        await take(client, 1)
        assert (client.highwater(topic), client.last_stable_offset(topic)) == (100, 100)


async def test_a_topic_keeps_the_configuration_it_was_made_with(broker: Broker, app_id: str) -> None:
    TopicAdmin(broker.bootstrap).create(app_id, partitions=3, config={"cleanup.policy": "compact", "retention.ms": "60000"})
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, app_id)])
    finally:
        await admin.close()
    settings = {entry[0]: entry[1] for entry in answer.resources[0][4]}
    assert settings["cleanup.policy"] == "compact"
    assert settings["retention.ms"] == "60000"


async def test_a_topic_made_anew_starts_at_offset_0(broker: Broker, topic: TopicPartition) -> None:
    admin = TopicAdmin(broker.bootstrap)
    async with producer(broker) as client:
        for _ in range(3):
            await client.send_and_wait(topic.topic, b"before", partition=0)
    admin.delete(topic.topic)
    assert topic.topic not in admin.names()
    admin.create(topic.topic, partitions=1)
    async with producer(broker) as client:
        assert (await client.send_and_wait(topic.topic, b"after", partition=0)).offset == 0


def test_a_topic_is_not_made_twice(broker: Broker, topic: TopicPartition) -> None:
    with pytest.raises(KafkaException, match="already exists"):
        TopicAdmin(broker.bootstrap).create(topic.topic, partitions=1)


async def test_two_members_share_a_group_and_one_inherits_what_the_other_leaves(broker: Broker, app_id: str) -> None:
    TopicAdmin(broker.bootstrap).create(app_id, partitions=4)
    options = {
        "bootstrap_servers": broker.bootstrap,
        "group_id": app_id,
        "session_timeout_ms": SESSION_MS,
        "heartbeat_interval_ms": 500,
        "enable_auto_commit": False,
    }
    first, second = AIOKafkaConsumer(app_id, **options), AIOKafkaConsumer(app_id, **options)
    await first.start()
    try:
        await until(lambda: len(first.assignment()) == 4)
        await first.commit({TopicPartition(app_id, partition): partition + 5 for partition in range(4)})
        await second.start()
        try:
            await until(lambda: len(first.assignment()) == len(second.assignment()) == 2)
            assert not first.assignment() & second.assignment()
            for mine in second.assignment():
                assert await second.committed(mine) == mine.partition + 5
        finally:
            await second.stop()
        await until(lambda: len(first.assignment()) == 4)
    finally:
        await first.stop()


async def test_an_open_or_aborted_transaction_is_not_read(kafka: Broker, kafka_topic: TopicPartition) -> None:
    async with (
        producer(kafka, transactional_id=kafka_topic.topic) as writer,
        consumer(kafka, kafka_topic, isolation_level="read_committed") as committed,
        consumer(kafka, kafka_topic) as uncommitted,
    ):
        await writer.begin_transaction()
        await writer.send_and_wait(kafka_topic.topic, b"aborted", partition=0)
        assert await committed.end_offsets([kafka_topic]) == {kafka_topic: 0}
        assert await uncommitted.end_offsets([kafka_topic]) == {kafka_topic: 1}
        await writer.abort_transaction()
        async with writer.transaction():
            await writer.send_and_wait(kafka_topic.topic, b"committed", partition=0)
        assert [record.value for record in await take(committed, 1)] == [b"committed"]
        assert [record.value for record in await take(uncommitted, 2)] == [b"aborted", b"committed"]


async def test_whoever_takes_over_a_transactional_id_fences_the_last_owner(kafka: Broker, kafka_topic: TopicPartition) -> None:
    async with producer(kafka, transactional_id=kafka_topic.topic) as zombie:
        await zombie.begin_transaction()
        await zombie.send_and_wait(kafka_topic.topic, b"of the zombie", partition=0)
        async with producer(kafka, transactional_id=kafka_topic.topic) as owner, owner.transaction():
            await owner.send_and_wait(kafka_topic.topic, b"of the owner", partition=0)
        with pytest.raises(ProducerFenced):
            await zombie.commit_transaction()
    async with consumer(kafka, kafka_topic, isolation_level="read_committed") as client:
        assert [record.value for record in await take(client, 1)] == [b"of the owner"]


@pytest.mark.kafka
async def test_a_broker_that_was_killed_comes_back_with_its_data() -> None:
    with KafkaBroker(QUICK_RESTART) as broker:
        address = broker.bootstrap
        TopicAdmin(address).create("kept", partitions=1)
        async with producer(broker, acks="all") as client:
            await client.send_and_wait("kept", b"before", partition=0)
        broker.kill()
        assert not broker.alive
        broker.restart()
        assert broker.bootstrap == address
        async with consumer(broker, TopicPartition("kept", 0)) as client:
            assert [record.value for record in await take(client, 1)] == [b"before"]


async def test_the_embedded_broker_lists_transactions_but_not_the_means_to_end_them(
    kafka: Broker, embedded: EmbeddedBroker
) -> None:
    listed = {}
    for broker in (kafka, embedded):
        admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
        await admin.start()
        try:
            answer = await admin._client.send(admin._client.get_random_node(), ApiVersionRequest())
        finally:
            await admin.close()
        listed[broker.bootstrap] = {key for key, *_ in answer.api_versions}
    producers, ends = {INIT_PRODUCER_ID, END_TXN}, {WRITE_TXN_MARKERS, LIST_TRANSACTIONS}
    assert listed[kafka.bootstrap] >= producers | ends
    assert listed[embedded.bootstrap] >= producers
    assert not listed[embedded.bootstrap] & ends


@pytest.mark.parametrize(
    "options", [{"transactional_id": "any"}, {"enable_idempotence": True}], ids=["transactions", "idempotence"]
)
async def test_the_embedded_broker_starts_no_such_producer(embedded: EmbeddedBroker, options: dict[str, Any]) -> None:
    with pytest.raises(KafkaError):
        async with producer(embedded, **options):
            pass


async def test_the_embedded_brokers_list_of_offsets_ends_too_early(
    embedded: EmbeddedBroker, embedded_topic: TopicPartition
) -> None:
    await send_as_one_batch(embedded, embedded_topic, [b"x"] * 100)
    async with consumer(embedded, embedded_topic) as client:
        assert await client.end_offsets([embedded_topic]) == {embedded_topic: 1}
        assert len(await take(client, 100)) == 100
