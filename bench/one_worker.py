"""One `npstream worker` with default settings, beside a Kafka that has npstream's topics."""

import asyncio
import os
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.inputs import PARTITIONS
from bench.measurement import RunFailed
from bench.processes import Usage
from bench.watching import Look, Watch
from npstream.admin import connect
from npstream.broker import HOST, free_port
from npstream.child import Child
from npstream.settings import AGENTS, Settings
from npstream.topic_plan import planned_topics

READY_TIMEOUT_S = 90.0
"""A start takes some seconds; the rest is for a busy machine."""
STOP_TIMEOUT_S = 30.0
"""A worker ends within seconds when asked."""
POLL_S = 0.1
"""Pause between two looks."""


@dataclass(frozen=True)
class OneWorker:
    """A worker that runs."""

    settings: Settings
    child: Child
    broker_pid: int

    @property
    def url(self) -> str:
        """Where it tells how it is."""
        return f"http://{HOST}:{self.settings.http_port}"

    def look(self) -> Look:
        """Its metrics now. Raises RunFailed if it has ended, or does not answer."""
        watch = Watch(self.url, AGENTS[0], lambda: self.child.alive, lambda: Usage.now(self.child.pid, self.broker_pid))
        deadline = time.monotonic() + READY_TIMEOUT_S
        while (look := watch.look()) is None:
            self._must_live(deadline, "/metrics")
            time.sleep(POLL_S)
        return look

    def wait_ready(self) -> None:
        """Return when all its tasks run. Raises RunFailed."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not self._is_ready():
            self._must_live(deadline, "/ready")
            time.sleep(POLL_S)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/ready", timeout=READY_TIMEOUT_S) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _must_live(self, deadline: float, what: str) -> None:
        if not self.child.alive or time.monotonic() > deadline:
            raise RunFailed(f"the worker does not answer {what}; its log ends:\n{self.child.tail()}")


def environment(bootstrap: str, app_id: str, tuning: Mapping[str, str]) -> dict[str, str]:
    """This process's environment, with the defaults but for these settings, and a free port."""
    foreign = {name: value for name, value in os.environ.items() if not name.startswith("NPSTREAM_")}
    own = {
        "bootstrap": bootstrap,
        "app_id": app_id,
        "partitions": str(PARTITIONS),
        "http_host": HOST,
        "http_port": str(free_port()),
        **tuning,
    }
    return foreign | {f"NPSTREAM_{name.upper()}": value for name, value in own.items()}


@contextmanager
def worker(settings: Settings, environ: Mapping[str, str], broker_pid: int, folder: Path) -> Iterator[OneWorker]:
    """Start one with these settings, and end it. Raises RunFailed if it does not end as it should."""
    child = Child([sys.executable, "-m", "npstream", "worker"], folder / f"{settings.app_id}.log", environ)
    try:
        yield OneWorker(settings, child, broker_pid)
        child.stop(STOP_TIMEOUT_S)
        if child.process.returncode != 0:
            raise RunFailed(f"the worker ended with {child.process.returncode}; its log ends:\n{child.tail()}")
    finally:
        child.kill()


def create_topics(settings: Settings) -> None:
    """All of them."""
    asyncio.run(_create(settings))


async def _create(settings: Settings) -> None:
    async with connect(settings.connection()) as admin:
        await admin.create(planned_topics(settings))
