"""Carries a schedule out: real workers, a real broker, responses all the while."""

import threading
import time
from collections.abc import Callable
from typing import Final

from tests.chaos.kafka import BadlyTreatedKafka, Disk
from tests.chaos.recovery import Recovery, Watch
from tests.chaos.schedule import Act, Schedule, Step
from tests.integration.workers import Worker, Workers, until
from tests.integration.world import World

ENDED_WITHIN_S: Final = 40.0
"""A worker that is asked to end may wait 15 s for what hangs (it says so in its log), and a busy machine."""
BROKER_ENDS_S: Final = 30.0
"""Kafka ends itself when it cannot write: at its next write."""


class Play:
    """One schedule on one broker."""

    def __init__(self, schedule: Schedule, kafka: BadlyTreatedKafka, world: World, workers: Workers) -> None:
        self.recoveries: list[Recovery] = []
        self.exits: dict[str, int] = {}
        """Exit codes of workers that were asked to end."""
        self.living: dict[str, Worker] = {}
        self._schedule = schedule
        self._kafka = kafka
        self._world = world
        self._workers = workers
        self._watches: list[Watch] = []
        self._ending: list[threading.Thread] = []
        self._acts: dict[Act, Callable[[Step], None]] = {
            Act.START: self._start,
            Act.KILL: self._kill,
            Act.PAUSE: lambda step: self.living[step.worker].pause(),
            Act.RESUME: lambda step: self.living[step.worker].resume(),
            Act.TERMINATE: self._terminate,
            Act.BROKER_KILL: lambda step: kafka.broker.kill(),
            Act.BROKER_START: lambda step: kafka.broker.restart(),
            Act.DELAY: lambda step: kafka.network.delay(step.delay_s),
            Act.SILENCE: lambda step: kafka.network.silence(),
            Act.MUTE: lambda step: kafka.network.mute(),
            Act.CUT: lambda step: kafka.network.cut(),
            Act.CALM: lambda step: kafka.network.calm(),
            Act.FILL: lambda step: self._disk.fill(),
            Act.FREE: self._free,
        }

    def run(self, tell: Callable[[str], None]) -> None:
        """Each step at its second, or once the one before is done. Raises AssertionError for a worker that ends by itself."""
        began = time.monotonic()
        pacing = threading.Event()
        for step in self._schedule.steps:
            pacing.wait(max(0.0, began + step.at_s - time.monotonic()))
            tell(str(step))
            self._acts[step.act](step)
            self._nobody_else_ended()
        for ending in self._ending:
            ending.join()
        self.recoveries = [watch.done() for watch in self._watches]
        self._nobody_else_ended()

    def _nobody_else_ended(self) -> None:
        for name, worker in self.living.items():
            if not worker.alive:
                raise AssertionError(f"{name} has ended by itself with {worker.ended(0)}:\n{worker.log[-2000:]}")

    # Acts.

    def _start(self, step: Step) -> None:
        self.living[step.worker] = self._workers.start()

    def _kill(self, step: Step) -> None:
        victim = self.living.pop(step.worker)
        partitions = victim.assigned.get("scoring", [])
        victim.kill()
        if step.measured and partitions:
            self._watches.append(Watch(self._world, victim, partitions, list(self.living.values())))

    def _terminate(self, step: Step) -> None:
        """The schedule goes on meanwhile."""
        victim = self.living.pop(step.worker)

        def end() -> None:
            try:
                self.exits[step.worker] = victim.terminate(ENDED_WITHIN_S)
            except AssertionError:
                self.exits[step.worker] = -1

        self._ending.append(threading.Thread(target=end, name=f"end of {step.worker}", daemon=True))
        self._ending[-1].start()

    @property
    def _disk(self) -> Disk:
        if self._kafka.disk is None:
            raise AssertionError("the schedule fills a disk, and there is none that may be full")
        return self._kafka.disk

    def _free(self, step: Step) -> None:
        """Kafka has ended itself by now; somebody makes room, and starts it."""
        until(lambda: not self._kafka.broker.alive, "Kafka ends for want of room", BROKER_ENDS_S)
        self._disk.free()
        self._kafka.broker.restart()
