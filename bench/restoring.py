"""Opening scoring's tasks from a changelog, on a Kafka or from memory, with the steps of a worker (streams/opening.py)."""

import hashlib
import marshal
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path

from agents.scoring import Scoring
from bench.scoring_tasks import Entry
from npstream.hosting import processors
from npstream.settings import Settings
from streams import broker as ports
from streams.changelog import Owner
from streams.checking import OpeningRules
from streams.draft import Draft, Kept
from streams.execution import Execution
from streams.opening import open_task
from streams.processor import Record
from streams.task_name import TaskName

CHUNK = 10_000
"""Entries that are read from a file, given to a restore, or written in one transaction: a MB or two."""
DIGEST_BYTES = 16
OWNER = Owner("state", "here", 1)


def fingerprint(entries: Iterable[Entry]) -> int:
    """The same for the same entries in any order, and for no others: the sum of their hashes."""
    total = 0
    for key, value in entries:
        hashed = hashlib.blake2b(len(key).to_bytes(4, "big") + key + value, digest_size=DIGEST_BYTES).digest()
        total += int.from_bytes(hashed, "big")
    return total


def keep(entries: Iterable[Entry], file: Path) -> int:
    """Write a changelog into a file; how many records it has."""
    count, left = 0, iter(entries)
    with file.open("wb") as out:
        while chunk := list(islice(left, CHUNK)):
            marshal.dump(chunk, out)
            count += len(chunk)
    return count


def chunks(file: Path) -> Iterator[list[Entry]]:
    """A changelog from a file."""
    with file.open("rb") as source:
        while source.peek(1):
            yield marshal.load(source)


class Shelf:
    """A `streams.broker.Broker` that has nothing but the changelog of one task, in a file."""

    transactional = True

    def __init__(self, changelog: str, partitions: int, file: Path, records: int) -> None:
        self._changelog = changelog
        self._partitions = partitions
        self._file = file
        self._records = records
        self.loading_s = 0.0
        """What reading the file took: a fetch would be unpacked meanwhile."""

    async def fence(self, transactional_id: str, changelog: str, partition: int) -> ports.Writer:
        """See `streams.broker.Broker`."""
        return Forgetting()

    async def ends(self, topic: str, partition: int) -> ports.Ends:
        """See `streams.broker.Broker`."""
        end = self._records if topic == self._changelog else 0
        return ports.Ends(0, end, end)

    async def partitions(self, topic: str) -> int | None:
        """See `streams.broker.Broker`."""
        return self._partitions

    async def group_offset(self, group: str, topic: str, partition: int) -> int | None:
        """See `streams.broker.Broker`."""
        return None

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[ports.Reader]:
        """See `streams.broker.Broker`."""
        yield self

    async def entries(self, topic: str, partition: int, until: int) -> AsyncIterator[Sequence[ports.Entry]]:
        """See `streams.broker.Reader`."""
        left, given = chunks(self._file), 0
        while given < until:
            began = time.perf_counter()
            chunk = [ports.Entry(key, value) for key, value in next(left)]
            self.loading_s += time.perf_counter() - began
            given += len(chunk)
            yield chunk

    async def records(self, topic: str, partition: int, start: int, until: int) -> AsyncIterator[Sequence[Record]]:
        """There are none."""
        return
        yield ()

    async def record(self, topic: str, partition: int, offset: int) -> Record | None:
        """There is none."""
        return None


class Forgetting:
    """A `streams.broker.Writer` that writes nothing."""

    def draft(self) -> Draft:
        """See `streams.broker.Writer`."""
        return Kept()

    async def write(self, draft: Draft) -> ports.Written:
        """See `streams.broker.Writer`."""
        return ports.Written(None)

    async def discard(self) -> None:
        """See `streams.broker.Writer`."""


async def write_changelog(broker: ports.Broker, name: TaskName, file: Path) -> None:
    """Write the changelog of a task from a file, in transactions."""
    writer = await broker.fence(name.transactional_id, name.changelog, name.partition)
    try:
        for chunk in chunks(file):
            draft = writer.draft()
            for key, value in chunk:
                draft.change(key, value)
            await writer.write(draft)
    finally:
        await writer.discard()


async def opened(broker: ports.Broker, name: TaskName, settings: Settings) -> tuple[Execution, int]:
    """Open a task as a worker does: its state, and how many records were read."""
    found = await open_task(name, processors(Scoring.name, settings), broker, OWNER, OpeningRules(), lambda phase: None)
    await found.writer.discard()
    return found.execution, found.restored
