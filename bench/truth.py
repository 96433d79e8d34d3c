"""What must come of the stream, recounted one response after another, with nothing of npstream but the names.

It rests on what `bench.stream` promises: each response comes once, in the order of responded_at, and all of them lie in every
window that ends on the day of processing or on the day after.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from bench.stream import Answer
from schemas.times import DAY_MS

DETRACTOR, PASSIVE, PROMOTER = "detractor", "passive", "promoter"
CATEGORIES = (DETRACTOR, PASSIVE, PROMOTER)

Counts = list[int]
"""Detractors, passives, promoters."""


class Outcome(NamedTuple):
    """What one response must bring."""

    answer: Answer
    category: str
    before: tuple[str, int] | None
    """Category and score of the respondent's response before it."""
    row: int
    """How many responses in a row have this category, this one included."""
    first_promoter: bool
    account_nps: float
    """Of all responses of the account so far, this one included."""

    @property
    def changes(self) -> bool:
        """Whether it changes the respondent's category."""
        return self.before is not None and self.before[0] != self.category


def _nothing() -> Counts:
    return [0, 0, 0]


@dataclass
class Tally:
    """The counts of an account or a segment."""

    responses: Counts = field(default_factory=_nothing)
    respondents: Counts = field(default_factory=_nothing)
    """Only each respondent's latest."""
    days: dict[int, Counts] = field(default_factory=dict)
    """Responses by UTC day since 1970-01-01."""

    def add(self, category: int, day: int) -> None:
        """Count a response."""
        self.responses[category] += 1
        self.days.setdefault(day, [0, 0, 0])[category] += 1


class Truth:
    """Everything that must come of some answers."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        self.outcomes: dict[str, Outcome] = {}
        """By response id."""
        self.latest: dict[str, Outcome] = {}
        """By respondent."""
        self.accounts: dict[str, Tally] = {}
        self.segments: dict[str, Tally] = {}
        self._promoters: set[str] = set()
        for answer in answers:
            self._take(answer)
        for outcome in self.latest.values():
            category = CATEGORIES.index(outcome.category)
            self.accounts[outcome.answer.account_id].respondents[category] += 1
            self.segments[outcome.answer.segment].respondents[category] += 1

    def _take(self, answer: Answer) -> None:
        category = category_of(answer.score)
        account = self.accounts.setdefault(answer.account_id, Tally())
        for tally in (account, self.segments.setdefault(answer.segment, Tally())):
            tally.add(CATEGORIES.index(category), answer.responded_at // DAY_MS)
        before = self.latest.get(answer.respondent_id)
        detractors, _, promoters = account.responses
        outcome = Outcome(
            answer,
            category,
            None if before is None else (before.category, before.answer.score),
            before.row + 1 if before is not None and before.category == category else 1,
            category == PROMOTER and answer.respondent_id not in self._promoters,
            one_decimal(100 * (promoters - detractors), sum(account.responses)),
        )
        if category == PROMOTER:
            self._promoters.add(answer.respondent_id)
        self.outcomes[answer.response_id] = self.latest[answer.respondent_id] = outcome

    def with_category(self, category: str) -> set[str]:
        """Ids of the responses of a category."""
        return {name for name, outcome in self.outcomes.items() if outcome.category == category}

    def changing(self) -> set[str]:
        """Ids of the responses that change their respondent's category."""
        return {name for name, outcome in self.outcomes.items() if outcome.changes}


def category_of(score: int) -> str:
    """0-6, 7-8, 9-10."""
    return DETRACTOR if score <= 6 else PASSIVE if score <= 8 else PROMOTER


def one_decimal(numerator: int, denominator: int) -> float:
    """A ratio rounded to one decimal, half away from zero, never -0.0."""
    tenths = (20 * abs(numerator) + denominator) // (2 * denominator)
    return (-tenths if numerator < 0 else tenths) / 10
