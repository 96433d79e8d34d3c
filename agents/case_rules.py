"""What can be set about cases, and what follows from it: how severe one is, whose it is, and when it is due."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from agents.analysis import Analyser, no_analysis
from agents.business_hours import BusinessHours
from agents.case_kept import SEVERITIES, KeptAccount
from agents.categories import SEVERITY_OF
from schemas.events import Severity
from schemas.times import parse_day
from streams.processor import DAY_MS


class Due(NamedTuple):
    """After how many minutes of business time a case is due."""

    first_response: int
    resolution: int


DUE: Final[Mapping[Severity, Due]] = {
    "critical": Due(2 * 60, 16 * 60),
    "high": Due(8 * 60, 40 * 60),
    "elevated": Due(24 * 60, 80 * 60),
}
"""With eight hours a day: two hours and two days, a day and a week, three days and a fortnight. Who calls back within two days
keeps most of the customers that can be kept; who has all cases due at once keeps none of the promises."""

_UTC_HOURS: Final = BusinessHours()


def office_hours(zone: str | None) -> BusinessHours:
    """Nine to five, Monday to Friday, UTC: whatever the zone is."""
    return _UTC_HOURS


@dataclass(frozen=True)
class CasesSettings:
    """What can be set, and what the agent is given from outside."""

    due: Mapping[Severity, Due] = field(default_factory=lambda: DUE)
    default_owner: str | None = None
    """Whose the cases of accounts without an owner are."""
    escalation: tuple[str, ...] = ()
    """Whose a case becomes, one after the other, when a due time passes."""
    escalate_every_min: int = 8 * 60
    """Minutes of business time from one of them to the next: a working day."""
    raise_consecutive: int = 2
    """From so many detractor responses in a row on a case is a step more severe; 0: never for that."""
    raise_tiers: frozenset[str] = frozenset()
    """Tiers of accounts whose cases are."""
    raise_value: float | None = None
    """Value of an account from which on they are."""
    raise_renewal_days: int = 60
    """And those of contracts that end within so many days, today included: a quarter's notice and some. 0: never for that."""
    alert_max_age_days: int | None = 14
    """What was said on a day further back opens no case, as it brings no detractor event (`agents.scoring`): for replays. 0 or
    None: there is no limit."""
    reopen_days: int = 14
    """For so long a resolved case is reopened by what its respondent says; after that it opens another one."""
    recovery_days: int = 180
    """For so long after it was closed a case is credited with a recovery: relationship surveys go out twice a year."""
    expire_days: int = 90
    """An open case that nobody touches for so long is closed: what was said a quarter ago is no news to anybody."""
    keep_days: int = 400
    """How long closed cases are kept: a year, to compare with the last one, and a month to do so."""
    hours: Callable[[str | None], BusinessHours] = office_hours
    """Business hours of a time zone by its IANA name; those of the vendor for None, and for a zone that nobody knows."""
    analyse: Analyser = no_analysis
    """What a comment is about, and how it sounds."""
    share: int = 200
    """Cases looked after in one tick: some 15 ms of work."""

    def __post_init__(self) -> None:
        for severity, due in self.due.items():
            if not 0 < due.first_response <= due.resolution:
                raise ValueError(f"due.{severity}: the resolution must not be due before the first response, nor that at once")
        for name in ("reopen_days", "recovery_days", "raise_consecutive", "raise_renewal_days"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: {getattr(self, name)} is less than 0")
        for name in ("escalate_every_min", "expire_days", "keep_days", "share"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)} is not positive")
        if self.keep_days < max(self.reopen_days, self.recovery_days):
            raise ValueError(f"keep_days: {self.keep_days} is less than reopen_days or recovery_days, which need closed cases")

    def severity(self, scores: Iterable[int], consecutive: int, account: KeptAccount, now: int) -> Severity:
        """Of a case with these scores, at `now` in ms: that of the worst one, a step more for each of what makes it worse."""
        step = SEVERITIES.index(SEVERITY_OF[min(scores)])
        step -= 0 < self.raise_consecutive <= consecutive
        step -= account.tier in self.raise_tiers
        step -= self.raise_value is not None and account.value is not None and account.value >= self.raise_value
        if self.raise_renewal_days and account.renewal_date is not None:
            step -= 0 <= parse_day(account.renewal_date) - now // DAY_MS <= self.raise_renewal_days
        return SEVERITIES[max(0, step)]

    def owner(self, account: KeptAccount) -> str | None:
        """Whose a case is until somebody is chosen."""
        return account.owner or self.default_owner

    def due_times(self, severity: Severity, account: KeptAccount, now: int) -> tuple[int, int]:
        """When the first response and the resolution of a case are due that begins now, in ms."""
        hours, due = self.hours(account.time_zone), self.due[severity]
        return hours.add(now, due.first_response), hours.add(now, due.resolution)

    def next_step(self, account: KeptAccount, now: int) -> int:
        """When the next owner of the chain is due, in ms."""
        return self.hours(account.time_zone).add(now, self.escalate_every_min)

    def is_old(self, said_at: int, now: int) -> bool:
        """Whether what was said then opens no case any more; both in ms."""
        return 0 < (self.alert_max_age_days or 0) < now // DAY_MS - said_at // DAY_MS
