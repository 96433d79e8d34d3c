"""The port of `streams.task` to the transport: reads committed source records and hands them to a task.

It is as unkind as a transport may be: what was fetched before a move still arrives after it, reading begins too early, and
records arrive again. It never leaves one out.
"""

import asyncio
import random

from streams.task import Task
from tests.model.cluster import Cluster
from tests.model.faults import Faults
from tests.model.log import Stored

IDLE_S = (0.01, 1.0)
"""Between two looks at a source that had nothing: at first, and at most."""

LONGEST_RUN = 5
"""Records of one fetch: few, so that a handful of records makes many batches."""


class ModelFlow:
    """One worker's reading, for tasks of one partition number. Implements `streams.task.Flow`."""

    def __init__(self, cluster: Cluster, faults: Faults, seed: int = 0) -> None:
        self.assigned = True
        """What the group's coordinator says."""
        self.held = False
        self.holds = 0
        """How often the partition was held."""
        self.moves: list[dict[str, int]] = []
        """Where each opening has begun to read."""
        self.fetched: dict[str, int] = {}
        self.early = 0.3
        """How often reading begins earlier than asked."""
        self._cluster = cluster
        self._faults = faults
        self._random = random.Random(seed)
        self._partition = 0
        self._epoch = 0
        self._late: list[tuple[int, list[Stored]]] = []

    async def confirmed(self, partition: int) -> bool:
        """See `streams.task.Flow`."""
        await self._faults.at("before confirmed")
        return self.assigned

    async def move(self, partition: int, offsets: dict[str, int]) -> int:
        """See `streams.task.Flow`."""
        await self._faults.at("before release")
        for topic in offsets:
            behind = self._cluster.log(topic, partition).committed(self._random.randrange(1 + offsets[topic]), 1 << 60)
            if behind:
                # Fetched before, under the old epoch: from anywhere, and taken in it would tear a hole or count twice.
                self._late.append((self._epoch, behind[-LONGEST_RUN:]))
        self._partition = partition
        self._epoch += 1
        self.moves.append(dict(offsets))
        early = self._random.random() < self.early
        self.fetched = {topic: offset // 2 if early else offset for topic, offset in offsets.items()}
        self.held = False
        await self._faults.at("after release")
        return self._epoch

    def hold(self, partition: int) -> None:
        """See `streams.task.Flow`."""
        self.held = True
        self.holds += 1

    def release(self, partition: int) -> None:
        """See `streams.task.Flow`."""
        self.held = False

    async def feed(self, task: Task) -> None:
        """Fetch for as long as the process lives."""
        idle_s = IDLE_S[0]
        while True:
            found = [self._fetch(task, topic) for topic in list(self.fetched)]
            await asyncio.sleep(self._random.choice((0, 0, 0.001)) if any(found) else idle_s)
            idle_s = IDLE_S[0] if any(found) else min(2 * idle_s, IDLE_S[1])

    def _fetch(self, task: Task, topic: str) -> bool:
        while self._late:
            task.accept(*self._late.pop())
        if self.held or self._faults.killed:
            return False
        log = self._cluster.log(topic, self._partition)
        records = log.committed(self.fetched[topic], log.ends.stable)[: self._random.randint(1, LONGEST_RUN)]
        if not records:
            # Markers and aborted records are passed: whoever fetches learns that there is nothing for anybody.
            self.fetched[topic] = max(self.fetched[topic], log.ends.stable)
            task.pass_by(self._epoch, topic, self.fetched[topic])
            return False
        task.accept(self._epoch, records)
        self.fetched[topic] = records[-1].offset + 1
        if self._random.random() < 0.2:
            task.accept(self._epoch, records[: self._random.randint(1, len(records))])  # again
        return True
