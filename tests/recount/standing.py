"""What a partition knows after the records so far: its clock, each respondent's responses, and each account's counts by day.

Times: a record is processed at its partition's clock, the greatest of the record timestamps so far, each capped at the wall
clock plus a day, and of the wall clock at committed ticks. Which ticks were committed cannot be seen from outside, so the
clock is known as a range: from what the records alone have done (`early`) to the wall clock (`late`).
"""

from collections.abc import Callable
from typing import Any

from tests.recount.expected import ABSENT, AnyOf
from tests.recount.reading import DAY_MS, Arrival, SourceRecord
from tests.recount.statistics import nps, rounded
from tests.recount.tables import CATEGORIES

MOST_DAYS_OF_CLOCK = 5
"""A clock known less closely than this leaves account_nps out of the comparison."""


class Standing:
    """One partition's responses that hold, those beyond the history too. `ask` takes what the contract does not answer."""

    def __init__(self, history_days: int, headline_days: int, ask: Callable[[str], None]) -> None:
        self.history_days = history_days
        self.headline_days = headline_days
        self.ask = ask
        self.early = 0
        self.late = 0
        self.by_respondent: dict[tuple[str, str], dict[str, Arrival]] = {}
        self.counts: dict[str, dict[int, list[int]]] = {}
        """Of each account and day: detractors, passives, promoters."""

    def move_clock(self, record: SourceRecord, wall: int) -> None:
        self.early = max(self.early, min(record.timestamp, wall + DAY_MS))
        self.late = max(self.late, self.early, wall)

    def put(self, before: Arrival | None, now: Arrival | None) -> None:
        """Replace a response (None or a retraction: there was, or is, none)."""
        for response, step in ((before, -1), (now, 1)):
            if response is None or response.retraction:
                continue
            days = self.counts.setdefault(response.account_id, {})
            days.setdefault(response.day, [0, 0, 0])[CATEGORIES.index(response.category)] += step
            if response.respondent_id is not None:
                own = self.by_respondent.setdefault((response.account_id, response.respondent_id), {})
                if step == 1:
                    own[response.response_id] = response
                else:
                    own.pop(response.response_id, None)

    def in_history(self, response: Arrival) -> bool | None:
        """None at the history's edge, where a day more or less is a matter of reading, or of which ticks were committed."""
        if response.day > self.late // DAY_MS - self.history_days + 1:
            return True
        return False if response.day < self.early // DAY_MS - self.history_days else None

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

    def account_nps(self, account_id: str) -> Any:
        """The headline as of each day that the clock may be at; None if those are too many to tell."""
        first, last = self.early // DAY_MS, self.late // DAY_MS
        if last - first > MOST_DAYS_OF_CLOCK:
            return None
        values: set[Any] = set()
        days = self.counts.get(account_id, {})
        for today in range(first, last + 1):
            detractors = passives = promoters = 0
            for day in range(today - self.headline_days + 1, today + 1):
                if day in days:
                    counts = days[day]
                    detractors += counts[0]
                    passives += counts[1]
                    promoters += counts[2]
            total = detractors + passives + promoters
            values.add(rounded(nps((detractors, passives, promoters))) if total else ABSENT)
        return AnyOf(values)
