"""A producer for measuring everything but the network: what it is given goes nowhere."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.memory_records import MemoryRecords

from bench.inputs import PARTITIONS
from streams.record_batches import RECORD_BATCH_BYTES
from streams.unpacking import Unpacked


class Nowhere:
    """A producer that makes record batches as aiokafka's does, and sends them nowhere."""

    def __init__(self, max_batch_size: int = RECORD_BATCH_BYTES, partitions: int = PARTITIONS) -> None:
        """`partitions`: of each topic."""
        self._partitions = partitions
        self._max_batch_size = max_batch_size
        self.bytes = 0
        self._sent: list[tuple[str, int, bytes]] = []

    def create_batch(self) -> BatchBuilder:
        """See `aiokafka.AIOKafkaProducer`; compressed as workers do it unless they are told otherwise."""
        return BatchBuilder(self._max_batch_size, DefaultRecordBatch.CODEC_ZSTD, is_transactional=1)

    async def partitions_for(self, topic: str) -> set[int]:
        """See `aiokafka.AIOKafkaProducer`."""
        return set(range(self._partitions))

    async def begin_transaction(self) -> None:
        """Nothing begins."""

    async def commit_transaction(self) -> None:
        """Nothing is committed."""

    async def send_batch(self, batch: BatchBuilder, topic: str, *, partition: int) -> "asyncio.Future[Any]":
        """Take the batch's bytes, and say that it is stored."""
        built = batch._build()
        self.bytes += len(built)
        self._sent.append((topic, partition, built))
        sent = asyncio.get_running_loop().create_future()
        sent.set_result(_STORED)
        return sent

    def sent(self) -> Iterator[tuple[str, bytes]]:
        """Topic and bytes of the record batches that were sent and not forgotten."""
        return ((topic, built) for topic, _, built in self._sent)

    def forget(self) -> None:
        """Let go of what was sent."""
        self._sent.clear()

    def read(self, wanted: Callable[[str], bool]) -> Iterator[Unpacked]:
        """The records of the wanted topics since the last call, as a consumer would get them."""
        sent, self._sent = self._sent, []
        for topic, partition, built in sent:
            memory = MemoryRecords(bytes(built)) if wanted(topic) else MemoryRecords(b"")
            while (batch := memory.next_batch()) is not None:
                for record in batch:
                    fields = record.offset, record.timestamp, record.key, record.value, record.headers
                    yield Unpacked(topic, partition, *fields)


class _Stored(NamedTuple):
    offset: int = 0


_STORED = _Stored()
