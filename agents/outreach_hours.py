"""The hours of the day at which customers are written to, by the clock where they are."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Final

DAY_MINUTES: Final = 1440
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_DAYS_AHEAD: Final = 3
"""Where a clock is changed, an hour of the day may be missing, or be over sooner than it began: it is found a day later."""


@dataclass(frozen=True, slots=True)
class MessageHours:
    """From one minute of the day to before another one. Raises ValueError for a time of no length."""

    first: int = 8 * 60
    """Minute of the day, 0 to 1439."""
    end: int = 20 * 60
    """Minute of the day, 1 to 1440; greater than the first."""
    zones: Callable[[str | None], tzinfo] = lambda name: UTC
    """The zone that an account's time zone names; what it is where that names none."""

    def __post_init__(self) -> None:
        if not 0 <= self.first < self.end <= DAY_MINUTES:
            raise ValueError("the hours must begin before they end, on the same day")

    def next(self, ms: int, zone_name: str | None) -> int:
        """The first time from `ms` on (ms, UTC) that is within the hours: itself, or the next beginning."""
        if self.end - self.first == DAY_MINUTES:
            return ms
        zone = self.zones(zone_name)
        moment = _EPOCH + ms * _MILLISECOND
        local = moment.astimezone(zone)
        if self.first <= local.hour * 60 + local.minute < self.end:
            return ms
        at = time(self.first // 60, self.first % 60)
        for days in range(_DAYS_AHEAD):
            for fold in (0, 1):  # where a clock is set back, the first of the two readings unless it has passed
                begins = datetime.combine(local.date() + timedelta(days), at.replace(fold=fold), zone)
                if begins >= moment:
                    return (begins.astimezone(UTC) - _EPOCH) // _MILLISECOND
        return ms
