"""Opening a task: from nothing to a state that is known to be right, and a writer that nobody else can outdo.

The steps, and what a crash right after each of them means:

1. Fence: initialise the transactional id. The last owner's transaction is ended, it can write no more.
   After: nothing is written; the next opening fences again.
2. Settle: wait until the changelog's stable end is its end. Up to the last stable offset alone, a hanging transaction
   would hide committed state behind it.                                          After: as after 1.
3. Restore: read the changelog to its end: state, positions, clock, meta. A suspended state is used instead if the
   changelog's end shows that nobody has written since; a copy on disk is read on from (streams/disk_restore.py).
                                                                                   After: as after 1.
4. Check: do positions, partition counts, fingerprints and the group's offset fit what the topics hold? If not, refuse in
   one line that says what to do.                                                  After: as after 1.
5. Claim: write the owner into the meta record.
   After: the meta record names an owner that is gone; the next opening overwrites it.
6. Release: read from the positions, whatever the group offset says (the task does this, with the transport).
   After: nothing was read; the next opening starts at the same positions.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from streams.broker import Broker, Ends, Reader, Writer
from streams.changelog import META_KEY, ChangelogUnreadable, Meta, Owner, new_incarnation
from streams.checking import OpeningRules, Refusal, check
from streams.disk import Disk, TaskDisk, advanced
from streams.disk_restore import bring_up
from streams.execution import Execution
from streams.phase import Phase
from streams.processor import Processor
from streams.state import Identity
from streams.task_name import TaskName

SETTLE_POLL_S = 0.05
"""How often the changelog's ends are compared: a fenced transaction's markers arrive within milliseconds."""


@dataclass(frozen=True, slots=True)
class Suspended:
    """A state kept from before, and the changelog's end after its last write."""

    execution: Execution
    meta: Meta
    changelog_end: int


@dataclass(slots=True)
class Opened:
    """A task that may run."""

    execution: Execution
    writer: Writer
    meta: Meta
    starts: dict[str, int]
    """Where to read each source from."""
    changelog_end: int | None
    restored: int = 0
    """Changelog records read; 0 when a suspended state was used."""
    gap: int = 0
    """Source records that retention deleted before they were consumed."""


async def open_task(
    name: TaskName,
    processors: Sequence[Processor],
    broker: Broker,
    owner: Owner,
    rules: OpeningRules,
    enter: Callable[[Phase], None],
    suspended: Suspended | None = None,
    disk: Disk | None = None,
) -> Opened:
    """The steps above; `enter` is told of each phase before it begins. With a disk, state is kept there.

    Raises Refusal when a person must decide, BrokerAway or WriteFailed when another try may help.
    """
    sources = sorted({topic for processor in processors for topic in processor.sources})
    # 1. Fence.
    enter(Phase.FENCING)
    writer = await broker.fence(name.transactional_id, name.changelog, name.partition)
    copy: TaskDisk | None = None
    try:
        # 2. Settle.
        enter(Phase.SETTLING)
        ends = await _settle(name, broker, rules)
        # 3. Restore.
        enter(Phase.RESTORING)
        async with broker.reader() as reader:
            restored = 0
            partitions = await _partitions(name, broker, sources)
            if suspended is not None and suspended.changelog_end == ends.high:
                execution, meta, fresh = suspended.execution, suspended.meta, False
            else:
                if disk is None:
                    entries, restored = await _restore(name, reader, ends)
                else:
                    copy = disk.open(name, [processor.name for processor in processors])
                    entries, restored = await _bring_up(name, processors, broker, reader, ends, copy, rules)
                fresh = META_KEY not in entries
                if fresh and (entries or _holds_state(copy)):
                    raise Refusal(
                        f"{name}: changelog {name.changelog} holds records but no meta record: it was truncated, "
                        f"or is not ours; {name.anew}"
                    )
                meta = (
                    Meta(partitions[sources[0]], new_incarnation(rules.clock_ms()), transactional=broker.transactional)
                    if fresh
                    else _decoded(name, entries[META_KEY])
                )
                execution = _execution(name, processors, meta, entries, copy)
            # 4. Check.
            enter(Phase.CHECKING)
            starts, gap = await check(name, broker, reader, execution, meta, owner, partitions, fresh, rules)
        # 5. Claim.
        enter(Phase.CLAIMING)
        meta = Meta(meta.partitions, meta.incarnation, owner, meta.transactional or broker.transactional)
        draft = writer.draft()
        draft.change(META_KEY, meta.encode())
        written = await writer.write(draft)
        if copy is not None and copy.checkpoint is not None:
            # The first record after the settled end, since nobody else can write: there it can be looked for.
            claimed = replace(copy.checkpoint, claim=ends.high)
            copy.advance(advanced(claimed, written.changelog_end, rules.clock_ms(), {META_KEY: meta.encode()}))
    except BaseException:
        if copy is not None:
            copy.close()
        await writer.discard()
        raise
    return Opened(execution, writer, meta, starts, written.changelog_end, restored, gap)


