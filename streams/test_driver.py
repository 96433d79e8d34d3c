"""Run processors with no broker and with a clock that the test moves: the same execution that a worker runs, on topics that
are lists. Batches are as large as the test says, and a crash is an item in a test's input."""

import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice
from typing import Any

from streams.changelog import META_KEY, Meta, new_incarnation
from streams.draft import Kept
from streams.execution import Batch, Execution
from streams.partitioner import partition_of
from streams.processor import Headers, Outgoing, Processor, is_patient, leading_of
from streams.state import Identity

DRIVER_STEPS = 100_000
"""A run that takes more batches than this is a loop between processors, not work."""


class DriverLoop(RuntimeError):
    """The processors keep sending to each other, or a tick always wants more."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One record of a topic, as a consumer would see it. Timestamp in ms, UTC."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    arrived: int = field(default=0, compare=False)
    """How many records of all topics came before it."""


class _Task:
    """One processor on one partition: an execution, its changelog, and the bookmark from which a restart is fed again."""

    def __init__(self, processor: Processor, partition: int, partitions: int, now: int) -> None:
        self.processor = processor
        self.leading = leading_of([processor])
        self.led: dict[str, int] = {}
        """Of each leading source the end at the last opening: until there nothing else is read."""
        self.unread: dict[str, int] = {}
        """Of a patient processor's sources the ends at the last opening: until there no time passes."""
        self.changelog: dict[bytes, bytes] = {}
        self.bookmarks = dict.fromkeys(processor.sources, 0)
        self.read = dict(self.bookmarks)
        self.identity = Identity(partition, partitions, new_incarnation(now))
        self.append([(META_KEY, Meta(partitions, self.identity.incarnation).encode())])
        self.execution = Execution([processor], self.identity)

    def append(self, records: Sequence[tuple[bytes, bytes | None]]) -> None:
        for key, value in records:
            if value is None:
                self.changelog.pop(key, None)
            else:
                self.changelog[key] = value

    def reopen(self, ends: dict[str, int]) -> None:
        """Restore from the changelog alone, and read from a bookmark that lags behind, as a group offset does; the leading
        sources first, to their `ends`."""
        self.led = ends
        meta = Meta.decode(self.changelog[META_KEY])
        self.identity = Identity(self.identity.partition, meta.partitions, meta.incarnation)
        self.execution = Execution.restored([self.processor], self.identity, dict(self.changelog))
        self.read, self.bookmarks = dict(self.bookmarks), dict(self.read)


