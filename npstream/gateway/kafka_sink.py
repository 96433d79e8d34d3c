"""One idempotent producer, kept alive: made when the broker is there, made anew when it is lost, looked after in between."""

import asyncio
import logging
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from npstream.admin import connect
from npstream.failures import BrokerUnreachable, LoginRefused, UserError
from npstream.gateway.sink import Away, TooLarge
from npstream.raw_record import RawRecord
from streams.connection import Connection

logger = logging.getLogger(__name__)

BATCH_BYTES: Final = 256 * 1024
"""Records of a partition that travel together. While one batch is on its way the next fills, so load makes its own batches, and
nothing lingers."""
REQUEST_BYTES: Final = 1024 * 1024
"""Most that the client sends in a record, its headers included: the broker's default."""
LOOK_INTERVAL_S: Final = 2.0
"""How often it is asked whether the broker is there: so soon it is known to be away, and to be back."""
ANSWER_TIMEOUT_S: Final = 4.0
"""A broker that takes longer for its metadata is away."""
CONNECT_PAUSE_S: Final = 1.0
"""Pause between two attempts to connect."""
CLOSE_TIMEOUT_S: Final = 5.0
"""Bound of sending what is left, and of closing."""


class KafkaSink:
    """Sends to one topic. `keep` must run as long as records are sent."""

    def __init__(self, connection: Connection, topic: str, timeout_s: float) -> None:
        """`timeout_s`: how long a record may wait for its acknowledgement."""
        self._connection = connection
        self._topic = topic
        self._timeout_s = timeout_s
        self._producer: Any = None
        self._problem: str | None = "connecting to Kafka"
        self._lost = asyncio.Event()

    def problem(self) -> str | None:
        """See `npstream.gateway.sink.Sink`."""
        return self._problem

    async def send(self, record: RawRecord) -> None:
        """See `npstream.gateway.sink.Sink`."""
        producer = self._producer
        if producer is None or self._problem is not None:
            raise Away(self._problem or "connecting to Kafka")
        try:
            async with asyncio.timeout(self._timeout_s):
                delivery = await producer.send(self._topic, record.value, record.key, headers=list(record.headers))
                await delivery
        except TimeoutError:
            raise Away(f"Kafka has not acknowledged within {self._timeout_s:g} s") from None
        except MessageSizeTooLargeError as error:
            raise TooLarge from error
        except KafkaError as error:
            # Whatever it was, a producer that failed once may fail for ever: aiokafka ends its sender for some errors.
            self._lost.set()
            raise Away(f"the broker refused: {type(error).__name__}") from error

    async def keep(self) -> None:
        """Connect, and again whenever the producer is lost, until cancelled. Raises UserError for what only the user can mend,
        as long as it has never been connected: a topic that is missing, a log-in that is refused."""
        connected = False
        while True:
            try:
                self._producer = await self._connect()
                connected = True
                await self._look_after()
            except (UserError, KafkaError, OSError, TimeoutError) as error:
                waiting = isinstance(error, BrokerUnreachable | KafkaError | OSError) and not isinstance(error, LoginRefused)
                if not connected and not waiting:
                    raise
                self._away(str(error) or type(error).__name__)
            finally:
                await self._close()
            await asyncio.sleep(CONNECT_PAUSE_S)

    async def _connect(self) -> Any:
        """Raises UserError if there is no such topic."""
        async with connect(self._connection) as admin:
            found = (await admin.topics([self._topic]))[self._topic]
            # Without transactions a broker may list what idempotence needs and still have none (the embedded one).
            idempotent = (await admin.cluster()).transactional
        if not found.exists:
            raise UserError(f"{self._connection.bootstrap} has no topic {self._topic}: run npstream topics create")
        producer = AIOKafkaProducer(
            acks="all",
            enable_idempotence=idempotent,
            max_batch_size=BATCH_BYTES,
            max_request_size=REQUEST_BYTES,
            **self._connection.aiokafka,
        )
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await producer.start()
        except BaseException:
            await _closed(producer)
            raise
        return producer

    async def _look_after(self) -> None:
        """Until the producer is lost, know whether the broker answers."""
        while not self._lost.is_set():
            if await self._answers():
                if self._problem is not None:
                    logger.info("Kafka at %s answers", self._connection.bootstrap)
                self._problem = None
            else:
                self._away(f"the broker at {self._connection.bootstrap} does not answer")
            try:
                async with asyncio.timeout(LOOK_INTERVAL_S):
                    await self._lost.wait()
            except TimeoutError:
                continue
        self._away("the producer was lost and is made anew")

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return bool(await self._producer.client.force_metadata_update())
        except (TimeoutError, KafkaError, OSError):
            return False

    def _away(self, why: str) -> None:
        if self._problem != why:
            logger.warning("%s; webhooks are answered with 503 until it is back", why)
        self._problem = why

    async def _close(self) -> None:
        producer, self._producer = self._producer, None
        self._lost.clear()
        if producer is not None:
            await _closed(producer)


async def _closed(producer: Any) -> None:
    """Send what is left, and let go, also of a producer that would wait for its broker for ever."""
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await producer.stop()
    except (TimeoutError, KafkaError, OSError):
        await producer.client.close()
