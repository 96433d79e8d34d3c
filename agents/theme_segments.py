"""What the source partitions have said about the comments of each segment, and the rolling sums of it.

Keys of the state; a segment is dimension=value, a source partition and a chunk have two bytes at the end:

    H<segment>                       the sums, and which source partitions have said something
    c<segment><source><chunk>        what one of them has said last of 16 days
    I  N                             the latest incarnations, see `agents.incarnations`
    T                                how far ticks have come
    W                                the lengths of the windows
"""

from typing import Annotated, Final

import msgspec

from agents.comment_counts import OfDay, StoredDay, StoredSums, Sums, difference
from agents.comment_days import ChunkNumbers, Days
from agents.incarnations import Incarnations
from agents.stored import decoder
from schemas import topics
from schemas.codec import dumps
from schemas.times import format_day
from streams.processor import Outbox, State

HEAD: Final = b"H"
SOURCE_DAYS: Final = b"c"

SourceNumber = Annotated[int, msgspec.Meta(ge=0, lt=1 << 16)]
"""Of a source partition."""

_encode = msgspec.msgpack.Encoder().encode


class _Member(msgspec.Struct, array_like=True):
    """A source partition that has said something."""

    incarnation: str
    chunks: ChunkNumbers


class _Head(msgspec.Struct, array_like=True):
    as_of: StoredDay
    published: bool
    checked: int
    """How many changes of incarnations there had been when it was last checked for older ones."""
    sums: StoredSums
    members: dict[SourceNumber, _Member]


_decode_head = decoder(_Head)


class SegmentTable:
    """What the comments of a segment are about, over all source partitions, for one batch or tick."""

    def __init__(self, windows_days: tuple[int, ...], state: State, name: str, day: int) -> None:
        """As the state has it; a new one as of `day` if it is not there."""
        self._state = state
        self._key = HEAD + name.encode()
        self._incarnations = Incarnations(state)
        value = state.get(self._key)
        head = _Head(day, False, self._incarnations.changes, {}, {}) if value is None else _decode_head(value)
        self.name = name
        self._published = head.published
        self._checked = head.checked
        self._sums = Sums(windows_days, head.as_of, head.sums)
        self._members = {source: member.incarnation for source, member in head.members.items()}
        self._days = {source: self._days_of(source, member.chunks) for source, member in head.members.items()}

    @property
    def as_of(self) -> int:
        """The day that it was rolled to."""
        return self._sums.as_of

    def roll(self, day: int) -> None:
        """Move on to a later day."""
        if day > self._sums.as_of:
            self._sums.roll(day, lambda of: [days.of_day(of) for days in self._days.values()])
            for days in self._days.values():
                days.forget(day - self._sums.longest + 1)

    def drop_old(self) -> bool:
        """Take out what older incarnations have said; whether there was any."""
        changes = self._incarnations.changes
        if self._checked == changes:
            return False
        self._checked = changes
        old = [source for source, incarnation in self._members.items() if self._incarnations.is_older(source, incarnation)]
        for source in old:
            days = self._days.pop(source)
            for day, counts in days.all():
                self._sums.add(day, counts, -1)
            days.drop()
            del self._members[source]
        return bool(old)

    def set(self, source: int, incarnation: str, day: int, counts: OfDay) -> None:
        """A source partition has counted so much of a day; what is beyond the longest window does not matter."""
        if self._sums.as_of - day >= self._sums.longest:
            return
        self._members[source] = incarnation
        days = self._days.setdefault(source, self._days_of(source, ()))
        self._sums.add(day, difference(counts, days.of_day(day)))
        said = days.change(day)
        said.clear()
        said.update(counts)

    def publish(self, timestamp: int, outbox: Outbox) -> None:
        """Send it, or a tombstone if there is nothing to show, and write it to the state."""
        if self._sums.by_theme:
            self._published = True
            dimension, value = self.name.split("=", 1)
            as_of = format_day(self._sums.as_of)
            table = {"dimension": dimension, "value": value, "as_of": as_of, "windows": self._sums.windows()}
            outbox.send(topics.SEGMENT_THEMES, self.name.encode(), dumps(table), timestamp)
        elif self._published:
            self._published = False
            outbox.send(topics.SEGMENT_THEMES, self.name.encode(), None, timestamp)
        self._save()

    def _save(self) -> None:
        sums = self._sums
        if not sums.by_theme and not any(
            day > sums.as_of and counts for days in self._days.values() for day, counts in days.all()
        ):
            for days in self._days.values():
                days.drop()
            self._state.delete(self._key)
            return
        members = {}
        for source, days in sorted(self._days.items()):
            days.save()
            if days.numbers:
                members[source] = _Member(self._members[source], sorted(days.numbers))
        self._state.put(self._key, _encode(_Head(sums.as_of, self._published, self._checked, sums.by_theme, members)))

    def _days_of(self, source: int, chunks: "list[int] | tuple[()]") -> Days:
        return Days(self._state, SOURCE_DAYS + self.name.encode() + source.to_bytes(2, "big"), chunks)
