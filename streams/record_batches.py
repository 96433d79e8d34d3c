"""What a batch brings, as the record batches that go to Kafka: filled one record after the other, while the processors send."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from streams.partitioner import partition_of
from streams.processor import Headers, Outgoing

RECORD_BATCH_BYTES = 900 << 10
"""Below the broker's default message.max.bytes of 1 MiB, with room for the batch's own header."""

_NO_HEADERS: list[tuple[str, bytes]] = []


class RecordBatch:
    """One record batch of one partition while it is filled: aiokafka's, but for its method `append`, which does nothing that
    its compiled builder's does not do, and takes twice as long. Five records of each response go through here."""

    __slots__ = ("_batch", "_producer", "append", "count", "partition", "topic")

    def __init__(self, producer: AIOKafkaProducer, topic: str, partition: int) -> None:
        self._producer = producer
        self._batch = producer.create_batch()
        self.topic = topic
        self.partition = partition
        self.count = 0
        """Records so far: whoever appends one counts it."""
        self.append: Callable[[int, int, bytes | None, bytes | None, list[tuple[str, bytes]]], object] = (
            self._batch._builder.append
        )
        """Number within the batch, timestamp in ms, key, value, headers. Returns None if there is no more room."""

    async def send(self) -> "asyncio.Future[Any]":
        """Hand it to the producer; the future says where it was stored."""
        if self._batch._builder.size() > RECORD_BATCH_BYTES:
            self._compress()
        self._batch._relative_offset = self.count
        self._batch.close()
        stored: asyncio.Future[Any] = await self._producer.send_batch(self._batch, self.topic, partition=self.partition)
        return stored

    def _compress(self) -> None:
        """A record that takes more than a batch may have come compressed, and the broker counts what is compressed: as large as
        it is, it would be refused for ever, and its partition with it."""
        plain = MemoryRecords(bytes(self._batch._builder.build())).next_batch()
        compressed = BatchBuilder(RECORD_BATCH_BYTES, plain.CODEC_ZSTD, is_transactional=plain.is_transactional)
        for number, record in enumerate(plain):
            compressed._builder.append(number, record.timestamp, record.key, record.value, record.headers)
        self._batch = compressed


class _Lane:
    """What goes to one partition: a record batch after the other."""

    __slots__ = ("batch", "batches")

    def __init__(self, first: RecordBatch) -> None:
        self.batch = first
        """The one that is being filled."""
        self.batches = [first]


class Packed:
    """A `streams.draft.Draft` that serialises each record as it comes."""

    __slots__ = ("_changelog", "_changes", "_counts", "_lanes", "_now_ms", "_partition", "_producer", "_routes", "_waiting")

    def __init__(self, producer: AIOKafkaProducer, changelog: str, partition: int, counts: dict[str, int]) -> None:
        """`partition`: the task's own. `counts`: how many partitions topics have, as far as that is known."""
        self._producer = producer
        self._changelog = changelog
        self._partition = partition
        self._counts = counts
        self._now_ms = int(time.time() * 1000)
        self._lanes: dict[tuple[str, int], _Lane] = {}
        self._routes: dict[tuple[str, bytes | int | None], _Lane] = {}
        """The lanes again, by what leads to them: one look-up a record instead of four."""
        self._waiting: dict[str, list[Outgoing]] = {}
        """Records of topics whose partitions have not been counted yet."""
        self._changes: _Lane | None = None

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        timestamp: int,
        headers: Headers = (),
        route: bytes | int | None = None,
    ) -> None:
        """See `streams.draft.Draft`."""
        if route is None:
            route = key
        lane = self._routes.get((topic, route))
        if lane is None:
            if topic not in self._counts:
                self._waiting.setdefault(topic, []).append(Outgoing(topic, key, value, timestamp, headers, route))
                return
            lane = self._lane(topic, route)
        fields = headers if type(headers) is list else list(headers)  # aiokafka's builder takes nothing but a list
        batch = lane.batch
        if batch.append(batch.count, timestamp, key, value, fields) is None:
            batch = self._next(lane)
            batch.append(0, timestamp, key, value, fields)
        batch.count += 1

    def change(self, key: bytes, value: bytes | None) -> None:
        """See `streams.draft.Draft`."""
        lane = self._changes
        if lane is None:
            lane = self._changes = _Lane(RecordBatch(self._producer, self._changelog, self._partition))
        batch = lane.batch
        if batch.append(batch.count, self._now_ms, key, value, _NO_HEADERS) is None:
            batch = self._next(lane)
            batch.append(0, self._now_ms, key, value, _NO_HEADERS)
        batch.count += 1

    @property
    def empty(self) -> bool:
        """See `streams.draft.Draft`."""
        return not (self._lanes or self._waiting or self._changes)

    @property
    def uncounted(self) -> list[str]:
        """Topics whose partitions have to be counted before `place`."""
        return list(self._waiting)

    def place(self) -> None:
        """Pack the records that waited for their topics to be counted. Raises KeyError for a topic that was not."""
        waiting, self._waiting = self._waiting, {}
        for topic, events in waiting.items():
            if topic not in self._counts:
                raise KeyError(topic)
            for event in events:
                self.send(*event)

    @property
    def events(self) -> list[RecordBatch]:
        """Record batches of events; those of one partition in order."""
        return [batch for lane in self._lanes.values() for batch in lane.batches]

    @property
    def changes(self) -> list[RecordBatch]:
        """Record batches of changes, in order."""
        return [] if self._changes is None else self._changes.batches

    def _lane(self, topic: str, route: bytes | int | None) -> _Lane:
        count = self._counts[topic]
        if isinstance(route, bytes):
            partition = partition_of(route, count)
        else:
            partition = (self._partition if route is None else route) % count
        lane = self._lanes.get((topic, partition))
        if lane is None:
            lane = self._lanes[topic, partition] = _Lane(RecordBatch(self._producer, topic, partition))
        self._routes[topic, route] = lane
        return lane

    def _next(self, lane: _Lane) -> RecordBatch:
        """The last one is full."""
        lane.batch = RecordBatch(self._producer, lane.batch.topic, lane.batch.partition)
        lane.batches.append(lane.batch)
        return lane.batch
