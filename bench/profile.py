"""`python -m bench.profile`: where the time of a response goes, without Kafka.

The agents process the benchmark's stream in the batches, and through the execution and the writer, that a worker uses; only the
network is left out: what the writer has made is thrown away. So the table shows what a response costs the processor, by agent
and stage, in µs. What it leaves out is fetching, Faust, the event loop, the broker, and the waits for transactions.
"""

import asyncio
import cProfile
import gc
import pstats
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click
import orjson
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from prometheus_client import CollectorRegistry
from rich import box
from rich.console import Console
from rich.table import Table

from agents.intake import SOURCE_HEADER
from bench.npstream_line import PARTITIONS
from bench.stream import MOST, answers, first_day, raw_record
from npstream.facts import FACTS, PREFIX
from npstream.hosting import processor, task_rules
from npstream.memory import freeze, keep_freed_memory, tune_collector
from npstream.settings import AGENTS, Settings
from schemas import topics
from streams.changelog import new_incarnation
from streams.execution import Execution
from streams.inbox import Inbox
from streams.metrics import EngineMetrics
from streams.outbox import TransactionalWriter
from streams.processor import Outbox, Processor, Record, State, StreamTime, partition_of
from streams.record_batches import RECORD_BATCH_BYTES
from streams.state import Identity
from streams.task_name import TaskName, changelog_topic
from streams.unpacking import Unpacked

RESPONSES = 100_000
FETCHED = 3_500
"""Records of one fetch: 1 MB of a partition."""
TIMEOUT_S = 60.0
"""Of the writer: nothing here waits."""
STAGES = ("inbox", "process", "gather", "close", "apply", "metrics")
"""Of a batch, in their order. Process includes the record batches of events; gather is what the execution adds to it: those of
changes. Close is their checksums."""
WITHIN = ("decode", "encode")
"""Parts of process, measured by doing them again: orjson on values that came in, and on values that went out."""
SAMPLE = 10_000
"""About so many values are kept for that: keeping all would make every new one cost fresh memory."""
READ_ON = {topics.RESPONSES, topics.CELLS}
"""What one agent sends and another one reads."""
APP_ID = "profile"


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


class Nowhere:
    """A producer that makes record batches as aiokafka's does, and sends them nowhere."""

    def __init__(self, max_batch_size: int = RECORD_BATCH_BYTES, partitions: int = PARTITIONS) -> None:
        """`partitions`: of each topic."""
        self._max_batch_size = max_batch_size
        self._partitions = partitions
        self.bytes = 0
        self._sent: list[tuple[str, int, bytes]] = []

    def create_batch(self) -> BatchBuilder:
        """See `aiokafka.AIOKafkaProducer`."""
        return BatchBuilder(self._max_batch_size, 0, is_transactional=1)

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


class Stage:
    """One agent on all partitions."""

    def __init__(self, name: str, settings: Settings, clock: Clock, now_ms: int) -> None:
        self.name = name
        self.clock = clock
        self.rules = task_rules(settings)
        self.metrics = EngineMetrics(CollectorRegistry(), PREFIX, FACTS)
        self.records = 0
        self.events = 0
        self.changes = 0
        self.batches = 0
        self.values_in: list[bytes] = []
        self.values_out: list[bytes] = []
        self.nowhere = Nowhere()
        timed = Timed(processor(name, settings), clock)
        self.executions = [
            Execution([timed], Identity(number, PARTITIONS, new_incarnation(now_ms))) for number in range(PARTITIONS)
        ]

    async def run(self, records: Sequence[Unpacked], now_ms: int) -> list[Unpacked]:
        """Process all records, partition by partition, and return those that another agent reads."""
        sent: list[Unpacked] = []
        for partition, execution in enumerate(self.executions):
            writer = TransactionalWriter(self.nowhere, changelog_topic(APP_ID, self.name), partition, TIMEOUT_S)
            own = [record for record in records if record.partition == partition]
            inbox = Inbox()
            with self.clock.of(self.name, "inbox"):
                for start in range(0, len(own), FETCHED):
                    inbox.add(own[start : start + FETCHED])
            while inbox:
                with self.clock.of(self.name, "inbox"):
                    share = inbox.take(self.rules.batch_bytes)
                await self._batch(execution, writer, share, partition, now_ms)
                for record in self._read(share):
                    sent.append(record._replace(offset=len(sent)))
        return sent

    async def _batch(
        self, execution: Execution, writer: TransactionalWriter, share: Sequence[Record], partition: int, now_ms: int
    ) -> None:
        """The steps of `streams.task.Task`, timed."""
        with self.clock.of(self.name, "gather"):
            batch = execution.process(share, now_ms, draft := writer.draft())
        with self.clock.of(self.name, "close"):
            await writer.write(draft)
        with self.clock.of(self.name, "apply"):
            execution.commit(batch)
        with self.clock.of(self.name, "metrics"):
            self.metrics.committed(TaskName(APP_ID, self.name, partition), batch, 0.0, 0.0, 0.0, now_ms)
        self.batches += 1
        self.records += batch.records
        self.events += sum(made.count for made in draft.events)
        self.changes += sum(made.count for made in draft.changes)

    def _read(self, share: Sequence[Record]) -> list[Unpacked]:
        """What was sent since the last call for another agent to read, and a sample of what came in and went out."""
        if len(self.values_in) >= SAMPLE:
            return list(self.nowhere.read(READ_ON.__contains__))
        sent = list(self.nowhere.read(changelog_topic(APP_ID, self.name).__ne__))
        self.values_in += [record.value for record in share if record.value is not None]
        self.values_out += [record.value for record in sent if record.value is not None]
        return [record for record in sent if record.topic in READ_ON]

    def again(self) -> None:
        """Decode and encode a sample once more, to see what of the processing that is."""
        with self.clock.of(self.name, "decode"):
            for value in self.values_in:
                orjson.loads(value)
        bodies = [orjson.loads(value) for value in self.values_out]
        with self.clock.of(self.name, "encode"):
            for body in bodies:
                orjson.dumps(body)
        self.clock.seconds[self.name, "decode"] *= self.records / max(1, len(self.values_in))
        self.clock.seconds[self.name, "encode"] *= self.events / max(1, len(self.values_out))