class TestDriver:
    """Any set of processors, each on every partition; what one sends to another's source reaches it."""

    __test__ = False  # not a test case, whatever its name says to a collector

    def __init__(self, processors: Sequence[Processor], *, now: int, partitions: int = 1) -> None:
        self.now = now
        """The wall clock in ms, UTC."""
        self.partitions = partitions
        self.facts: Counter[tuple[str, ...]] = Counter()
        self.gauges: dict[tuple[str, ...], float] = {}
        self.observations: list[tuple[Any, ...]] = []
        self._arrived = 0
        self._topics: dict[str, list[list[Sent]]] = defaultdict(lambda: [[] for _ in range(partitions)])
        self._tasks = [_Task(processor, p, partitions, now) for processor in processors for p in range(partitions)]

    def pipe(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        timestamp: int | None = None,
        headers: Headers = (),
        partition: int | None = None,
    ) -> int:
        """Append one record to a topic and return its offset; the timestamp is the driver's clock unless given."""
        when = self.now if timestamp is None else timestamp
        return self._append(Outgoing(topic, key, value, when, headers, partition if partition is not None else key), 0)

    def run(self, batch: int = 500) -> None:
        """Process all that is pending, in batches of at most `batch` records."""
        for _ in range(DRIVER_STEPS):
            if sum(self._step(task, batch) for task in self._tasks) == 0:
                return
        raise DriverLoop(f"still not done after {DRIVER_STEPS} rounds: do the processors send to each other for ever?")

    def advance(self, ms: int) -> None:
        """Move the wall clock on, tick every task until none has more, and process what that sent. As in a worker no time
        passes for patient processors that have yet to read what there was when they were opened."""
        self.now += ms
        for task in self._tasks:
            if any((task.execution.position(topic) or 0) < end for topic, end in task.unread.items()):
                continue
            for _ in range(DRIVER_STEPS):
                draft = Kept()
                made = task.execution.tick(self.now, draft)
                self._commit(task, made, draft)
                if not made.outbox.more:
                    break
            else:
                raise DriverLoop(f"processor {task.processor.name!r} wants another tick after {DRIVER_STEPS}")
        self.run()

    def abandon(self, batch: int = 500) -> None:
        """Let every task process its next batch and lose it, as a crash right before the commit would; then open it again."""
        for task in self._tasks:
            records = self._next(task, batch)
            if records:
                task.execution.process(records, self.now, Kept())
                task.execution.abandon()
        self.restart()

    def restart(self) -> None:
        """Open every task again from its changelog alone."""
        for task in self._tasks:
            task.reopen(self._leading_ends(task))
            task.unread = self._unread_ends(task)

    def start_anew(self) -> None:
        """Forget every state, as if changelogs and groups had been deleted, and read all sources again from their beginning."""
        self._tasks = [_Task(t.processor, t.identity.partition, self.partitions, self.now) for t in self._tasks]
        for task in self._tasks:
            task.led, task.unread = self._leading_ends(task), self._unread_ends(task)

    def sent(self, topic: str) -> list[Sent]:
        """Everything in the topic, partition by partition, in order."""
        return [record for partition in self._topics[topic] for record in partition]

    def table(self, topic: str) -> dict[bytes, bytes]:
        """The last value of each key; tombstones removed."""
        last = {record.key or b"": record.value for record in self.sent(topic)}
        return {key: value for key, value in last.items() if value is not None}

    def state(self, name: str, partition: int = 0) -> dict[bytes, bytes]:
        """A copy of a processor's committed state."""
        store = self._task(name, partition).execution.stores[name]
        return {key: store.get(key) or b"" for key in store.scan(b"", b"", sys.maxsize)}

    def changelog(self, name: str, partition: int = 0) -> dict[bytes, bytes]:
        """A copy of a task's changelog, compacted."""
        return dict(self._task(name, partition).changelog)

    def restore(self, name: str, changelog: Mapping[bytes, bytes], partition: int = 0) -> None:
        """Open a task from the changelog of another run."""
        task = self._task(name, partition)
        task.changelog = dict(changelog)
        task.reopen(self._leading_ends(task))

    def _task(self, name: str, partition: int) -> _Task:
        return next(t for t in self._tasks if t.processor.name == name and t.identity.partition == partition)

    def _append(self, event: Outgoing, home: int) -> int:
        route = event.route if event.route is not None else event.key
        if isinstance(route, int):
            partition = route % self.partitions
        else:
            partition = home if route is None else partition_of(route, self.partitions)
        records = self._topics[event.topic][partition]
        offset, headers = len(records), tuple(event.headers)
        records.append(Sent(event.topic, partition, offset, event.timestamp, event.key, event.value, headers, self._arrived))
        self._arrived += 1
        return len(records) - 1

    def _next(self, task: _Task, batch: int) -> list[Sent]:
        """Of all sources, as they came."""
        partition = task.identity.partition
        unled = [topic for topic in task.leading if task.read[topic] < task.led.get(topic, 0)]
        waiting = (
            self._topics[topic][partition][task.read[topic] : task.read[topic] + batch]
            for topic in unled or task.processor.sources
        )
        return list(islice(merge(*waiting, key=lambda record: record.arrived), batch))

    def _leading_ends(self, task: _Task) -> dict[str, int]:
        return {topic: len(self._topics[topic][task.identity.partition]) for topic in task.leading}

    def _unread_ends(self, task: _Task) -> dict[str, int]:
        topics = task.processor.sources if is_patient([task.processor]) else ()
        return {topic: len(self._topics[topic][task.identity.partition]) for topic in topics}

    def _step(self, task: _Task, batch: int) -> bool:
        records = self._next(task, batch)
        if not records:
            return False
        draft = Kept()
        self._commit(task, task.execution.process(records, self.now, draft), draft)
        for record in records:
            task.read[record.topic] = record.offset + 1
        return True

    def _commit(self, task: _Task, made: Batch, draft: Kept) -> None:
        for event in draft.events:
            self._append(event, task.identity.partition)
        task.append(draft.changes)
        task.execution.commit(made)
        self.facts.update(made.outbox.facts)
        self.observations += made.outbox.observations
        for name, value in made.outbox.gauges.items():
            if value is None:
                self.gauges.pop(name, None)
            else:
                self.gauges[name] = value
