"""The broker port on a real cluster, by aiokafka. Every request has a bound of our own, since aiokafka retries for ever."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError
from aiokafka.protocol.admin import ApiVersionRequest
from aiokafka.protocol.metadata import MetadataRequest

from streams.broker import Ends, Entry, Reader, Writer
from streams.closing import close
from streams.connection import Connection
from streams.outbox import failure, fenced_writer, plain_writer
from streams.processor import Record

TRANSACTION_APIS = frozenset({22, 24, 26})
"""InitProducerId, AddPartitionsToTxn and EndTxn (Kafka protocol guide, API keys): without one there are no transactions."""

TRANSACTION_LOG_APIS = frozenset({27, 66})
"""WriteTxnMarkers and ListTransactions: a broker that lists neither only takes the requests above and then fails them."""

RESTORE_FETCH_BYTES = 8 << 20
"""Large fetches: a restore is bound by round trips otherwise."""

PROBE_WAIT_MS = 20
"""How long a fetch that only asks for the end may wait for data: there is some."""

UNKNOWN_TOPIC = 3
"""Kafka protocol guide, error codes."""


class KafkaBroker:
    """One cluster. `start` decides by the broker's ApiVersions alone whether writers use transactions."""

    def __init__(
        self,
        connection: Connection,
        *,
        request_timeout_s: float = 10.0,
        transaction_timeout_ms: int = 15_000,
        compression: str | None = None,
    ) -> None:
        """`compression`: the codec of what transactional writers write, one of Kafka's, or None."""
        self.transactional = True
        self._connection = connection
        self._timeout_s = request_timeout_s
        self._transaction_timeout_ms = transaction_timeout_ms
        self._compression = compression
        self._admin: AIOKafkaAdminClient | None = None
        self._committed: AIOKafkaConsumer | None = None
        self._uncommitted: AIOKafkaConsumer | None = None

    async def start(self, *, transactions: bool | None = None) -> None:
        """Connect. `transactions` False asks for the fallback, None decides by ApiVersions. Raises BrokerAway, WriteFailed."""
        clients: list[Any] = []
        try:
            async with asyncio.timeout(self._timeout_s):
                self._admin = AIOKafkaAdminClient(**self._connection.aiokafka)
                self._committed = AIOKafkaConsumer(
                    **self._connection.aiokafka, enable_auto_commit=False, isolation_level="read_committed"
                )
                self._uncommitted = AIOKafkaConsumer(**self._connection.aiokafka, enable_auto_commit=False)
                clients = [self._admin, self._committed, self._uncommitted]
                for client in clients:
                    await client.start()
                self.transactional = await self._has_transactions() if transactions is None else transactions
        except (KafkaError, OSError, TimeoutError) as error:
            await self.stop()
            raise failure(f"connect to {self._connection.bootstrap}", error) from error

    async def stop(self) -> None:
        """Disconnect."""
        if self._admin is not None:
            await close(self._admin.close)
        for consumer in (self._committed, self._uncommitted):
            if consumer is not None:
                await close(consumer.stop, consumer._client.close)
        self._admin = self._committed = self._uncommitted = None

    async def _has_transactions(self) -> bool:
        client = self._started(self._admin)._client
        response = await client.send(client.get_random_node(), ApiVersionRequest())
        keys = {key for key, *_ in response.api_versions}
        return keys >= TRANSACTION_APIS and bool(keys & TRANSACTION_LOG_APIS)

    async def fence(self, transactional_id: str, changelog: str, partition: int) -> Writer:
        """See `streams.broker.Broker`."""
        if not self.transactional:
            return await plain_writer(self._connection, changelog, partition, self._transaction_timeout_ms)
        return await fenced_writer(
            self._connection, transactional_id, changelog, partition, self._transaction_timeout_ms, self._compression
        )

    async def ends(self, topic: str, partition: int) -> Ends:
        """See `streams.broker.Broker`."""
        tp = TopicPartition(topic, partition)
        committed, uncommitted = self._started(self._committed), self._started(self._uncommitted)
        starts, stable, high = await self._answer(
            f"offsets of {topic}-{partition}",
            committed.beginning_offsets([tp]),
            committed.end_offsets([tp]),
            uncommitted.end_offsets([tp]),
        )
        if not self.transactional and high[tp] > starts[tp]:
            end = await self._fetched_end(tp, high[tp])
            return Ends(starts[tp], end, end)
        return Ends(starts[tp], stable[tp], high[tp])

    async def _fetched_end(self, tp: TopicPartition, told: int) -> int:
        """The end as a fetch tells it. Asked for it, the embedded broker gives the first offset of the last batch plus one: a
        position beyond that would look like one in a topic that was truncated."""
        consumer = AIOKafkaConsumer(**self._connection.aiokafka, enable_auto_commit=False, fetch_max_wait_ms=PROBE_WAIT_MS)
        try:
            async with asyncio.timeout(self._timeout_s):
                await consumer.start()
                consumer.assign([tp])
                consumer.seek(tp, told - 1)
                while (end := consumer.highwater(tp)) is None:
                    await consumer.getmany(tp, timeout_ms=PROBE_WAIT_MS)
            return max(told, int(end))
        except (KafkaError, OSError, TimeoutError) as error:
            raise failure(f"end of {tp.topic}-{tp.partition}", error, "Read") from error
        finally:
            await close(consumer.stop, consumer._client.close)

    async def ends_of(self, partitions: Sequence[tuple[str, int]]) -> dict[tuple[str, int], Ends]:
        """The ends of many partitions in three requests; without transactions they may be too low. Raises BrokerAway."""
        tps = [TopicPartition(*partition) for partition in partitions]
        committed, uncommitted = self._started(self._committed), self._started(self._uncommitted)
        starts, stable, high = await self._answer(
            "offsets", committed.beginning_offsets(tps), committed.end_offsets(tps), uncommitted.end_offsets(tps)
        )
        return {(tp.topic, tp.partition): Ends(starts[tp], stable[tp], high[tp]) for tp in tps}

    async def partitions(self, topic: str) -> int | None:
        """See `streams.broker.Broker`."""
        client = self._started(self._admin)._client
        # Not the admin client's own call: that one lets the broker create the topic that it asks about.
        request = MetadataRequest([topic], allow_auto_topic_creation=False)
        (response,) = await self._answer(f"metadata of {topic}", client.send(client.get_random_node(), request))
        found = next((t for t in response.to_object()["topics"] if t["topic"] == topic), None)
        if found is not None and found["error_code"] == TopicAuthorizationFailedError.errno:
            raise failure(f"metadata of {topic}", TopicAuthorizationFailedError(topic), "Describe")
        if found is None or found["error_code"] == UNKNOWN_TOPIC or not found["partitions"]:
            return None
        return len(found["partitions"])

    async def group_offset(self, group: str, topic: str, partition: int) -> int | None:
        """See `streams.broker.Broker`."""
        tp = TopicPartition(topic, partition)
        (offsets,) = await self._answer(
            f"offsets of group {group}", self._started(self._admin).list_consumer_group_offsets(group, partitions=[tp])
        )
        found = offsets.get(tp)
        return None if found is None or found.offset < 0 else int(found.offset)

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[Reader]:
        """See `streams.broker.Broker`."""
        consumer = AIOKafkaConsumer(
            **self._connection.aiokafka,
            enable_auto_commit=False,
            isolation_level="read_committed" if self.transactional else "read_uncommitted",
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=RESTORE_FETCH_BYTES,
        )
        try:
            await self._answer("connect a reader", consumer.start())
            yield _KafkaReader(consumer, self._timeout_s)
        finally:
            await close(consumer.stop, consumer._client.close)

    async def _answer(self, what: str, *requests: Any) -> list[Any]:
        """All answers within the bound. Raises BrokerAway, WriteFailed."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return list(await asyncio.gather(*requests))
        except (KafkaError, OSError, TimeoutError) as error:
            raise failure(what, error, "Describe") from error

    @staticmethod
    def _started(client: Any) -> Any:
        if client is None:
            raise RuntimeError("the broker is used before start or after stop")
        return client


class _KafkaReader:
    """Reads one partition at a time to a given offset."""

    def __init__(self, consumer: AIOKafkaConsumer, timeout_s: float) -> None:
        self._consumer = consumer
        self._timeout_s = timeout_s

    async def entries(self, topic: str, partition: int, until: int) -> AsyncIterator[Sequence[Entry]]:
        """See `streams.broker.Reader`."""
        async for records in self.records(topic, partition, 0, until):
            yield [Entry(record.key or b"", record.value) for record in records]

    async def records(self, topic: str, partition: int, start: int, until: int) -> AsyncIterator[Sequence[Record]]:
        """See `streams.broker.Reader`. Raises BrokerAway when no record and no progress come within the time-out."""
        tp = TopicPartition(topic, partition)
        try:
            await self._assign(tp, start)
            last_progress = asyncio.get_running_loop().time()
            reached = -1
            while (position := await self._position(tp)) < until:
                found = await self._consumer.getmany(tp, timeout_ms=200)
                now = asyncio.get_running_loop().time()
                if records := found.get(tp):
                    yield records if records[-1].offset < until else [r for r in records if r.offset < until]
                if records or position > reached:
                    last_progress, reached = now, position
                elif now - last_progress > self._timeout_s:
                    raise TimeoutError(f"no record for {self._timeout_s:g} s at offset {position} of {until}")
        except (KafkaError, OSError, TimeoutError) as error:
            raise failure(f"read {topic}-{partition}", error, "Read") from error

    async def record(self, topic: str, partition: int, offset: int) -> Record | None:
        """See `streams.broker.Reader`."""
        tp = TopicPartition(topic, partition)
        try:
            self._consumer.assign([tp])
            self._consumer.seek(tp, offset)
            deadline = asyncio.get_running_loop().time() + self._timeout_s
            while asyncio.get_running_loop().time() < deadline:
                found = await self._consumer.getmany(tp, timeout_ms=200, max_records=1)
                if records := found.get(tp):
                    first: Record = records[0]
                    return first if first.offset == offset else None
                if await self._position(tp) > offset:
                    return None
        except (KafkaError, OSError, TimeoutError) as error:
            raise failure(f"read {topic}-{partition}", error, "Read") from error
        raise failure(f"read {topic}-{partition}", TimeoutError(f"no answer for offset {offset}"))

    async def _assign(self, tp: TopicPartition, start: int) -> None:
        async with asyncio.timeout(self._timeout_s):
            self._consumer.assign([tp])
            if start:
                self._consumer.seek(tp, start)
            else:
                await self._consumer.seek_to_beginning(tp)

    async def _position(self, tp: TopicPartition) -> int:
        async with asyncio.timeout(self._timeout_s):
            return int(await self._consumer.position(tp))
