"""Send dead letters back to where they came from, each once.

What was sent is remembered as committed offsets, in the groups <app_id>-dlq-replay for replays of everything and
<app_id>-dlq-replay-<reason> for those of one reason: a letter is behind one of the two if it was sent. So a replay of one
reason does not hide the others, and no file of ours has to be kept. With transactions a chunk of letters and these offsets are
one transaction: after a crash nothing is sent twice and nothing left out. Without, the offsets follow the letters, and a crash
between the two sends a chunk again; scoring knows duplicates.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced

from npstream.admin import connect
from npstream.dead_letters import SOURCES, Position, reason_of, sent_back, source_of
from npstream.failures import UserError
from npstream.lost_broker import lost_broker
from npstream.reading import Reader, require_topics
from npstream.settings import Settings
from schemas.topics import DEAD_LETTERS
from streams.connection import Connection
from streams.processor import Record

CHUNK: Final = 500
"""Letters of one transaction: a fraction of a second, far from its time-out."""
TIMEOUT_S: Final = 30.0
"""How long the broker may be silent."""


@dataclass(slots=True)
class Selection:
    """Which letters are meant."""

    reasons: Collection[str] = ()
    """Reason codes; empty means all."""
    positions: Collection[Position] = ()
    """These alone, whatever was replayed before; empty means all."""
    again: bool = False
    """Also those that were replayed before."""


@dataclass(slots=True)
class Tally:
    """What was, or would be, sent."""

    sent: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By reason and topic."""
    homeless: int = 0
    """Letters that do not say where they came from, or name a topic that has none."""

    @property
    def total(self) -> int:
        """How many letters."""
        return self.sent.total()


