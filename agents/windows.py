"""Rolling counts over several windows, for one account or one segment, rolled day by day from sparse counts by day.

A window of N days that ends with day E holds the days E-N+1 to E. Two kinds of counts are kept for each window that ends
today, and for the one before it, which ends N days ago:

- `responses`: each response, by its day.
- `respondents`: each respondent's latest response in the window. With d the day of a response and u the day of the
  respondent's next one (never, if there is none), it is the latest in the window that ends with E exactly if
  d <= E < u and E - d < N. So it is added on day d and taken away on day min(u, d + N): an interval. When the next one is of
  the same day, it never counts.

All of it is a running sum: what a response adds to the sums of today follows from its age, and what a new day changes follows
from the counts of a few days: the new one, those N and those 2N days before. Late, future and withdrawn responses are
intervals put in or taken out, like any others.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import msgspec

from agents.stored import StateUnreadable, decoder
from streams.processor import State, UnfitState

FOREVER: Final = 1 << 40
"""The day of a respondent's next response while there is none."""
CHUNK_BITS: Final = 4
"""The counts of 16 days are one entry of the state: an account with responses every day then writes some 200 bytes a batch."""
REMEMBERED_CUTS: Final = 50_000
"""Pairs of ages whose sums are remembered, some 200 bytes each."""
IN_CHUNK: Final = (1 << CHUNK_BITS) - 1

WINDOWS_KEY: Final = b"W"
"""The key in the state that says with which windows it was made."""

Counts = dict[int, int]
"""Counts of one day, by slot; most of those that are zero are left out. Slots: 0-2 responses by category, 3-5 the intervals
that begin, then for each class of length the intervals that began on this day, and those that ended on it."""
_RESPONSES = 0
_BEGUN = 3
_CUT = 6

_encode = msgspec.msgpack.Encoder().encode


class Spans:
    """What follows from the lengths of the windows alone, computed once: which sums a response of which age counts in, and
    which sums change how when a day passes."""

    def __init__(self, windows_days: Sequence[int], grace_days: int) -> None:
        """Raises ValueError unless the lengths are positive and ascending, and the grace not negative."""
        days = tuple(windows_days)
        if not days or days[0] < 1 or any(later <= earlier for earlier, later in pairwise(days)):
            raise ValueError(f"windows_days: {days} are not positive and ascending lengths in days")
        if grace_days < 0:
            raise ValueError(f"grace_days: {grace_days} is negative")
        self.days = days
        self.names = tuple(f"{length}d" for length in days)
        self.longest = days[-1]
        self.history_days = 2 * self.longest + grace_days
        """A response this many days old is beyond the history."""
        self.kind = 6 * len(days)
        """Number of sums of one kind. First come those of responses, then those of respondents; in each, window by window,
        three of the one that ends today and three of the one before."""
        self.bases = [self.base(kind, 0, window) for window in range(len(days)) for kind in (0, 1)]
        self.windows_json = b"{%b}" % b",".join(
            b'"%b":{"responses":%%b,"respondents":%%b}' % name.encode() for name in self.names
        )
        """The windows of a rollup as JSON, to be filled with the statistics of the sums at `bases`."""
        self.open = [self._sums_at(age, -1) for age in range(2 * self.longest)]
        """By age in days: the bases of the sums, of one kind, that a response counts in while there is no later one."""
        self.entered = [
            tuple(tuple(base + kind for base in bases for kind in (category, self.kind + category)) for category in range(3))
            for bases in self.open
        ]
        """By age in days and by category: all sums, of both kinds, that a respondent's latest response counts in."""
        self._cut: dict[tuple[int, int], tuple[int, ...]] = {}
        self.length_class = [next(k for k, length in enumerate(days) if gap < length) for gap in range(self.longest)]
        """By the days of an interval that was cut short: the shortest window in which that made a difference."""
        self.lags = self._make_lags()
        """For each number of days back: what each slot of that day adds to which sums when a day passes."""

    def base(self, kind: int, before: int, window: int) -> int:
        """Where the three sums of a window are; `kind` 0 is responses, 1 respondents, `before` 1 is the window before."""
        return kind * self.kind + 6 * window + 3 * before

    def sums(self, age: int, until_age: int) -> tuple[int, ...]:
        """The bases of the sums (of one kind) that a response counts in, `age` days after its day and `until_age` days after
        the day of the next one, negative if that is still to come."""
        if not 0 <= age < len(self.open):
            return ()
        if until_age < 0:
            return self.open[age]
        known = self._cut.get((age, until_age))
        if known is None:
            if len(self._cut) >= REMEMBERED_CUTS:
                self._cut.clear()
            known = self._cut[age, until_age] = self._sums_at(age, until_age)
        return known

    def _sums_at(self, age: int, until_age: int) -> tuple[int, ...]:
        found = []
        for window, length in enumerate(self.days):
            if age < length and until_age < 0:
                found.append(6 * window)
            elif length <= age < 2 * length and until_age < length:
                found.append(6 * window + 3)
        return tuple(found)

    def _make_lags(self) -> tuple[tuple[int, tuple[tuple[tuple[int, int], ...], ...]], ...]:
        windows = len(self.days)
        lags: dict[int, list[list[tuple[int, int]]]] = {}

        def add(lag: int, slot: int, index: int, sign: int) -> None:
            lags.setdefault(lag, [[] for _ in range(_CUT + 6 * windows)])[slot].append((index, sign))

        for window, length in enumerate(self.days):
            for before in (0, 1):
                # The window that ends today gains the new day and loses the one N days ago; the one before is N days behind.
                gains, loses = before * length, (before + 1) * length
                for category in range(3):
                    responses = self.base(0, before, window) + category
                    respondents = self.base(1, before, window) + category
                    add(gains, _RESPONSES + category, responses, 1)
                    add(loses, _RESPONSES + category, responses, -1)
                    add(gains, _BEGUN + category, respondents, 1)
                    add(loses, _BEGUN + category, respondents, -1)
                    for shorter in range(window + 1):  # those cut short before they were N days old
                        add(loses, _CUT + 3 * shorter + category, respondents, 1)
                        add(gains, _CUT + 3 * (windows + shorter) + category, respondents, -1)
        return tuple((lag, tuple(tuple(effects) for effects in slots)) for lag, slots in sorted(lags.items()))


