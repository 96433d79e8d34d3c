"""Workers as they run in production: processes of their own, told what to do by their environment alone.

with Workers(bootstrap, app_id, folder) as workers:
    one = workers.start()
    one.wait_ready()

None outlives the test: each is ended by its own pid at the end, and by the kernel should the tests be killed. What they logged
is printed then, which pytest shows for a test that failed.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

from npstream.child import Child

ROOT = Path(__file__).parents[2]
PARTITIONS = 4
"""Enough for two workers to share; each costs a task with a producer and a transaction coordinator's entry."""
SESSION_TIMEOUT_MS = 6000
"""A dead worker's partitions are taken over after this; shorter would end the session of one that a busy machine holds up."""
READY_TIMEOUT_S = 60.0
"""A worker is ready 3 s after its start on a quiet machine; the rest is for a busy one."""
END_TIMEOUT_S = 30.0
"""A worker ends within a second or two when asked."""
HTTP_TIMEOUT_S = 10.0
"""A stopped or very busy worker answers late."""
POLL_S = 0.05
"""Pause between two looks."""
LOG_LINES = 60
"""Of each worker's log, how much is printed at the end of a test."""
SURPRISES = ("Traceback", "for a reason that is not the broker's")
"""What a worker logs that did not expect what has happened."""
SURPRISE_LINES = 40
"""Of a traceback, as much is shown."""
COMMAND_TIMEOUT_S = 60.0
"""A command of the CLI takes a second."""

SETTINGS: Mapping[str, object] = {
    "partitions": PARTITIONS,
    "session_timeout_ms": SESSION_TIMEOUT_MS,
    "heartbeat_ms": 1500,
    "http_port": 0,
    "retry_max_s": 1,
}
"""What workers of tests have in common; a test's own settings win."""

EMBEDDED: Mapping[str, object] = {"session_timeout_ms": 3000, "heartbeat_ms": 800}
"""For workers on the embedded broker: there, joining a group takes half a session, and two after a member has gone."""


def until(condition: Callable[[], object], what: str, timeout_s: float, poll_s: float = POLL_S) -> None:
    """Wait until the condition holds. Raises AssertionError that says what was waited for."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout_s:g} s still not: {what}")
        time.sleep(poll_s)


def environment(bootstrap: str, app_id: str, settings: Mapping[str, object]) -> dict[str, str]:
    """This process's environment, with these settings and no others."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("NPSTREAM_")}
    values = {**SETTINGS, "bootstrap": bootstrap, "app_id": app_id, **settings}
    return own | {f"NPSTREAM_{name.upper()}": str(value) for name, value in values.items()}


