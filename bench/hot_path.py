"""The path of a response through a worker, without Kafka: unpacked as it was fetched, processed in the batches, and through the
execution and the writer, that a worker uses. Only the network is left out: what the writer has made is thrown away.

What a response costs the processor is added up by stage. What is not here is sockets, the event loop, Faust, the broker, and
the waits for transactions.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
from prometheus_client import CollectorRegistry

from bench.fetching import Fetch, unpack
from bench.inputs import PARTITIONS
from bench.nowhere import Nowhere
from npstream.facts import FACTS, PREFIX
from streams.changelog import new_incarnation
from streams.execution import Execution
from streams.inbox import Inbox
from streams.metrics import EngineMetrics
from streams.outbox import TransactionalWriter
from streams.processor import Outbox, Processor, Record, State, StreamTime
from streams.state import Identity
from streams.task import TaskRules
from streams.task_name import TaskName, changelog_topic
from streams.unpacking import Unpacked

TIMEOUT_S = 60.0
"""Of the writer: nothing here waits."""
STAGES = ("fetch", "inbox", "process", "gather", "close", "apply", "metrics")
"""Of a batch, in their order. Fetch is unpacking; process includes the record batches of events; gather is what the execution
adds to it: those of changes. Close is their checksums."""
WITHIN = ("decode", "validate", "encode", "append")
"""Parts of process, measured by doing them again: decoding and validating values that came in, orjson on values that went out,
and events into record batches."""
SAMPLE = 10_000
"""About so many values are kept for that: keeping all would make every new one cost fresh memory."""
APP_ID = "profile"

Decode = Callable[[bytes], Any]
Validate = Callable[[Any], object]


class Clock:
    """Adds up processor time in s by agent and stage: what else the machine does then hardly matters."""

    def __init__(self) -> None:
        self.seconds: dict[tuple[str, str], float] = defaultdict(float)

    @contextmanager
    def of(self, agent: str, stage: str) -> Iterator[None]:
        """Time what is done in the context."""
        began = time.thread_time()
        try:
            yield
        finally:
            self.seconds[agent, stage] += time.thread_time() - began


class Timed:
    """A processor whose own time is measured."""

    def __init__(self, timed: Processor, clock: Clock) -> None:
        self.name = timed.name
        self.sources = timed.sources
        self._timed = timed
        self._clock = clock

    def process(self, batch: Sequence[Record], state: State, now: StreamTime, outbox: Outbox) -> None:
        """See `streams.processor.Processor`."""
        with self._clock.of(self.name, "process"):
            self._timed.process(batch, state, now, outbox)

    def tick(self, now: int, state: State, outbox: Outbox) -> None:
        """See `streams.processor.Processor`."""
        self._timed.tick(now, state, outbox)


class HotPath:
    """One processor on all partitions."""

    def __init__(
        self,
        processor: Processor,
        rules: TaskRules,
        clock: Clock,
        now_ms: int,
        decode: Decode = orjson.loads,
        validate: Validate | None = None,
    ) -> None:
        """`decode` and `validate`: what the processor does first with each value, as far as it can be told apart."""
        self.name = processor.name
        self.clock = clock
        self.metrics = EngineMetrics(CollectorRegistry(), PREFIX, FACTS)
        self.records = 0
        self.events = 0
        self.changes = 0
        self.batches = 0
        self.values_in: list[bytes] = []
        self.sample_out: list[Unpacked] = []
        self.nowhere = Nowhere()
        self._decode = decode
        self._validate = validate
        self._rules = rules
        self._now_ms = now_ms
        self._inboxes = [Inbox() for _ in range(PARTITIONS)]
        self._writers = [self._writer(number) for number in range(PARTITIONS)]
        timed = Timed(processor, clock)
        self._executions = [
            Execution([timed], Identity(number, PARTITIONS, new_incarnation(now_ms))) for number in range(PARTITIONS)
        ]

    async def run(self, fetches: Sequence[Fetch], read_on: Callable[[str], bool] = lambda topic: False) -> list[Unpacked]:
        """Process what was fetched, a fetch after the other; the events of the topics that another processor reads."""
        sent: list[Unpacked] = []
        for fetch in fetches:
            partition = fetch.partition.partition
            with self.clock.of(self.name, "fetch"):
                records = unpack(fetch)
            with self.clock.of(self.name, "inbox"):
                self._inboxes[partition].add(records)
            sent += await self._take(partition, self._rules.batch_bytes, read_on)
        for partition in range(PARTITIONS):
            sent += await self._take(partition, 1, read_on)
        return sent

    async def _take(self, partition: int, least_bytes: int, read_on: Callable[[str], bool]) -> list[Unpacked]:
        """Process batches as long as so many bytes are there: in a worker that is busy, they are full."""
        sent: list[Unpacked] = []
        inbox = self._inboxes[partition]
        while inbox.bytes >= least_bytes:
            with self.clock.of(self.name, "inbox"):
                share = inbox.take(self._rules.batch_bytes)
            await self._batch(partition, share)
            sent += self._read(share, read_on)
        return sent

    def _writer(self, partition: int) -> TransactionalWriter:
        return TransactionalWriter(self.nowhere, changelog_topic(APP_ID, self.name), partition, TIMEOUT_S)

    async def _batch(self, partition: int, share: Sequence[Record]) -> None:
        """The steps of `streams.task.Task`, timed."""
        execution, writer = self._executions[partition], self._writers[partition]
        with self.clock.of(self.name, "gather"):
            batch = execution.process(share, self._now_ms, draft := writer.draft())
        with self.clock.of(self.name, "close"):
            await writer.write(draft)
        with self.clock.of(self.name, "apply"):
            execution.commit(batch)
        with self.clock.of(self.name, "metrics"):
            self.metrics.committed(TaskName(APP_ID, self.name, partition), batch, 0.0, 0.0, 0.0, self._now_ms)
        self.batches += 1
        self.records += batch.records
        self.events += sum(made.count for made in draft.events)
        self.changes += sum(made.count for made in draft.changes)

    def _read(self, share: Sequence[Record], read_on: Callable[[str], bool]) -> list[Unpacked]:
        """What was sent since the last call for another processor, and a sample of what came in and went out."""
        if len(self.values_in) >= SAMPLE:
            return list(self.nowhere.read(read_on))
        sent = list(self.nowhere.read(changelog_topic(APP_ID, self.name).__ne__))
        self.values_in += [record.value for record in share if record.value is not None]
        self.sample_out += sent
        return [record for record in sent if read_on(record.topic)]

    def again(self) -> None:
        """Decode, validate, encode and append a sample once more, to see what of the processing that is."""
        with self.clock.of(self.name, "decode"):
            decoded = [self._decode(value) for value in self.values_in]
        if self._validate is not None:
            with self.clock.of(self.name, "validate"):
                for fields in decoded:
                    self._validate(fields)
        bodies = [orjson.loads(record.value) for record in self.sample_out if record.value is not None]
        with self.clock.of(self.name, "encode"):
            for body in bodies:
                orjson.dumps(body)
        draft = self._writers[0].draft()  # a writer that knows the partitions of all topics
        with self.clock.of(self.name, "append"):
            for record in self.sample_out:
                draft.send(record.topic, record.key, record.value, record.timestamp, record.headers)
        came, went = self.records / max(1, len(self.values_in)), self.events / max(1, len(self.sample_out))
        for stage, factor in zip(WITHIN, (came, came, went, went), strict=True):
            self.clock.seconds[self.name, stage] *= factor

    @property
    def seconds(self) -> dict[str, float]:
        """Processor time in s by stage; what is within process apart."""
        seconds = {stage: self.clock.seconds[self.name, stage] for stage in (*STAGES, *WITHIN)}
        seconds["gather"] -= seconds["process"]
        return seconds

    @property
    def total_s(self) -> float:
        """Processor time in s of all stages."""
        return sum(self.seconds[stage] for stage in STAGES)
