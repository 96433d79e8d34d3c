"""A broker with all our topics, and records going in and out of it, for tests of the command line."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer

from npstream.reading import Reader
from schemas import topics
from streams.connection import Connection
from tests.integration.topics_reading import settle
from tests.kafka.topics import TopicAdmin

NOW = 1_772_357_400_000
"""Timestamp of the first record that is sent: 2026-03-01T09:30:00.000Z."""
PARTITIONS = 2

Headers = Sequence[tuple[str, bytes]]
Message = tuple[bytes | None, bytes | None, Headers]
Run = Callable[..., int]


class Cluster:
    """One broker with all our topics, empty, and records going in and out of it."""

    def __init__(self, bootstrap: str) -> None:
        self.connection = Connection(bootstrap)
        admin = TopicAdmin(bootstrap)
        there = sorted(set(admin.names()) & set(topics.BY_NAME))
        if there:
            admin.delete(*there)
        admin.create_all(PARTITIONS)

    def send(self, topic: str, messages: Iterable[Message], transactional_id: str | None = None, commit: bool = True) -> None:
        """Send in order, to the partition of the key; with an id in one transaction each, which is aborted unless `commit`."""
        asyncio.run(self._send(topic, messages, transactional_id, commit))

    async def _send(self, topic: str, messages: Iterable[Message], transactional_id: str | None, commit: bool) -> None:
        # With all acknowledgements, since what the leader alone has acknowledged may not be there to be read yet.
        async with AIOKafkaProducer(**self.connection.aiokafka, acks="all", transactional_id=transactional_id) as producer:
            for number, (key, value, headers) in enumerate(messages):
                if transactional_id:
                    await producer.begin_transaction()
                await producer.send_and_wait(topic, value, key, headers=list(headers), timestamp_ms=NOW + number)
                if transactional_id:
                    await (producer.commit_transaction() if commit else producer.abort_transaction())

    def records(self, topic: str, settled: bool = True) -> list[Any]:
        """All committed records, in the order of their timestamps; waits for transactions to end, unless one stays open."""
        if settled:
            settle(self.connection.bootstrap, topic)
        return asyncio.run(self._records(topic))

    async def _records(self, topic: str) -> list[Any]:
        async with Reader(self.connection, [topic]) as reader:
            return sorted([r async for records in reader.to_end(topic) for r in records], key=lambda r: (r.timestamp, r.offset))
