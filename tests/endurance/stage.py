"""What every command plays on: a Kafka of its own, npstream's topics, and one worker as a process with all agents."""

import itertools
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from npstream.recount import home_of
from schemas import topics
from tests.endurance.sampling import rss_mb
from tests.endurance.sending import Sender, Source
from tests.integration.workers import PARTITIONS, Worker, Workers, until
from tests.integration.world import World
from tests.kafka.broker import KafkaBroker

APP_ID: Final = "endurance"
JVM_OPTIONS: Final = ("-Xmx1g", "-Xms1g", "-XX:+UseSerialGC", "-Xshare:auto")
"""The benchmark's: Kafka's own heap, and the full compiler."""
POLL_S: Final = 0.1
"""Pause between two looks at how many records are settled."""
DONE_TIMEOUT_S: Final = 3600.0
"""Bound of any wait for a worker. What it may need at its own rate is for the command to judge."""
LAG_TIMEOUT_S: Final = 60.0
"""Bound of waiting for the measure of a lag that is gone."""


@dataclass
class Stage:
    """A broker with topics, and a worker that is ready."""

    kafka: KafkaBroker
    world: World
    workers: Workers
    worker: Worker
    base_mb: float
    """The worker's memory when it was ready and had done nothing."""

    def sender(self, compression: str = "none") -> Sender:
        """Of raw responses, compressed by one of Kafka's codecs."""
        return Sender(self.world.bootstrap, topics.RAW, compression)

    def settled(self) -> int:
        """Records that the worker has scored or refused since its start, committed."""
        metrics = self.worker.metrics()
        scored = metrics.get(("npstream_batch_records_sum", "scoring"), 0.0)
        return int(scored + sum(value for (name, *_), value in metrics.items() if name == "npstream_dead_letters_total"))

    def wait_settled(self, count: int) -> None:
        """Return when it has scored or refused so many. Raises AssertionError if it ends before, or takes too long."""

        def done() -> bool:
            if not self.worker.alive:
                raise AssertionError(f"the worker ended: {self.worker.log.splitlines()[-1:]}")
            return self.settled() >= count

        until(done, f"{count:,} records scored or refused", DONE_TIMEOUT_S, POLL_S)

    def wait_no_lag(self) -> None:
        """Return when the worker says that it is behind nowhere: it looks every two seconds, and may tell of what was."""

        def none() -> bool:
            lags = [value for (name, *_), value in self.worker.metrics().items() if name == "npstream_lag_records"]
            return bool(lags) and not any(lags)

        until(none, "no lag", LAG_TIMEOUT_S, POLL_S)


@contextmanager
def stage(
    settings: Mapping[str, object] | None = None,
    configs: Mapping[str, Mapping[str, str]] | None = None,
    kafka_settings: Mapping[str, str] | None = None,
) -> Iterator[Stage]:
    """`settings` are the worker's, `configs` entries of topics' configurations, `kafka_settings` the broker's."""
    with KafkaBroker(kafka_settings, JVM_OPTIONS) as kafka, tempfile.TemporaryDirectory(prefix="npstream-endurance-") as folder:
        world = World(kafka.bootstrap, APP_ID, configs=configs)
        with Workers(kafka.bootstrap, APP_ID, Path(folder), **dict(settings or {})) as workers:
            worker = workers.start().wait_ready()
            yield Stage(kafka, world, workers, worker, rss_mb(worker.pid))


@dataclass(frozen=True)
class Sustainable:
    """What one worker with all agents does on this machine at this time."""

    per_second: float
    responses: int
    """So many were measured."""
    seconds: float


def sustainable(on: Stage, source: Source, first: int, count: int) -> Sustainable:
    """The rate at which the worker works a backlog off while nobody produces: the most that it can do, since batches are as
    large as they may be and the machine is its own. What it keeps up with for good is at most that.

    A third of `count` goes before, unmeasured: a Kafka that has just started is still compiling itself."""
    sender, before = on.sender(), on.settled()
    warm = count // 3
    sender.at_once(source, first, warm)
    on.wait_settled(before + warm)
    sender.at_once(source, first + warm, count - warm)
    began, at_first = time.monotonic(), on.settled()
    on.wait_settled(before + count)
    seconds = time.monotonic() - began
    left = before + count - at_first
    return Sustainable(left / seconds, left, seconds)


def home_accounts(count: int, partition: int | None = None, name: str = "acct") -> list[str]:
    """Names of accounts; with a partition such as have their home there."""
    names = (f"{name}-{number}" for number in itertools.count())
    chosen = (one for one in names if partition is None or home_of(one, PARTITIONS) == partition)
    return list(itertools.islice(chosen, count))
