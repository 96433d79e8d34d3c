"""The tables of comments of one task: of accounts, which are sent as they are, and the cells of segments, which `agents.themes`
adds up over all partitions."""

from collections.abc import Sequence
from operator import itemgetter

import msgspec

from agents.cells import write_key
from agents.comment_counts import OfDay, StoredDay, StoredSums, Sums, put
from agents.comment_days import ChunkNumbers, Days
from agents.comment_keys import ACCOUNT, ACCOUNT_DAYS, segment_key
from agents.stored import decoder
from schemas import topics
from schemas.codec import dumps
from schemas.times import format_day
from streams.processor import Outbox, Record, State


class _Head(msgspec.Struct, array_like=True):
    """An account's table in the state, but for its counts by day."""

    as_of: StoredDay
    published: bool
    chunks: ChunkNumbers
    sums: StoredSums


_encode = msgspec.msgpack.Encoder().encode
_decode_head = decoder(_Head)
_decode_cell = decoder(OfDay)


class AccountTable:
    """What the comments of an account are about, as of a day."""

    __slots__ = ("_days", "_name", "_published", "_state", "_sums")

    def __init__(self, windows_days: tuple[int, ...], state: State, name: bytes, day: int) -> None:
        """As the state has it; a new one as of `day` if it is not there."""
        value = state.get(ACCOUNT + name)
        head = _Head(day, False, [], {}) if value is None else _decode_head(value)
        self._state = state
        self._name = name
        self._published = head.published
        self._sums = Sums(windows_days, head.as_of, head.sums)
        self._days = Days(state, ACCOUNT_DAYS + name, head.chunks)

    @property
    def as_of(self) -> int:
        """The day that it was rolled to."""
        return self._sums.as_of

    def roll(self, day: int) -> None:
        """Move on to a later day."""
        if day > self._sums.as_of:
            self._sums.roll(day, lambda of: (self._days.of_day(of),))
            self._days.forget(day - self._sums.longest + 1)

    def count(self, day: int, themes: Sequence[str], places: Sequence[int], amount: int) -> None:
        """Count `amount` comments of a day more of these themes; one beyond the longest window counts nowhere."""
        if self._sums.as_of - day >= self._sums.longest:
            return
        put(self._days.change(day), themes, places, amount)
        one: OfDay = {}
        put(one, themes, places, amount)
        self._sums.add(day, one)

    def publish(self, timestamp: int, outbox: Outbox) -> None:
        """Send it, or a tombstone if there is nothing to show, and write it to the state."""
        if self._sums.by_theme:
            self._published = True
            table = {
                "account_id": self._name.decode(),
                "as_of": format_day(self._sums.as_of),
                "windows": self._sums.windows(),
            }
            outbox.send(topics.ACCOUNT_THEMES, self._name, dumps(table), timestamp)
        elif self._published:
            self._published = False
            outbox.send(topics.ACCOUNT_THEMES, self._name, None, timestamp)
        self._save()

    def _save(self) -> None:
        sums = self._sums
        if not sums.by_theme and not any(day > sums.as_of and counts for day, counts in self._days.all()):
            self._days.drop()
            self._state.delete(ACCOUNT + self._name)
            return
        self._days.save()
        self._state.put(
            ACCOUNT + self._name, _encode(_Head(sums.as_of, self._published, sorted(self._days.numbers), sums.by_theme))
        )


class CommentTables:
    """What a batch changes in tables: each is read once, and sent once at the end, as of the last record that changed it."""

    def __init__(self, windows_days: tuple[int, ...], state: State) -> None:
        self._windows = windows_days
        self._state = state
        self._accounts: dict[str, AccountTable] = {}
        self._changed: dict[str, int] = {}
        self._cells: dict[tuple[str, int], OfDay] = {}
        self._changed_cells: dict[tuple[str, int], int] = {}
        self.day = 0
        """The UTC day on which the record is processed."""
        self.number = 0
        """Of the record, within its batch."""

    def count(
        self, account_id: str, segments: Sequence[str], day: int, themes: Sequence[str], places: Sequence[int], amount: int
    ) -> None:
        """Count `amount` comments of a day more, in their account and their segments (dimension=value)."""
        if self.day - day >= self._windows[-1]:
            return
        table = self._accounts.get(account_id)
        if table is None:
            table = self._accounts[account_id] = AccountTable(self._windows, self._state, account_id.encode(), self.day)
        table.roll(self.day)
        table.count(day, themes, places, amount)
        self._changed[account_id] = self.number
        for segment in segments:
            put(self._cell(segment, day), themes, places, amount)
            self._changed_cells[segment, day] = self.number

    def publish(self, batch: Sequence[Record], outbox: Outbox) -> None:
        """Send what has changed, in the order of the last changes, and write it to the state."""
        for account_id, number in sorted(self._changed.items(), key=itemgetter(1)):
            self._accounts[account_id].publish(batch[number].timestamp, outbox)
        for (segment, day), number in sorted(self._changed_cells.items(), key=lambda changed: (changed[1], changed[0])):
            counts, key = self._cells[segment, day], segment_key(segment, day)
            value = None
            if counts:
                self._state.put(key, _encode(dict(sorted(counts.items()))))
                value = dumps({"themes": {theme: [six[:3], six[3:]] for theme, six in sorted(counts.items())}})
            else:
                self._state.delete(key)
            name = write_key(self._state.partition, self._state.incarnation, segment, day)
            outbox.send(topics.THEMES_CELLS, name, value, batch[number].timestamp, route=segment.encode())

    def _cell(self, segment: str, day: int) -> OfDay:
        counts = self._cells.get((segment, day))
        if counts is None:
            value = self._state.get(segment_key(segment, day))
            counts = self._cells[segment, day] = {} if value is None else _decode_cell(value)
        return counts
