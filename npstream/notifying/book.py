"""Writes what became of deliveries, and how far a lane has come in a partition.

With transactions, for each write:
1. Open, unless it is: initialise the transactional id, which is the lane's and the partition's. The last owner's transaction
   has ended then, and it can commit none any more. Read the group's committed offset: what is below is recorded.
2. Begin, and produce the outcomes and dead letters.    A crash before or after: nothing was written; the deliveries are made
                                                        again, under the same ids.
3. Add the offset to the transaction, and commit.       A crash after: they are recorded, and never made again.
Whatever fails in 2 or 3 has an unknown outcome: the producer is discarded, and 1 tells. What the committed offset does not
cover was not written, and is written again; what was delivered is not delivered again for that.

aiokafka commits offsets in a transaction without the group's generation (version 0 of the protocol), so the group does not keep
a member out that has lost its partition. The transactional id does, since there is one for each partition.

Without transactions: outcomes first, then the offset. A crash between the two repeats deliveries and outcomes, with their ids.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from npstream.failures import UserError
from npstream.notifying.record import Written
from npstream.raw_record import RawRecord
from streams.broker import BrokerAway, Denied, Fenced, WriteFailed
from streams.closing import close, forget
from streams.connection import Connection
from streams.next_transaction import begin_soon
from streams.outbox import failure, unasked

logger = logging.getLogger(__name__)

TIMEOUT_S: Final = 15.0
"""Of one step, and of a transaction at the broker: each takes some ms."""
REQUEST_BYTES: Final = 4 << 20
"""More than the largest record that our topics take."""
PAUSE_S: Final = 1.0
"""Between two tries while the broker is away."""
FENCED_PAUSE_S: Final = 4.0
"""After being fenced: longer than a heartbeat, by which one learns that the partition is somebody else's."""
TRIES: Final = 10
"""Of a write that the broker refuses for a reason that nobody has thought of."""


class Entry(NamedTuple):
    """What is to be written of the record at an offset."""

    offset: int
    written: Written


class Book(Protocol):
    """Of one partition of a lane."""

    @property
    def floor(self) -> int:
        """Records below it are recorded."""
        ...

    async def open(self) -> int:
        """Be the only one that writes; the floor. Waits while the broker is away. Raises UserError."""
        ...

    async def write(self, entries: Sequence[Entry], upto: int) -> None:
        """Write all of it, with `upto` as the offset from which to go on. Waits while the broker is away. Raises UserError."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


Committed = Callable[[TopicPartition], Awaitable[int | None]]


class _KafkaBook:
    """What both have in common: a producer that is made anew after each failure."""

    def __init__(self, connection: Connection, group: str, partition: TopicPartition, committed: Committed) -> None:
        self.floor = 0
        self._connection = connection
        self._group = group
        self._partition = partition
        self._committed = committed
        self._producer: Any = None

    async def open(self) -> int:
        """See Book."""
        await self._trying(self._open)
        return self.floor

    async def write(self, entries: Sequence[Entry], upto: int) -> None:
        """See Book."""
        before = self.floor

        async def write() -> None:
            if self._producer is None:
                await self._open()
            if self.floor >= upto > before:
                return  # it is in: our write whose outcome was unknown, or that of who owned the partition meanwhile
            left = [entry.written for entry in entries if entry.offset >= self.floor]
            if left or upto > self.floor:
                await self._write(left, max(upto, self.floor))
                self.floor = max(upto, self.floor)

        await self._trying(write)

    async def close(self) -> None:
        """See Book."""
        producer, self._producer = self._producer, None
        if producer is not None:
            for future in unasked(producer):
                future.add_done_callback(forget)  # what failed was told by whoever waited for it
            # Connections first: requests that wait for an answer end with them.
            await close(producer.client.close, producer.stop)

    async def _open(self) -> None:
        # 1. Open.
        producer = self._made()
        try:
            await producer.start()
            self._producer = producer
        except BaseException:
            await close(producer.client.close, producer.stop)
            raise
        committed = await self._committed(self._partition)
        self.floor = max(self.floor, committed or 0)

    def _made(self) -> Any:
        raise NotImplementedError

    async def _write(self, records: Sequence[Written], upto: int) -> None:
        raise NotImplementedError

    async def _send(self, records: Sequence[Written]) -> None:
        sent = [await self._sent(topic, record) for topic, record in records]
        for one in sent:
            one.add_done_callback(forget)  # of several failures the first is told
        await asyncio.gather(*sent)

    async def _sent(self, topic: str, record: RawRecord) -> Any:
        return await self._producer.send(
            topic,
            record.value if record.value is not None or record.key is not None else b"",
            record.key,
            partition=record.partition,
            timestamp_ms=record.timestamp,
            headers=list(record.headers),
        )

    async def _trying(self, step: Callable[[], Awaitable[None]]) -> None:
        """Until it has succeeded."""
        refused = 0
        told = False
        what = f"{self._partition.topic}-{self._partition.partition} of {self._group}"
        while True:
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    await step()
                return
            except (KafkaError, OSError, TimeoutError, AssertionError) as error:
                # aiokafka guards its transaction states with assertions
                failed = failure(f"recording deliveries of {what}", error)
            await self.close()
            if isinstance(failed, Denied):
                raise UserError(str(failed)) from failed
            if isinstance(failed, WriteFailed) and not isinstance(failed, Fenced | BrokerAway):
                refused += 1
                if refused >= TRIES:
                    raise UserError(f"{failed}; npstream check tells more") from failed
            if not told:
                logger.warning("%s; trying again", failed)
                told = True
            await asyncio.sleep(FENCED_PAUSE_S if isinstance(failed, Fenced) else PAUSE_S)


class TransactionalBook(_KafkaBook):
    """Outcomes and offset in one transaction."""

    def _made(self) -> Any:
        producer = AIOKafkaProducer(
            transactional_id=f"{self._group}-{self._partition.partition}",
            transaction_timeout_ms=int(TIMEOUT_S * 1000),
            acks="all",
            max_request_size=REQUEST_BYTES,
            **self._connection.aiokafka,
        )
        begin_soon(producer)
        return producer

    async def _write(self, records: Sequence[Written], upto: int) -> None:
        # 2. Begin, and produce.
        await self._producer.begin_transaction()
        await self._send(records)
        # 3. Add the offset, and commit.
        await self._producer.send_offsets_to_transaction({self._partition: upto}, self._group)
        await self._producer.commit_transaction()


class PlainBook(_KafkaBook):
    """For a broker without transactions: outcomes first, then the offset."""

    def __init__(self, connection: Connection, group: str, partition: TopicPartition, consumer: AIOKafkaConsumer) -> None:
        super().__init__(connection, group, partition, consumer.committed)
        self._consumer = consumer

    def _made(self) -> Any:
        return AIOKafkaProducer(acks="all", max_request_size=REQUEST_BYTES, **self._connection.aiokafka)

    async def _write(self, records: Sequence[Written], upto: int) -> None:
        await self._send(records)
        try:
            await self._consumer.commit({self._partition: upto})
        except (CommitFailedError, IllegalStateError):
            logger.info("%s-%d went to another notifier meanwhile, which delivers it again", *self._partition)
