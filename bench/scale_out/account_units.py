"""A worker of processors that are all keyed by account: `python -m bench.scale_out.account_units`, told what to do by the
environment. In one unit, or each in a unit of its own.

They stand for what reacts to scored responses one account at a time: each counts in its own state, and now and then sends
something.
"""

import asyncio
import os
import signal
from collections.abc import Iterable, Sequence
from typing import Final

from prometheus_client import CollectorRegistry

from npstream.broker import HOST
from npstream.facts import PREFIX
from npstream.hosting import cluster, task_rules
from npstream.invocation import run_async
from npstream.memory import freeze, keep_freed_memory, tune_collector
from npstream.settings import Settings
from streams.health import Health
from streams.metrics import EngineMetrics, Reading, Readings
from streams.phase import Phase
from streams.processor import Outbox, Record, State, StreamTime
from streams.unit import Unit

SOURCE: Final = "scale.accounts"
PROCESSORS: Final = ("cases", "plays", "surveys", "advocacy")
FUSED: Final = "accounts"
"""The unit of all of them."""
EVERY: Final = 5
"""Of an account's records, one in so many brings an event."""
UNITS_VARIABLE: Final = "SCALE_OUT_UNITS"
"""`fused` or `apart`."""


def output(processor: str) -> str:
    """Where a processor sends its events."""
    return f"scale.{processor}"


class Counting:
    """Counts an account's records."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sources = (SOURCE,)
        self._output = output(name)

    def process(self, batch: Sequence[Record], state: State, now: StreamTime, outbox: Outbox) -> None:
        """See `streams.processor.Processor`."""
        for record in batch:
            key = record.key or b""
            count = int.from_bytes(state.get(key) or b"", "big") + 1
            state.put(key, count.to_bytes(4, "big"))
            if count % EVERY == 0:
                outbox.send(self._output, key, b"%d" % count, now.at(record.timestamp))

    def tick(self, now: int, state: State, outbox: Outbox) -> None:
        """Time brings nothing."""


def units(fused: bool) -> dict[str, tuple[str, ...]]:
    """The names of the processors of each unit."""
    return {FUSED: PROCESSORS} if fused else {name: (name,) for name in PROCESSORS}


async def _work(settings: Settings, hosted: dict[str, tuple[str, ...]]) -> None:
    tune_collector(settings.gc_threshold)
    keep_freed_memory()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    registry = CollectorRegistry()
    metrics = EngineMetrics(registry, PREFIX, ())
    connection = settings.connection()
    broker = cluster(settings)
    await broker.start()

    def fatal(reason: str) -> None:
        raise SystemExit(reason)

    running = [
        Unit(
            settings.app_id, name, [Counting(one) for one in of], connection, broker, task_rules(settings), metrics, fatal,
            session_timeout_s=settings.session_timeout_ms / 1000,
        )
        for name, of in hosted.items()
    ]  # fmt: skip

    def readings() -> Iterable[Reading]:
        counts = ((unit.name, sum(task.phase is Phase.RUNNING for task in list(unit.tasks.values()))) for unit in running)
        yield Reading("tasks", "Tasks that run", ("unit", "phase"), {(name, "running"): float(n) for name, n in counts})

    Readings(registry, PREFIX, readings)
    health = Health(registry, lambda: [problem for unit in running for problem in unit.problems()])
    health.start(HOST, settings.http_port)
    for unit in running:
        metrics.declare_unit(unit.name)
    await asyncio.gather(*(unit.start() for unit in running))
    freeze()
    await stop.wait()
    await asyncio.gather(*(unit.stop() for unit in running))
    await broker.stop()
    health.stop()


def main() -> None:
    """Until SIGTERM."""
    settings = Settings.load()
    run_async(settings, _work(settings, units(os.environ[UNITS_VARIABLE] == "fused")))


if __name__ == "__main__":
    main()
