"""Writers: how a batch gets to Kafka, all of it or none of it.

With transactions, for each batch:
1. Begin.                     A crash before or after: nothing was written.
2. Produce events, changes.   A crash after: the transaction is open; readers of committed records see nothing, the next owner's
                              fence aborts it.
3. When every produce has succeeded, commit. A crash after: the batch is in, the next owner restores it with its positions.
Nothing is awaited between 1 and 3 but Kafka. When a produce failed, the producer is discarded without a commit: aiokafka would
commit the transaction without the failed batch. It is never aborted and used again either: after an unknown outcome, only a
fence tells what happened.

Without transactions: events first, then state and positions in one record batch. A crash between the two sends the events
again: at least once, and the state is right.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    CoordinatorNotAvailableError,
    InvalidProducerEpoch,
    InvalidTxnState,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    LeaderNotAvailableError,
    NodeNotReadyError,
    ProducerFenced,
    RequestTimedOutError,
)

from streams.broker import BatchTooLarge, BrokerAway, Denied, Fenced, WriteFailed, Written
from streams.closing import close, forget
from streams.connection import Connection
from streams.denial import DENIALS, denial
from streams.draft import Draft
from streams.next_transaction import begin_soon
from streams.record_batches import RECORD_BATCH_BYTES, Packed, RecordBatch

REQUEST_BYTES = 16 << 20
"""One request may carry a record batch for each of many partitions."""


AWAY = (
    KafkaConnectionError,
    NodeNotReadyError,
    RequestTimedOutError,
    KafkaTimeoutError,
    CoordinatorNotAvailableError,
    LeaderNotAvailableError,
    OSError,
    TimeoutError,
)
"""Errors that say that the broker did not answer, not that it refused."""


def failure(what: str, error: BaseException, operation: str = "Write") -> WriteFailed | BrokerAway:
    """Our exception for one of aiokafka's. `operation` is what was tried on a topic, as access control lists name it."""
    if isinstance(error, DENIALS):
        return Denied(denial(error, operation))
    reason = f"{what}: {type(error).__name__} {error}".strip()
    if isinstance(error, ProducerFenced | InvalidProducerEpoch):
        return Fenced(reason)
    if isinstance(error, AWAY):
        return BrokerAway(reason)
    return WriteFailed(reason)


def unasked(producer: Any) -> "Iterator[asyncio.Future[Any]]":
    """What fails inside of an aiokafka producer when its transaction is fenced, and nobody waits for."""
    transactions, accumulator = (getattr(producer, name, None) for name in ("_txn_manager", "_message_accumulator"))
    if transactions is not None and transactions._transaction_waiter is not None:
        yield transactions._transaction_waiter
    if accumulator is not None:
        yield from (batch._drain_waiter for batches in accumulator._batches.values() for batch in batches)


class _KafkaWriter:
    """What both writers share: a producer, and record batches made from events and changes."""

    def __init__(self, producer: AIOKafkaProducer, changelog: str, partition: int, timeout_s: float) -> None:
        self._producer = producer
        self._changelog = changelog
        self._partition = partition
        self._timeout_s = timeout_s
        self._counts: dict[str, int] = {}
        self._sent: list[asyncio.Future[Any]] = []
        """What becomes of each record batch that was produced last."""

    async def discard(self) -> None:
        """Let go of connections, and of what was not sent; errors do not matter any more."""
        for sent in self._sent:
            sent.cancel()  # aiokafka would wait for it, as long as a request may take, in a task that nobody else knows
        # Connections first: requests that wait for an answer end with them.
        await close(self._producer.client.close, self._producer.stop)

    def draft(self) -> Packed:
        """An empty one, for the next batch."""
        return Packed(self._producer, self._changelog, self._partition, self._counts)

    async def _packed(self, draft: Draft) -> Packed:
        """A draft of this writer's with nothing set aside."""
        if not isinstance(draft, Packed):
            raise TypeError(f"a {type(draft).__name__} is no draft of this writer's")
        for topic in draft.uncounted:
            self._counts[topic] = len(await self._producer.partitions_for(topic))
        draft.place()
        return draft

    async def _produce(self, batches: Sequence[RecordBatch]) -> int | None:
        """Send all and wait for every one; the offset after the last changelog record, if the changelog was among them."""
        self._sent = []
        for batch in batches:
            stored = await batch.send()  # may raise, with others under way
            stored.add_done_callback(forget)  # the writer tells of the first failure, and of no other
            self._sent.append(stored)
        end = None
        failed: list[tuple[str, BaseException]] = []
        results = await asyncio.gather(*self._sent, return_exceptions=True)
        for batch, result in zip(batches, results, strict=True):
            if isinstance(result, BaseException):
                failed.append((batch.topic, result))
            elif batch.topic == self._changelog:
                end = result.offset + batch.count
        if failed:
            # One refused batch makes the broker refuse the others for the state of the transaction: say the reason, not that.
            topic, error = next((f for f in failed if not isinstance(f[1], InvalidTxnState)), failed[0])
            raise failure(f"produce to {topic}", error) from error
        return end


