"""The version of state values: each value in a changelog is preceded by one byte that says which version of its processor
wrote it, and a value of an older one goes through the processor's `upgrade` when it is restored. No I/O in here.

In memory values are without the byte. An upgraded value is written when it next changes, so an opening writes nothing but its
claim, and whatever interrupts it leaves the changelog as it was (docs/decisions/0009-state-versions.md).
"""

from streams.changelog import ChangelogUnreadable
from streams.processor import FIRST_VERSION, Processor, Upgrading

GREATEST_VERSION = 255
"""What fits into one byte; zero is no version, so that an empty or foreign value is not taken for one of ours."""


class StateVersion:
    """How the values of one processor's state are marked, and read again."""

    __slots__ = ("_processor", "_upgrading", "mark", "version")

    def __init__(self, processor: Processor) -> None:
        """Raises ValueError for a version that does not fit into a byte."""
        self._processor = processor
        self._upgrading = processor if isinstance(processor, Upgrading) else None
        self.version = FIRST_VERSION if self._upgrading is None else self._upgrading.version
        if not FIRST_VERSION <= self.version <= GREATEST_VERSION:
            raise ValueError(f"processor {processor.name!r} has version {self.version}: it must be 1 to {GREATEST_VERSION}")
        self.mark = bytes((self.version,))
        """What precedes each value that is written now."""

    def read(self, key: bytes, value: bytes) -> bytes | None:
        """A value as this version keeps it in memory; None if it keeps it no more. Raises ChangelogUnreadable."""
        if value.startswith(self.mark):
            return value[1:]
        written = value[0] if value else 0
        if written > self.version:
            raise ChangelogUnreadable(
                f"the changelog holds state of processor {self._processor.name!r} in version {written}, this worker reads "
                f"versions up to {self.version}: a newer version of npstream has written it"
            )
        if written < FIRST_VERSION or self._upgrading is None:
            raise ChangelogUnreadable(
                f"a state value of processor {self._processor.name!r}, {len(value)} bytes, is none: "
                "the changelog is not one of ours"
            )
        return self._upgrading.upgrade(written, key, value[1:])
