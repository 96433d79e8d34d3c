"""What every command plays on: a Kafka, a worker with all agents, `npstream notify`, and a receiver of webhooks; each of them a
process that can be killed and started again."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from npstream.broker import free_port
from npstream.child import Child
from tests.closing.receiver import HOST, Received, received
from tests.endurance.stage import JVM_OPTIONS
from tests.integration.workers import Workers, environment, until
from tests.integration.world import World
from tests.kafka.broker import KafkaBroker

APP_ID: Final = "closing"
SECRET: Final = "whsec_" + "c2VjcmV0LW9mLXRoZS1yZWNlaXZlcg=="
SINK: Final = "receiver"
READY_TIMEOUT_S: Final = 60.0
POLL_S: Final = 0.1
"""Pause between two looks."""

Kill = Callable[[], None]


class Stage:
    """All of it, running."""

    def __init__(
        self, kafka: KafkaBroker, workers: Workers, world: World, folder: Path, care: str, tuning: Mapping[str, str]
    ) -> None:
        """`care` is the care file but for its sink, `tuning` are further settings of the worker."""
        self.kafka = kafka
        self.world = world
        self.bootstrap = kafka.bootstrap
        self._workers = workers
        self._file = folder / "received"
        self._port = free_port()
        self._logs = folder
        care_file = folder / "care.toml"
        sink = f'\n[sinks.{SINK}]\nkind = "webhook"\nurl = "http://{HOST}:{self._port}/alerts"\nsecret = "{SECRET}"\n'
        care_file.write_text(care + sink, encoding="utf-8")
        self._settings: Mapping[str, object] = {"care_file": care_file, "notify_http_port": 0}
        self._tuning = tuning
        self._started = 0
        self.start_receiver()
        self.start_notifier()
        self.start_worker()
        self.worker.wait_ready()

    def start_receiver(self) -> None:
        """It goes on with the file of the one before."""
        command = [sys.executable, "-m", "tests.closing.receiver", str(self._port), str(self._file)]
        self.receiver = self._child("receiver", command, dict(os.environ))

    def start_notifier(self) -> None:
        """It finds its place in Kafka."""
        environ = environment(self.bootstrap, APP_ID, self._settings)
        self.notifier = self._child("notify", [sys.executable, "-m", "npstream", "notify"], environ)

    def start_worker(self) -> None:
        """As above."""
        self.worker = self._workers.start(**self._settings, **self._tuning)

    def _child(self, name: str, command: list[str], environ: Mapping[str, str]) -> Child:
        self._started += 1
        log = self._logs / f"{name}-{self._started}.out"
        log.touch()
        return Child(command, log, environ)

    def received(self) -> list[Received]:
        """All deliveries so far."""
        return received(self._file)

    def told(self) -> int:
        """Items that were told so far, each as often as it was."""
        return sum(len(one.items) for one in self.received())

    def wait_told(self, count: int, timeout_s: float) -> None:
        """Return when so many different items were told. Raises AssertionError."""

        def enough() -> bool:
            return len({item.key for one in self.received() for item in one.items}) >= count

        until(enough, f"{count:,} alerts delivered (it is {self.told():,})", timeout_s, POLL_S)

    def close(self) -> None:
        """End what the broker's end would surprise."""
        self.notifier.stop(READY_TIMEOUT_S)
        self.receiver.kill()


@contextmanager
def stage(care: str, tuning: Mapping[str, str] | None = None) -> Iterator[Stage]:
    """With this care file, and settings of the worker."""
    with KafkaBroker(None, JVM_OPTIONS) as kafka, tempfile.TemporaryDirectory(prefix="npstream-closing-") as folder:
        world = World(kafka.bootstrap, APP_ID)
        with Workers(kafka.bootstrap, APP_ID, Path(folder)) as workers:
            on = Stage(kafka, workers, world, Path(folder), care, tuning or {})
            try:
                yield on
            finally:
                on.close()
