"""A Kafka that can be treated badly: workers reach it through a network of ours, and its disk can be full."""

import os
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from npstream.broker import HOST, free_port
from tests.kafka.broker import QUICK_RESTART, KafkaBroker, Listener
from tests.kafka.network import Network

RELAYED: Final = "RELAYED"
"""The listener behind the network."""
DISK_BYTES: Final = 4 << 30
"""Of a disk that can be full: what a run writes, several times over; memory is taken as it is used."""
BALLAST_BYTES: Final = 1 << 20
"""What fills the disk is written in pieces of this size, then page by page."""
PAGE_BYTES: Final = 4096
"""What a file system in memory hands out."""
COMMAND_TIMEOUT_S: Final = 20.0
"""Mounting takes milliseconds."""


class BadlyTreatedKafka:
    """Broker, network and disk of one run; all is well at first."""

    def __init__(self, disk: bool) -> None:
        """With a disk that can be full, if asked for (`can_mount`)."""
        self.disk = Disk() if disk else None
        relayed = free_port()
        self.network = Network(relayed)
        self._relayed = relayed
        self.broker: KafkaBroker

    def __enter__(self) -> Self:
        if self.disk is not None:
            self.disk.mount()
        self.network.__enter__()
        self.broker = KafkaBroker(
            {
                **QUICK_RESTART,
                "listener.security.protocol.map": f"PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,{RELAYED}:PLAINTEXT",
            },
            listeners=[Listener(RELAYED, f"{HOST}:{self._relayed}", self.bootstrap)],
            parent=self.disk.path if self.disk is not None else None,
        )
        self.broker.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.broker.stop()
        self.network.__exit__(kind, error, trace)
        if self.disk is not None:
            self.disk.unmount()

    @property
    def bootstrap(self) -> str:
        """Where workers connect: through the network."""
        return f"{HOST}:{self.network.port}"


class Disk:
    """A file system in memory, of bounded size. Needs the right to mount."""

    def __init__(self) -> None:
        self.path = Path()

    def mount(self) -> None:
        """Make it. Raises AssertionError if that is not allowed."""
        self.path = Path(tempfile.mkdtemp(prefix="npstream-disk-"))
        done = _run("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "npstream-chaos", str(self.path))
        if done.returncode != 0:
            self.path.rmdir()
            raise AssertionError(f"cannot mount: {done.stderr.strip()}")

    def unmount(self) -> None:
        """Remove it, and all that is on it."""
        _run("umount", "--lazy", str(self.path))
        self.path.rmdir()

    def fill(self) -> None:
        """Leave no byte free."""
        with self._ballast.open("wb", buffering=0) as ballast:
            for piece in (bytes(BALLAST_BYTES), bytes(PAGE_BYTES)):
                try:
                    while ballast.write(piece) == len(piece):
                        pass
                except OSError:
                    continue

    def free(self) -> None:
        """Take away what filled it."""
        self._ballast.unlink(missing_ok=True)

    @property
    def _ballast(self) -> Path:
        return self.path / "ballast"


def can_mount() -> bool:
    """Whether a disk that can be full may be had: for root, outside of most containers."""
    if os.geteuid() != 0:
        return False
    disk = Disk()
    try:
        disk.mount()
    except (AssertionError, OSError):
        return False
    disk.unmount()
    return True


def _run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False
    )
