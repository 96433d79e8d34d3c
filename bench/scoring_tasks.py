"""Scoring's tasks in this process, without Kafka: fed with answers, in the batches that a worker takes."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence

from agents.scoring import Scoring
from bench.nowhere import Nowhere
from bench.stream import Answer, canonical_record
from bench.weighing import Weighed
from npstream.hosting import processors, task_rules
from npstream.settings import Settings
from schemas import topics
from streams.changelog import CLOCK_KEY, META_KEY, Meta, state_prefix
from streams.execution import Execution
from streams.inbox import Inbox
from streams.outbox import TransactionalWriter
from streams.processor import DAY_MS, Record, partition_of
from streams.state import Identity, MemoryStore
from streams.state_version import StateVersion
from streams.task_name import TaskName
from streams.unpacking import Unpacked

APP_ID = "state"
INCARNATION = "0000000000000-00000000"
"""The same in each run."""
TIMEOUT_S = 60.0
"""Of a writer: nothing here waits."""
Entry = tuple[bytes, bytes]
"""A changelog record."""


def names(tasks: int) -> list[TaskName]:
    """Of so many tasks."""
    return [TaskName(APP_ID, Scoring.name, number) for number in range(tasks)]


def state_of(execution: Execution) -> MemoryStore:
    """Scoring's state. Raises TypeError for one on disk: none is here."""
    store = execution.stores[Scoring.name]
    if not isinstance(store, MemoryStore):
        raise TypeError(f"scoring's state is a {type(store).__name__}, and these benchmarks weigh what is in memory")
    return store


class ScoringTasks:
    """All tasks of the unit, each with its own accounts."""

    def __init__(self, tasks: int, settings: Settings) -> None:
        self.settings = settings
        self.rules = task_rules(settings)
        self.executions = [
            Execution(processors(Scoring.name, settings), Identity(number, tasks, INCARNATION)) for number in range(tasks)
        ]
        self._offsets = [0] * tasks

    def records(self, answers: Iterable[Answer], arrived_ms: int | None = None) -> list[list[Unpacked]]:
        """The records of nps.responses that bring the answers, by task; each arrives when it was given, unless that is said."""
        tasks = len(self.executions)
        found: list[list[Unpacked]] = [[] for _ in range(tasks)]
        for answer in answers:
            key = answer.account_id.encode()
            task = partition_of(key, tasks)
            offset, self._offsets[task] = self._offsets[task], self._offsets[task] + 1
            value = canonical_record(answer)
            timestamp = answer.responded_at if arrived_ms is None else arrived_ms
            found[task].append(Unpacked(topics.RESPONSES, task, offset, timestamp, key, value, ()))
        return found

    def weigh(
        self, answers: Iterable[Answer], draft: Weighed, batch_records: int | None = None, arrived_ms: int | None = None
    ) -> int:
        """Process them, in batches of so many records or of the default size; how many batches they took."""
        batches = 0
        for task, records in enumerate(self.records(answers, arrived_ms)):
            for share in self._shares(records, batch_records):
                execution = self.executions[task]
                batch = execution.process(share, share[-1].timestamp, draft)
                draft.end()
                execution.commit(batch)
                batches += 1
        return batches

    def time(self, answers: Iterable[Answer]) -> float:
        """Process them in batches of the default size, with all that a worker does but send: the seconds of processor time."""
        return asyncio.run(self._time(self.records(answers)))

    async def _time(self, records: Sequence[Sequence[Unpacked]]) -> float:
        seconds = 0.0
        nowhere = Nowhere(partitions=len(records))
        for name, own in zip(names(len(records)), records, strict=True):
            writer = TransactionalWriter(nowhere, name.changelog, name.partition, TIMEOUT_S)
            execution = self.executions[name.partition]
            for share in self._shares(own, None):
                began = time.process_time()
                batch = execution.process(share, share[-1].timestamp, draft := writer.draft())
                await writer.write(draft)
                execution.commit(batch)
                seconds += time.process_time() - began
                nowhere.forget()
        return seconds

    def _shares(self, records: Sequence[Unpacked], batch_records: int | None) -> Iterator[Sequence[Record]]:
        if batch_records is not None:
            yield from (records[start : start + batch_records] for start in range(0, len(records), batch_records))
            return
        inbox = Inbox()
        if records:
            inbox.add(records)
        while inbox:
            yield inbox.take(self.rules.batch_bytes)

    def changelog(self, task: int) -> Iterator[Entry]:
        """What a task's changelog holds when it is compacted, but for positions: there are no sources that they would fit."""
        execution = self.executions[task]
        yield META_KEY, Meta(len(self.executions), INCARNATION).encode()
        yield CLOCK_KEY, b"%d" % execution.clock
        (scoring,) = execution.processors
        prefix, mark = state_prefix(scoring.name), StateVersion(scoring).mark
        for key, value in state_of(execution).entries.items():
            yield prefix + key, mark + value

    @property
    def day(self) -> int:
        """The UTC day that their clocks show, at the latest."""
        return max(execution.clock for execution in self.executions) // DAY_MS
