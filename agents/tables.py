"""The tables of segments that a task has decoded: each is loaded once, changed in place, and written once a batch."""

from typing import Final

from agents.windows import Spans, Table
from streams.processor import State

REMEMBERED_TABLES: Final = 4_000
"""Tables that stay decoded between batches, each some 3 KB: beyond that all are let go at the end of a batch."""


class Tables:
    """The tables of a task, by segment."""

    __slots__ = ("_days_prefix", "_heads_prefix", "_keep_eve", "_known", "_spans", "_state")

    def __init__(self, spans: Spans, state: State, heads_prefix: bytes, days_prefix: bytes, keep_eve: bool = False) -> None:
        self._spans = spans
        self._state = state
        self._heads_prefix = heads_prefix
        self._days_prefix = days_prefix
        self._keep_eve = keep_eve
        self._known: dict[str, Table] = state.cache.setdefault(heads_prefix, {})

    def at(self, name: str, day: int) -> Table:
        """The table as of a day, or of a later one if it is there already; a new one if it was not known."""
        table = self._known.get(name)
        if table is None:
            encoded = name.encode()
            head_key, days_prefix = self._heads_prefix + encoded, self._days_prefix + encoded
            table = Table.load(self._spans, self._state, head_key, days_prefix)
            if table is None:
                table = Table(self._spans, head_key, days_prefix, day, self._keep_eve)
            self._known[name] = table
        if table.as_of < day:
            table.roll(self._state, day)
        return table

    def used(self, name: str) -> Table:
        """A table that `at` has returned in this batch, as it is. Raises KeyError for any other."""
        return self._known[name]

    def trim(self) -> None:
        """Let go of decoded tables if there are many. Call it when all changes are saved."""
        if len(self._known) > REMEMBERED_TABLES:
            self.clear()

    def clear(self) -> None:
        """Let go of all decoded tables."""
        self._known.clear()
