"""A worker that hosts the tally, as `npstream worker` hosts the agents: default settings, one process, exactly once. It is told
what to do, and tells what it did, as a peer does (bench/peers/telling.py). All is written once the last batch is committed."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from prometheus_client import CollectorRegistry

from bench.engine.tally import Tally
from bench.peers.telling import Work, tell
from npstream.facts import FACTS, PREFIX
from npstream.hosting import cluster, task_rules
from npstream.invocation import run_async
from npstream.memory import freeze, keep_freed_memory, tune_collector
from npstream.settings import Settings
from streams.execution import Batch
from streams.metrics import EngineMetrics
from streams.processor import Outbox, Record, State, StreamTime
from streams.task_name import TaskName
from streams.unit import Unit

UNIT: Final = Tally.name


class Telling(Tally):
    """Says when the first response comes."""

    began = False

    def process(self, batch: Sequence[Record], state: State, now: StreamTime, outbox: Outbox) -> None:
        """See `Tally`."""
        if not self.began:
            tell("began")
            self.began = True
        super().process(batch, state, now, outbox)


class Counting(EngineMetrics):
    """The engine's metrics, and how many responses were committed."""

    def __init__(self, responses: int) -> None:
        super().__init__(CollectorRegistry(), PREFIX, FACTS)
        self.all = asyncio.Event()
        self._left = responses
        self._writing_s = 0.0
        self._batches = 0

    def committed(self, task: TaskName, batch: Batch, staging_s: float, writing_s: float, waited_s: float, now_ms: int) -> None:
        """See `streams.task.Probe`."""
        super().committed(task, batch, staging_s, writing_s, waited_s, now_ms)
        self._left -= batch.records
        if batch.records:
            self._batches += 1
            self._writing_s += writing_s
        if batch.records and not self._left:
            tell("ended", batches=self._batches, transaction_s=round(self._writing_s, 3))
            self.all.set()


async def process(work: Work, settings: Settings) -> None:
    """Until all responses are processed. Raises RuntimeError with the reason if it cannot go on."""
    tune_collector(settings.gc_threshold)
    keep_freed_memory()
    connection = settings.connection()
    broker = cluster(settings)
    counting = Counting(work.responses)
    fatal: list[str] = []

    def give_up(reason: str) -> None:
        fatal.append(reason)
        counting.all.set()

    unit = Unit(
        settings.app_id, UNIT, [Telling(work.source, work.changes, work.detractors)], connection, broker, task_rules(settings),
        counting, give_up, session_timeout_s=settings.session_timeout_ms / 1000, heartbeat_s=settings.heartbeat_ms / 1000,
    )  # fmt: skip
    await broker.start()
    freeze()
    await unit.start()
    await counting.all.wait()
    await unit.stop()
    await broker.stop()
    if fatal:
        raise RuntimeError(fatal[0])


def main() -> None:
    """As the environment tells."""
    logging.basicConfig(level=logging.WARNING)
    work = Work.told()
    settings = Settings.load().override(bootstrap=work.bootstrap, app_id=work.group)
    run_async(settings, process(work, settings))


if __name__ == "__main__":
    main()
