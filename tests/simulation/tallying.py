"""What the simulated workers do, and what it comes to when it is counted again from the sources."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from streams.processor import Outbox, Record, State, StreamTime

NAME: Final = "tally"
OUT, SEEN = "out", "seen"
SINKS: Final = {OUT: 2, SEEN: 1}
"""Topics with their partitions: outputs of one batch lie in several partitions, and outputs of all tasks in the same ones."""
REPORTED: Final = b"reported"
"""The state key of how many records the ticks have reported."""
TOTAL: Final = b"total"
"""The state key of how many records were counted."""
SHARE: Final = 3
"""Records that one tick reports: few, so that ticks want more."""


class Tally:
    """Counts the records of each topic and key, and sends offset and count of every record, twice; ticks send how many
    records they have reported. Keys say which partition it was."""

    name = NAME

    def __init__(self, sources: tuple[str, ...]) -> None:
        self.sources = sources

    def process(self, batch: Sequence[Record], state: State, now: StreamTime, outbox: Outbox) -> None:
        """One more for each."""
        for record in batch:
            key, source = count_key(record), source_key(record)
            count = int(state.get(key) or b"0") + 1
            state.put(key, b"%d" % count)
            outbox.send(OUT, b"%d/%s" % (record.partition, key), b"%d %d" % (record.offset, count), now.at(record.timestamp))
            outbox.send(SEEN, source, b"%d" % record.offset, record.timestamp)
        state.put(TOTAL, b"%d" % (int(state.get(TOTAL) or b"0") + len(batch)))

    def tick(self, now: int, state: State, outbox: Outbox) -> None:
        """Report some of what was counted and not reported yet."""
        reported, total = (int(state.get(key) or b"0") for key in (REPORTED, TOTAL))
        if reported < total:
            reported = min(total, reported + SHARE)
            state.put(REPORTED, b"%d" % reported)
            outbox.send(OUT, report_key(state.partition), b"%d" % reported, now)
            outbox.more |= reported < total


def count_key(record: Record) -> bytes:
    """The state key of a record's count."""
    return b"%s/%s" % (record.topic.encode(), record.key)


def source_key(record: Record) -> bytes:
    """What comes of one source partition has this key in `seen`."""
    return b"%d/%s" % (record.partition, record.topic.encode())


def report_key(partition: int) -> bytes:
    """What the ticks of a partition send has this key."""
    return b"%d/report" % partition


@dataclass
class Work:
    """What one partition's task should have come to."""

    sent: dict[bytes, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    """Values in order, by key; without reports."""
    state: dict[bytes, bytes] = field(default_factory=dict)
    """By state key; without what was reported."""
    positions: dict[tuple[str, str], int] = field(default_factory=dict)
    total: int = 0

    def add(self, records: Sequence[Record]) -> None:
        """Count committed records of one source partition, the next ones in order."""
        for record in records:
            key = count_key(record)
            count = int(self.state.get(key, b"0")) + 1
            self.state[key] = b"%d" % count
            self.sent[b"%d/%s" % (record.partition, key)].append(b"%d %d" % (record.offset, count))
            self.sent[source_key(record)].append(b"%d" % record.offset)
            self.positions[NAME, record.topic] = record.offset + 1
            self.total += 1
            self.state[TOTAL] = b"%d" % self.total


def recount(sources: Mapping[str, Sequence[Record]]) -> Work:
    """All committed records of one partition number, by topic."""
    work = Work()
    for records in sources.values():
        work.add(records)
    return work


def reports(records: int, values: Sequence[bytes]) -> bool:
    """Whether the reports of a partition, in order, are those of ticks that each happened once, and reported all of so many."""
    last = 0
    for value in map(int, values):
        if not last < value <= last + SHARE:
            return False
        last = value
    return last == records
