"""How long the partitions of a killed worker stand still, and which share of it is the consumer group's."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from schemas import topics
from tests.integration.workers import Worker
from tests.integration.world import World

POLL_S: Final = 0.05
"""Between two looks."""
GIVEN_UP_S: Final = 90.0
"""Nothing recovers that has not by then."""
ASSIGNED: Final = "scoring: assigned partitions"
"""What a worker logs when the group has given it partitions."""


@dataclass(slots=True)
class Recovery:
    """After one kill -9; in seconds since it, None for what did not happen in time."""

    worker: str
    partitions: Sequence[int]
    """Of scoring, which the worker had."""
    assigned_s: float | None = None
    """Until the group gave them to others: its session time-out, and a rebalance."""
    processed_s: float | None = None
    """Until each of them was processed again: something new of it is committed."""


class Watch:
    """Watches one recovery from a thread of its own."""

    def __init__(self, world: World, victim: Worker, partitions: Sequence[int], survivors: Sequence[Worker]) -> None:
        """Call it right after the kill, while responses keep coming for all partitions."""
        self.recovery = Recovery(victim.name, partitions)
        self._world = world
        self._began = time.monotonic()
        self._survivors = survivors
        self._said = self._assignments()
        # The victim's last transaction may be open: its records are there already, and the marker that aborts it will follow.
        self._behind = {partition: end + 1 for partition, end in self._ends(committed=False).items()}
        self._thread = threading.Thread(target=self._watch, name="recovery", daemon=True)
        self._thread.start()

    def done(self) -> Recovery:
        """Wait for its end."""
        self._thread.join(GIVEN_UP_S + 10)
        return self.recovery

    def _watch(self) -> None:
        self.recovery.assigned_s = self._until(lambda: self._assignments() > self._said)
        self.recovery.processed_s = self._until(self._processed)

    def _until(self, happened: Callable[[], bool]) -> float | None:
        while not happened():
            if time.monotonic() - self._began > GIVEN_UP_S:
                return None
            time.sleep(POLL_S)
        return time.monotonic() - self._began

    def _assignments(self) -> int:
        return sum(len(worker.logged(ASSIGNED)) for worker in self._survivors)

    def _processed(self) -> bool:
        ends = self._ends(committed=True)
        return all(ends[partition] > self._behind[partition] for partition in self.recovery.partitions)

    def _ends(self, committed: bool) -> dict[int, int]:
        return {number: end for (_, number), end in self._world.ends(topics.SCORED, committed=committed).items()}
