"""How much waits to be processed and how fast it comes, seen from outside: ends of topics against committed offsets.

A worker's own metrics know better: committed offsets are bookmarks that follow by some seconds, and among the offsets between
are markers of transactions, which are no records. A partition where a marker is all that is left is told apart.
"""

import asyncio
import time
from types import TracebackType
from typing import Any, Final, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from npstream.admin import connect
from npstream.settings import Settings
from npstream.tables_view import Pulse
from schemas.topics import RAW, RESPONSES
from streams.task_name import TaskName

GROUPS: Final = {RAW: "intake", RESPONSES: "scoring"}
"""Which unit consumes what."""
TIMEOUT_S: Final = 5.0
"""Bound of one look: what takes longer is out of date."""
PEEK_MS: Final = 100
"""How long one fetch of what may be a marker waits."""


class Backlog:
    """Looks again each time it is asked. It joins no group, so nobody's partitions move."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumers: dict[str, Any] = {}
        self._partitions: dict[str, list[TopicPartition]] = {}
        self._arrived: tuple[float, int] | None = None

    async def __aenter__(self) -> Self:
        connection = self._settings.connection()
        async with connect(connection) as admin:
            found = await admin.topics(list(GROUPS))
        for topic, unit in GROUPS.items():
            self._partitions[topic] = [TopicPartition(topic, number) for number in range(found[topic].partitions)]
            self._consumers[topic] = AIOKafkaConsumer(
                group_id=TaskName(self._settings.app_id, unit, 0).group,
                enable_auto_commit=False,
                isolation_level="read_committed",
                **connection.aiokafka,
            )
        try:
            for consumer in self._consumers.values():
                await consumer.start()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for consumer in self._consumers.values():
            await consumer.stop()

    async def look(self) -> Pulse:
        """Where it stands; a number that the broker does not give in time, or not to this user, is None."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                ends = {topic: await self._ends(topic) for topic in GROUPS}
                arriving = self._rate(sum(ends[RAW].values()))
                return Pulse(arriving, sum([await self._lag(topic, ends[topic]) for topic in GROUPS]))
        except (TimeoutError, KafkaError, OSError):
            return Pulse()

    async def _ends(self, topic: str) -> dict[TopicPartition, int]:
        if not self._partitions[topic]:  # not there, or not for this user's eyes
            return {}
        ends: dict[TopicPartition, int] = await self._consumers[topic].end_offsets(self._partitions[topic])
        return ends

    async def _lag(self, topic: str, ends: dict[TopicPartition, int]) -> int:
        if not ends:
            return 0
        consumer = self._consumers[topic]
        committed = await asyncio.gather(*(consumer.committed(partition) for partition in ends))
        starts = await consumer.beginning_offsets(list(ends))
        positions = {p: starts[p] if done is None else done for p, done in zip(ends, committed, strict=True)}
        gaps: dict[TopicPartition, int] = {partition: max(0, end - positions[partition]) for partition, end in ends.items()}
        last = {partition: positions[partition] for partition, gap in gaps.items() if gap == 1}
        return sum(gaps.values()) - await self._markers(consumer, last)

    async def _markers(self, consumer: Any, offsets: dict[TopicPartition, int]) -> int:
        """At how many of these offsets there is no record: a fetch then moves the position, and brings nothing."""
        if not offsets:
            return 0
        consumer.assign(list(offsets))
        for partition, offset in offsets.items():
            consumer.seek(partition, offset)
        records: set[TopicPartition] = set()
        unknown = set(offsets)
        while unknown:
            records |= (await consumer.getmany(timeout_ms=PEEK_MS)).keys()
            unknown = {p for p in unknown - records if await consumer.position(p) == offsets[p]}
        return len(offsets.keys() - records)

    def _rate(self, arrived: int) -> float | None:
        """Raw records per second since the last look."""
        now = time.monotonic()
        before, self._arrived = self._arrived, (now, arrived)
        if before is None:
            return None
        return max(0, arrived - before[1]) / max(now - before[0], 0.001)
