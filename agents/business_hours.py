"""Business hours: on which days people work, from when to when by their clock; and when so much of that time will have passed.

Time is counted as it passes: on the day on which clocks go forward there is an hour less between midnight and midnight, and
on the day on which they go back an hour more. Between nine and five there are eight hours on both. An opening time that the
clocks leave out is taken by the offset before the change, one that comes twice is the first.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

MINUTE_MS: Final = 60_000
DAY_MINUTES: Final = 1_440
WEEKDAYS: Final = frozenset(range(5))
"""Monday to Friday, Monday being 0."""
NINE: Final = 9 * 60
FIVE: Final = 17 * 60

LONGEST_DAYS: Final = 3_660
"""Ten years: nothing is due later, whoever closes every day by mistake."""
REMEMBERED_DAYS: Final = 4_096
"""Days whose hours are remembered, of each zone: all that cases are due on in years, in half a megabyte."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def never_closed(day: date) -> bool:
    """There are no holidays."""
    return False


class BusinessHours:
    """The business hours of one zone."""

    __slots__ = ("_closes", "_days", "_is_closed", "_opens", "_spans", "_zone")

    def __init__(
        self,
        zone: tzinfo = UTC,
        days: frozenset[int] = WEEKDAYS,
        opens: int = NINE,
        closes: int = FIVE,
        is_closed: Callable[[date], bool] = never_closed,
    ) -> None:
        """`days` of the week, Monday being 0; `opens` and `closes` in minutes after midnight, 1440 the midnight after;
        `is_closed` says of a date in the zone whether it is a holiday. Raises ValueError for hours that are none."""
        if not days or not days <= frozenset(range(7)):
            raise ValueError(f"days: {sorted(days)} are no days of the week, of which there must be one at least")
        if not 0 <= opens < closes <= DAY_MINUTES:
            raise ValueError(f"from {opens} to {closes} minutes after midnight are no hours of a day")
        self._zone = zone
        self._days = days
        self._opens = opens
        self._closes = closes
        self._is_closed = is_closed
        self._spans: dict[int, tuple[int, int] | None] = {}

    def add(self, ms: int, minutes: int) -> int:
        """When so many minutes (1 or more) of business time will have passed since `ms`; both in ms since the epoch, UTC. The
        result is within business hours, their last moment included."""
        left = minutes * MINUTE_MS
        day = (_EPOCH + timedelta(milliseconds=ms)).astimezone(self._zone).toordinal()
        at = ms
        for number in range(day, day + LONGEST_DAYS):
            span = self.span(number)
            if span is None:
                continue
            opening, closing = span
            start = max(opening, at)
            if left <= closing - start:
                return start + left
            if closing > start:
                left -= closing - start
                at = closing
        return ms + LONGEST_DAYS * DAY_MINUTES * MINUTE_MS

    def span(self, day: int) -> tuple[int, int] | None:
        """From when to when people work on a day, in ms; None if they do not. `day` is a proleptic Gregorian ordinal."""
        try:
            return self._spans[day]
        except KeyError:
            if len(self._spans) >= REMEMBERED_DAYS:
                self._spans.clear()
            span = self._spans[day] = self._look_up(day)
            return span

    def _look_up(self, day: int) -> tuple[int, int] | None:
        on = date.fromordinal(day)
        if on.weekday() not in self._days or self._is_closed(on) or self._left_out(on):
            return None
        opening, closing = self._ms(day, self._opens), self._ms(day, self._closes)
        return (opening, closing) if opening < closing else None

    def _left_out(self, on: date) -> bool:
        """Whether the zone's calendar has no such day: Samoa went from the 29th to the 31st of December 2011."""
        noon = datetime(on.year, on.month, on.day, 12, tzinfo=self._zone)
        return noon.astimezone(UTC).astimezone(self._zone).date() != on

    def _ms(self, day: int, minutes: int) -> int:
        """The moment at which clocks in the zone show so many minutes after midnight."""
        on = date.fromordinal(day + minutes // DAY_MINUTES)
        hour, minute = divmod(minutes % DAY_MINUTES, 60)
        return (datetime(on.year, on.month, on.day, hour, minute, tzinfo=self._zone) - _EPOCH) // _MILLISECOND
