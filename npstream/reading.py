"""Read topics as any consumer outside must: committed records only, in no group, so that looking changes nothing.

A reader has a position in each partition of its topics. `to_end` goes from the first record to the last that was committed
when it was called, `last` starts before the end, `follow` goes on from wherever the position is, for ever.
"""

import asyncio
import heapq
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from npstream.admin import connect
from npstream.failures import UserError
from npstream.lost_broker import lost_broker
from streams.connection import Connection
from streams.processor import Record

TIMEOUT_S = 10.0
"""How long a broker may take to answer, unless the caller says otherwise: longer is an outage to hear of."""
POLL_MS = 250
"""How long one fetch waits for records: short enough that the end of a topic is noticed at once."""
FETCH_RECORDS = 5_000
"""Most records of one step: memory stays small whatever the topic's size."""
WIDEN = 4
"""By how much a look for the last N records reaches further back when transaction markers or compaction left too few."""


async def require_topics(connection: Connection, topics: Sequence[str], timeout_s: float = TIMEOUT_S) -> dict[str, int]:
    """How many partitions each topic has.

    Raises UserError if one is missing (a client that asked for it would create it, with the wrong partition count), and
    BrokerUnreachable.
    """
    async with connect(connection, timeout_s) as admin:
        found = await admin.topics(topics)
    missing = [name for name, topic in found.items() if not topic.exists]
    if missing:
        raise UserError(f"{connection.bootstrap} has no topic {', '.join(missing)}: run npstream topics create")
    return {name: topic.partitions for name, topic in found.items()}


