"""The pure part of a task: state, positions and clock; batches and ticks in, transactions' contents out. No I/O in here.

A batch goes through these steps, of which this module does 1 and 4; writing it is the outbox's work:
1. `process` (or `tick`) stages changes and returns a `Batch`; records below the position are skipped.
2. and 3. somebody writes the batch, all of it or none.
4. `commit` makes the staged changes the state; `abandon` forgets them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from operator import attrgetter
from types import MappingProxyType

from streams.changelog import (
    CLOCK_KEY,
    META_KEY,
    POSITION,
    SEPARATOR,
    STATE,
    ChangelogUnreadable,
    Position,
    position_key,
    state_prefix,
)
from streams.disk import TaskDisk, advanced
from streams.draft import Draft
from streams.processor import DAY_MS, Outbox, Processor, Record, StreamTime
from streams.state import Identity, MemoryStore, StagedState, Store
from streams.state_version import StateVersion

_topic_of = attrgetter("topic")


@dataclass(slots=True)
class Batch:
    """What one transaction holds."""

    draft: Draft
    """Events; and as changes state, positions, clock."""
    outbox: Outbox = field(init=False)
    """What was counted, and whether a tick left work over. What it sends goes to the draft."""
    positions: dict[tuple[str, str], Position] = field(default_factory=dict)
    clock: int = 0
    records: int = 0
    """Source records that were not skipped."""
    oldest_ms: int | None = None
    """Timestamp of the first of them."""

    def __post_init__(self) -> None:
        self.outbox = Outbox(self.draft.send)

    @property
    def empty(self) -> bool:
        """Nothing to write and nothing to remember."""
        return self.draft.empty


class Execution:
    """One task's processors with their state. Not safe for use by two callers at once: a task serialises its work."""

    def __init__(self, processors: Sequence[Processor], identity: Identity, disk: TaskDisk | None = None) -> None:
        """State is in memory, or on a disk that was opened for these processors."""
        self.processors = tuple(processors)
        self.identity = identity
        self.clock = 0
        self.positions: dict[tuple[str, str], Position] = {}
        self.stores: Mapping[str, Store] = (
            {processor.name: MemoryStore() for processor in processors} if disk is None else disk.stores
        )
        self._disk = disk
        self._states = {p.name: StagedState(self.stores[p.name], identity, partial(self._reached, p.name)) for p in processors}
        versions = {p.name: StateVersion(p) for p in processors}
        self.versions = {name: version.version for name, version in versions.items()}
        self._hosted = {name.encode(): (store, versions[name]) for name, store in self.stores.items()}
        self._prefixes = {name: (state_prefix(name), version.mark) for name, version in versions.items()}

    @classmethod
    def restored(
        cls, processors: Sequence[Processor], identity: Identity, records: dict[bytes, bytes], disk: TaskDisk | None = None
    ) -> "Execution":
        """From the last value of each changelog key, but for the state that a disk has; takes them out, or the state would be
        in memory twice. Raises ChangelogUnreadable for keys of no known kind or processor, and for state of a newer
        version."""
        execution = cls(processors, identity, disk)
        while records:
            execution.load(*records.popitem())
        return execution

    def load(self, key: bytes, value: bytes | None) -> None:
        """Take in one changelog record; only that of a state's key may delete. Raises ChangelogUnreadable."""
        kind, rest = key[:1], key[1:]
        if kind == STATE:
            name, _, state_key = rest.partition(SEPARATOR)
            hosted = self._hosted.get(name)
            if hosted is None:
                raise ChangelogUnreadable(
                    f"the changelog holds state of processor {_text(name)!r}, which this unit does not run"
                )
            store, version = hosted
            if value is not None and (kept := version.read(state_key, value)) is not None:
                store.add(state_key, kept)
            else:
                store.apply({state_key: None})
        elif value is None:
            raise ChangelogUnreadable(f"the changelog deletes a record of kind {kind!r}, which this version does not know")
        elif kind == POSITION:
            name, _, topic = rest.partition(SEPARATOR)
            if _text(name) not in self.stores:
                # A processor of another name has no position here: it would begin again at the start of its sources.
                raise ChangelogUnreadable(
                    f"the changelog holds a position of processor {_text(name)!r}, which this unit does not run"
                )
            self.positions[_text(name), _text(topic)] = Position.decode(value)
        elif key == CLOCK_KEY:
            self.clock = _clock(value)
        elif key != META_KEY:
            raise ChangelogUnreadable(f"the changelog holds a record of kind {kind!r}, which this version does not know")

    def position(self, topic: str) -> int | None:
        """The lowest next offset among the processors that read the topic; None if none of them has a position."""
        nexts = [self.positions[p.name, topic].next for p in self.processors if (p.name, topic) in self.positions]
        behind = any(topic in p.sources and (p.name, topic) not in self.positions for p in self.processors)
        return None if behind or not nexts else min(nexts)

    def process(self, records: Sequence[Record], wall_ms: int, draft: Draft) -> Batch:
        """Stage what the records bring, and put it into the draft; those below a processor's position are skipped for it."""
        batch = Batch(draft, clock=self.clock)
        of_one_topic = self._of_one_topic(records)
        for processor in self.processors:
            fresh = self._fresh(processor, records, of_one_topic)
            if not fresh:
                continue
            now = StreamTime(self.clock, wall_ms + DAY_MS)
            processor.process(fresh, self._states[processor.name], now, batch.outbox)
            batch.records += len(fresh)
            batch.oldest_ms = fresh[0].timestamp if batch.oldest_ms is None else batch.oldest_ms
            batch.clock = max(batch.clock, now.ms)
            for record in fresh[-1:] if of_one_topic else self._last_of_each_topic(fresh):
                batch.positions[(processor.name, record.topic)] = Position.after(record)
        self._add_state(batch)
        self._add_progress(batch)
        return batch

    def tick(self, wall_ms: int, draft: Draft, passed: Mapping[str, int] = MappingProxyType({})) -> Batch:
        """Stage a bounded share of what passing time brings. A share that changes nothing leaves the clock alone. `passed`
        says of topics that all records before an offset were consumed: positions move on to there."""
        now = max(self.clock, wall_ms)
        batch = Batch(draft, clock=self.clock)
        for processor in self.processors:
            processor.tick(now, self._states[processor.name], batch.outbox)
        self._add_state(batch)
        if not batch.empty:
            batch.clock = now
        for key, position in self.positions.items():
            if position.next < passed.get(key[1], 0):
                batch.positions[key] = replace(position, next=passed[key[1]])
        self._add_progress(batch)
        return batch

    def commit(self, batch: Batch, changelog_end: int | None = None, wall_ms: int = 0) -> None:
        """The batch was written, and the changelog ends there, if that is known: its staged changes are the state now. With a
        disk, raises DiskUnavailable, DiskDamaged, WriteFailed: then it is behind, and this execution is not to be used."""
        for state in self._states.values():
            state.commit()
        self.positions.update(batch.positions)
        self.clock = batch.clock
        if self._disk is not None and self._disk.checkpoint is not None and not batch.empty:
            self._disk.advance(advanced(self._disk.checkpoint, changelog_end, wall_ms, dict(self._progress(batch))))

    def close(self) -> None:
        """Let go of the disk, if the state is on one."""
        if self._disk is not None:
            self._disk.close()

    @property
    def on_disk(self) -> bool:
        """Whether the state is on a disk, and there to come back to."""
        return self._disk is not None

    @property
    def size(self) -> tuple[int, int]:
        """Keys and bytes of the committed state; estimates where it is on a disk."""
        if self._disk is not None:
            return self._disk.size
        held = [store for store in self.stores.values() if isinstance(store, MemoryStore)]
        return sum(len(store.entries) for store in held), sum(store.bytes for store in held)

    def abandon(self) -> None:
        """The batch was not written, or nobody knows: forget it."""
        for state in self._states.values():
            state.abandon()

    def _reached(self, processor: str, topic: str) -> int:
        position = self.positions.get((processor, topic))
        return 0 if position is None else position.next

    def _of_one_topic(self, records: Sequence[Record]) -> bool:
        """Whether they are, as most batches, also of who has several sources: then no record need be looked at for it again."""
        only_source = len(self.processors) == 1 and len(self.processors[0].sources) == 1
        return only_source or len(set(map(_topic_of, records))) == 1

    def _fresh(self, processor: Processor, records: Sequence[Record], of_one_topic: bool) -> Sequence[Record]:
        if of_one_topic:
            topic = records[0].topic
            if topic not in processor.sources:
                return ()
            position = self.positions.get((processor.name, topic))
            if position is None or records[0].offset >= position.next:
                return records
            return [record for record in records if record.offset >= position.next]
        floor = {
            topic: self.positions[processor.name, topic].next
            for topic in processor.sources
            if (processor.name, topic) in self.positions
        }
        return [r for r in records if r.topic in processor.sources and r.offset >= floor.get(r.topic, 0)]

    @staticmethod
    def _last_of_each_topic(records: Sequence[Record]) -> list[Record]:
        last = {record.topic: record for record in records}
        return list(last.values())

    def _add_state(self, batch: Batch) -> None:
        change = batch.draft.change
        for name, state in self._states.items():
            prefix, mark = self._prefixes[name]
            for key, value in state.changes():
                change(prefix + key, None if value is None else mark + value)

    def _add_progress(self, batch: Batch) -> None:
        for key, value in self._progress(batch):
            if key != CLOCK_KEY or batch.clock != self.clock:
                batch.draft.change(key, value)

    @staticmethod
    def _progress(batch: Batch) -> Iterator[tuple[bytes, bytes]]:
        for key, position in batch.positions.items():
            yield position_key(*key), position.encode()
        yield CLOCK_KEY, b"%d" % batch.clock


def _text(name: bytes) -> str:
    return name.decode(errors="backslashreplace")


def _clock(value: bytes) -> int:
    try:
        return int(value)
    except ValueError as error:
        raise ChangelogUnreadable(f"the clock record, {len(value)} bytes, is none: the changelog is not one of ours") from error
