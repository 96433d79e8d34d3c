"""What the changelog takes of accounts unlike the others: those that answer every day, and one that has everything."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bench.population import FIRST_DAY, RESPONDENTS_PER_ACCOUNT, answer
from bench.scoring_tasks import ScoringTasks, state_of
from bench.state_measures import settings_of
from bench.stream import Answer
from bench.weighing import Weighed
from schemas.times import DAY_MS

WEIGHED_DAYS = 28
"""The last of them: what is weighed then is what an account with a history costs."""
HOT_MS = 40
"""Between two responses of the account that has everything."""


@dataclass(frozen=True)
class Busy:
    """One such account, alone in its task."""

    name: str
    responses: int
    """That were weighed."""
    batches: int
    bytes: Mapping[str, int]
    """Of the changelog, by kind."""
    framing: int
    written: int
    """Bytes of all of it in zstd."""
    keys: int
    """In the state at the end."""
    stored: int
    """Bytes of the state at the end."""

    @property
    def each(self) -> float:
        """Bytes of a response, not compressed."""
        return (sum(self.bytes.values()) + self.framing) / self.responses


def measure(days: int, hot: int) -> list[Busy]:
    """So many days for those that answer daily, and so many responses of the account that has everything."""
    many = RESPONDENTS_PER_ACCOUNT
    return [
        _busy(f"one respondent, {days} days, each by itself", _daily(1, days), 1),
        _busy(f"{many} respondents, {days} days, each by itself", _daily(many, days), 1),
        _busy(f"{many} respondents, {days} days, a batch a day", _daily(many, days), many),
        _busy(f"{many} respondents, {hot:,} responses in a day", list(_hot(hot)), None),
    ]


def _daily(respondents: int, days: int) -> list[Answer]:
    """Each respondent on each day."""
    return [
        answer(day * respondents + respondent, 0, respondent, (FIRST_DAY + day) * DAY_MS + respondent * DAY_MS // respondents)
        for day in range(days)
        for respondent in range(respondents)
    ]


def _hot(count: int) -> Iterator[Answer]:
    for number in range(count):
        respondent = number * 7 % RESPONDENTS_PER_ACCOUNT
        yield answer(number, 0, respondent, FIRST_DAY * DAY_MS + number * HOT_MS % DAY_MS)


def _busy(name: str, answers: list[Answer], batch_records: int | None) -> Busy:
    tasks = ScoringTasks(1, settings_of(1))
    first = answers[-1].responded_at - WEIGHED_DAYS * DAY_MS
    tasks.weigh([one for one in answers if one.responded_at <= first], Weighed(), batch_records)
    weighed, draft = [one for one in answers if one.responded_at > first], Weighed()
    batches = tasks.weigh(weighed, draft, batch_records)
    store = state_of(tasks.executions[0])
    return Busy(name, len(weighed), batches, dict(draft.bytes), draft.framing, draft.written, len(store.entries), store.bytes)
