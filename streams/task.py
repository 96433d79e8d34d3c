"""A task's life: opened, led, fed, pumped, suspended. All its work is serialised in one coroutine; tasks overlap.

A batch:
1. The inbox takes what arrives; the pump takes all of it, up to a bound in bytes, and the processors stage their changes.
2. Begin, produce, 3. commit: the writer's work (streams/outbox.py).
4. The staged changes become the state; the position may be acknowledged.
A crash before 3 leaves nothing behind; after 3, the next opening restores state and positions as of 4.

Leading sources (`streams.processor.Led`) come between the opening's steps 5 and 6, with nothing released yet:
a. Ask for the stable end of each, as it is now: what comes later is an ordinary record of an ordinary source.
b. Read committed records from the position to there, and process them as batches. Reading ends by the reader's position, which
   passes markers, aborted records and what compaction has removed: an idle source is over at once.
c. Release reads on from the end of a, and the other sources from their positions.
A crash within b leaves the batches that were committed, and the next opening goes on behind them.
"""

import asyncio
import logging
import math
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from streams.broker import BatchTooLarge, Broker, BrokerAway, Denied, Fenced, WriteFailed, Writer
from streams.changelog import Meta, Owner
from streams.checking import ForeignGroup, OpeningRules, Refusal
from streams.disk import Disk
from streams.execution import Batch, Execution
from streams.fault import told
from streams.inbox import Inbox
from streams.opening import Opened, Suspended, open_task
from streams.phase import Phase
from streams.processor import Processor, Record, UnfitState, is_patient, leading_of
from streams.task_name import TaskName
from streams.turns import Turns

logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.1
"""Wait before a task is opened again for the first time; it doubles from there, with jitter."""

FOREIGN_GROUP_ATTEMPTS = 3
"""Another group's claim may be a deployment that is just being replaced: look again before stopping."""


class Flow(Protocol):
    """What a task asks of the transport, for its own partition number."""

    async def confirmed(self, partition: int) -> bool:
        """Whether the group's coordinator says, now, that the partition is still ours."""

    async def move(self, partition: int, offsets: dict[str, int]) -> int:
        """Read each source from the offset given; returns the epoch that marks what is fetched from now on."""

    def hold(self, partition: int) -> None:
        """Fetch nothing more for now."""

    def release(self, partition: int) -> None:
        """Fetch again, where it stopped."""


