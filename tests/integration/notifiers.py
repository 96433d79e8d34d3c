"""Notifiers as they run in production: processes of their own, told what to do by their environment and the care file."""

import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

from npstream.broker import HOST
from npstream.child import Child
from tests.integration.workers import HTTP_TIMEOUT_S, LOG_LINES, SURPRISES, environment, until

READY_TIMEOUT_S = 60.0
"""It is ready within 3 s on a quiet machine."""
END_TIMEOUT_S = 30.0
"""It ends within a second or two; its last resort is 20 s."""


class Notifier:
    """One `npstream notify`."""

    def __init__(self, bootstrap: str, app_id: str, care: Path, **settings: object) -> None:
        log = care.parent / f"notifier-{len(list(care.parent.glob('notifier-*.log')))}.log"
        log.touch()
        values = {"care_file": care, "notify_http_port": 0, **settings}
        self._child = Child([sys.executable, "-m", "npstream", "notify"], log, environment(bootstrap, app_id, values))

    @property
    def log(self) -> str:
        """All that it wrote."""
        return self._child.log.read_text(encoding="utf-8", errors="replace")

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._child.alive

    def logged(self, text: str) -> list[str]:
        """The lines of its log that contain the text."""
        return [line for line in self.log.splitlines() if text in line]

    def ready(self) -> Self:
        """Return once it delivers. Raises AssertionError if it does not, or ends."""

        def delivers() -> bool:
            if not self.alive:
                raise AssertionError(f"the notifier ended:\n{self._child.tail()}")
            return "delivering to" in self.log

        until(delivers, "the notifier delivers", READY_TIMEOUT_S)
        return self

    def sample(self, name: str, **labels: str) -> float:
        """A sample of its metrics; 0 for one that is not there."""
        found = re.search(r"metrics at port (\d+)", self.log)
        assert found is not None, "it serves no metrics"
        with urllib.request.urlopen(f"http://{HOST}:{found[1]}/metrics", timeout=HTTP_TIMEOUT_S) as answer:
            text = answer.read().decode()
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and all(sample.labels.get(label) == value for label, value in labels.items())
        )

    def kill(self) -> None:
        """kill -9."""
        self._child.kill()

    def pause(self) -> None:
        """SIGSTOP: it stands still, and does not know."""
        self._child.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._child.signal(signal.SIGCONT)

    def terminate(self) -> int:
        """SIGTERM, and the exit code."""
        self._child.signal(signal.SIGTERM)
        try:
            return self._child.process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the notifier has not ended after {END_TIMEOUT_S:g} s") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()
        print("--- the end of the log of the notifier")
        print("\n".join(self.log.splitlines()[-LOG_LINES:]))
        if error is None:
            assert not [sign for sign in SURPRISES if sign in self.log], "the notifier logged a traceback"
