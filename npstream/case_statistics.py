"""What a business review wants to know of cases, from `nps.case.events`: how many, how soon, how they ended, and why. Pure."""

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec import UNSET

from npstream.case_book import SEVERITIES, moment, read_as, sound
from schemas.cases import Case, CaseEvent
from schemas.times import format_time, parse_time
from streams.processor import Record

CLOSINGS: Final = ("resolved", "recovered", "expired", "withdrawn")
"""Events that close a case. Recovered does so if it was open."""
P90: Final = 0.9
ALL: Final = "all"
"""The row of all severities."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How long something took, in ms: in how many cases, in half of them at most, in nine of ten at most (nearest rank)."""

    count: int
    median: float
    p90: float
    due: int
    """In how many there was a due time."""
    in_time: int
    """In how many of those it was met."""

    @property
    def share(self) -> float | None:
        """Of those with a due time, the part that met it, from 0 to 1; None without any."""
        return self.in_time / self.due if self.due else None


@dataclass
class CaseStatistics:
    """Takes records of nps.case.events, those of an account in order, and counts what happened from `since` to before `until`,
    both in ms UTC."""

    since: int
    until: int
    opened: Counter[str] = field(default_factory=Counter)
    """By severity."""
    reopened: int = 0
    recovered: int = 0
    breached: Counter[str] = field(default_factory=Counter)
    """By which due time passed."""
    left_out: int = 0
    """Records that are none of ours."""
    _begun: dict[tuple[str, str], int] = field(default_factory=dict)
    """When a case was opened, or reopened last: from then on its times count."""
    _ended: dict[tuple[str, str], tuple[str, Case, int, int]] = field(default_factory=dict)
    """Which event closed a case last, the case then, when it was begun, and when that was."""
    _answered: dict[tuple[str, str], tuple[Case, int, int]] = field(default_factory=dict)
    """The case when it was answered last, when it was begun, and when that was."""

    def take(self, records: Iterable[Record]) -> None:
        """Take records in; what is no event of a case is counted and left out."""
        for record in records:
            event = read_as(CaseEvent, record.value)
            if event is None or not sound(event.case):
                self.left_out += 1
                continue
            self._event(event)

    @property
    def closed(self) -> Counter[str]:
        """By the event that closed them: each case once, and not if it is open again."""
        return Counter(how for how, *_ in self._ended.values())

    @property
    def root_causes(self) -> list[tuple[str | None, int]]:
        """Why resolved cases came about, the most frequent first; None is of those where nobody said why."""
        counts = Counter(
            None if case.root_cause is UNSET else case.root_cause for how, case, *_ in self._ended.values() if how == "resolved"
        )
        return sorted(counts.items(), key=lambda item: (-item[1], item[0] is None, item[0] or ""))

    def first_response(self) -> dict[str, Spread]:
        """From the beginning to the first word to the customer, by severity."""
        cases = self._answered.values()
        return _spreads((case, begun, at, moment(case.first_response_due)) for case, begun, at in cases)

    def resolution(self) -> dict[str, Spread]:
        """From the beginning to the resolution by somebody, by severity."""
        ended = self._ended.values()
        return _spreads((case, begun, at, moment(case.resolution_due)) for how, case, begun, at in ended if how == "resolved")

    def as_json(self) -> dict[str, Any]:
        """As one document; times in seconds."""
        return {
            "from": format_time(self.since),
            "to": format_time(self.until),
            "opened": _by_severity(self.opened),
            "closed": {how: self.closed[how] for how in CLOSINGS},
            "reopened": self.reopened,
            "recovered": self.recovered,
            "breached": {due: self.breached[due] for due in ("first_response", "resolution")},
            "first_response": _as_seconds(self.first_response()),
            "resolution": _as_seconds(self.resolution()),
            "root_causes": [{"root_cause": cause, "cases": number} for cause, number in self.root_causes],
            "left_out": self.left_out,
        }

    def _event(self, event: CaseEvent) -> None:
        case, key = event.case, (event.account_id, event.case_id)
        at = _time(event.at)
        if event.event in ("opened", "reopened"):
            self._begun[key] = at
        if not self.since <= at < self.until:
            return
        begun = self._begun.get(key, parse_time(case.opened_at))
        if event.event == "contacted" and moment(case.first_response_at) == at:
            self._answered[key] = (case, begun, at)
        if event.event in CLOSINGS and (event.event != "recovered" or moment(case.closed_at) == at):
            self._ended[key] = (event.event, case, begun, at)
        if event.event == "opened":
            self.opened[case.severity] += 1
        elif event.event == "reopened":
            self.reopened += 1
            self._ended.pop(key, None)
        elif event.event == "recovered":
            self.recovered += 1
        elif event.event == "breached" and event.due is not UNSET:
            self.breached[event.due] += 1


def _time(text: str) -> int:
    """In ms; -1, which is within no bounds, for what is no time."""
    try:
        return parse_time(text)
    except ValueError:
        return -1


def _spreads(cases: Iterable[tuple[Case, int, int, int | None]]) -> dict[str, Spread]:
    """Of cases, when they were begun, when it happened, and when it was due."""
    took: dict[str, list[tuple[int, bool | None]]] = {}
    for case, begun, at, due in cases:
        for row in (case.severity, ALL):
            took.setdefault(row, []).append((max(at - begun, 0), None if due is None else at <= due))
    return {row: _spread(took[row]) for row in (*SEVERITIES, ALL) if row in took}


def _spread(values: Sequence[tuple[int, bool | None]]) -> Spread:
    ordered = sorted(ms for ms, _ in values)
    met = [in_time for _, in_time in values if in_time is not None]
    return Spread(
        len(ordered), statistics.median(ordered), ordered[math.ceil(P90 * len(ordered)) - 1], due=len(met), in_time=sum(met)
    )


def _by_severity(counts: Counter[str]) -> dict[str, int]:
    return {severity: counts[severity] for severity in SEVERITIES} | {ALL: counts.total()}


def _as_seconds(spreads: dict[str, Spread]) -> dict[str, dict[str, float]]:
    return {
        row: {
            "cases": spread.count,
            "median_s": spread.median / 1000,
            "p90_s": spread.p90 / 1000,
            "due": spread.due,
            "in_time": spread.in_time,
        }
        for row, spread in spreads.items()
    }
