"""When an account is at risk: decisions from numbers alone, and what of them can be set. What they mean is in docs/risk.md.

A rule of an account's window says yes, no, or None where the window does not tell: then what was known stays known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Literal, get_args

from agents.risk_sources import Stats
from schemas.alerts import RiskKind
from schemas.events import Category, Severity
from streams.processor import DAY_MS

Counting = Literal["responses", "respondents"]
"""Of the two ways in which a rollup counts: each response, or only a respondent's latest."""

KINDS: Final[tuple[RiskKind, ...]] = get_args(RiskKind)
MOST_ANSWERS: Final = 12
"""Responses that a respondent's rhythm is made of: three years of a quarterly survey, one of a monthly one. What is older says
little of how often somebody answers today, and each costs some 20 bytes for each respondent."""
MOST_FACTOR: Final = 100
"""Of usual intervals in a silence: more is as good as none."""
LONGEST_COOLDOWN_DAYS: Final = 3_650
"""Ten years: what is longer is a unit mistaken for another."""

_COOLDOWN_DAYS: Final[Mapping[RiskKind, int]] = {
    "downgrade": 7,  # a week: what a respondent says next month is news again
    "nps_fell": 30,  # an account's figures move slowly, and so do those who look after it
    "nps_below": 30,
    "no_promoters": 30,
    "silence": 30,
}

DOWNGRADES: Final[Mapping[tuple[Category, Category], Severity]] = {
    ("promoter", "passive"): "elevated",
    ("passive", "detractor"): "high",
    ("promoter", "detractor"): "critical",
}
"""How severe it is that a respondent's category fell, by what it was and is: by how far it fell, and whether somebody is lost
who would have recommended."""


@dataclass(frozen=True)
class RiskSettings:
    """What can be set."""

    kinds: frozenset[RiskKind] = frozenset(KINDS)
    """Those that are raised at all."""
    counting: Counting = "responses"
    """How the window is counted whose NPS is looked at: as the headline NPS is."""
    headline_days: int = 90
    """Its length: the window that stands for an account everywhere else."""
    recent_days: int | None = 7
    """A shorter window of the rollup: what is in it is news, what is in the other one alone is old. None: all is news."""
    threshold: float = 0.0
    """The NPS below which an account is at risk: below 0 it has more detractors than promoters."""
    min_responses: int = 10
    """Of fewer responses in the window nothing is concluded: each of them moves the NPS by more than 10 points."""
    silence_responses: int = 3
    """From so many responses on a respondent has a rhythm: two intervals."""
    silence_factor: float = 2.0
    """So many usual intervals without a response are a silence: one was left out for certain."""
    silence_min_days: int = 30
    """And so many days at least, however often somebody answers: a month is a holiday and the backlog after it."""
    alert_max_age_days: int | None = 14
    """What happened on a day further back is no news, as in scoring. 0 or None: there is no limit."""
    cooldown_days: Mapping[RiskKind, int] = field(default_factory=lambda: dict(_COOLDOWN_DAYS))
    """How long the same is not raised again, by kind; a kind that is left out has its default."""
    share: int = 1_000
    """Entries of the state looked at in one tick: some 10 ms of work."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "cooldown_days", {**_COOLDOWN_DAYS, **self.cooldown_days})
        for name, least in (("headline_days", 1), ("min_responses", 1), ("silence_min_days", 0), ("share", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}: {getattr(self, name)} is less than {least}")
        if not 2 <= self.silence_responses <= MOST_ANSWERS:
            raise ValueError(f"silence_responses: {self.silence_responses} is not from 2 to {MOST_ANSWERS}")
        if not 1 <= self.silence_factor <= MOST_FACTOR:
            raise ValueError(f"silence_factor: {self.silence_factor} is not from 1 to {MOST_FACTOR}")
        for kind, days in self.cooldown_days.items():
            if not 0 <= days <= LONGEST_COOLDOWN_DAYS:
                raise ValueError(f"cooldown_days.{kind}: {days} is not from 0 to {LONGEST_COOLDOWN_DAYS}")


def recent_window(windows_days: Sequence[int], headline_days: int, alert_max_age_days: int | None) -> int | None:
    """Which of the windows tells news from old: the longest that is within the alert age, else the shortest; always shorter
    than the headline one. None if there is none, or no age limit."""
    shorter = [days for days in windows_days if days < headline_days]
    if not alert_max_age_days or not shorter:
        return None
    return max((days for days in shorter if days <= alert_max_age_days), default=min(shorter))


def is_old(day: int, today: int, alert_max_age_days: int | None) -> bool:
    """Whether what happened on a UTC day alerts nobody any more."""
    return 0 < (alert_max_age_days or 0) < today - day


def nps_fell(stats: Stats, settings: RiskSettings) -> bool | None:
    """The NPS is lower than in the window before, and by more than chance (95 %, `agents.statistics`)."""
    if stats.total < settings.min_responses or stats.change is None or stats.significant is None:
        return None
    return stats.change < 0 and stats.significant


def nps_below(stats: Stats, settings: RiskSettings) -> bool | None:
    """The NPS, as it is shown, is below the threshold."""
    if stats.total < settings.min_responses or stats.nps is None:
        return None
    return stats.nps < settings.threshold


def no_promoters(stats: Stats, settings: RiskSettings, had: bool) -> bool | None:
    """Nobody in the window would recommend, and somebody did before (`had`)."""
    if stats.promoters or not had:
        return False
    return None if stats.total < settings.min_responses else True


def usual_interval(times: Sequence[int]) -> float:
    """The median of the intervals between two or more times, in their unit; they ascend."""
    intervals = sorted(later - earlier for earlier, later in pairwise(times))
    middle = len(intervals) // 2
    return intervals[middle] if len(intervals) % 2 else (intervals[middle - 1] + intervals[middle]) / 2


def silent_from(times: Sequence[int], settings: RiskSettings) -> float:
    """The ms from which on a respondent with these responses is silent; two or more, ascending."""
    return times[-1] + max(settings.silence_factor * usual_interval(times), settings.silence_min_days * DAY_MS)


def day_after(ms: float) -> int:
    """The first UTC day that begins after a time."""
    return int(ms // DAY_MS) + 1


def silence_severity(score: int) -> Severity:
    """By the last score: who would have recommended is a greater loss than who complained, of whom a case tells already."""
    return "high" if score >= 9 else "elevated"
