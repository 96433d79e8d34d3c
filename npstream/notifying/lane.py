"""One sink's way through a topic: a consumer group of its own, so that a sink that is down holds up nobody but itself.

Several notifiers share the partitions of a lane. One that gets a partition fences who had it before (`book`), so a notifier
that was stopped and comes back can record nothing.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from npstream.notifying.partition import Partition

logger = logging.getLogger(__name__)

POLL_MS: Final = 200
"""How long one fetch waits: so soon it is noticed that there is room again, or that the end has come."""
BOOKMARK_S: Final = 5.0
"""How often the group learns of records that were passed over: what is read again after a crash costs nothing else."""
COMMIT_S: Final = 5.0
"""How long that may take."""
GRACE_S: Final = 2.0
"""At the end, or when partitions go to another notifier, how long attempts under way may take: less than a session."""


class Lane:
    """Reads, and gives each partition what is its own. The consumer must be started, with `listener` as its listener."""

    def __init__(self, name: str, consumer: Any, partition_of: Callable[[TopicPartition], Partition]) -> None:
        self._name = name
        self._consumer = consumer
        self._partition_of = partition_of
        self._partitions: dict[TopicPartition, Partition] = {}
        self._running: dict[TopicPartition, asyncio.Task[None]] = {}
        self._paused: set[TopicPartition] = set()
        self._bookmarked = time.monotonic()
        self._fault: Exception | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Until it is to stop. Raises UserError."""
        try:
            while not stop.is_set():
                found = await self._consumer.getmany(timeout_ms=POLL_MS)
                for where, records in found.items():
                    self._given(where).add(records)
                for running in self._running.values():
                    if running.done():
                        running.result()
                if self._fault is not None:
                    raise self._fault
                self._make_room()
                await self._bookmark()
        finally:
            await self._bookmark(now=True)
            await self.revoked(list(self._partitions))
        if self._fault is not None:
            raise self._fault

    async def revoked(self, partitions: Collection[TopicPartition]) -> None:
        """Partitions go to somebody else."""
        gone = [(self._partitions.pop(one), self._running.pop(one)) for one in partitions if one in self._partitions]
        self._paused.difference_update(partitions)
        ends = await asyncio.gather(*(partition.close(running, GRACE_S) for partition, running in gone), return_exceptions=True)
        # Not raised here: the group's client, which calls this, would swallow it.
        self._fault = next((end for end in ends if isinstance(end, Exception)), self._fault)

    def _given(self, where: TopicPartition) -> Partition:
        if where not in self._partitions:
            self._partitions[where] = partition = self._partition_of(where)
            self._running[where] = asyncio.create_task(partition.run())
        return self._partitions[where]

    def _make_room(self) -> None:
        for where, partition in self._partitions.items():
            try:
                if partition.is_full and where not in self._paused:
                    self._consumer.pause(where)
                    self._paused.add(where)
                elif partition.has_room and where in self._paused:
                    self._consumer.resume(where)
                    self._paused.discard(where)
            except IllegalStateError:
                self._paused.discard(where)  # it is just being given to somebody else

    async def _bookmark(self, now: bool = False) -> None:
        """Tell the group how far everything was passed over."""
        if not now and time.monotonic() - self._bookmarked < BOOKMARK_S:
            return
        self._bookmarked = time.monotonic()
        marks = {where: mark for where, one in self._partitions.items() if (mark := one.bookmark) is not None}
        if not marks:
            return
        try:
            async with asyncio.timeout(COMMIT_S):
                await self._consumer.commit(marks)
        except (CommitFailedError, IllegalStateError):
            logger.debug("%s: partitions went to another notifier meanwhile", self._name)
        except (KafkaError, TimeoutError, OSError) as error:
            logger.debug("%s: the group does not learn how far it is: %r", self._name, error)
        else:
            for where, mark in marks.items():
                if where in self._partitions:
                    self._partitions[where].kept = mark
