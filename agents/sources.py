"""What the source partitions have said about each segment, and the segments' tables made of it.

Keys of the state; a segment is dimension=value, a source partition and a chunk have two bytes at the end:

    H<segment>  h<segment><chunk>    the table: responses of all source partitions
    M<segment>                       which source partitions have said something, and when that was last checked
    C<segment><source>               what one of them has said last about respondents
    c<segment><source><chunk>        and about the responses of 16 days
    I  N                             the latest incarnations, see `agents.incarnations`
    G                                segments with a gauge
    T                                how far ticks have come
    W                                the lengths of the windows, see `agents.windows`
"""

from collections.abc import Iterator
from typing import Annotated, Final

import msgspec

from agents.cells import Respondents
from agents.incarnations import Incarnations
from agents.stored import StateUnreadable, decoder
from agents.tables import Tables
from agents.windows import CHUNK_BITS, IN_CHUNK, Spans, Table
from schemas.times import DAY_MS, LATEST_MS
from streams.processor import State

HEAD: Final = b"H"
DAYS: Final = b"h"
MEMBERS: Final = b"M"
SOURCE: Final = b"C"
SOURCE_DAYS: Final = b"c"
GAUGED: Final = b"G"

NOT_YET: Final = -1
"""In place of a day: nothing was said about respondents, so there are none."""
REMEMBERED_SEGMENTS: Final = 2_000
"""Segments that stay decoded between batches, each some 20 KB."""

REMEMBERED_CHUNKS: Final = 48
"""Chunks of days that stay decoded for each segment: three for each of a dozen source partitions, and some."""

_encode = msgspec.msgpack.Encoder().encode
_Days = dict[int, list[int]]
_decode_days = decoder(_Days)
_decode_names = decoder(list[Annotated[str, msgspec.Meta(pattern="=")]])


class Source(msgspec.Struct, array_like=True):
    """What a source partition has said about a segment, but for the responses."""

    incarnation: str
    as_of: int = NOT_YET
    now: list[int] = []
    eve: list[int] = []


class _Members(msgspec.Struct, array_like=True):
    checked: int
    sources: list[Annotated[int, msgspec.Meta(ge=0, lt=1 << 16)]]


_decode_source = decoder(Source)
_decode_members = decoder(_Members)


class Segment:
    """One segment: its table, and what its source partitions have said last."""

    __slots__ = ("checked", "days", "name", "sources", "table", "unsaved")

    def __init__(self, name: str, table: Table) -> None:
        self.name = name
        self.table = table
        self.sources: dict[int, Source] = {}
        self.checked = 0
        """How many changes of incarnations there had been when it was last checked for older ones."""
        self.days: dict[tuple[int, int], _Days] = {}
        """Responses by source partition and chunk, as far as they are decoded."""
        self.unsaved: set[int | tuple[int, int]] = set()
        """Source partitions, and keys of `days`, that have changed."""

    def respondents(self, spans: Spans) -> list[int]:
        """The sums of respondents over all source partitions, as of the latest day that all have reached that are at most a
        day behind the latest one."""
        said = [source for source in self.sources.values() if source.as_of != NOT_YET]
        latest = max((source.as_of for source in said), default=0)
        current = [source for source in said if source.as_of >= latest - 1]
        as_of = min((source.as_of for source in current), default=0)
        sums = [0] * spans.kind
        for source in current:
            counts = source.now if source.as_of == as_of else source.eve
            sums = [one + other for one, other in zip(sums, counts, strict=True)]
        return sums


