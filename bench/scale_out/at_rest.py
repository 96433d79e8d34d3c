"""What partitions cost while nothing happens: sockets, memory and processor time of worker and broker, by partitions."""

import time
from dataclasses import dataclass

from bench.process_tree import Footprint
from bench.scale_out.stage import Stage, environment, topics_of, worker
from npstream.settings import AGENTS, Settings


@dataclass(frozen=True)
class AtRest:
    """All agents, ready, with nothing to do."""

    processes: int
    partitions: int
    ready_s: float
    """From the start of the command until all tasks ran."""
    worker: Footprint
    broker_sockets: int
    broker_files: int
    worker_cpu: float
    """Of one core, over the time of the look."""
    broker_cpu: float

    @property
    def tasks(self) -> int:
        """Each with a transactional producer."""
        return self.partitions * len(AGENTS)


def measure(stage: Stage, processes: int, partitions: int, look_s: float) -> AtRest:
    """Start all agents on empty topics, and look at them for `look_s` seconds. Raises RunFailed."""
    app_id = stage.app_id()
    environ = environment(stage, app_id, partitions=partitions, processes=processes)
    with topics_of(stage, Settings.load(environ=environ)):
        began = time.monotonic()
        with worker(stage, app_id, environ, AGENTS[0]) as command:
            command.wait_ready()
            ready_s = time.monotonic() - began
            before = command.usage()
            time.sleep(look_s)
            after = command.usage()
            broker = stage.broker()
            found = AtRest(
                processes,
                partitions,
                ready_s,
                command.footprint(),
                broker.sockets,
                broker.open_files,
                (after.worker - before.worker) / (after.at - before.at),
                ((after.broker or 0.0) - (before.broker or 0.0)) / (after.at - before.at),
            )
            command.stop()
    return found
