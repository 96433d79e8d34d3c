"""Step 3 of a task's opening where state lies on disk: the copy is brought up to the changelog's end, from where it stands if
it can be continued, otherwise from nothing.

1. Is there a copy, and does nothing speak against continuing it (`streams.disk.obstacle`)? If not, drop it.
2. Is the changelog still the one that was copied? A meta record has the random id of a state. Either the one that the
   checkpoint knows is still where it was, or somebody has written another since, which then lies beyond the copy and has the
   same id. If neither is found, the topic was made anew: drop the copy, and restore from nothing.
3. Read on from the copy's offset. Each chunk is kept together with its offset.
A crash within 3 leaves a shorter copy: it knows the meta record that it has come to, and 2 is asked again.
"""

import logging

from streams.broker import Broker, Ends, Reader
from streams.changelog import META_KEY, STATE, Meta
from streams.checking import OpeningRules
from streams.disk import Checkpoint, TaskDisk, obstacle
from streams.execution import Execution
from streams.task_name import TaskName

logger = logging.getLogger(__name__)


class _AnotherChangelog(Exception):
    """The copy is not one of this changelog."""


async def bring_up(
    name: TaskName, broker: Broker, reader: Reader, ends: Ends, loading: Execution, disk: TaskDisk, rules: OpeningRules
) -> tuple[dict[bytes, bytes], int]:
    """The changelog's records that are not state, by key, and how many records were read; the state is on the disk then, read
    through `loading`. Raises ChangelogUnreadable, BrokerAway, DiskUnavailable, DiskDamaged."""
    began_ms = rules.clock_ms()
    # 1. Continue?
    if disk.checkpoint is not None:
        reason = obstacle(disk.checkpoint, loading.versions, ends, broker.transactional, began_ms)
        if reason is None:
            try:
                return await _read_on(name, reader, ends, loading, disk, disk.checkpoint, began_ms)
            except _AnotherChangelog:
                reason = "the changelog was made anew since"
        logger.warning("%s: its copy on disk is dropped, and restored from the changelog: %s", name, reason)
        disk.clear()
    nothing = Checkpoint(0, 0, -1, began_ms, dict(loading.versions), {})
    return await _read_on(name, reader, ends, loading, disk, nothing, began_ms)


async def _read_on(
    name: TaskName, reader: Reader, ends: Ends, loading: Execution, disk: TaskDisk, at: Checkpoint, began_ms: int
) -> tuple[dict[bytes, bytes], int]:
    # 2. The same changelog?
    known = at.progress.get(META_KEY)
    proven = known is None or await _still_there(name, reader, at.claim, known)  # nothing is known of nothing
    # 3. Read on.
    count, claim, progress = 0, at.claim, dict(at.progress)
    start = ends.high if ends.high == at.end else at.offset
    async for records in reader.records(name.changelog, name.partition, start, ends.high):
        for record in records:
            key, value = record.key or b"", record.value
            if key[:1] == STATE:
                loading.load(key, value)
            elif value is None:
                progress.pop(key, None)
            else:
                progress[key] = value
            if key == META_KEY and value is not None:
                proven = proven or _of_the_same_state(known, value)
                if not proven:
                    raise _AnotherChangelog
                claim = record.offset
        count += len(records)
        if records:
            reached = records[-1].offset + 1
            disk.advance(Checkpoint(reached, reached, claim, at.since_ms, at.versions, dict(progress)))
    if not proven:
        raise _AnotherChangelog
    disk.advance(Checkpoint(ends.high, ends.high, claim, began_ms, at.versions, dict(progress)))
    return progress, count


async def _still_there(name: TaskName, reader: Reader, offset: int, meta: bytes) -> bool:
    record = await reader.record(name.changelog, name.partition, offset) if offset >= 0 else None
    return record is not None and record.key == META_KEY and record.value == meta


def _of_the_same_state(known: bytes | None, found: bytes) -> bool:
    return known is not None and Meta.decode(known).incarnation == Meta.decode(found).incarnation