def command(
    bootstrap: str,
    app_id: str,
    *arguments: str,
    settings: Mapping[str, object] | None = None,
    timeout_s: float = COMMAND_TIMEOUT_S,
) -> subprocess.CompletedProcess[str]:
    """Run `npstream ARGUMENTS` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "npstream", *arguments],
        cwd=ROOT,
        env=environment(bootstrap, app_id, settings or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


class Worker:
    """One `npstream worker`."""

    def __init__(self, name: str, log: Path, environ: Mapping[str, str]) -> None:
        self.name = name
        self._child = Child([sys.executable, "-m", "npstream", "worker"], log, environ)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._child.alive

    @property
    def log(self) -> str:
        """All that it wrote."""
        return self._child.log.read_text(encoding="utf-8", errors="replace")

    def logged(self, text: str) -> list[str]:
        """The lines of its log that contain the text."""
        return [line for line in self.log.splitlines() if text in line]

    @property
    def surprise(self) -> str:
        """The first traceback or other astonishment in its log, with what was logged before it; empty if there is none."""
        lines = self.log.splitlines()
        first = next((number for number, line in enumerate(lines) if any(sign in line for sign in SURPRISES)), None)
        return "" if first is None else "\n".join(lines[max(0, first - 3) : first + SURPRISE_LINES])

    @property
    def assigned(self) -> dict[str, list[int]]:
        """By unit, the partitions that it was assigned last."""
        found = re.findall(r"(\w+): assigned partitions \[([\d, ]*)\]", self.log)
        return {unit: [int(number) for number in numbers.split(",") if number.strip()] for unit, numbers in found}

    # What it serves.

    @property
    def _url(self) -> str:
        found = re.search(r"on (http://[\w.:]+)", self.log)
        return found[1] if found else ""

    def get(self, path: str) -> tuple[int, str]:
        """Status and text; (0, why) while nobody answers."""
        if not self._url:
            return 0, "no port is served yet"
        try:
            with urllib.request.urlopen(self._url + path, timeout=HTTP_TIMEOUT_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    @property
    def problems(self) -> list[str] | None:
        """What /ready says, a line each; none if all is well, None while nobody answers."""
        status, text = self.get("/ready")
        return None if status == 0 else [] if status == 200 else text.splitlines()

    def metrics(self) -> dict[tuple[str, ...], float]:
        """Every sample of /metrics: its name, then label values in the order of label names; none while nobody answers."""
        status, text = self.get("/metrics")
        if status != 200:
            return {}
        return {
            (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def total(self, name: str) -> float:
        """The sum of a metric over its labels."""
        return sum(value for (sample, *_), value in self.metrics().items() if sample == name)

    # What happens to it.

    def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> Self:
        """Return when /ready says yes. Raises AssertionError if it ends or takes too long."""

        def ready() -> bool:
            if not self.alive:
                raise AssertionError(f"worker {self.name} ended before it was ready:\n{self._child.tail()}")
            return self.problems == []

        until(ready, f"worker {self.name} ready", timeout_s)
        return self

    def wait_not_ready(self, containing: str, timeout_s: float = READY_TIMEOUT_S) -> list[str]:
        """Return when /ready says no with a line that contains the text; all its lines."""
        until(
            lambda: any(containing in line for line in self.problems or ()),
            f"worker {self.name} not ready because of {containing!r} (it says {self.problems})",
            timeout_s,
        )
        return self.problems or []

    def kill(self) -> None:
        """kill -9."""
        self._child.kill()

    def pause(self) -> None:
        """SIGSTOP: it stands still, and does not know."""
        self._child.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._child.signal(signal.SIGCONT)

    def terminate(self, timeout_s: float = END_TIMEOUT_S) -> int:
        """SIGTERM, and the exit code. Raises AssertionError if it does not end."""
        self._child.signal(signal.SIGTERM)
        return self.ended(timeout_s)

    def ended(self, timeout_s: float = END_TIMEOUT_S) -> int:
        """Wait for its end; the exit code. Raises AssertionError if it goes on."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._child.process.wait(timeout_s)
        raise AssertionError(f"worker {self.name} has not ended after {timeout_s:g} s")


class Workers:
    """Starts workers of one application, and ends them."""

    def __init__(self, bootstrap: str, app_id: str, folder: Path, **settings: object) -> None:
        self.app_id = app_id
        self.all: list[Worker] = []
        self._bootstrap = bootstrap
        self._folder = folder
        self._settings = settings

    def start(self, **settings: object) -> Worker:
        """Start another one; its own settings win over those of all."""
        name = f"{self.app_id}-{len(list(self._folder.glob('*.log'))) + 1}"  # each its own, also those of other `Workers`
        log = self._folder / f"{name}.log"
        log.touch()
        worker = Worker(name, log, environment(self._bootstrap, self.app_id, {**self._settings, **settings}))
        self.all.append(worker)
        return worker

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for worker in self.all:
            worker.kill()
            print(f"--- the end of the log of worker {worker.name}")
            print("\n".join(worker.log.splitlines()[-LOG_LINES:]))
        astonished = {worker.name: worker.surprise for worker in self.all if worker.surprise}
        if error is None and astonished:
            told = "\n".join(f"{name}: {surprise}" for name, surprise in astonished.items())
            raise AssertionError(f"workers logged tracebacks: nothing that tests do to them may surprise them\n{told}")