async def _settle(name: TaskName, broker: Broker, rules: OpeningRules) -> Ends:
    # Asked for first: the ends of a partition that is not there are an answer that never comes.
    count = await broker.partitions(name.changelog)
    if count is None:
        raise Refusal(f"{name}: changelog {name.changelog} does not exist: {name.anew}")
    if count <= name.partition:
        raise Refusal(
            f"{name}: changelog {name.changelog} has {count} partitions, and this is partition {name.partition}: "
            f"it needs as many as its sources; {name.anew}"
        )
    deadline = time.monotonic() + rules.settle_timeout_s
    while True:
        ends = await broker.ends(name.changelog, name.partition)
        if ends.stable >= ends.high:
            return ends
        if time.monotonic() > deadline:
            where = f"--topic {name.changelog} --partition {name.partition} --start-offset {ends.stable}"
            raise Refusal(
                f"{name}: a transaction hangs in {name.changelog}-{name.partition}: it began at offset {ends.stable}, and has "
                f"not ended after {rules.settle_timeout_s:g} s; end it with `kafka-transactions.sh --bootstrap-server $KAFKA "
                f"abort {where}`, then restart this worker"
            )
        await asyncio.sleep(SETTLE_POLL_S)


async def _partitions(name: TaskName, broker: Broker, sources: Sequence[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for topic in sources:
        count = await broker.partitions(topic)
        if count is None:
            raise Refusal(
                f"{name}: source topic {topic} does not exist: create it, for instance with the command that creates all topics"
            )
        counts[topic] = count
    return counts


async def _restore(name: TaskName, reader: Reader, ends: Ends) -> tuple[dict[bytes, bytes], int]:
    entries: dict[bytes, bytes] = {}
    count = 0
    async for chunk in reader.entries(name.changelog, name.partition, ends.high):
        count += len(chunk)
        for key, value in chunk:
            if value is None:
                entries.pop(key, None)
            else:
                entries[key] = value
    return entries, count


async def _bring_up(
    name: TaskName,
    processors: Sequence[Processor],
    broker: Broker,
    reader: Reader,
    ends: Ends,
    copy: TaskDisk,
    rules: OpeningRules,
) -> tuple[dict[bytes, bytes], int]:
    loading = Execution(processors, Identity(name.partition, 0, ""), copy)  # whose state it is, the meta record will say
    try:
        return await bring_up(name, broker, reader, ends, loading, copy, rules)
    except ChangelogUnreadable as error:
        raise _unreadable(name, error) from error


def _holds_state(copy: TaskDisk | None) -> bool:
    return copy is not None and any(store.scan(b"", b"", 1) for store in copy.stores.values())


def _decoded(name: TaskName, value: bytes) -> Meta:
    try:
        return Meta.decode(value)
    except ChangelogUnreadable as error:
        raise _unreadable(name, error) from error


def _execution(
    name: TaskName, processors: Sequence[Processor], meta: Meta, entries: dict[bytes, bytes], copy: TaskDisk | None
) -> Execution:
    identity = Identity(name.partition, meta.partitions, meta.incarnation)
    try:
        return Execution.restored(processors, identity, entries, copy)
    except ChangelogUnreadable as error:
        raise _unreadable(name, error) from error


def _unreadable(name: TaskName, error: ChangelogUnreadable) -> Refusal:
    return Refusal(f"{name}: {error}; run the version that wrote it, or {name.anew}")
