"""What the gateway needs of Kafka, and no more: a test can stand in for it."""

from typing import Protocol

from npstream.raw_record import RawRecord


class Away(Exception):
    """Kafka did not acknowledge in time, or cannot be reached. The record may still arrive later: who sends it again makes a
    duplicate, which changes nothing."""


class TooLarge(Exception):
    """The broker takes no record of this size."""


class Sink(Protocol):
    """Where accepted records go."""

    def problem(self) -> str | None:
        """What is known to keep it from taking records; None if nothing is."""

    async def send(self, record: RawRecord) -> None:
        """Return once the record is acknowledged by all replicas. Raises Away within a bound, TooLarge."""