class Segments:
    """The segments of one task of rollups."""

    def __init__(self, spans: Spans, state: State) -> None:
        self._spans = spans
        self._state = state
        self.incarnations = Incarnations(state)
        self._tables = Tables(spans, state, HEAD, DAYS)
        self._known: dict[str, Segment] = state.cache.setdefault(MEMBERS, {})

    def names(self, after: bytes, limit: int) -> list[str]:
        """Up to `limit` segments in order, those after one of them (b"": the first ones)."""
        keys = self._state.scan(HEAD, HEAD + after if after else b"", limit)
        return [key[len(HEAD) :].decode() for key in keys]

    def at(self, name: str, day: int) -> Segment:
        """The segment as of a day, or of a later one if it is there already; a new one if it was not known."""
        segment = self._known.get(name)
        if segment is None:
            segment = self._known[name] = Segment(name, self._tables.at(name, day))
            value = self._state.get(MEMBERS + name.encode())
            if value is None:
                segment.checked = self.incarnations.changes
            else:
                members = _decode_members(value)
                segment.checked = members.checked
                for source in members.sources:
                    stored = self._state.get(_source_key(name, source))
                    if stored is None:
                        raise StateUnreadable("a source partition of a segment is missing from the state")
                    segment.sources[source] = _decode_source(stored)
        self.roll(segment, day)
        return segment

    def used(self, name: str) -> Segment:
        """A segment that `at` has returned in this batch, as it is. Raises KeyError for any other."""
        return self._known[name]

    def roll(self, segment: Segment, day: int) -> None:
        """Move a segment on to a later day; what is beyond the history goes."""
        was = segment.table.as_of
        if day <= was:
            return
        segment.table.roll(self._state, day)
        for number in range(self._oldest_chunk(was), min(self._oldest_chunk(day), (was >> CHUNK_BITS) + 2)):
            for source in segment.sources:
                self._forget(segment, source, number)

    def drop_old(self, segment: Segment) -> bool:
        """Take out what older incarnations have said; whether there was any."""
        changes = self.incarnations.changes
        if segment.checked == changes:
            return False
        segment.checked = changes
        old = [number for number, one in segment.sources.items() if self.incarnations.is_older(number, one.incarnation)]
        for source in old:
            for number in self._chunks(segment):
                for offset, counts in list(self._days(segment, source, number).items()):
                    self._add(segment, (number << CHUNK_BITS) + offset, [-count for count in counts])
                self._forget(segment, source, number)
            del segment.sources[source]
            segment.unsaved.discard(source)
            self._state.delete(_source_key(segment.name, source))
        return bool(old)

    def set_responses(self, segment: Segment, source: int, incarnation: str, day: int, counts: list[int]) -> None:
        """A source partition has counted so many responses of a day; those of days beyond both windows do not matter."""
        if segment.table.as_of - day >= 2 * self._spans.longest:
            return
        self._source(segment, source, incarnation)
        number = day >> CHUNK_BITS
        days = self._days(segment, source, number)
        was = days.get(day & IN_CHUNK, (0, 0, 0))
        self._add(segment, day, [count - before for count, before in zip(counts, was, strict=True)])
        if any(counts):
            days[day & IN_CHUNK] = counts
        else:
            days.pop(day & IN_CHUNK, None)
        segment.unsaved.add((source, number))

    def set_respondents(self, segment: Segment, source: int, incarnation: str, respondents: Respondents | None) -> None:
        """A source partition has counted respondents; None: there are none."""
        said = self._source(segment, source, incarnation)
        said.as_of, said.now, said.eve = respondents if respondents is not None else (NOT_YET, [], [])
        segment.unsaved.add(source)

    def save(self, segment: Segment) -> None:
        """Write what has changed to the state; an empty segment leaves it."""
        state, name = self._state, segment.name.encode()
        segment.table.save(state)
        if segment.table.empty:
            for source in segment.sources:
                for number in self._chunks(segment):
                    self._forget(segment, source, number)
                state.delete(_source_key(segment.name, source))
            state.delete(MEMBERS + name)
            segment.sources.clear()
            segment.unsaved.clear()
            return
        for changed in segment.unsaved:
            if isinstance(changed, int):
                state.put(_source_key(segment.name, changed), _encode(segment.sources[changed]))
                continue
            days = segment.days[changed]
            if days:
                state.put(_days_key(segment.name, *changed), _encode(days))
            else:
                state.delete(_days_key(segment.name, *changed))
        segment.unsaved.clear()
        if len(segment.days) > REMEMBERED_CHUNKS:
            segment.days.clear()
        state.put(MEMBERS + name, _encode(_Members(segment.checked, sorted(segment.sources))))

    def trim(self) -> None:
        """Let go of decoded segments if there are many. Call it when all changes are saved."""
        if len(self._known) > REMEMBERED_SEGMENTS:
            self._known.clear()
            self._tables.clear()

    def take_gauge(self, segment: Segment, most: int) -> bool:
        """Whether the segment has a gauge; it gets one while there are fewer than `most`."""
        gauged = self._gauged()
        if segment.name in gauged:
            return True
        if len(gauged) >= most:
            return False
        self._state.put(GAUGED, _encode([*gauged, segment.name]))
        return True

    def return_gauge(self, segment: Segment) -> bool:
        """Take the gauge from a segment; whether it had one."""
        gauged = self._gauged()
        if segment.name not in gauged:
            return False
        self._state.put(GAUGED, _encode([name for name in gauged if name != segment.name]))
        return True

    def gauged_once(self) -> Iterator[Segment]:
        """The segments with gauges, but only the first time after the state was opened."""
        if GAUGED not in self._state.cache:
            self._state.cache[GAUGED] = True
            for name in self._gauged():
                yield self.at(name, 0)

    def _gauged(self) -> list[str]:
        value = self._state.get(GAUGED)
        return [] if value is None else _decode_names(value)

    def _source(self, segment: Segment, source: int, incarnation: str) -> Source:
        said = segment.sources.get(source)
        if said is None:
            said = segment.sources[source] = Source(incarnation)
            segment.unsaved.add(source)
        return said

    def _add(self, segment: Segment, day: int, amounts: list[int]) -> None:
        for category, amount in enumerate(amounts):
            if amount:
                segment.table.count(self._state, day, category, amount)

    def _days(self, segment: Segment, source: int, number: int) -> _Days:
        days = segment.days.get((source, number))
        if days is None:
            value = self._state.get(_days_key(segment.name, source, number))
            days = segment.days[source, number] = {} if value is None else _decode_days(value)
        return days

    def _oldest_chunk(self, as_of: int) -> int:
        return max((as_of - self._spans.history_days) >> CHUNK_BITS, 0)

    def _chunks(self, segment: Segment) -> range:
        """All chunks that may hold something, days to come included."""
        table = segment.table
        latest = LATEST_MS // DAY_MS if table.pending else table.as_of
        return range(self._oldest_chunk(table.as_of), (latest >> CHUNK_BITS) + 1)

    def _forget(self, segment: Segment, source: int, number: int) -> None:
        segment.days.pop((source, number), None)
        segment.unsaved.discard((source, number))
        key = _days_key(segment.name, source, number)
        if self._state.get(key) is not None:
            self._state.delete(key)


def _source_key(segment: str, source: int) -> bytes:
    return SOURCE + segment.encode() + source.to_bytes(2, "big")


def _days_key(segment: str, source: int, number: int) -> bytes:
    return SOURCE_DAYS + segment.encode() + source.to_bytes(2, "big") + number.to_bytes(2, "big")