class Replay:
    """One replay: `survey` says what would be sent, `carry_out` sends it. Both look at the letters there were at the start.

    Raises BrokerUnreachable, and UserError where topics are missing or another replay takes over.
    """

    def __init__(self, settings: Settings, selection: Selection, account: str | None = None) -> None:
        self._connection: Connection = settings.connection()
        self._selection = selection
        self._account = account
        self._group = f"{settings.app_id}-dlq-replay"
        self._reader = Reader(self._connection, [DEAD_LETTERS], TIMEOUT_S)
        self._ends: dict[int, int] = {}
        self._memory: dict[str, dict[int, int]] = {}

    async def __aenter__(self) -> Self:
        await require_topics(self._connection, [DEAD_LETTERS, *SOURCES], TIMEOUT_S)
        await self._reader.__aenter__()
        self._ends = await self._reader.ends(DEAD_LETTERS)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._reader.__aexit__(kind, error, trace)

    async def survey(self) -> Tally:
        """Count what would be sent."""
        tally = Tally()
        async for chunk, _ in self._chunks():
            for letter in chunk:
                _count(tally, letter)
        return tally

    async def carry_out(self) -> Tally:
        """Send, and remember."""
        tally = Tally()
        async with connect(self._connection, TIMEOUT_S) as admin:
            transactional = (await admin.cluster()).transactional
        identity = {"transactional_id": self._group} if transactional else {"acks": "all"}
        producer: Any = AIOKafkaProducer(**identity, **self._connection.aiokafka)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await producer.start()
            # Only now the last replay's transaction is over, and what it remembers can be read.
            self._memory.clear()
            async for chunk, reached in self._chunks():
                async with asyncio.timeout(TIMEOUT_S):
                    await (self._in_transaction if transactional else self._one_by_one)(producer, chunk, reached)
                for letter in chunk:
                    _count(tally, letter)
        except ProducerFenced as error:
            raise UserError(f"another replay has taken over; this one has sent {tally.total:,} dead letters") from error
        except (TimeoutError, KafkaError, OSError) as error:
            so_far = f"{tally.total:,} dead letters were sent, and will not be sent again"
            raise lost_broker(self._connection, TIMEOUT_S, so_far) from error
        finally:
            await _stopped(producer)
        return tally

    async def _in_transaction(self, producer: Any, chunk: Iterable[Record], reached: Mapping[int, int]) -> None:
        await producer.begin_transaction()
        await self._send(producer, chunk)
        for group in self._remembering(reached):
            await producer.send_offsets_to_transaction(_offsets(reached), group)
        await producer.commit_transaction()

    async def _one_by_one(self, producer: Any, chunk: Iterable[Record], reached: Mapping[int, int]) -> None:
        await self._send(producer, chunk)
        for group in self._remembering(reached):
            async with _bookmarks(self._connection, group, reached) as consumer:
                await consumer.commit(_offsets(reached))

    async def _send(self, producer: Any, chunk: Iterable[Record]) -> None:
        deliveries = []
        for letter in chunk:
            if source_of(letter) in SOURCES:
                record = sent_back(letter, self._account)
                deliveries.append(
                    await producer.send(
                        source_of(letter),
                        record.value if record.value is not None or record.key is not None else b"",
                        record.key,
                        timestamp_ms=record.timestamp,
                        headers=list(record.headers),
                    )
                )
        await asyncio.gather(*deliveries)

    def _remembering(self, reached: Mapping[int, int]) -> list[str]:
        """The groups that learn how far it got; none of a replay that picks letters by position."""
        if self._selection.positions or not reached:
            return []
        return [self._group_of(reason) for reason in self._selection.reasons] or [self._group]

    def _group_of(self, reason: str) -> str:
        return f"{self._group}-{reason.replace(' ', '-')}" if reason else self._group

    async def _chunks(self) -> AsyncIterator[tuple[list[Record], dict[int, int]]]:
        """The letters that are meant, `CHUNK` at most, and how far each partition has been looked at by then."""
        start, end = await self._range()
        reached: dict[int, int] = {}
        chunk: list[Record] = []
        async for records in self._reader.to_end(DEAD_LETTERS, start, end):
            for letter in records:
                if await self._is_meant(letter):
                    chunk.append(letter)
                reached[letter.partition] = letter.offset + 1
                if len(chunk) >= CHUNK:
                    # Looking again from the start must not set what is remembered back: that moves at the end alone.
                    yield chunk, {} if self._selection.again else reached
                    chunk, reached = [], {}
        reached.update({partition: offset for partition, offset in end.items() if offset > start.get(partition, 0)})
        if chunk or reached:
            yield chunk, reached

    async def _range(self) -> tuple[dict[int, int], dict[int, int]]:
        """From where to where to look, per partition."""
        if self._selection.positions:
            start, end = dict(self._ends), dict(self._ends)
            for position in self._selection.positions:
                if position.topic != DEAD_LETTERS or position.offset >= self._ends.get(position.partition, 0):
                    raise UserError(f"there is no dead letter {position.topic}-{position.partition}-{position.offset}")
                start[position.partition] = min(start[position.partition], position.offset)
            return start, end
        return ({} if self._selection.again else await self._replayed("")), self._ends

    async def _is_meant(self, letter: Record) -> bool:
        if self._selection.positions:
            return Position(letter.topic, letter.partition, letter.offset) in self._selection.positions
        reason = reason_of(letter)
        if self._selection.reasons and reason not in self._selection.reasons:
            return False
        return self._selection.again or letter.offset >= (await self._replayed(reason)).get(letter.partition, 0)

    async def _replayed(self, reason: str) -> dict[int, int]:
        """Up to where a reason was replayed, per partition; without a reason, up to where everything was."""
        if reason not in self._memory:
            try:
                async with (
                    asyncio.timeout(TIMEOUT_S),
                    _bookmarks(self._connection, self._group_of(reason), self._ends) as consumer,
                ):
                    offsets = await asyncio.gather(*(consumer.committed(TopicPartition(DEAD_LETTERS, p)) for p in self._ends))
            except (TimeoutError, KafkaError, OSError) as error:
                raise lost_broker(self._connection, TIMEOUT_S) from error
            self._memory[reason] = {p: offset for p, offset in zip(self._ends, offsets, strict=True) if offset is not None}
        return self._memory[reason]


class _bookmarks:  # noqa: N801 - a context manager, used like a function
    """A consumer for a group's committed offsets, which joins nothing."""

    def __init__(self, connection: Connection, group: str, partitions: Iterable[int]) -> None:
        self._consumer: Any = AIOKafkaConsumer(group_id=group, enable_auto_commit=False, **connection.aiokafka)
        self._partitions = [TopicPartition(DEAD_LETTERS, partition) for partition in partitions]

    async def __aenter__(self) -> Any:
        await self._consumer.start()
        self._consumer.assign(self._partitions)
        return self._consumer

    async def __aexit__(self, *error: object) -> None:
        await self._consumer.stop()


def _offsets(reached: Mapping[int, int]) -> dict[TopicPartition, int]:
    return {TopicPartition(DEAD_LETTERS, partition): offset for partition, offset in reached.items()}


def _count(tally: Tally, letter: Record) -> None:
    source = source_of(letter)
    if source in SOURCES:
        tally.sent[reason_of(letter), source] += 1
    else:
        tally.homeless += 1


async def _stopped(producer: Any) -> None:
    """Let go of the producer, also when its broker is gone."""
    try:
        async with asyncio.timeout(2.0):
            await producer.stop()
    except (TimeoutError, KafkaError):
        await producer.client.close()
