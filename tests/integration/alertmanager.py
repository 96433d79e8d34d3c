"""A real Prometheus Alertmanager: Debian's package, from where `make setup` puts it, or the one on the path."""

import json
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from npstream.broker import HOST, free_port
from npstream.child import Child
from tests.integration.workers import ROOT, until

OURS = ROOT / ".alertmanager"
"""What is in Debian's package, not installed."""
BINARY = Path("usr/bin/prometheus-alertmanager")
TEMPLATES = Path("/usr/share/prometheus/alertmanager/default.tmpl")
"""Where Debian's looks for its templates, and nowhere else."""
UNPACKED = (
    "unshare", "--map-root-user", "--mount", "sh", "-c",
    f'mount -t overlay overlay -o "lowerdir={OURS}/usr/share:/usr/share" /usr/share && exec setpriv --pdeathsig KILL "$0" "$@"',
)  # fmt: skip
"""Runs a command that sees them there though they are not: in a view of the file system of its own, which needs no root. It
ends with us all the same: a new view forgets what `Child` has asked for."""
NAMES = ("prometheus-alertmanager", "alertmanager")
"""What Debian calls it, and what its makers do."""
START_TIMEOUT_S = 60.0
"""It starts within a second."""
ANSWER_TIMEOUT_S = 10.0
CONFIGURATION = "route:\n  receiver: nobody\nreceivers:\n  - name: nobody\n"


class AlertmanagerMissing(RuntimeError):
    """It is not installed; the message says how to."""


class Alertmanager:
    """One that runs."""

    def __init__(self, port: int) -> None:
        self.url = f"http://{HOST}:{port}"

    def get(self, path: str) -> Any:
        """What it answers, as JSON; None while it does not."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=ANSWER_TIMEOUT_S) as answer:
                return json.loads(answer.read())
        except (urllib.error.URLError, ConnectionError):
            return None

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that it holds open."""
        return self.get("/api/v2/alerts") or []


def program() -> list[str]:
    """What runs it. Raises AlertmanagerMissing."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is not None:
        return [found]
    if not (OURS / BINARY).exists():
        raise AlertmanagerMissing("Alertmanager is not installed: run make setup, or apt-get install prometheus-alertmanager")
    unpacked = [] if TEMPLATES.exists() else [shutil.which(UNPACKED[0]) or UNPACKED[0], *UNPACKED[1:]]
    return [*unpacked, str(OURS / BINARY)]


@contextmanager
def alertmanager() -> Iterator[Alertmanager]:
    """One on a free port, with a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="npstream-alertmanager-") as name:
        folder, port = Path(name), free_port()
        configuration = folder / "alertmanager.yml"
        configuration.write_text(CONFIGURATION, encoding="ascii")
        log = folder / "log"
        log.touch()
        options = {
            "config.file": configuration,
            "storage.path": folder / "data",
            "web.listen-address": f"{HOST}:{port}",
            "cluster.listen-address": "",  # alone
        }
        child = Child([*program(), *(f"--{option}={value}" for option, value in options.items())], log)
        made = Alertmanager(port)
        try:
            until(lambda: not child.alive or made.get("/api/v2/status"), "Alertmanager answers", START_TIMEOUT_S)
            assert child.alive, f"Alertmanager ended:\n{child.tail()}"
            yield made
        finally:
            child.kill()