class WindowsChanged(UnfitState):
    """The state was made with other windows than those of the settings."""


_decode_windows = decoder(list[int])


def check_windows(state: State, spans: Spans, name: str) -> None:
    """Raises WindowsChanged unless the state of a processor was made with these windows; a new state notes them."""
    if WINDOWS_KEY in state.cache:
        return
    wanted = _encode([*spans.days, spans.history_days])
    found = state.get(WINDOWS_KEY)
    if found is None:
        state.put(WINDOWS_KEY, wanted)
    elif found != wanted:
        *days, history_days = _decode_windows(found) or [0]
        raise WindowsChanged(
            f"its state was counted with windows of {days} days and a history of {history_days}, the settings say "
            f"{list(spans.days)} and {spans.history_days}: set them back, or start anew: npstream rebuild --agent {name}"
        )
    state.cache[WINDOWS_KEY] = True


class _Head(msgspec.Struct, array_like=True):
    """A table in the state, but for its counts by day."""

    as_of: int
    pending: int
    published: bool
    sums: list[int]
    eve: list[int]


_decode_head = decoder(_Head)
_decode_chunk = decoder(dict[int, Counts])


class Table:
    """The rolling counts of one account or segment as of one day, with their home in the state.

    Days are days since 1970-01-01, UTC. Changes are made to this object, and written to the state by `save`.
    """

    __slots__ = (
        "_chunk_prefix",
        "_chunks",
        "_dirty",
        "_entered",
        "_entered_counts",
        "_entered_day",
        "_head_key",
        "_pending",
        "_spans",
        "_sums",
        "_touched",
        "_touched_day",
        "as_of",
        "eve",
        "published",
    )

    def __init__(self, spans: Spans, head_key: bytes, chunk_prefix: bytes, as_of: int, keeps_eve: bool = False) -> None:
        self._spans = spans
        self._head_key = head_key
        self._chunk_prefix = chunk_prefix
        self._chunks: dict[int, dict[int, Counts]] = {}
        self._dirty: set[int] = set()
        self._entered_day: int | None = None
        """The day of the responses that `enter` has gathered; None if there are none."""
        self._entered = [0, 0, 0]
        """How many of each category."""
        self._entered_counts: Counts = {}
        """The counts of that day."""
        self._touched_day: int | None = None
        """The day that was changed last, since the last save: the next change is of the same day, as a rule."""
        self._touched: Counts = {}
        """Its counts."""
        self.as_of = as_of
        self._pending = 0
        self.published = False
        """Whether the outside has a value for it."""
        self._sums = [0] * (2 * spans.kind)
        self.eve: list[int] = [0] * spans.kind if keeps_eve else []
        """The sums of respondents as they were when the day before `as_of` ended; empty if not kept."""

    @classmethod
    def load(cls, spans: Spans, state: State, head_key: bytes, chunk_prefix: bytes) -> "Table | None":
        """From the state; None if it is not there."""
        value = state.get(head_key)
        if value is None:
            return None
        head = _decode_head(value)
        if len(head.sums) != 2 * spans.kind or len(head.eve) not in (0, spans.kind):
            raise StateUnreadable("a table in the state has other windows")
        table = cls(spans, head_key, chunk_prefix, head.as_of)
        table._pending, table.published, table._sums, table.eve = head.pending, head.published, head.sums, head.eve
        return table

    @property
    def sums(self) -> list[int]:
        """All sums, in the order of `Spans.base`."""
        self._settle()
        return self._sums

    @property
    def pending(self) -> int:
        """Responses of days after `as_of`."""
        self._settle()
        return self._pending

    @property
    def shows(self) -> bool:
        """There are responses in a window or in the one before it."""
        kind = self._spans.kind  # the longest window and the one before it are the last of their kind, and hold all others
        return any(self.sums[kind - 6 : kind])

    @property
    def empty(self) -> bool:
        """Nothing to show, nothing on the eve, and no response of a day to come."""
        return not self.pending and not self.shows and not any(self.eve)

    def counts(self, kind: int, before: int, window: int) -> list[int]:
        """Promoters, passives and detractors of a window; arguments as for `Spans.base`."""
        base = self._spans.base(kind, before, window)
        return self.sums[base : base + 3]

    def of_day(self, state: State, day: int) -> list[int]:
        """Promoters, passives and detractors of the responses of a day."""
        self._settle()
        counts = self._counts_of(state, day) or {}
        return [counts.get(_RESPONSES + category, 0) for category in range(3)]

    def count(self, state: State, day: int, category: int, amount: int) -> None:
        """Put `amount` responses of a day in, or take them out if it is negative."""
        counts = self._touch(state, day)
        counts[category] = counts.get(category, 0) + amount
        age = self.as_of - day
        if age < 0:
            self._pending += amount
        elif age < len(self._spans.open):
            sums = self._sums
            for base in self._spans.open[age]:
                sums[base + category] += amount

    def enter(self, state: State, day: int, category: int) -> None:
        """Put in a response that is its respondent's latest one: `count` and `hold` in one, since most responses are.

        Those of one day are gathered, and done together before the table is looked at as a whole.
        """
        if day != self._entered_day:
            self._settle()
            self._entered_day = day
            self._entered_counts = self._touch(state, day)
        self._entered[category] += 1

    def headline(self, base: int, days: int) -> tuple[int, int, int]:
        """Promoters, passives and detractors of the window of so many days that ends with `as_of`; `base` says where its sums
        are. As they are now, at any time."""
        sums = self._sums
        promoters, passives, detractors = sums[base], sums[base + 1], sums[base + 2]
        if self._entered_day is not None and 0 <= self.as_of - self._entered_day < days:
            more = self._entered
            return promoters + more[0], passives + more[1], detractors + more[2]
        return promoters, passives, detractors

    def _settle(self) -> None:
        """Do what `enter` has gathered. Whatever else changes sums and counts adds to them, so the order does not matter."""
        if self._entered_day is None:
            return
        age, counts, sums = self.as_of - self._entered_day, self._entered_counts, self._sums
        for category, amount in enumerate(self._entered):
            if not amount:
                continue
            counts[category] = counts.get(category, 0) + amount
            counts[_BEGUN + category] = counts.get(_BEGUN + category, 0) + amount
            if age < 0:
                self._pending += amount
            elif age < len(self._spans.entered):
                for index in self._spans.entered[age][category]:
                    sums[index] += amount
        self._entered_day = None
        self._entered = [0, 0, 0]

    def hold(self, state: State, day: int, until: int, category: int, amount: int) -> None:
        """Put the intervals of `amount` respondents' responses in, or take them out if it is negative: from their day until the
        day of the next one, `FOREVER` if there is none."""
        gap = until - day
        if gap <= 0:
            return
        spans = self._spans
        counts = self._touch(state, day)
        slot = _BEGUN + category
        counts[slot] = counts.get(slot, 0) + amount
        if gap < spans.longest:
            slot = _CUT + 3 * spans.length_class[gap] + category
            counts[slot] = counts.get(slot, 0) + amount
            counts = self._touch(state, until)
            slot += 3 * len(spans.days)
            counts[slot] = counts.get(slot, 0) + amount
        sums, start = self._sums, spans.kind + category
        for base in spans.sums(self.as_of - day, self.as_of - until):
            sums[start + base] += amount

    def roll(self, state: State, day: int) -> None:
        """Move on to a later day; counts of days beyond the history go."""
        self._settle()
        spans = self._spans
        if day - self.as_of > spans.history_days and not self._pending:
            self._skip(state, day)
            return
        sums = self._sums
        while self.as_of < day:
            if self.eve:
                self.eve = sums[spans.kind :]
            self.as_of += 1
            for lag, effects in spans.lags:
                counts = self._counts_of(state, self.as_of - lag)
                if counts is None:
                    continue
                for slot, number in counts.items():
                    for index, sign in effects[slot]:
                        sums[index] += sign * number
                if not lag:
                    self._pending -= sum(counts.get(_RESPONSES + category, 0) for category in range(3))
            last = self.as_of - spans.history_days
            if last & IN_CHUNK == IN_CHUNK:
                self._forget(state, last >> CHUNK_BITS)

    def save(self, state: State) -> None:
        """Write what has changed to the state; an empty table leaves it."""
        if self.empty:
            self.drop(state)
            return
        for number in self._dirty:
            chunk = self._chunks[number]
            # A chunk to come may lie where `drop` does not look, so it must not stay with nothing in it.
            if number > self.as_of >> CHUNK_BITS and not any(any(counts.values()) for counts in chunk.values()):
                state.delete(self._chunk_key(number))
            else:
                state.put(self._chunk_key(number), _encode(chunk))
        self._dirty.clear()
        self._touched_day = None
        state.put(self._head_key, _encode(_Head(self.as_of, self._pending, self.published, self._sums, self.eve)))
        if len(self._chunks) > 4 * len(self._spans.days):
            self._chunks.clear()  # they pile up as days pass, and are in the state

    def drop(self, state: State) -> None:
        """Take the table out of the state."""
        newest = max((self.as_of + 1) >> CHUNK_BITS, *self._chunks, 0)
        for number in range(max((self.as_of - self._spans.history_days) >> CHUNK_BITS, 0), newest + 1):
            self._forget(state, number)
        state.delete(self._head_key)

    def _skip(self, state: State, day: int) -> None:
        """Move on by so much that nothing of before is left."""
        self.drop(state)
        self.as_of, self._pending = day, 0
        self._sums = [0] * len(self._sums)
        self.eve = [0] * len(self.eve)

    def _counts_of(self, state: State, day: int) -> Counts | None:
        chunk = self._chunks.get(day >> CHUNK_BITS)
        if chunk is None:
            chunk = self._load_chunk(state, day >> CHUNK_BITS)
        return chunk.get(day & IN_CHUNK)

    def _touch(self, state: State, day: int) -> Counts:
        """The counts of a day, about to be changed."""
        if day == self._touched_day:
            return self._touched
        number = day >> CHUNK_BITS
        chunk = self._chunks.get(number)
        if chunk is None:
            chunk = self._load_chunk(state, number)
        self._dirty.add(number)
        counts = chunk.get(day & IN_CHUNK)
        if counts is None:
            counts = chunk[day & IN_CHUNK] = {}
        self._touched_day, self._touched = day, counts
        return counts

    def _load_chunk(self, state: State, number: int) -> dict[int, Counts]:
        value = state.get(self._chunk_key(number)) if number >= 0 else None
        chunk = self._chunks[number] = {} if value is None else _decode_chunk(value)
        return chunk

    def _forget(self, state: State, number: int) -> None:
        self._chunks.pop(number, None)
        self._dirty.discard(number)
        self._touched_day = None
        if number >= 0 and state.get(self._chunk_key(number)) is not None:
            state.delete(self._chunk_key(number))

    def _chunk_key(self, number: int) -> bytes:
        # Two bytes last 2,800 years and are always the last of the key, so no other key can look the same.
        return self._chunk_prefix + number.to_bytes(2, "big")
