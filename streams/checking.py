"""Whether a restored state fits what the topics hold: step 4 of a task's opening. Every mismatch refuses the task in one line
that says what to do; nothing is half accepted."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from streams.broker import Broker, Ends, Reader
from streams.changelog import Meta, Owner, fingerprint
from streams.execution import Execution
from streams.task_name import TaskName


class Refusal(Exception):
    """The topics and the state do not fit: opening would lose or double something. The message says what to do."""


class ForeignGroup(Refusal):
    """Another consumer group has this state: two deployments run the same unit."""


@dataclass(frozen=True, slots=True)
class OpeningRules:
    """What an opening may accept, and how long it may take."""

    settle_timeout_s: float = 60.0
    """The default outlasts transaction.timeout.ms of 15 s and the broker's sweep of abandoned transactions every 10 s."""
    accept_gaps: bool = False
    """Go on where records were deleted by retention before they were consumed."""
    clock_ms: Callable[[], int] = lambda: int(time.time() * 1000)


async def check(
    name: TaskName,
    broker: Broker,
    reader: Reader,
    execution: Execution,
    meta: Meta,
    owner: Owner,
    partitions: dict[str, int],
    fresh: bool,
    rules: OpeningRules,
) -> tuple[dict[str, int], int]:
    """Where to read each source from, and how many records retention deleted before they were consumed. Raises Refusal."""
    if meta.owner is not None and meta.owner.group != owner.group:
        raise ForeignGroup(
            f"{name}: its state belongs to group {meta.owner.group} (last on {meta.owner.host}), this worker is in group "
            f"{owner.group} on {owner.host}: stop one of the two deployments"
        )
    if meta.transactional and not broker.transactional:
        raise Refusal(
            f"{name}: its changelog was written with transactions, and this broker has none: "
            "connect to a broker with transactions; going on without would double or lose responses"
        )
    starts: dict[str, int] = {}
    gap = 0
    for topic, count in partitions.items():
        if count != meta.partitions:
            raise Refusal(
                f"{name}: {topic} has {count} partitions, the state was made with {meta.partitions}: keys have moved; "
                "partition counts are fixed for life, so replay into new topics with the new count"
            )
        start, missed = await _start(name, broker, reader, execution, topic, fresh, rules)
        starts[topic] = start
        gap += missed
    return starts, gap


async def _start(
    name: TaskName, broker: Broker, reader: Reader, execution: Execution, topic: str, fresh: bool, rules: OpeningRules
) -> tuple[int, int]:
    ends = await broker.ends(topic, name.partition)
    position = execution.position(topic)
    where = f"{topic}-{name.partition}"
    if position is None:
        offset = await broker.group_offset(name.group, topic, name.partition) if fresh else None
        if offset:
            raise Refusal(
                f"{name}: changelog {name.changelog} is empty here, but group {name.group} has committed offset {offset} "
                f"of {where}: the state was lost; {name.anew}"
            )
        return ends.start, 0
    if position > ends.high:
        raise Refusal(
            f"{name}: {where} ends at {ends.high}, the position says {position}: the topic was recreated or truncated; "
            f"nothing was changed; {name.anew}"
        )
    if position < ends.start:
        if not rules.accept_gaps:
            raise Refusal(
                f"{name}: {where} begins at {ends.start}, the position says {position}: retention deleted "
                f"{ends.start - position} offsets before they were consumed; set accept_gaps to go on without them"
            )
        return ends.start, ends.start - position
    await _same_record(name, reader, execution, topic, ends)
    return position, 0


async def _same_record(name: TaskName, reader: Reader, execution: Execution, topic: str, ends: Ends) -> None:
    """A hash of the last consumed record still fits, where the record still exists."""
    for processor in execution.processors:
        position = execution.positions.get((processor.name, topic))
        if position is None or not ends.start <= position.last < ends.stable:
            continue
        record = await reader.record(topic, name.partition, position.last)
        if record is not None and fingerprint(record) != position.fingerprint:
            raise Refusal(
                f"{name}: {topic}-{name.partition} holds another record at offset {position.last} than the one consumed: "
                f"the topic was recreated; nothing was changed; {name.anew}"
            )
