"""What a task needs of a broker, as narrow ports: Kafka implements them, tests put a model in their place."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from streams.draft import Draft
from streams.processor import Record


class Ends(NamedTuple):
    """Offsets of one partition: the first record, the last stable offset, and the high watermark."""

    start: int
    stable: int
    high: int


class Entry(NamedTuple):
    """One changelog record."""

    key: bytes
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Written:
    """A batch is in. `changelog_end` is the changelog's end after it if nobody else writes, or None if unknown."""

    changelog_end: int | None


class BrokerAway(Exception):
    """The broker did not answer in time, or not at all: what it did with the last request is unknown. Worth another try,
    for as long as it takes."""


class WriteFailed(Exception):
    """A batch was not written, or nobody knows: the writer is to be discarded, and the task opened again."""


class Fenced(WriteFailed):
    """Another writer has taken over, or a transaction took too long: the broker refuses this one for good."""


class Denied(WriteFailed):
    """This user may not do what was tried; the message says what to allow."""


class BatchTooLarge(Exception):
    """The changes of this batch do not fit into one record batch; fewer source records make a smaller one."""


class Writer(Protocol):
    """Writes batches for one task."""

    def draft(self) -> Draft:
        """An empty one, for the next batch."""

    async def write(self, draft: Draft) -> Written:
        """All of it or none of it; the draft is one of this writer's. Raises WriteFailed, Fenced, BrokerAway, BatchTooLarge."""

    async def discard(self) -> None:
        """Let go of connections; never raises, never waits long."""


class Reader(Protocol):
    """Reads committed records."""

    def entries(self, topic: str, partition: int, until: int) -> AsyncIterator[Sequence[Entry]]:
        """The committed entries below the offset `until`, in order, in chunks. Raises BrokerAway."""

    def records(self, topic: str, partition: int, start: int, until: int) -> AsyncIterator[Sequence[Record]]:
        """The committed records from the offset `start` to below `until`, in order, in chunks. Raises BrokerAway."""

    async def record(self, topic: str, partition: int, offset: int) -> Record | None:
        """The committed record at exactly this offset, if it is still there. Raises BrokerAway."""


class Broker(Protocol):
    """One cluster, as a task sees it."""

    transactional: bool
    """Whether its writers use transactions."""

    async def fence(self, transactional_id: str, changelog: str, partition: int) -> Writer:
        """A writer; the last one of this id can write no more. Raises BrokerAway, WriteFailed."""

    async def ends(self, topic: str, partition: int) -> Ends:
        """Raises BrokerAway."""

    async def partitions(self, topic: str) -> int | None:
        """How many partitions the topic has; None if there is no such topic. Raises BrokerAway."""

    async def group_offset(self, group: str, topic: str, partition: int) -> int | None:
        """The offset that the group has committed, if any. Raises BrokerAway."""

    def reader(self) -> AbstractAsyncContextManager[Reader]:
        """A reader, and its end."""
