"""What `streams.outbox` needs of aiokafka's producer, on the cluster of the model.

Kept as in aiokafka, because the outbox must live with it: record batches are its own, a commit commits whatever was
produced although a batch has failed, and misuse is an assertion.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiokafka.errors import InvalidProducerEpoch, KafkaConnectionError, ProducerFenced
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import RecordMetadata, TopicPartition

from streams.record_batches import RECORD_BATCH_BYTES
from tests.model.cluster import Cluster
from tests.model.faults import Faults, Late


class Connections:
    """Those of a producer, which it must let go of."""

    async def close(self) -> None:
        """There are none."""


class ModelProducer:
    """A producer of one process, transactional if it has an id and the epoch that goes with it."""

    def __init__(
        self, cluster: Cluster, faults: Faults, transactional_id: str | None, epoch: int, batch_bytes: int = RECORD_BATCH_BYTES
    ) -> None:
        self._cluster = cluster
        self._faults = faults
        self._writer = None if transactional_id is None else (transactional_id, epoch)
        self._batch_bytes = batch_bytes
        self._open = False
        self._transactions = 0
        self._produced = 0
        self.stopped = False
        self.client = Connections()

    @property
    def _work(self) -> str:
        """The first transaction of a writer is its claim of the task."""
        return "claim" if self._transactions == 1 else "batch"

    async def partitions_for(self, topic: str) -> set[int]:
        """Partition numbers of a topic."""
        return set(range(len(self._cluster.topics[topic])))

    def create_batch(self) -> BatchBuilder:
        """An empty record batch."""
        return BatchBuilder(self._batch_bytes, 0, is_transactional=self._writer is not None)

    async def begin_transaction(self) -> None:
        """A matter of the client alone: the broker hears of it with the first record."""
        self._transactions += 1
        self._produced = 0
        await self._faults.at(f"before {self._work} begin")
        if self._open:
            raise AssertionError("a transaction is open already")
        self._open = True
        await self._faults.at(f"after {self._work} begin")

    async def send_batch(self, batch: BatchBuilder, topic: str, *, partition: int) -> "asyncio.Future[RecordMetadata]":
        """Append a record batch. A refusal is in the future that is returned; a point that fails is, too."""
        if self._writer is None:
            self._transactions += self._produced == 0
        elif not self._open:
            raise AssertionError("no transaction is open")
        self._produced += 1
        future: asyncio.Future[RecordMetadata] = asyncio.get_running_loop().create_future()
        try:
            await self._faults.at(f"before {self._work} produce {self._produced}")
            base = self._append(batch, topic, partition)
            await self._faults.at(f"after {self._work} produce {self._produced}")
            if self._writer is None and topic.endswith("changelog"):
                self._produced = 0  # without transactions, a batch ends with its changes
        except Late as late:
            _later(late, lambda: self._append(batch, topic, partition))
            future.set_exception(KafkaConnectionError("no answer"))
        except Exception as error:
            future.set_exception(error)
        else:
            future.set_result(RecordMetadata(topic, partition, TopicPartition(topic, partition), base, None, 0, 0))
        return future

    def _append(self, batch: BatchBuilder, topic: str, partition: int) -> int:
        built = bytes(batch._build())
        records: list[Any] = []
        memory = MemoryRecords(built)
        while (one := memory.next_batch()) is not None:
            records += [(r.key, r.value, r.timestamp, tuple(r.headers)) for r in one]
        try:
            return self._cluster.produce(topic, partition, records, len(built), self._writer)
        except InvalidProducerEpoch as error:
            raise ProducerFenced from error

    async def commit_transaction(self) -> None:
        """Commit what was produced, whether or not all of it was."""
        if self._writer is None or not self._open:
            raise AssertionError("no transaction is open")
        try:
            await self._faults.at(f"before {self._work} commit")
        except Late as late:
            _later(late, self._commit)
            raise KafkaConnectionError("no answer") from late
        self._commit()
        self._open = False
        await self._faults.at(f"after {self._work} commit")

    def _commit(self) -> None:
        if self._writer is None:
            raise AssertionError("not transactional")
        try:
            self._cluster.commit(*self._writer)
        except InvalidProducerEpoch as error:
            raise ProducerFenced from error

    async def stop(self) -> None:
        """As an aiokafka producer stops: it leaves an open transaction to the coordinator."""
        self.stopped = True


def _later(late: Late, request: Callable[[], object]) -> None:
    """Let the broker have the request when nobody waits for it any more."""

    def arrive() -> None:
        with suppress(ProducerFenced):
            request()

    asyncio.get_running_loop().call_later(late.after_s, arrive)
