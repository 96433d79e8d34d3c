"""Quiet hours: when people are not to be told of what can wait.

They are given by the clock on a wall. A time that the clocks leave out is taken by the offset before the change, one that comes
twice is the first: RFC 5545, section 3.3.5, which calendars follow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

from schemas.events import Severity

DAY_MINUTES: Final = 1_440
EVERY_DAY: Final = frozenset(range(7))
LONGEST_MS: Final = 15 * 86_400_000
"""Quiet hours that follow each other without a gap for longer than two weeks have none."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True)
class QuietHours:
    """Quiet hours of a week."""

    begins: int
    """Minutes after midnight."""
    ends: int
    """The same, 1440 being the next midnight; not after `begins`: on the next day."""
    days: frozenset[int] = EVERY_DAY
    """On which days of the week they begin, Monday being 0."""
    zone: tzinfo = UTC
    excepted: frozenset[Severity] = frozenset(("critical",))
    """What is told nevertheless."""

    def __post_init__(self) -> None:
        if not (0 <= self.begins < DAY_MINUTES and 0 <= self.ends <= DAY_MINUTES and self.days):
            raise ValueError("quiet hours begin on a day, at a minute of it")

    def end_at(self, ms: int) -> int | None:
        """When those end that `ms` is in; None if it is in none. In ms since the epoch, UTC."""
        today = (_EPOCH + timedelta(milliseconds=ms)).astimezone(self.zone).date()
        # On the days that clocks change, and for those that begin at night, yesterday's may last.
        for day in (today - timedelta(days=1), today):
            if day.weekday() not in self.days:
                continue
            last = day if self.ends > self.begins else day + timedelta(days=1)
            if self._moment(day, self.begins) <= ms < (end := self._moment(last, self.ends)):
                return end
        return None

    def _moment(self, day: date, minutes: int) -> int:
        day += timedelta(days=minutes // DAY_MINUTES)
        hour, minute = divmod(minutes % DAY_MINUTES, 60)
        return (datetime(day.year, day.month, day.day, hour, minute, tzinfo=self.zone) - _EPOCH) // _MILLISECOND


def quiet_until(quiet: Sequence[QuietHours], severity: Severity, ms: int) -> int:
    """The first time from `ms` on at which something of this severity may be told: `ms` itself if it is not quiet then. Where
    it is always quiet, some two weeks later: `is_never_told` finds that out before."""
    holding = [hours for hours in quiet if severity not in hours.excepted]
    at = ms
    while holding and at <= ms + LONGEST_MS:
        ends = [end for hours in holding if (end := hours.end_at(at)) is not None]
        if not ends:
            break
        at = max(ends)
    return at


def is_never_told(quiet: Sequence[QuietHours], severity: Severity) -> bool:
    """Whether it is always quiet for this severity."""
    return quiet_until(quiet, severity, 0) > LONGEST_MS
