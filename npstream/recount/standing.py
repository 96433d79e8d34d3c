"""What a partition knows after the records so far: its clock, each respondent's responses, and each account's counts by day.

Times: a record is processed at its partition's clock, the greatest of the record timestamps so far, each capped at the wall
clock plus a day, and of the wall clock at committed ticks. Which ticks were committed cannot be seen from outside, so the
clock is known as a range: from what the records alone have done (`early`) to the wall clock (`late`).
"""

from collections.abc import Callable
from itertools import repeat
from typing import Any

from npstream.recount.expected import ABSENT, AnyOf
from npstream.recount.reading import DAY_MS, Arrival, SourceRecord
from npstream.recount.statistics import nps, rounded
from npstream.recount.tables import CATEGORIES

MOST_DAYS_OF_CLOCK = 5
"""A clock known less closely than this leaves account_nps out of the comparison."""


class Standing:
    """One partition's responses that hold, those beyond the history too. `ask` takes what the contract does not answer."""

    def __init__(self, history_days: int, headline_days: int, alert_days: int, ask: Callable[[str], None]) -> None:
        self.history_days = history_days
        self.alert_days = alert_days
        """0: at any age a response alerts."""
        self.headline_days = headline_days
        self.ask = ask
        self.early = 0
        self.late = 0
        self.edge_end = 0
        self.edge_start = 0
        """The days at the edge of the history are these two and those between."""
        self.by_respondent: dict[tuple[str, str], dict[str, Arrival]] = {}
        self.by_day: dict[tuple[str, str], dict[int, int]] = {}
        """Of each account and category: how many responses by day."""

    def move_clock(self, record: SourceRecord, wall: int) -> None:
        self.early = max(self.early, min(record.timestamp, wall + DAY_MS))
        self.late = max(self.late, self.early, wall)
        self._move_edges()

    def set_day(self, day: int) -> None:
        """The clock's day is known: that as of which a record was scored."""
        self.early, self.late = day * DAY_MS, (day + 1) * DAY_MS - 1
        self._move_edges()

    def allow_for(self, clock: int) -> None:
        """The clock may have come to here, in ms."""
        self.late = max(self.late, clock)
        self._move_edges()

    def put(self, before: Arrival | None, now: Arrival | None) -> None:
        """Replace a response (None or a retraction: there was, or is, none)."""
        for response, step in ((before, -1), (now, 1)):
            if response is None or response.retraction:
                continue
            days = self.by_day.setdefault((response.account_id, response.category), {})
            days[response.day] = days.get(response.day, 0) + step
            if response.respondent_id is not None:
                own = self.by_respondent.setdefault((response.account_id, response.respondent_id), {})
                if step == 1:
                    own[response.response_id] = response
                else:
                    own.pop(response.response_id, None)

    def in_history(self, response: Arrival) -> bool | None:
        """None at the history's edge, where a day more or less is a matter of reading, or of which ticks were committed."""
        if response.day > self.edge_end:
            return True
        return None if response.day >= self.edge_start else False

    def is_old(self, response: Arrival) -> bool | None:
        """Whether it alerts nobody any more; None if that depends on which ticks were committed."""
        if not self.alert_days:
            return False
        first, last = self.early // DAY_MS - response.day, self.late // DAY_MS - response.day
        if (first > self.alert_days) != (last > self.alert_days):
            return None
        return first > self.alert_days

    def history_of(self, response: Arrival) -> list[Arrival]:
        """What the response's respondent said, oldest first, as far as the history goes; of an anonymous one nothing."""
        if response.respondent_id is None:
            return []
        found = []
        for one in self.by_respondent.get((response.account_id, response.respondent_id), {}).values():
            inside = self.in_history(one)
            if inside is None:
                self.ask("a respondent's response at the edge of the history")
            elif inside:
                found.append(one)
        return sorted(found, key=lambda one: one.place)

    def present(self, response: Arrival) -> Arrival | None:
        """The present response of a response's respondent."""
        history = self.history_of(response)
        return history[-1] if history else None

    def _move_edges(self) -> None:
        self.edge_end = self.late // DAY_MS - self.history_days + 1
        self.edge_start = self.early // DAY_MS - self.history_days

    def account_nps(self, account_id: str) -> Any:
        """The headline as of each day that the clock may be at; None if those are too many to tell."""
        first, last = self.early // DAY_MS, self.late // DAY_MS
        if last - first > MOST_DAYS_OF_CLOCK:
            return None
        values: set[Any] = set()
        for today in range(first, last + 1):
            window = range(today - self.headline_days + 1, today + 1)
            counts = [sum(map(self.by_day.get((account_id, category), {}).get, window, repeat(0))) for category in CATEGORIES]
            values.add(rounded(nps(counts)) if sum(counts) else ABSENT)
        return AnyOf(values)