class TransactionalWriter(_KafkaWriter):
    """One transaction a batch."""

    async def discard(self) -> None:
        """As the others; what a transaction fails of was told by one of its produces already."""
        for future in unasked(self._producer):
            future.add_done_callback(forget)
        await super().discard()

    async def write(self, draft: Draft) -> Written:
        """Steps 1 to 3 of the module's docstring. Raises WriteFailed, Fenced, BrokerAway."""
        try:
            async with asyncio.timeout(self._timeout_s):
                packed = await self._packed(draft)
                # 1. Begin.
                await self._producer.begin_transaction()
                # 2. Produce.
                end = await self._produce(packed.events + packed.changes)
                # 3. Commit.
                await self._producer.commit_transaction()
        except (KafkaError, OSError, TimeoutError, AssertionError) as error:
            # aiokafka guards its transaction states with assertions
            raise failure("transaction", error) from error
        # The commit marker takes one offset.
        return Written(None if end is None else end + 1)


class PlainWriter(_KafkaWriter):
    """For a broker without transactions: events first, then the changes in one record batch."""

    async def write(self, draft: Draft) -> Written:
        """Raises WriteFailed, BrokerAway, and BatchTooLarge before anything is sent."""
        try:
            async with asyncio.timeout(self._timeout_s):
                packed = await self._packed(draft)
                if len(packed.changes) > 1:
                    count = sum(batch.count for batch in packed.changes)
                    raise BatchTooLarge(f"{count} changes take {len(packed.changes)} record batches")
                await self._produce(packed.events)
                end = await self._produce(packed.changes)
        except (KafkaError, OSError, TimeoutError) as error:
            raise failure("produce", error) from error
        return Written(end)


async def fenced_writer(
    connection: Connection,
    transactional_id: str,
    changelog: str,
    partition: int,
    timeout_ms: int,
    compression: str | None = None,
) -> TransactionalWriter:
    """Initialise the transactional id: the last writer of that id can write no more. `compression` is a codec of Kafka's, None
    for none. Raises BrokerAway, WriteFailed."""
    producer = AIOKafkaProducer(
        **connection.aiokafka,
        transactional_id=transactional_id,
        transaction_timeout_ms=timeout_ms,
        acks="all",
        compression_type=compression,
        max_batch_size=RECORD_BATCH_BYTES,
        max_request_size=REQUEST_BYTES,
    )
    begin_soon(producer)
    await _started(producer, f"fence {transactional_id}", timeout_ms / 1000)
    return TransactionalWriter(producer, changelog, partition, timeout_ms / 1000)


async def plain_writer(connection: Connection, changelog: str, partition: int, timeout_ms: int) -> PlainWriter:
    """A writer for a broker without transactions. Raises BrokerAway, WriteFailed."""
    producer = AIOKafkaProducer(
        **connection.aiokafka, acks="all", max_batch_size=RECORD_BATCH_BYTES, max_request_size=REQUEST_BYTES
    )
    await _started(producer, f"connect the writer of {changelog}-{partition}", timeout_ms / 1000)
    return PlainWriter(producer, changelog, partition, timeout_ms / 1000)


async def _started(producer: AIOKafkaProducer, what: str, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await producer.start()
    except BaseException as error:
        await _KafkaWriter(producer, "", 0, timeout_s).discard()
        if isinstance(error, KafkaError | OSError | TimeoutError):
            raise failure(what, error) from error
        raise