class Reader:
    """Committed records of some topics.

    async with Reader(connection, ["nps.rollups.accounts"]) as reader:
        async for records in reader.to_end():
            ...

    Raises BrokerUnreachable, and UserError if a topic is missing.
    """

    def __init__(self, connection: Connection, topics: Sequence[str], timeout_s: float = TIMEOUT_S) -> None:
        self._connection = connection
        self._topics = tuple(topics)
        self._timeout_s = timeout_s
        self._consumer: Any = None
        self._exact = True
        """Whether the broker tells the ends of partitions rightly when it is asked: all but the embedded one do."""
        self._partitions: dict[str, list[TopicPartition]] = {}
        self._positions: dict[TopicPartition, int] = {}

    async def __aenter__(self) -> Self:
        counts = await require_topics(self._connection, self._topics, self._timeout_s)
        async with connect(self._connection, self._timeout_s) as admin:
            self._exact = (await admin.cluster()).transactional
        self._partitions = {topic: [TopicPartition(topic, n) for n in range(count)] for topic, count in counts.items()}
        self._consumer = AIOKafkaConsumer(
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # where retention has passed a position, go on with what is left
            max_partition_fetch_bytes=4 * 1024 * 1024,
            **self._connection.aiokafka,
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._consumer.start()
        except (TimeoutError, KafkaError, OSError) as error:
            await self._consumer.stop()
            raise lost_broker(self._connection, self._timeout_s) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._consumer.stop()

    @property
    def topics(self) -> tuple[str, ...]:
        """What it reads."""
        return self._topics

    async def ends(self, topic: str) -> dict[int, int]:
        """Per partition the last stable offset: what is before it is committed or aborted, for good."""
        ends = await self._ends(self._partitions[topic])
        return {partition.partition: offset for partition, offset in ends.items()}

    async def starts(self, topic: str) -> dict[int, int]:
        """Per partition the first offset that is left."""
        starts = await self._ask(self._consumer.beginning_offsets(self._partitions[topic]))
        return {partition.partition: offset for partition, offset in starts.items()}

    async def to_end(
        self, topic: str, start: dict[int, int] | None = None, end: dict[int, int] | None = None
    ) -> AsyncIterator[list[Record]]:
        """The records from the offsets `start` (default: the first there are) to before `end` (default: the end at the time
        of the call), per partition in order. Afterwards the position is there."""
        partitions = self._partitions[topic]
        first = await self._ask(self._consumer.beginning_offsets(partitions))
        stable = await self._ends(partitions)
        if start is not None:
            first = {p: max(offset, start.get(p.partition, offset)) for p, offset in first.items()}
        if end is not None:
            stable = {p: min(offset, end.get(p.partition, offset)) for p, offset in stable.items()}
        self._positions.update(first)
        unread = {p for p in partitions if first[p] < stable[p]}
        if unread:
            self._assign(unread)
        answered = time.monotonic()
        while unread:
            fetched = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=FETCH_RECORDS)
            records = [record for batch in fetched.values() for record in batch]
            for partition in list(unread):
                # A position passes transaction markers, which an offset of a record does not.
                position = await self._consumer.position(partition)
                if position > self._positions[partition]:
                    answered = time.monotonic()
                    self._positions[partition] = position
                if position >= stable[partition]:
                    self._positions[partition] = stable[partition]
                    unread.discard(partition)
                    self._consumer.pause(partition)
            if records:
                yield [r for r in records if r.offset < stable[TopicPartition(r.topic, r.partition)]]
            elif time.monotonic() - answered > self._timeout_s:
                raise lost_broker(self._connection, self._timeout_s)

    async def last(self, topic: str, count: int) -> list[Record]:
        """The newest `count` records by timestamp, oldest first; the position is then at the end."""
        partitions = self._partitions[topic]
        ends = await self.ends(topic)
        firsts = {p.partition: o for p, o in (await self._ask(self._consumer.beginning_offsets(partitions))).items()}
        kept: dict[int, deque[Record]] = defaultdict(lambda: deque(maxlen=max(count, 1)))
        # Offsets have gaps where transactions ended: reach back further in the partitions that gave too few.
        reach = dict.fromkeys(ends, count * 2)
        while reach:
            start = {p: max(firsts[p], ends[p] - reach[p]) if p in reach else ends[p] for p in ends}
            for partition in reach:
                kept[partition].clear()
            async for records in self.to_end(topic, start, ends):
                for record in records:
                    kept[record.partition].append(record)
            reach = {p: n * WIDEN for p, n in reach.items() if len(kept[p]) < count and start[p] > firsts[p]}
        self._positions.update({p: ends[p.partition] for p in partitions})
        newest = heapq.nlargest(count, (r for records in kept.values() for r in records), key=_age)
        return sorted(newest, key=_age)

    async def follow(self, pause_s: float = POLL_MS / 1000) -> AsyncIterator[list[Record]]:
        """What comes after the positions of all topics, as it comes; an empty list at least every `pause_s` seconds, so that
        the caller can do something else. Topics that were not read before begin at their end. A broker that is away is waited
        for: the positions stay."""
        for topic in self._topics:
            fresh = [p for p in self._partitions[topic] if p not in self._positions]
            if fresh:
                self._positions.update(await self._ends(fresh))
        self._assign({p for partitions in self._partitions.values() for p in partitions})
        while True:
            fetched = await self._consumer.getmany(timeout_ms=int(pause_s * 1000), max_records=FETCH_RECORDS)
            yield sorted((record for batch in fetched.values() for record in batch), key=_age)

    async def _ends(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The last stable offsets. Asked, the embedded broker gives the offset of the last batch instead of the last
        record's; only with fetched records comes the right one."""
        ends = await self._ask(self._consumer.end_offsets(partitions))
        asked = {p for p in partitions if ends[p] > 0}
        if self._exact or not asked:
            return ends
        self._consumer.assign(sorted(asked))
        for partition in asked:
            self._consumer.seek(partition, ends[partition] - 1)
        deadline = time.monotonic() + self._timeout_s
        while asked:
            await self._consumer.getmany(timeout_ms=POLL_MS)
            known = {p: self._consumer.highwater(p) for p in asked}
            ends.update({p: max(ends[p], offset) for p, offset in known.items() if offset is not None})
            asked = {p for p, offset in known.items() if offset is None}
            if asked and time.monotonic() > deadline:
                raise lost_broker(self._connection, self._timeout_s)
        return ends

    def _assign(self, partitions: set[TopicPartition]) -> None:
        """Fetch these partitions, and no others, from their positions."""
        self._consumer.assign(sorted(partitions))
        for partition in partitions:
            self._consumer.seek(partition, self._positions[partition])

    async def _ask(self, question: Any) -> dict[TopicPartition, int]:
        try:
            async with asyncio.timeout(self._timeout_s):
                answer: dict[TopicPartition, int] = await question
                return answer
        except (TimeoutError, KafkaError, OSError) as error:
            raise lost_broker(self._connection, self._timeout_s) from error


def _age(record: Record) -> tuple[int, int, int]:
    return record.timestamp, record.partition, record.offset
