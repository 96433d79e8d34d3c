"""A Faust transport that hands over what was fetched, not record by record: one message for each partition and fetch.

Faust's path costs some 90 µs a message (two asyncio tasks and a wait in `Consumer._drain_messages`), so a message is a run of
records. Reading starts at a task's positions, not at the group's offset, which is only a bookmark:
- a partition is held from its assignment until its task is open, and `move` says where to read from;
- every message carries the epoch of its partition, which `move` raises: what was fetched before says so;
- the group's offset is committed from the tasks' positions, and a failure to do so fails nothing.
Readers of a transactional topic must be read_committed; Faust's consumer is so only under its own exactly-once setting.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import aiokafka
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.protocol.group import HeartbeatRequest
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from streams.connection import Connection
from streams.denial import denial
from streams.processor import Record
from streams.unpacking import unpack_lean

logger = logging.getLogger(__name__)

FETCH_WAIT_MS = 100
"""How long the broker may wait for data. A partition that is released joins the next fetch, so this bounds its start; Faust's
1500 ms would add that to every opening."""

PLAIN_FETCH_WAIT_MS = 20
"""The same on a broker without transactions: the embedded one waits for the whole of it although there is data."""

SKIP_PATIENCE_S = 30.0
"""How long a jump of offsets is read again on a broker without transactions before it is taken for what it is: the embedded
one makes none for good, and a busy machine takes seconds."""

POLL_S = 0.1
"""How long one call waits for fetched records, for the same reason."""

CREATE_TIME = 0
"""Kafka protocol guide, timestamp types: what a message says to Faust, which passes it on to nobody of ours."""

GROUP, SOURCE = "group", "source"
"""What may be forbidden to who only reads."""

DENIED_PAUSE_S = 1.0
"""Between two attempts to read what is forbidden, for each of its partitions."""

DENIAL_OVER_S = 3.0
"""What could be read for so long is not forbidden any more: a broker that forbids it answers each fetch at once."""

REFRESH_TIMEOUT_S = 5.0
"""Bound on asking for metadata, which a client that finds no broker repeats for ever."""

HEARTBEAT_TIMEOUT_S = 5.0
"""Bound on asking the coordinator whether an assignment still holds."""


class Fetched(NamedTuple):
    """What one message carries."""

    epoch: int
    records: Sequence[Record]
    passed: int | None
    """The next offset to fetch: what lies between the records and this is nobody's, transaction markers or aborted records.
    None on a broker without transactions."""


class Denial(NamedTuple):
    """What a user may not do who only reads: why, and when, by the monotonic clock, it was said first and last."""

    reason: str
    since: float
    last: float


faust_logger = logging.getLogger("faust.transport")
"""For what Faust says through these classes about starting and stopping: it would take our module's name for it."""


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread that owns the aiokafka consumer."""

    logger = faust_logger

    def _create_worker_consumer(self, transport: "Transport") -> aiokafka.AIOKafkaConsumer:
        conf = self.app.conf
        # Set on purpose: Faust takes its own co-partitioned assignor only while it has tables or standbys; the round robin it
        # takes otherwise breaks tasks with several sources.
        self._assignor = self.app.assignor
        return aiokafka.AIOKafkaConsumer(
            **transport.connection.aiokafka,
            client_id=conf.broker_client_id,
            group_id=conf.id,
            partition_assignment_strategy=[self._assignor],
            enable_auto_commit=False,
            # A task says where to read from; what is no longer there is for its opening to judge, not to be skipped.
            auto_offset_reset="none",
            max_poll_interval_ms=int((conf.broker_max_poll_interval or 0) * 1000),
            max_partition_fetch_bytes=conf.consumer_max_fetch_size,
            fetch_max_wait_ms=FETCH_WAIT_MS if transport.read_committed else PLAIN_FETCH_WAIT_MS,
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
            isolation_level="read_committed" if transport.read_committed else "read_uncommitted",
            metadata_max_age_ms=conf.consumer_metadata_max_age_ms,
            connections_max_idle_ms=conf.consumer_connections_max_idle_ms,
        )

    async def on_start(self) -> None:
        """Connect."""
        await super().on_start()
        unpack_lean(self._ensure_consumer()._fetcher)

    async def on_thread_stop(self) -> None:
        """Leave the group and disconnect."""
        # The client ends its fetches and then waits for them; one that was about to try again is cancelled, and takes us along.
        with suppress(asyncio.CancelledError):
            await super().on_thread_stop()

    async def bookmark(self, offsets: Mapping[TP, int]) -> None:
        """Commit the group's offsets. Raises KafkaError."""
        assigned = self.assignment()
        ours = {TopicPartition(*tp): OffsetAndMetadata(offset, "") for tp, offset in offsets.items() if tp in assigned}
        if ours:  # none is a mistake to the client; a topic that was deleted takes them all
            await self.call_thread(self._ensure_consumer().commit, ours)

    async def heartbeat(self) -> bool:
        """Whether the coordinator knows this member in this generation, asked now."""
        return bool(await self.call_thread(self._heartbeat))

    async def group_denied(self) -> str | None:
        """What the group's coordinator forbids, if anything. Telling takes it off the client, which then joins again."""
        denied: str | None = await self.call_thread(self._group_denied)
        return denied

    async def _group_denied(self) -> str | None:
        coordinator = self._ensure_consumer()._coordinator
        if not isinstance(coordinator._pending_exception, GroupAuthorizationFailedError):
            return None
        try:
            coordinator.check_errors()
        except GroupAuthorizationFailedError as error:
            # Its heartbeats have ended with the error: only a new member has new ones.
            coordinator.request_rejoin()
            return denial(error, "Read")
        return None

    async def _heartbeat(self) -> bool:
        coordinator = self._ensure_consumer()._coordinator
        request = HeartbeatRequest(coordinator.group_id, coordinator.generation, coordinator.member_id)
        try:
            async with asyncio.timeout(HEARTBEAT_TIMEOUT_S):
                response = await coordinator._send_req(request)
        except (KafkaError, OSError, TimeoutError) as error:
            logger.debug("heartbeat: %r", error)
            return False
        return bool(for_code(response.error_code).errno == 0)


