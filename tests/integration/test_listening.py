"""The ports that a worker opens: its one, on loopback, unless it is told otherwise."""

import os
import socket
import sys
from pathlib import Path

import pytest

from npstream.broker import HOST, free_port
from tests.integration.workers import Workers, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks /proc who listens")

PATIENCE_S = 60.0
"""A worker opens its port within a second of its start; the rest is for a busy machine."""
LISTENING = "0A"
"""A state in /proc/net/tcp."""


def listening(pid: int) -> list[str]:
    """The addresses on which a process listens."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        target = os.readlink(descriptor) if descriptor.is_symlink() else ""
        inodes |= {target.removeprefix("socket:[").rstrip("]")} if target.startswith("socket:[") else set()
    found = []
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == LISTENING and inode in inodes:
                words = bytes.fromhex(local.partition(":")[0])
                # Each word of four bytes is in the order of the machine.
                packed = b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4))
                found.append(socket.inet_ntop(family, packed))
    return found


@pytest.mark.parametrize(("settings", "addresses"), [({}, [HOST]), ({"http_host": "0.0.0.0"}, ["0.0.0.0"])])
def test_a_worker_listens_on_loopback_unless_told_otherwise(
    settings: dict[str, object], addresses: list[str], tmp_path: Path
) -> None:
    with Workers(f"{HOST}:{free_port()}", "npstream-listening", tmp_path) as workers:
        worker = workers.start(**settings)
        until(lambda: worker.logged("waiting for the broker"), "it serves, and waits for its broker", PATIENCE_S)
        assert listening(worker.pid) == addresses