def _raw_records(responses: int, now_ms: int) -> list[Unpacked]:
    return [
        Unpacked(
            topics.RAW,
            partition_of(key, PARTITIONS),
            offset,
            now_ms,
            key,
            raw_record(answer),
            ((SOURCE_HEADER, b"canonical"),),
        )
        for offset, answer in enumerate(answers(responses, first_day(responses, now_ms)))
        for key in (answer.account_id.encode(),)
    ]


async def _profile(responses: int, settings: Settings, clock: Clock) -> list[Stage]:
    """Run all agents one after the other, each on what the one before has sent."""
    now_ms = int(time.time() * 1000)
    records: list[Unpacked] = _raw_records(responses, now_ms)
    stages = []
    for name in AGENTS:
        stage = Stage(name, settings, clock, now_ms)
        sources = processor(name, settings).sources
        mine = [record for record in records if record.topic in sources]
        freeze()
        records = await stage.run(mine, now_ms)
        stages.append(stage)
    return stages


def _show(stages: Iterable[Stage], clock: Clock, responses: int, console: Console) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="µs of each response")
    for title in ("Agent", "records", "events", "changes", "batches", "MB", *STAGES, "all", *WITHIN):
        table.add_column(title, justify="left" if title == "Agent" else "right")
    for stage in stages:
        seconds = {name: clock.seconds[stage.name, name] for name in (*STAGES, *WITHIN)}
        seconds["gather"] -= seconds["process"]
        micros = {name: s * 1e6 / responses for name, s in seconds.items()}
        counts = (stage.records, stage.events, stage.changes, stage.batches, round(stage.nowhere.bytes / 2**20))
        table.add_row(
            stage.name,
            *(f"{count:,}" for count in counts),
            *(f"{micros[name]:.2f}" for name in STAGES),
            f"{sum(micros[name] for name in STAGES):.2f}",
            *(f"{micros[name]:.2f}" for name in WITHIN),
        )
    console.print(table)
    console.print("decode and encode are parts of process", style="dim")


@click.command()
@click.option("--responses", type=click.IntRange(1, MOST), default=RESPONSES, show_default=True)
@click.option("--batch-bytes", type=int, help="Source records in one batch, in bytes (setting batch_max_bytes).")
@click.option(
    "--cprofile", type=click.Path(path_type=Path, dir_okay=False), help="Also write cProfile's data here, and its top."
)
@click.option("--top", default=40, show_default=True, help="How many functions of cProfile to show.")
def main(responses: int, batch_bytes: int | None, cprofile: Path | None, top: int) -> None:
    """Show what a response costs the processor, by agent and stage, without Kafka."""
    settings = Settings(partitions=PARTITIONS).override(batch_max_bytes=batch_bytes)
    tune_collector(settings.gc_threshold)
    keep_freed_memory()
    console = Console()
    if not console.is_terminal:
        console.width = 140
    clock = Clock()
    recorder = cProfile.Profile() if cprofile is not None else None
    if recorder is not None:
        recorder.enable()
    stages = asyncio.run(_profile(responses, settings, clock))
    if recorder is not None:
        recorder.disable()
    gc.collect()
    for stage in stages:
        stage.again()
    _show(stages, clock, responses, console)
    if recorder is not None and cprofile is not None:
        recorder.dump_stats(cprofile)
        pstats.Stats(recorder).sort_stats("tottime").print_stats(top)


if __name__ == "__main__":
    main()
