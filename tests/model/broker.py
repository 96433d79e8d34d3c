"""The ports of `streams.broker`, as one worker process sees the cluster of the model."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from streams.broker import BrokerAway, Ends, Entry, Reader, Writer
from streams.outbox import PlainWriter, TransactionalWriter
from streams.processor import Record
from tests.model.cluster import Cluster
from tests.model.faults import Faults, Late
from tests.model.producer import ModelProducer

CHUNK = 3
"""Records that a reader hands over at once: few, so that restores go in several chunks."""

WRITE_TIMEOUT_S = 15.0
"""As in production; the model's time passes at once."""


class ModelBroker:
    """One process's view of the cluster: what it fences, reads and writes. The writers are the real ones."""

    transactional_writer = TransactionalWriter
    """What writes transactions: a test that breaks the protocol puts another in its place."""

    producer = ModelProducer
    """What the writers write with."""

    def __init__(self, cluster: Cluster, faults: Faults | None = None, transactional: bool = True) -> None:
        self.cluster = cluster
        self.faults = faults or Faults()
        self.transactional = transactional
        self.batch_bytes: int | None = None
        """Size of record batches; None is the outbox's own."""
        self.producers: list[ModelProducer] = []

    async def fence(self, transactional_id: str, changelog: str, partition: int) -> Writer:
        """See `streams.broker.Broker`."""
        try:
            await self.faults.at("before fence")
        except Late as late:
            asyncio.get_running_loop().call_later(late.after_s, self._epoch, transactional_id)
            raise BrokerAway("no answer") from late
        producer = self._producer(transactional_id)
        await self.faults.at("after fence")
        kind = self.transactional_writer if self.transactional else PlainWriter
        return kind(producer, changelog, partition, WRITE_TIMEOUT_S)

    def _producer(self, transactional_id: str) -> ModelProducer:
        epoch = self._epoch(transactional_id) if self.transactional else -1
        sizes = {} if self.batch_bytes is None else {"batch_bytes": self.batch_bytes}
        producer = self.producer(self.cluster, self.faults, transactional_id if self.transactional else None, epoch, **sizes)
        self.producers.append(producer)
        return producer

    def _epoch(self, transactional_id: str) -> int:
        return self.cluster.initialise(transactional_id)

    async def ends(self, topic: str, partition: int) -> Ends:
        """See `streams.broker.Broker`."""
        step = "settle" if topic.endswith("-changelog") else "source ends"
        await self.faults.at(f"before {step}")
        logs = self.cluster.topics.get(topic, [])
        if partition >= len(logs):
            raise BrokerAway(f"no answer about {topic}-{partition}")  # a client waits for metadata that never comes
        ends = logs[partition].ends
        self.cluster.look()
        await self.faults.at(f"after {step}")
        return ends

    async def partitions(self, topic: str) -> int | None:
        """See `streams.broker.Broker`."""
        await self.faults.at("before partition count")
        logs = self.cluster.topics.get(topic)
        await self.faults.at("after partition count")
        return None if logs is None else len(logs)

    async def group_offset(self, group: str, topic: str, partition: int) -> int | None:
        """See `streams.broker.Broker`."""
        await self.faults.at("before group offset")
        offset = self.cluster.groups.get((group, topic, partition))
        await self.faults.at("after group offset")
        return offset

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[Reader]:
        """See `streams.broker.Broker`."""
        self.faults.alive()
        yield ModelReader(self.cluster, self.faults)


class ModelReader:
    """Reads committed records."""

    def __init__(self, cluster: Cluster, faults: Faults) -> None:
        self._cluster = cluster
        self._faults = faults

    async def entries(self, topic: str, partition: int, until: int) -> AsyncIterator[Sequence[Entry]]:
        """See `streams.broker.Reader`."""
        await self._faults.at("before restore")
        log = self._cluster.log(topic, partition)
        records = log.committed(0, until)
        for start in range(0, len(records), CHUNK):
            yield [Entry(record.key or b"", record.value) for record in records[start : start + CHUNK]]
            await self._faults.at("within restore")
        if log.ends.stable < until:
            raise BrokerAway(f"no record of {topic}-{partition} beyond {log.ends.stable}, and it goes to {until}")
        await self._faults.at("after restore")

    async def records(self, topic: str, partition: int, start: int, until: int) -> AsyncIterator[Sequence[Record]]:
        """See `streams.broker.Reader`."""
        step = "restore" if topic.endswith("-changelog") else "lead"
        await self._faults.at(f"before {step}")
        log = self._cluster.log(topic, partition)
        records = log.committed(start, until)
        for first in range(0, len(records), CHUNK):
            yield records[first : first + CHUNK]
            await self._faults.at(f"within {step}")
        if step == "restore" and log.ends.stable < until:
            raise BrokerAway(f"no record of {topic}-{partition} beyond {log.ends.stable}, and it goes to {until}")
        await self._faults.at(f"after {step}")

    async def record(self, topic: str, partition: int, offset: int) -> Record | None:
        """See `streams.broker.Reader`."""
        await self._faults.at("before fingerprint")
        found = self._cluster.log(topic, partition).committed(offset, offset + 1)
        await self._faults.at("after fingerprint")
        return found[0] if found else None
