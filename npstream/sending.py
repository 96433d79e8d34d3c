"""Send records from outside the flow: acknowledged by all replicas, idempotent where the broker can, never more in flight than
fits into memory, and never for longer than the caller waits.
"""

import asyncio
from functools import partial
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from npstream.admin import connect
from npstream.failures import UserError
from npstream.lost_broker import lost_broker
from npstream.raw_record import RawRecord
from streams.connection import Connection

TIMEOUT_S = 30.0
"""How long the broker may acknowledge nothing, unless the caller says otherwise: a broker's restart takes less."""
IN_FLIGHT = 20_000
"""Most records that are not acknowledged yet: 20 MB at a kilobyte each, and far more than a round trip needs."""
BATCH_BYTES = 256 * 1024
"""Records of a partition that travel together: enough that framing costs nothing, small beside the broker's 1 MB."""
LINGER_MS = 5
"""How long a batch waits for company: it fills up in less when there is much to send."""
CLOSE_TIMEOUT_S = 2.0
"""Bound of closing when the broker is gone."""


class Sender:
    """Sends records to one topic, which must exist.

    async with Sender(connection, "nps.responses.raw") as sender:
        await sender.send(record)
        await sender.flush()

    Raises BrokerUnreachable, and UserError for what the broker refuses.
    """

    def __init__(self, connection: Connection, topic: str, timeout_s: float = TIMEOUT_S) -> None:
        self.sent = 0
        self.acknowledged = 0
        self.settled = 0
        """So many records from the first one on are all acknowledged: those after them may be, but not each of them."""
        self._ahead: set[int] = set()
        """The numbers of those."""
        self._connection = connection
        self._topic = topic
        self._timeout_s = timeout_s
        self._producer: Any = None
        self._error: BaseException | None = None
        self._progress = asyncio.Event()

    async def __aenter__(self) -> Self:
        async with connect(self._connection, self._timeout_s) as admin:
            found = (await admin.topics([self._topic]))[self._topic]
            # Without transactions a broker may list what idempotence needs and still have none (the embedded one).
            idempotent = (await admin.cluster()).transactional
        if not found.exists:
            raise UserError(f"{self._connection.bootstrap} has no topic {self._topic}: run npstream topics create")
        self._producer = AIOKafkaProducer(
            acks="all",
            enable_idempotence=idempotent,
            max_batch_size=BATCH_BYTES,
            linger_ms=LINGER_MS,
            **self._connection.aiokafka,
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._producer.start()
        except (TimeoutError, KafkaError, OSError) as error:
            await self._close()
            raise lost_broker(self._connection, self._timeout_s) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def send(self, record: RawRecord) -> None:
        """Hand over one record; waits while too many are on their way."""
        while self.sent - self.acknowledged >= IN_FLIGHT:
            await self._wait()
        self._check()
        key = record.key
        value = record.value if record.value is not None or key is not None else b""  # a tombstone needs a key
        try:
            async with asyncio.timeout(self._timeout_s):
                delivery = await self._producer.send(
                    self._topic,
                    value,
                    key,
                    partition=record.partition,
                    timestamp_ms=record.timestamp,
                    headers=list(record.headers),
                )
        except MessageSizeTooLargeError as error:
            raise UserError(f"a record is larger than the broker takes: {error}; {self._so_far}") from error
        except (TimeoutError, KafkaError) as error:
            raise self._lost() from error
        delivery.add_done_callback(partial(self._done, self.sent))
        self.sent += 1

    async def flush(self) -> None:
        """Wait until everything is acknowledged."""
        while self.acknowledged < self.sent:
            await self._wait()
        self._check()

    def _done(self, number: int, delivery: "asyncio.Future[Any]") -> None:
        if delivery.cancelled():
            return
        error = delivery.exception()
        if error is None:
            self.acknowledged += 1
            self._ahead.add(number)
            while self.settled in self._ahead:
                self._ahead.remove(self.settled)
                self.settled += 1
        else:
            self._error = self._error or error
        self._progress.set()

    async def _wait(self) -> None:
        self._check()
        self._progress.clear()
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._progress.wait()
        except TimeoutError as error:
            raise self._lost() from error

    def _check(self) -> None:
        if self._error is not None:
            raise UserError(f"the broker refused a record ({self._error!r}); {self._so_far}") from self._error

    def _lost(self) -> UserError:
        return lost_broker(self._connection, self._timeout_s, self._so_far)

    @property
    def _so_far(self) -> str:
        return f"{self.acknowledged:,} of {self.sent:,} records were acknowledged; sending all again does no harm"

    async def _close(self) -> None:
        """Let go of the producer, also of one that would wait for its broker for ever."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._producer.stop()
        except (TimeoutError, KafkaError):
            await self._producer.client.close()
