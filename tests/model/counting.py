"""A processor that counts, and what it should have done, counted again from the sources."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from streams.processor import Outbox, Processor, Record, State, StreamTime
from tests.model.log import Stored


class Counting:
    """Counts the records of each topic and key; sends offset and count of every record to `out`, and the offset to `seen`."""

    def __init__(self, name: str = "counting", sources: tuple[str, ...] = ("in",), sinks: str = "") -> None:
        """`sinks` is a prefix of the names of the topics sent to."""
        self.name = name
        self.sources = sources
        self._out, self._seen = sinks + "out", sinks + "seen"

    def process(self, batch: Sequence[Record], state: State, now: StreamTime, outbox: Outbox) -> None:
        """One more for each."""
        for record in batch:
            key = record.topic.encode() + b"/" + (record.key or b"")
            count = self.read(state.get(key)) + 1
            state.put(key, self.kept(count))
            outbox.send(self._out, self.name.encode() + b"/" + key, b"%d %d" % (record.offset, count), now.at(record.timestamp))
            outbox.send(
                self._seen, b"%s/%s" % (self.name.encode(), record.topic.encode()), b"%d" % record.offset, record.timestamp
            )
            outbox.count("counted", self.name)

    def tick(self, now: int, state: State, outbox: Outbox) -> None:
        """Time brings nothing."""

    def kept(self, count: int) -> bytes:
        """A count as it is kept."""
        return b"%d" % count

    def read(self, value: bytes | None) -> int:
        """A count as it was kept."""
        return int(value or b"0")


class PackedCounting(Counting):
    """The second version, which keeps counts in four bytes."""

    version = 2

    def kept(self, count: int) -> bytes:
        """Big-endian."""
        return count.to_bytes(4, "big")

    def read(self, value: bytes | None) -> int:
        """Big-endian."""
        return int.from_bytes(value or b"", "big")

    def upgrade(self, version: int, key: bytes, value: bytes) -> bytes | None:
        """See `streams.processor.Upgrading`."""
        return self.kept(super().read(value))


@dataclass
class Work:
    """What was sent, what is kept, and how far the sources were read."""

    sent: dict[bytes, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    """The values for each key of `out` and `seen`, in order."""
    state: dict[str, dict[bytes, bytes]] = field(default_factory=dict)
    positions: dict[tuple[str, str], int] = field(default_factory=dict)


def recount(processors: Sequence[Processor], sources: dict[str, list[Stored]]) -> Work:
    """What counting each committed record once comes to."""
    work = Work()
    for processor in processors:
        counts: dict[bytes, int] = defaultdict(int)
        for topic in processor.sources:
            for record in sources[topic]:
                key = topic.encode() + b"/" + (record.key or b"")
                counts[key] += 1
                work.sent[processor.name.encode() + b"/" + key].append(b"%d %d" % (record.offset, counts[key]))
                work.sent[b"%s/%s" % (processor.name.encode(), topic.encode())].append(b"%d" % record.offset)
                work.positions[processor.name, topic] = record.offset + 1
        work.state[processor.name] = {key: b"%d" % count for key, count in counts.items()}
    work.sent = dict(work.sent)
    return work


def sent_by_key(records: Iterable[Record]) -> dict[bytes, list[bytes]]:
    """The values of records, by key, in order."""
    sent: dict[bytes, list[bytes]] = defaultdict(list)
    for record in records:
        sent[record.key or b""].append(record.value or b"")
    return dict(sent)
