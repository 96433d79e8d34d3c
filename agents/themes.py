"""Adds the cells of all source partitions up to what the comments of segments are about, rolled by this agent's own clock.

As `agents.rollups` does for scores: a cell says how the counts of a day stand in one source partition, so the last one of each
counts, a repeat changes nothing, and those of older incarnations are dropped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from agents.burying import bury
from agents.cells import CellKey, read_key
from agents.comment_counts import OfDay, check_windows_days
from agents.incarnations import Incarnations
from agents.stored import decoder
from agents.theme_segments import HEAD, SegmentTable
from agents.windows import Spans, check_windows
from schemas import topics
from schemas.comments import ThemesCell
from schemas.dead_letters import Reason, Unusable
from schemas.times import day_of
from streams.processor import Outbox, Record, State, StreamTime

TICKS: Final = b"T"
"""The key of the cursor; the others are listed in `agents.theme_segments`."""
TOO_MANY: Final = 2**40
"""Comments of a segment: sums over all days and source partitions stay within 64 bits."""


@dataclass(frozen=True)
class ThemesSettings:
    """What can be set. Windows must be those of the agent comments."""

    windows_days: tuple[int, ...] = (7, 30, 90, 365)
    """Lengths of the rolling windows, ascending."""
    roll_segments: int = 500
    """Segments rolled in one tick: some 50 ms of work."""

    def __post_init__(self) -> None:
        check_windows_days(self.windows_days)
        if self.roll_segments < 1:
            raise ValueError(f"roll_segments: {self.roll_segments} is not positive")


class _Cursor(msgspec.Struct, array_like=True):
    """How far the ticks of a day have come."""

    day: int = -1
    changes: int = 0
    """How many times a source partition had another incarnation: each time old cells are looked for."""
    after: bytes = b""
    done: bool = True


_encode = msgspec.msgpack.Encoder().encode
_decode_cursor = decoder(_Cursor)
_decode_cell = msgspec.json.Decoder(ThemesCell).decode


class Themes:
    """From `nps.themes.cells` to `nps.themes.segments`."""

    name = "themes"
    sources = (topics.THEMES_CELLS,)

    def __init__(self, settings: ThemesSettings | None = None) -> None:
        self.settings = settings or ThemesSettings()
        self._spans = Spans(self.settings.windows_days, 0)

    def process(self, batch: Sequence[Record], state: State, now: StreamTime, outbox: Outbox) -> None:
        """Take the cells in, in order; each segment's table is sent once, as of its last cell."""
        check_windows(state, self._spans, self.name)
        incarnations = Incarnations(state)
        tables: dict[str, SegmentTable] = {}
        changed: dict[str, int] = {}
        for number, record in enumerate(batch):
            day = day_of(now.at(record.timestamp))
            try:
                cell, of, counts = _read(record)
            except Unusable as error:
                bury(record, "validate", error, outbox)
                continue
            if not incarnations.is_latest(cell.source, cell.incarnation):
                continue
            table = tables.get(cell.segment)
            if table is None:
                table = tables[cell.segment] = SegmentTable(self.settings.windows_days, state, cell.segment, day)
            table.roll(day)
            table.drop_old()
            table.set(cell.source, cell.incarnation, of, counts)
            changed[cell.segment] = number
        for name, number in sorted(changed.items(), key=lambda change: change[1]):
            tables[name].publish(batch[number].timestamp, outbox)

    def tick(self, now: int, state: State, outbox: Outbox) -> None:
        """Roll quiet segments over to a new day, and drop cells of older incarnations."""
        check_windows(state, self._spans, self.name)
        value = state.get(TICKS)
        cursor = _Cursor() if value is None else _decode_cursor(value)
        day, changes = day_of(now), Incarnations(state).changes
        if cursor.day < day or cursor.changes < changes:
            cursor = _Cursor(max(day, cursor.day), changes, b"", False)
        elif cursor.done:
            return
        limit = self.settings.roll_segments
        found = state.scan(HEAD, cursor.after, limit)
        for key in found:
            table = SegmentTable(self.settings.windows_days, state, key[len(HEAD) :].decode(), day)
            if table.drop_old() or table.as_of < day:
                table.roll(day)
                table.publish(now, outbox)
        cursor.done = len(found) < limit
        cursor.after = b"" if cursor.done else found[-1]
        state.put(TICKS, _encode(cursor))
        outbox.more |= not cursor.done


def _read(record: Record) -> tuple[CellKey, int, OfDay]:
    """The key of a cell, its day, and its six numbers by theme. Raises `Unusable` for what is no cell."""
    cell = read_key(record.key)
    if cell.day is None:
        raise Unusable(Reason.BAD_ID, "key: not that of a cell of comments: it has no day")
    if record.value is None:
        return cell, cell.day, {}
    try:
        themes = _decode_cell(record.value).themes
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unusable(Reason.WRONG_TYPE, f"no cell of comments: {error}") from error
    counts = {theme: [*categories, *tones] for theme, (categories, tones) in themes.items()}
    if any(number >= TOO_MANY for numbers in counts.values() for number in numbers):
        raise Unusable(Reason.WRONG_TYPE, "themes: not numbers that comments can have")
    return cell, cell.day, {theme: numbers for theme, numbers in counts.items() if any(numbers)}
