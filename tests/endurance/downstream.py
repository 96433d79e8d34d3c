"""What may be wrong downstream of a worker: readers of nps.detractors that are slow, stand still or lag behind, and somebody
else's transaction that hangs there."""

import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from confluent_kafka import Producer

from npstream.child import Child
from schemas import topics
from tests.endurance.sending import QUIET
from tests.endurance.stage import Stage
from tests.integration.topics_reading import read
from tests.integration.workers import PARTITIONS, ROOT, until

TOPIC: Final = topics.DETRACTORS
WAIT_S: Final = 60.0
"""Bound of waiting for a reader."""
ATTEMPTS: Final = 500
"""At catching a reader in the middle of an answer: most of its time it waits for one or works on it."""
BETWEEN_S: Final = 0.003
HALF_READ_BYTES: Final = 4 << 10
"""Unread in a socket of 8 KB: what the broker has still to send is behind it."""
HANGING_MS: Final = 900_000
"""The longest transaction that a broker allows unless told otherwise."""
SEND_TIMEOUT_S: Final = 20.0


class Situation(Protocol):
    """Something that is so while it is open."""

    name: str

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None: ...

    def seen(self) -> str:
        """How the readers stand."""


class Nobody(ExitStack):
    """Nobody reads."""

    name = "without"

    def seen(self) -> str:
        """Nothing to tell."""
        return ""


class SlowReaders(ExitStack):
    """One reads a record a second, one stands still with its fetch half read, one keeps its group at the beginning."""

    name = "slow readers"

    def __init__(self, on: Stage, folder: Path) -> None:
        super().__init__()
        self._on = on
        self._readers = {kind: _reader(kind, on.world.bootstrap, folder) for kind in ("slow", "lagging", "reading")}
        for reader in self._readers.values():
            self.callback(reader.kill)

    def __enter__(self) -> Self:
        for kind in ("slow", "lagging"):
            until(lambda kind=kind: self._readers[kind].tail(), f"the reader {kind!r} has something", WAIT_S)
        stop_half_read(self._readers["reading"])
        return self

    def seen(self) -> str:
        """How far each has come."""
        ends = self._on.world.ends(TOPIC)
        return (
            f"slow: {_last(self._readers['slow'])} records of {sum(ends.values()):,}; "
            f"stopped: {unread_bytes(self._readers['reading'].pid):,} bytes of its fetch unread; lagging: at 0"
        )


class HangingTransaction(ExitStack):
    """Somebody else's transaction in every partition does not end: readers of committed records stand still."""

    name = "hanging transaction"

    def __init__(self, on: Stage, folder: Path) -> None:
        super().__init__()
        self._on = on
        self._reader = _reader("counting", on.world.bootstrap, folder)
        self.callback(self._reader.kill)

    def __enter__(self) -> Self:
        self._foreign = Producer(
            {
                "bootstrap.servers": self._on.world.bootstrap,
                "transactional.id": "foreign",
                "transaction.timeout.ms": HANGING_MS,
                "log_level": QUIET,
            }
        )
        self._foreign.init_transactions(SEND_TIMEOUT_S)
        self._foreign.begin_transaction()
        for partition in range(PARTITIONS):
            self._foreign.produce(TOPIC, b"{}", b"foreign", partition)
        self._foreign.flush(SEND_TIMEOUT_S)
        self.callback(self._foreign.abort_transaction, SEND_TIMEOUT_S)
        self._stands = self._on.world.ends(TOPIC)
        return self

    def seen(self) -> str:
        """How far readers of committed records could come, and where the end is."""
        stable, ends = self._on.world.ends(TOPIC), self._on.world.ends(TOPIC, committed=False)
        if stable != self._stands:
            raise AssertionError("the transaction did not hang: the last stable offset has moved")
        return f"{sum(ends.values()) - sum(stable.values()):,} records held back; the reader has {_last(self._reader)}"


def read_after_all(on: Stage, folder: Path) -> tuple[int, int]:
    """How many records a reader that just reads gets in the end, and how many there are."""
    wanted = len(read(on.world.bootstrap, TOPIC))
    reader = _reader("counting", on.world.bootstrap, folder)
    try:
        until(lambda: _last(reader) >= wanted, f"the reader has all {wanted:,} records", WAIT_S)
        return _last(reader), wanted
    finally:
        reader.kill()


def stop_half_read(reader: Child) -> None:
    """SIGSTOP while an answer of the broker has been read in part: the rest waits in the socket. Raises AssertionError."""
    until(reader.tail, "the reader reads", WAIT_S)
    for _ in range(ATTEMPTS):
        reader.signal(signal.SIGSTOP)
        time.sleep(BETWEEN_S)
        if unread_bytes(reader.pid) >= HALF_READ_BYTES:
            return
        reader.signal(signal.SIGCONT)
        time.sleep(BETWEEN_S)
    raise AssertionError(f"the reader was never in the middle of an answer in {ATTEMPTS} attempts")


def unread_bytes(pid: int) -> int:
    """Bytes that have arrived in a process's TCP sockets and were not read."""
    own = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        target = str(link.readlink())
        if target.startswith("socket:["):
            own.add(target[len("socket:[") : -1])
    # proc_net_tcp: the fifth column is tx_queue:rx_queue in hexadecimal, the tenth the socket's inode.
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return sum(int(row[4].split(":")[1], 16) for row in rows if row[9] in own)


def _reader(kind: str, bootstrap: str, folder: Path) -> Child:
    command = [sys.executable, "-m", "tests.endurance.readers", kind, bootstrap, TOPIC]
    return Child(command, folder / f"{kind}.log", {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"})


def _last(reader: Child) -> int:
    """The number in the last line that a reader wrote."""
    words = reader.tail().split()
    return int(words[-1]) if words and words[-1].isdecimal() else 0
