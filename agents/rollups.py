"""Adds the cells of all source partitions up to the rolling tables of segments.

`responses` are added up by day from cumulative cells, and rolled by this agent's own clock. `respondents` are rolled by the
source partitions, since they know who answered again; they are added up as of the latest day that all source partitions of
the segment have reached, but for those that are more than a day behind the others: nobody works on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from agents.burying import bury
from agents.cells import CellKey, read_key, read_respondents, read_responses
from agents.rollup import windows_json
from agents.sources import Segment, Segments
from agents.statistics import nps
from agents.stored import decoder
from agents.windows import Spans, check_windows
from schemas import topics
from schemas.codec import dumps
from schemas.dead_letters import Unusable
from schemas.times import day_of, format_day
from streams.processor import Outbox, Record, State, StreamTime

GAUGE: Final = "segment_nps"


@dataclass(frozen=True)
class RollupSettings:
    """What can be set. Windows must be those of scoring."""

    windows_days: tuple[int, ...] = (7, 30, 90, 365)
    """Lengths of the rolling windows, ascending."""
    headline_days: int = 90
    """The window whose NPS of responses is the segment's gauge."""
    grace_days: int = 7
    """Days that cells are kept longer than twice the longest window."""
    gauged_segments: int = 100
    """Most segments of a partition with a gauge, first come first served: each is a time series."""
    roll_segments: int = 500
    """Segments rolled in one tick: some 50 ms of work."""

    def __post_init__(self) -> None:
        Spans(self.windows_days, self.grace_days)
        if self.headline_days not in self.windows_days:
            raise ValueError(f"headline_days: {self.headline_days} is none of windows_days {self.windows_days}")
        if self.gauged_segments < 0 or self.roll_segments < 1:
            raise ValueError("gauged_segments must not be negative, and roll_segments must be positive")


class _Cursor(msgspec.Struct, array_like=True):
    """How far the ticks of a day have come."""

    day: int = -1
    changes: int = 0
    """How many times a source partition had another incarnation: each time old cells are looked for."""
    after: str = ""
    done: bool = True


_encode = msgspec.msgpack.Encoder().encode
_decode_cursor = decoder(_Cursor)

TICKS: Final = b"T"
"""The key of the cursor; the others are listed in `agents.sources`."""


class Rollups:
    """From `nps.segments.cells` to `nps.rollups.segments`."""

    name = "rollups"
    sources = (topics.CELLS,)

    def __init__(self, settings: RollupSettings | None = None) -> None:
        self.settings = settings or RollupSettings()
        self.spans = Spans(self.settings.windows_days, self.settings.grace_days)
        self._headline = self.spans.base(0, 0, self.settings.windows_days.index(self.settings.headline_days))

    def process(self, batch: Sequence[Record], state: State, now: StreamTime, outbox: Outbox) -> None:
        """Take the cells in, in order; each segment's table is sent once, as of its last cell."""
        check_windows(state, self.spans, self.name)
        segments = Segments(self.spans, state)
        changed: dict[str, int] = {}
        for number, record in enumerate(batch):
            day = day_of(now.at(record.timestamp))
            try:
                cell = read_key(record.key)
                if self._take(segments, cell, record.value, day):
                    changed[cell.segment] = number
            except Unusable as error:
                bury(record, "validate", error, outbox)
        for name, number in sorted(changed.items(), key=lambda change: change[1]):
            self._publish(segments, segments.used(name), batch[number].timestamp, outbox)
        segments.trim()

    def tick(self, now: int, state: State, outbox: Outbox) -> None:
        """Roll quiet segments over to a new day, and drop cells of older incarnations."""
        check_windows(state, self.spans, self.name)
        segments = Segments(self.spans, state)
        self._show_gauges(segments, outbox)
        value = state.get(TICKS)
        cursor = _Cursor() if value is None else _decode_cursor(value)
        day, changes = day_of(now), segments.incarnations.changes
        if cursor.day < day or cursor.changes < changes:
            cursor = _Cursor(max(day, cursor.day), changes, "", False)
        elif cursor.done:
            return
        names = segments.names(cursor.after.encode(), self.settings.roll_segments)
        for name in names:
            segment = segments.at(name, 0)
            if segments.drop_old(segment) or segment.table.as_of < day:
                segments.roll(segment, day)
                self._publish(segments, segment, now, outbox)
        cursor.done = len(names) < self.settings.roll_segments
        cursor.after = "" if cursor.done else names[-1]
        state.put(TICKS, _encode(cursor))
        outbox.more |= not cursor.done
        segments.trim()

    def _take(self, segments: Segments, cell: CellKey, value: bytes | None, day: int) -> bool:
        """Take one cell in; whether it is of the latest incarnation."""
        respondents = read_respondents(self.spans, value) if cell.day is None and value is not None else None
        responses = read_responses(value) if cell.day is not None and value is not None else [0, 0, 0]
        if not segments.incarnations.is_latest(cell.source, cell.incarnation):
            return False
        # A source partition's clock may be ahead of this one's, since a record's own timestamp may be behind its clock.
        segment = segments.at(cell.segment, max(day, respondents.as_of) if respondents else day)
        segments.drop_old(segment)
        if cell.day is None:
            segments.set_respondents(segment, cell.source, cell.incarnation, respondents)
        else:
            segments.set_responses(segment, cell.source, cell.incarnation, cell.day, responses)
        return True

    def _publish(self, segments: Segments, segment: Segment, timestamp: int, outbox: Outbox) -> None:
        """Send a segment's rollup, a tombstone if it is empty, and write it to the state."""
        table, name = segment.table, segment.name.encode()
        dimension, value = segment.name.split("=", 1)
        if table.shows:
            rollup = b'{"dimension":%b,"value":%b,"as_of":"%b","windows":%b}' % (
                dumps(dimension),
                dumps(value),
                format_day(table.as_of).encode(),
                windows_json(self.spans, table.sums[: self.spans.kind] + segment.respondents(self.spans)),
            )
            table.published = True
            outbox.send(topics.SEGMENT_ROLLUPS, name, rollup, timestamp)
            if segments.take_gauge(segment, self.settings.gauged_segments):
                outbox.gauge(GAUGE, dimension, value, value=self._nps(segment))
        elif table.published:
            table.published = False
            outbox.send(topics.SEGMENT_ROLLUPS, name, None, timestamp)
            if segments.return_gauge(segment):
                outbox.gauge(GAUGE, dimension, value, value=None)
        segments.save(segment)

    def _nps(self, segment: Segment) -> float | None:
        promoters, passives, detractors = segment.table.sums[self._headline : self._headline + 3]
        total = promoters + passives + detractors
        return nps(promoters, total, detractors) if total else None

    def _show_gauges(self, segments: Segments, outbox: Outbox) -> None:
        """Gauges are not state: show those of the state once after it was opened."""
        for segment in segments.gauged_once():
            dimension, value = segment.name.split("=", 1)
            outbox.gauge(GAUGE, dimension, value, value=self._nps(segment))