class Probe(Protocol):
    """Where a task reports what it does. All durations are seconds."""

    def phase(self, task: TaskName, phase: Phase) -> None: ...
    def opened(self, task: TaskName, seconds: float, restored: int, gap: int) -> None: ...
    def committed(
        self, task: TaskName, batch: Batch, staging_s: float, writing_s: float, waited_s: float, now_ms: int
    ) -> None: ...
    def showed(self, task: TaskName, batch: Batch) -> None:
        """A tick had nothing to write, and yet gauges to show."""

    def failed(self, task: TaskName, fenced: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class TaskRules:
    """Bounds and intervals of a task."""

    opening: OpeningRules = field(default_factory=OpeningRules)
    batch_bytes: int = 1_000_000
    """One batch: large enough to amortise a transaction's round trips, small enough for some 100 ms of work."""
    linger_s: float = 0.0
    """The least time from the beginning of a batch to that of the next one, unless enough for a full batch has come: each batch
    is a transaction, and costs the broker and this process about the same whatever it holds. After a rest nothing lingers."""
    inbox_bytes: int = 4 << 20
    """Beyond this the partition is held; it is released at half."""
    tick_interval_s: float = 1.0
    retry_max_s: float = 10.0
    """Longest pause between two attempts to open."""
    passed_after_s: float = 60.0
    """After so long without a batch, the position moves past what nobody gets (markers, aborted records): if retention takes
    all of it before there is another record, that is no gap. Not at once, since it costs a transaction."""
    give_up_after_s: float = 300.0
    """A task that a broker that does answer fails for so long, without one batch in between, stops the worker."""


class Task:
    """One unit on one partition."""

    def __init__(
        self,
        name: TaskName,
        processors: Sequence[Processor],
        broker: Broker,
        flow: Flow,
        rules: TaskRules,
        probe: Probe,
        owner: Callable[[], Owner],
        fatal: Callable[[str], None],
        turns: Turns | None = None,
        disk: Disk | None = None,
    ) -> None:
        """`turns`: shared with the tasks that this one takes turns to tick with. `disk`: where state is; None: in memory."""
        self.name = name
        self.phase = Phase.ASSIGNED
        self.refusal: str | None = None
        """One line that begins with the task's name."""
        self.denial: str | None = None
        """What this user may not do, while nothing but that keeps the task from going on."""
        self._processors = processors
        self._broker = broker
        self._flow = flow
        self._rules = rules
        self._probe = probe
        self._owner = owner
        self._fatal = fatal
        self._turns = turns or Turns()
        self._disk = disk
        self._inbox = Inbox()
        self._epoch = -1
        self._held = False
        self._busy = False
        self._began = -math.inf
        """When the last batch began."""
        self._arrived = 0.0
        self._last_timestamp: int | None = None
        self._wake = asyncio.Event()
        self._stopping = False
        self._life: asyncio.Task[None] | None = None
        self._suspended: Suspended | None = None
        self._execution: Execution | None = None
        self._writer: Writer | None = None
        self._meta: Meta | None = None
        self._changelog_end: int | None = None
        self._starts: dict[str, int] = {}
        self._passed: dict[str, int] = {}
        self._unread: dict[str, int] = {}
        """Of sources that no time passes before, the ends that they had when this was opened."""
        self._worked_at = 0.0
        self._failures = 0
        self._failing_since: float | None = None
        self._strangers = 0
        self._running_since: float | None = None
        self._doubt: str | None = None

    # What the unit calls.

    def start(self) -> None:
        """Open and run, in the background."""
        if self.phase is Phase.SUSPENDED:
            self._enter(Phase.ASSIGNED)
        self._stopping = False
        self.refusal = self.denial = None
        self._wake.clear()
        self._life = asyncio.create_task(self._live(), name=f"task {self.name}")

    def accept(self, epoch: int, records: Sequence[Record]) -> None:
        """Take fetched records in; those fetched before the last opening are discarded."""
        if epoch != self._epoch or self.phase is not Phase.RUNNING:
            return
        if not self._inbox:
            self._arrived = time.monotonic()
        self._inbox.add(records)
        self._wake.set()
        if self._inbox.bytes > self._rules.inbox_bytes and not self._held:
            self._held = True
            self._flow.hold(self.name.partition)

    def pass_by(self, epoch: int, topic: str, offset: int) -> None:
        """Everything before the offset was accepted; what was not is nobody's: transaction markers, aborted records."""
        if epoch == self._epoch and self.phase is Phase.RUNNING:
            self._passed[topic] = offset

    async def suspend(self, timeout_s: float) -> None:
        """Finish the batch, let go of the writer, keep the state in case the partition comes back. Never raises."""
        self._stopping = True
        self._epoch = -1
        self._wake.set()
        if self._life is not None:
            if self.phase is not Phase.RUNNING:
                self._life.cancel()
            done, _ = await asyncio.wait({self._life}, timeout=timeout_s)
            if not done:
                logger.warning("%s: its batch did not end within %g s and was abandoned", self.name, timeout_s)
                self._life.cancel()
                await asyncio.wait({self._life}, timeout=timeout_s)
            self._life = None
        self._inbox.clear()
        if self.phase not in (Phase.SUSPENDED, Phase.CLOSED):
            self._enter(Phase.SUSPENDED)

    def doubt(self, reason: str) -> None:
        """Something outside does not fit the position: open again, and let the opening's checks decide."""
        if self.phase is Phase.RUNNING:
            self._doubt = reason
            self._wake.set()

    def close(self) -> None:
        """Forget a suspended state: the partition went to somebody else."""
        self._suspended = self._execution = None
        if self.phase is not Phase.CLOSED:
            self._enter(Phase.CLOSED)

    @property
    def problem(self) -> str | None:
        """What keeps it from being processed, in one line that begins with its name; None if it is. Where something is denied,
        a task that has just been opened proves nothing yet."""
        if self.phase is Phase.RUNNING and (self.denial is None or self._ran_meanwhile):
            return None
        return self.refusal or f"{self.name}: {self.denial or self.phase.name.lower()}"

    @property
    def _ran_meanwhile(self) -> bool:
        return self._running_since is not None and time.monotonic() - self._running_since > self._rules.retry_max_s

    @property
    def state_size(self) -> tuple[int, int]:
        """Keys and bytes of the committed state; estimates where it is on a disk."""
        return self._execution.size if self._execution is not None else (0, 0)

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing is being written."""
        return self.phase is Phase.RUNNING and not self._inbox and not self._busy

    @property
    def last_timestamp(self) -> int | None:
        """Timestamp in ms of the newest record that was processed since the opening."""
        return self._last_timestamp

    @property
    def positions(self) -> dict[str, int]:
        """The next offset of each source, as committed: what the group's bookmark should say."""
        if self._execution is None:
            return {}
        topics = {topic for processor in self._processors for topic in processor.sources}
        positions = {topic: position for topic in topics if (position := self._execution.position(topic)) is not None}
        # Past a gap that was accepted, the committed position lies before what there is, until the first batch.
        return {topic: max(position, self._starts.get(topic, 0)) for topic, position in positions.items()}

    # Its life.

    async def _live(self) -> None:
        while not self._stopping:
            try:
                await self._open()
                await self._pump()
                self._keep()
                return
            except ForeignGroup as refusal:
                self._failures += 1
                self._strangers += 1
                logger.error("%s", refusal)
                self._drop(Phase.BROKEN)
                if self._strangers >= FOREIGN_GROUP_ATTEMPTS:
                    self._fatal(str(refusal))
                    return
            except (Refusal, UnfitState) as refusal:
                self.refusal = str(refusal) if isinstance(refusal, Refusal) else f"{self.name}: {refusal}"
                logger.error("refused: %s", self.refusal)
                self._drop(Phase.REFUSED)
                return
            except BrokerAway as error:
                logger.warning("%s: the broker does not answer (%s); trying again", self.name, error)
                self._drop(Phase.BROKEN)
                self._failures += 1
                self._failing_since = self.denial = None
            except (WriteFailed, BatchTooLarge) as error:
                self._fail(error, fenced=isinstance(error, Fenced))
            except asyncio.CancelledError:
                if self._stopping or _cancelled():
                    self._drop(None)
                    raise
                # Not we: a client has cancelled its own tasks, and let us have it. To end of that would be to end in silence.
                self._fail(WriteFailed("a client gave up what it was asked"), fenced=False)
            except Exception as error:
                logger.error("%s: a batch failed for a reason that is not the broker's: %s", self.name, told(error))
                logger.debug("%s: all of it", self.name, exc_info=error)
                self._fail(WriteFailed(told(error, frames=1)), fenced=False)
            if self._given_up:
                return
            await self._pause()
        self._drop(None)

    @property
    def _given_up(self) -> bool:
        return self._failing_since is not None and time.monotonic() - self._failing_since > self._rules.give_up_after_s

    def _fail(self, error: Exception, fenced: bool) -> None:
        now = time.monotonic()
        if self._ran_meanwhile:
            self._failures, self._failing_since = 0, None  # it ran meanwhile, with nothing to write
        self._failures += 1
        self._failing_since = self._failing_since or now
        if str(error) != self.denial:  # said once: it stays so until somebody has allowed it
            logger.warning("%s: %s; opening again (failure %d)", self.name, error, self._failures)
        self.denial = str(error) if isinstance(error, Denied) else None
        self._probe.failed(self.name, fenced)
        self._drop(Phase.BROKEN)
        if self._given_up:
            self._fatal(f"{self.name}: {self._failures} failures in {self._rules.give_up_after_s:g} s, the last: {error}")

    async def _pause(self) -> None:
        wait = min(self._rules.retry_max_s, FIRST_PAUSE_S * 2 ** min(self._failures, 10)) * random.uniform(0.5, 1.0)
        await self._woken(wait)

    async def _woken(self, timeout_s: float) -> None:
        self._wake.clear()
        if self._stopping or self._inbox:
            return
        try:
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _open(self) -> None:
        began = time.monotonic()
        # Only who is in the group now may fence: a zombie that wakes up late would end the rightful owner's transaction.
        while not await self._flow.confirmed(self.name.partition):
            if self._stopping:
                raise asyncio.CancelledError
            self._failures = max(1, self._failures)
            await self._pause()
        opened = await open_task(
            self.name,
            self._processors,
            self._broker,
            self._owner(),
            self._rules.opening,
            self._enter,
            self._suspended,
            self._disk,
        )
        self._adopt(opened)
        self._probe.opened(self.name, time.monotonic() - began, opened.restored, opened.gap)
        if opened.gap:
            logger.warning("%s: goes on without %d records that retention deleted (accept_gaps)", self.name, opened.gap)
        await self._lead(opened.starts)
        self._unread = await self._ends() if is_patient(self._processors) else {}
        # 6. Release.
        self._inbox.clear()
        self._passed.clear()
        self._held = False
        self._epoch = await self._flow.move(self.name.partition, opened.starts)
        self._worked_at = time.monotonic()
        self._enter(Phase.RUNNING)
        self._strangers = 0
        self._running_since = time.monotonic()

    async def _ends(self) -> dict[str, int]:
        """The ends of all sources."""
        topics = sorted({topic for processor in self._processors for topic in processor.sources})
        return {topic: (await self._broker.ends(topic, self.name.partition)).stable for topic in topics}

    def _waits_for_the_past(self) -> bool:
        """Whether what the sources held at the opening has yet to be read. `_passed` says of transaction markers, which are the
        ends of most topics, that nothing comes of them. Who has nothing to do for long waits for nothing any more."""
        if self._unread and not self._inbox and time.monotonic() - self._worked_at >= self._rules.passed_after_s:
            self._unread.clear()
        if self._unread:
            for topic, end in list(self._unread.items()):
                if max(self._running.position(topic) or self._starts.get(topic, 0), self._passed.get(topic, 0)) >= end:
                    del self._unread[topic]
        return bool(self._unread)

    async def _lead(self, starts: dict[str, int]) -> None:
        """Process what the leading sources hold by now, and move their starts behind it: steps a to c above."""
        partition = self.name.partition
        self._held = False  # the partition is held by its opening, and no batch may release it
        for topic in leading_of(self._processors):
            # a. The end.
            end = (await self._broker.ends(topic, partition)).stable
            if starts[topic] >= end:
                continue
            # b. To there.
            self._inbox.clear()
            async with self._broker.reader() as reader:
                async for records in reader.records(topic, partition, starts[topic], end):
                    self._inbox.add(records)
                    while self._inbox:
                        await self._batch()
            # c. From there on.
            starts[topic] = end

    def _adopt(self, opened: Opened) -> None:
        self._suspended = None
        self._execution = opened.execution
        self._writer = opened.writer
        self._meta = opened.meta
        self._changelog_end = opened.changelog_end
        self._starts = opened.starts

    def _keep(self) -> None:
        """Keep the state of a task that stopped between two batches. What is on a disk is kept by being there, and let go of:
        the partition may come back to another process of this machine."""
        if self._execution is not None and self._execution.on_disk:
            self._execution.close()
        elif self._execution is not None and self._meta is not None and self._changelog_end is not None:
            self._suspended = Suspended(self._execution, self._meta, self._changelog_end)
        self._discard_writer()
        self._enter(Phase.SUSPENDED)

    def _drop(self, phase: Phase | None) -> None:
        """After a failure what was worked on is not trusted: the next opening restores it, and lets records in again. A
        suspended state that no opening has taken up yet is as it was."""
        self._flow.hold(self.name.partition)
        if self._execution is not None:
            self._execution.close()
        self._execution = None
        self._running_since = None
        self._epoch = -1
        self._inbox.clear()
        self._discard_writer()
        if phase is not None:
            self._enter(phase)

    def _discard_writer(self) -> None:
        if self._writer is not None:
            _background(self._writer.discard())
            self._writer = None

    def _enter(self, phase: Phase) -> None:
        if phase is self.phase:
            return
        self.phase = self.phase.to(phase)
        self._probe.phase(self.name, phase)

    # Its work.

    async def _pump(self) -> None:
        """Batches and ticks in turn until asked to stop; a tick that wants more alternates with batches, and with the ticks of
        other tasks."""
        tick_at = time.monotonic()
        self._doubt = None
        try:
            while not self._stopping:
                if self._doubt is not None:
                    raise WriteFailed(self._doubt)
                if self._inbox:
                    await self._linger()
                    await self._batch()
                if time.monotonic() >= tick_at:
                    if self._turns.has(self, self._wake.set):
                        more = await self._tick()
                        self._turns.leave(self)
                        tick_at = time.monotonic() + (0 if more else self._rules.tick_interval_s)
                    elif not self._inbox:
                        await self._woken(self._rules.tick_interval_s)
                elif not self._inbox:
                    await self._woken(tick_at - time.monotonic())
        finally:
            self._turns.leave(self)

    async def _linger(self) -> None:
        """Let more records come."""
        while self._inbox.bytes < self._rules.batch_bytes and not self._stopping and self._doubt is None:
            left_s = self._began + self._rules.linger_s - time.monotonic()
            if left_s <= 0:
                return
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._wake.wait()

    async def _batch(self) -> None:
        self._began = time.monotonic()
        execution = self._running
        waited = time.monotonic() - self._arrived
        records = self._inbox.take(self._rules.batch_bytes)
        self._arrived = time.monotonic()
        if self._held and self._inbox.bytes <= self._rules.inbox_bytes // 2:
            self._held = False
            self._flow.release(self.name.partition)
        self._busy = True
        try:
            await self._process(execution, records, waited)
        finally:
            self._busy = False
        self._last_timestamp = records[-1].timestamp
        self._worked_at = time.monotonic()

    async def _process(self, execution: Execution, records: list[Record], waited: float) -> None:
        """All of the records, in as many batches as the writer needs."""
        todo = [records]
        while todo:
            share = todo.pop(0)
            try:
                # 1. Stage.
                began = time.monotonic()
                batch = execution.process(share, int(time.time() * 1000), self._open_writer.draft())
                # 2. and 3. Write. 4. Apply.
                await self._write(batch, began, waited)
            except BatchTooLarge:
                execution.abandon()
                if len(share) == 1:
                    raise
                todo[:0] = [share[: len(share) // 2], share[len(share) // 2 :]]

    async def _tick(self) -> bool:
        if self._waits_for_the_past():
            return False
        began = time.monotonic()
        # All that was accepted is committed: what arrives from here on lies behind what was passed by.
        idle = not self._inbox and began - self._worked_at >= self._rules.passed_after_s
        batch = self._running.tick(int(time.time() * 1000), self._open_writer.draft(), self._passed if idle else {})
        await self._write(batch, began, 0.0)
        return batch.outbox.more

    async def _write(self, batch: Batch, began: float, waited: float) -> None:
        end = None
        if not batch.empty:
            staged = time.monotonic()
            end = (await self._open_writer.write(batch.draft)).changelog_end
            if end is not None:
                self._changelog_end = end
        self._running.commit(batch, end, int(time.time() * 1000))
        if not batch.empty:
            self._failures = 0
            self._failing_since = None
            self.denial = None
            self._probe.committed(self.name, batch, staged - began, time.monotonic() - staged, waited, int(time.time() * 1000))
        elif batch.outbox.gauges:
            self._probe.showed(self.name, batch)

    @property
    def _running(self) -> Execution:
        if self._execution is None:
            raise RuntimeError(f"{self.name} is not open")
        return self._execution

    @property
    def _open_writer(self) -> Writer:
        if self._writer is None:
            raise RuntimeError(f"{self.name} has no writer")
        return self._writer


def _cancelled() -> bool:
    """Whether somebody asks the running task to end."""
    current = asyncio.current_task()
    return current is not None and current.cancelling() > 0


_discarding: set[asyncio.Task[None]] = set()


def _background(work: Coroutine[Any, Any, None]) -> None:
    """Let a discard finish by itself; the set keeps it from being collected."""
    discard = asyncio.create_task(work)
    _discarding.add(discard)
    discard.add_done_callback(_discarding.discard)