class Consumer(driver.Consumer):
    """Faust's consumer with the rules above."""

    logger = faust_logger

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._flowing: set[TP] = set()
        self._epochs: dict[TP, int] = {}
        self._nexts: dict[TP, int] = {}
        self._jumped: dict[TP, float] = {}
        self._epoch = 0
        self.positions: Callable[[], Mapping[TP, int]] = dict
        """Where the tasks are: set by the unit."""
        self.out_of_range: Callable[[TP, int], None] | None = None
        """Told of a partition that no longer holds the offset to be read next: set by the unit."""
        self._denials: dict[str, Denial] = {}

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # Reading.

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Hold all of them: what is read before a task is open would be read from the bookmark."""
        self._allow(GROUP)
        self._flowing.clear()
        await super().on_partitions_assigned(assigned, generation_id)

    async def perform_seek(self) -> None:
        """Nothing to do: each task moves its partitions when it opens, and until then they are held."""

    def hold(self, tps: set[TP]) -> None:
        """Fetch nothing more from these partitions."""
        self._flowing -= tps

    def release(self, tps: set[TP]) -> None:
        """Fetch again, where it stopped."""
        self._flowing |= tps

    async def move(self, offsets: Mapping[TP, int]) -> int:
        """Read on from these offsets; the epoch that marks what is fetched from now on.

        1. Hold, so that no new fetch includes the partition.
        2. Seek: what aiokafka had buffered is dropped.
        3. Raise the epoch: a fetch that was under way since before 1 carries the old one, and `getmany` asks again.
        4. Release.
        """
        self._flowing -= set(offsets)
        for tp, offset in offsets.items():
            await self._thread.call_thread(self._seek_now, TopicPartition(*tp), offset)
        self._epoch += 1
        for tp, offset in offsets.items():
            self._epochs[tp] = self._epoch
            self._nexts[tp] = offset
            self._read_offset[tp] = None
        self._flowing |= set(offsets)
        return self._epoch

    async def _seek_now(self, tp: TopicPartition, offset: int) -> None:
        self._thread._ensure_consumer().seek(tp, offset)

    async def refresh(self) -> None:
        """Ask for the topics' metadata now: the group is rebalanced if they have changed."""
        await self._thread.call_thread(self._refresh_now)

    async def _refresh_now(self) -> None:
        # In the thread's queue: what hangs here would keep everything else from being asked.
        with suppress(TimeoutError):
            async with asyncio.timeout(REFRESH_TIMEOUT_S):
                await self._thread._ensure_consumer()._client.force_metadata_update()

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """One message for each partition that has records. `timeout` is Faust's; ours is shorter, see POLL_S.

        Which partitions flow is decided by the tasks alone. Faust's own set of active partitions is left out: under pressure
        it takes partitions off that set, and a rebalance at that moment makes it forget to put them back.
        """
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        wanted = set(self._flowing)
        if not wanted:
            await self.sleep(POLL_S)
            return
        epochs = {tp: self._epochs.get(tp) for tp in wanted}
        began = {tp: self.fetched(tp) for tp in wanted}
        try:
            fetched = await self._getmany(active_partitions=wanted, timeout=POLL_S)
        except OffsetOutOfRangeError as error:
            self._not_there(error.args[0])
            return
        except TopicAuthorizationFailedError as error:
            self._deny(SOURCE, denial(error, "Read"))
            await self.sleep(DENIED_PAUSE_S / len(wanted))  # each of them will say so
            return
        except GroupAuthorizationFailedError:
            await self.sleep(POLL_S)  # `look_for_denials` will find it
            return
        except NoOffsetForPartitionError:
            return  # assigned anew while the fetch was under way: the task will say where to begin
        if not self.flow_active or self.should_stop:
            return  # every task opens again before the flow resumes, at its own positions
        passed = {tp: self.fetched(tp) if self.transport.read_committed else None for tp in wanted}
        if SOURCE in self._denials and time.monotonic() - self._denials[SOURCE].last > DENIAL_OVER_S:
            self._allow(SOURCE)
        for tp, records in fetched.items():
            tp = TP(tp.topic, tp.partition)
            epoch = self._epochs.get(tp)
            if epoch is None:
                continue
            if epochs.get(tp) != epoch:
                # Moved while the fetch was under way: nobody knows whether this is from before. Ask again.
                await self._thread.call_thread(self._seek_now, TopicPartition(*tp), self._nexts[tp])
                continue
            whole = self._without_skips(tp, records)
            if whole:
                self._nexts[tp] = passed[tp] or whole[-1].offset + 1
            if len(whole) < len(records):
                await self._thread.call_thread(self._seek_now, TopicPartition(*tp), self._nexts[tp])
            if whole:
                yield tp, self._run_message(tp, Fetched(epoch, whole, passed[tp]), whole[-1].offset, whole[-1].timestamp)
        for tp in wanted - {TP(tp.topic, tp.partition) for tp in fetched}:
            epoch, after = epochs[tp], passed[tp]
            # It began where the last fetch had come to, nobody has moved it, and it found nothing but what nobody gets.
            if epoch is None or epoch != self._epochs.get(tp) or began[tp] != self._nexts[tp]:
                continue
            if after is not None and after > self._nexts[tp]:
                self._nexts[tp] = after
                yield tp, self._run_message(tp, Fetched(epoch, (), after), after - 1, 0)

    # What is forbidden.

    @property
    def denials(self) -> list[Denial]:
        """What this user may not do any more."""
        return list(self._denials.values())

    async def look_for_denials(self) -> None:
        """Ask whether the group is forbidden. To be called every few seconds: between two assignments nobody else asks."""
        denied = await self._thread.group_denied()
        if denied is not None:
            self._deny(GROUP, denied)

    def _deny(self, what: str, reason: str) -> None:
        now = time.monotonic()
        if what not in self._denials:
            logger.warning("group %s: reading is forbidden: %s", self.app.conf.id, reason)
            self._denials[what] = Denial(reason, now, now)
        self._denials[what] = self._denials[what]._replace(last=now)

    def _allow(self, what: str) -> None:
        if self._denials.pop(what, None) is not None:
            logger.info("group %s: reading is allowed again", self.app.conf.id)

    def _not_there(self, offsets: Mapping[TopicPartition, int]) -> None:
        for partition, offset in offsets.items():
            tp = TP(partition.topic, partition.partition)
            self._flowing.discard(tp)
            if self.out_of_range is not None:
                self.out_of_range(tp, offset)

    def _without_skips(self, tp: TP, records: Sequence[Record]) -> Sequence[Record]:
        """The records up to where offsets jump, if the broker is one that leaves out a batch while it is being written (the
        embedded one): the rest is read again, for a while.

        On a broker with transactions offsets jump at every marker, and nothing is left out.
        """
        expected = self._nexts[tp]
        if self.transport.read_committed or records[-1].offset - expected < len(records):
            self._jumped.pop(tp, None)
            return records
        count = 0
        while records[count].offset <= expected + count:
            count += 1
        since = self._jumped.setdefault(tp, time.monotonic())
        if not count and time.monotonic() - since > SKIP_PATIENCE_S:
            del self._jumped[tp]
            return records
        return records[:count]

    def _run_message(self, tp: TP, value: Fetched, offset: int, timestamp: int) -> ConsumerMessage:
        return ConsumerMessage(
            tp.topic, tp.partition, offset, timestamp / 1000, CREATE_TIME, None, None, value, None, 0, 0, tp,
            generation_id=self.app.consumer_generation_id,
        )  # fmt: skip

    def fetched(self, tp: TP) -> int | None:
        """The next offset to fetch, past transaction markers; None while the partition is not read."""
        if tp not in self._flowing:
            return None
        # The thread of the consumer may have another assignment by now, or none: between two, nothing is read.
        subscription = self._thread._ensure_consumer()._subscription.subscription
        assignment = subscription.assignment if subscription is not None else None
        state = assignment.state_value(TopicPartition(*tp)) if assignment is not None else None
        position: int | None = state._position if state is not None else None
        return position

    # The bookmark.

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Commit the tasks' positions as the group's offsets. A failure is logged, and made good by the next one."""
        offsets = {tp: offset for tp, offset in self.positions().items() if self._committed_offset[tp] != offset}
        if not offsets or self.app.rebalancing or self._denials:
            return False
        try:
            await self._thread.bookmark(offsets)
        except (KafkaError, OSError) as error:
            logger.warning(
                "group %s: the bookmark was not committed (%s); positions are safe in the changelog",
                self.app.conf.id,
                type(error).__name__,  # some of them explain at length what users of the client might do
            )
            return False
        self._committed_offset.update(offsets)
        return True

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust guesses here whether a stream is stuck; the lag metrics know."""


class Transport(driver.Transport):
    """Set as `app.transport`."""

    Consumer = Consumer

    def __init__(self, *args: Any, connection: Connection, read_committed: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connection = connection
        self.read_committed = read_committed
