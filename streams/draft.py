"""What a batch brings, on its way to be written: records for topics, and changes of state. Both are taken in one by one, as the
processors bring them, so that a writer can serialise each while it is at hand: to keep them all as objects until the end of
the batch, and to go through them once more, costs a sixth of a batch (docs/decisions/0007-drafts.md)."""

from dataclasses import dataclass, field
from typing import Protocol

from streams.processor import Headers, Outgoing

Change = tuple[bytes, bytes | None]
"""A changelog record: key and value; None deletes."""


class Draft(Protocol):
    """All of one batch, written by the writer that made it or forgotten. Order is the order of the calls."""

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        timestamp: int,
        headers: Headers = (),
        route: bytes | int | None = None,
    ) -> None:
        """Take one record in; see `streams.processor.Send`."""

    def change(self, key: bytes, value: bytes | None) -> None:
        """Take one changelog record in; None deletes."""

    @property
    def empty(self) -> bool:
        """Nothing was taken in."""


@dataclass(slots=True)
class Kept:
    """A draft that keeps what it takes, for whoever wants to look at it."""

    events: list[Outgoing] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        timestamp: int,
        headers: Headers = (),
        route: bytes | int | None = None,
    ) -> None:
        """See `Draft`."""
        self.events.append(Outgoing(topic, key, value, timestamp, headers, route))

    def change(self, key: bytes, value: bytes | None) -> None:
        """See `Draft`."""
        self.changes.append((key, value))

    @property
    def empty(self) -> bool:
        """See `Draft`."""
        return not (self.events or self.changes)
