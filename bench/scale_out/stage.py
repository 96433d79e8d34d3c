"""What all measurements here run on: a Kafka, its data, and `npstream worker` as a user starts it."""

import asyncio
import os
import signal
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.measurement import Ground, RunFailed, wait
from bench.process_tree import Footprint, tree, usage
from bench.processes import Usage
from bench.watching import HTTP_TIMEOUT_S, Look, Watch
from npstream.admin import connect
from npstream.broker import HOST, free_port
from npstream.child import Child
from npstream.settings import Settings
from npstream.topic_plan import planned_topics
from tests.kafka.topics import TopicAdmin

STOP_TIMEOUT_S = 30.0
"""A worker ends within seconds when asked."""
START_TIMEOUT_S = 180.0
"""Until a worker is ready: three seconds, with 64 partitions ten; the rest is for a busy machine."""
SESSION_MS = 60_000
"""For who is held still while a topic is filled, which takes seconds: nobody shall miss it."""
POLL_S = 0.05
"""Between two looks: the error of a time that is measured with them."""


@dataclass
class Stage:
    """A broker, and where it keeps its data. Each application id is used once."""

    ground: Ground
    data: Path
    runs: int = 0

    def app_id(self) -> str:
        """A new one."""
        self.runs += 1
        return f"scale-{self.runs}"

    def stored_bytes(self) -> Counter[str]:
        """Bytes in the logs of each topic."""
        found: Counter[str] = Counter()
        for partition in self.data.iterdir():
            if partition.is_dir():
                found[partition.name.rpartition("-")[0]] += sum(log.stat().st_size for log in partition.glob("*.log"))
        return found

    def broker(self) -> Footprint:
        """What the broker holds now."""
        return Footprint.of([self.broker_pid])

    @property
    def broker_pid(self) -> int:
        """Its process."""
        if self.ground.broker_pid is None:
            raise RunFailed("the broker is not ours: there is no telling what it uses")
        return self.ground.broker_pid


def environment(stage: Stage, app_id: str, **settings: object) -> dict[str, str]:
    """This process's environment, with no other settings than these."""
    foreign = {name: value for name, value in os.environ.items() if not name.startswith("NPSTREAM_")}
    own = {
        "bootstrap": stage.ground.bootstrap,
        "app_id": app_id,
        "http_host": HOST,
        "http_port": free_port(),
        **settings,
    }
    return foreign | {f"NPSTREAM_{name.upper()}": str(value) for name, value in own.items()}


@contextmanager
def topics_of(stage: Stage, settings: Settings) -> Iterator[None]:
    """All topics of an application, gone afterwards."""

    async def create() -> None:
        async with connect(settings.connection()) as admin:
            await admin.create(planned_topics(settings))

    asyncio.run(create())
    try:
        yield
    finally:
        TopicAdmin(stage.ground.bootstrap).delete(*(topic.name for topic in planned_topics(settings)))


class Command:
    """One running command that serves /metrics and /ready, with the processes that it has started."""

    def __init__(self, stage: Stage, argv: list[str], name: str, environ: Mapping[str, str], url: str, first_unit: str) -> None:
        self._stage = stage
        self.child = Child([sys.executable, "-m", *argv], stage.ground.folder / f"{name}.log", environ)
        self._url = url
        self.watch = Watch(url, first_unit, lambda: self.child.alive, self.usage)

    def usage(self) -> Usage:
        """Processor time of all of its processes, the broker and everybody else."""
        return usage(self.child.pid, self._stage.broker_pid)

    def look(self) -> Look | None:
        """Its metrics; None while nobody answers."""
        return self.watch.look()

    @property
    def ready(self) -> bool:
        """Whether /ready says so. Raises RunFailed if it has ended."""
        if not self.child.alive:
            raise RunFailed(f"{self.child.log.stem} ended; its log ends:\n{self.child.tail()}")
        try:
            with urllib.request.urlopen(f"{self._url}/ready", timeout=HTTP_TIMEOUT_S) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def wait_ready(self) -> None:
        """Return once it is. Raises RunFailed."""
        wait(lambda: self.ready, f"{self.child.log.stem} ready", START_TIMEOUT_S, POLL_S)

    def footprint(self) -> Footprint:
        """Of all of its processes."""
        return Footprint.of(tree(self.child.pid))

    @contextmanager
    def held(self) -> Iterator[None]:
        """All of its processes stand still: what is filled into topics meanwhile is all there when they go on."""
        pids = tree(self.child.pid)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def stop(self) -> None:
        """SIGTERM, and wait. Raises RunFailed if it does not end well."""
        self.child.stop(STOP_TIMEOUT_S)
        if self.child.process.returncode != 0:
            raise RunFailed(
                f"{self.child.log.stem} ended with {self.child.process.returncode}; its log ends:\n{self.child.tail()}"
            )


@contextmanager
def command(
    stage: Stage, module: str, name: str, environ: Mapping[str, str], first_unit: str, *arguments: str
) -> Iterator[Command]:
    """`python -m MODULE ARGUMENTS`, gone afterwards."""
    url = f"http://{HOST}:{environ['NPSTREAM_HTTP_PORT']}"
    running = Command(stage, [module, *arguments], name, environ, url, first_unit)
    try:
        yield running
    finally:
        running.child.kill()


def worker(stage: Stage, name: str, environ: Mapping[str, str], first_unit: str) -> AbstractContextManager[Command]:
    """`npstream worker`, gone afterwards."""
    return command(stage, "npstream", name, environ, first_unit, "worker")
