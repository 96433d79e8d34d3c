"""A year of responses of any number of respondents: deterministic, so that an account's part can be made by itself.

100 respondents an account, four responses each, one a quarter, each respondent on a day of their own; 8 segments, scores as in
`bench.stream`. Ids are as long as those that customers have: an account 18 bytes, as in Salesforce, a respondent 22, a short
e-mail address, a response 32, as Typeform's.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.stream import SCORES, SEED, SEGMENTS, Answer
from schemas.times import DAY_MS

RESPONDENTS_PER_ACCOUNT = 100
QUARTERS = 4
QUARTER_DAYS = 91
YEAR_DAYS = QUARTERS * QUARTER_DAYS
FIRST_DAY = 20_089
"""2025-01-01, in days since 1970-01-01: the same in each run, so that each run writes the same."""
LATER_MS = 50
"""Between two responses of those who answer after the year."""
_SHUFFLE = 1_000_003
"""A prime above the number of respondents of a day: its multiples go through all of them once, in no order."""
_SCRAMBLE = 0x9E3779B97F4A7C15
"""An odd number near 2^64 divided by the golden ratio: its multiples are spread evenly (Knuth, The Art of Computer Programming,
volume 3, 6.4)."""
_MASK = (1 << 64) - 1


@dataclass(frozen=True)
class Population:
    """So many respondents, in whole accounts."""

    respondents: int

    def __post_init__(self) -> None:
        if self.respondents < RESPONDENTS_PER_ACCOUNT or self.respondents % RESPONDENTS_PER_ACCOUNT:
            raise ValueError(f"{self.respondents} respondents: give a multiple of {RESPONDENTS_PER_ACCOUNT}")

    @property
    def accounts(self) -> int:
        """How many there are."""
        return self.respondents // RESPONDENTS_PER_ACCOUNT

    @property
    def responses(self) -> int:
        """Of the year."""
        return self.respondents * QUARTERS

    def year(self) -> Iterator[Answer]:
        """All responses, in the order of responded_at."""
        for day in range(YEAR_DAYS):
            yield from self._of_day(day)

    def year_of(self, account: int) -> list[Answer]:
        """Those of one account, by its number, in no order."""
        first = account * RESPONDENTS_PER_ACCOUNT
        return [
            self._answer(respondent, quarter, *self._in_order(respondent))
            for respondent in range(first, first + RESPONDENTS_PER_ACCOUNT)
            for quarter in range(QUARTERS)
        ]

    def later(self, first: int, count: int, accounts: Sequence[int] | None = None) -> Iterator[Answer]:
        """`count` responses of the day after the year, from the one of number `first` on, of any respondents, or of those of
        some accounts."""
        chance = random.Random(SEED + first)
        for number in range(first, first + count):
            if accounts is None:
                respondent = chance.randrange(self.respondents)
            else:
                respondent = chance.choice(accounts) * RESPONDENTS_PER_ACCOUNT + chance.randrange(RESPONDENTS_PER_ACCOUNT)
            at = (FIRST_DAY + YEAR_DAYS) * DAY_MS + number * LATER_MS
            yield answer(self.responses + number, account_of(respondent), respondent, at)

    def _of_day(self, day: int) -> Iterator[Answer]:
        quarter, phase = divmod(day, QUARTER_DAYS)
        count = len(range(phase, self.respondents, QUARTER_DAYS))
        for index in range(count):
            yield self._answer(phase + index * _SHUFFLE % count * QUARTER_DAYS, quarter, index, count)

    def _in_order(self, respondent: int) -> tuple[int, int]:
        """The place of a respondent among those of the same day, and how many they are."""
        count = len(range(respondent % QUARTER_DAYS, self.respondents, QUARTER_DAYS))
        return respondent // QUARTER_DAYS * pow(_SHUFFLE, -1, count) % count, count

    @staticmethod
    def _answer(respondent: int, quarter: int, index: int, count: int) -> Answer:
        day = FIRST_DAY + quarter * QUARTER_DAYS + respondent % QUARTER_DAYS
        at = day * DAY_MS + index * DAY_MS // count
        return answer(respondent * QUARTERS + quarter, account_of(respondent), respondent, at)


def account_of(respondent: int) -> int:
    """The number of a respondent's account."""
    return respondent // RESPONDENTS_PER_ACCOUNT


def account_id(account: int) -> str:
    """The id of an account by its number."""
    return f"001{account * _SCRAMBLE & (1 << 60) - 1:015x}"


def answer(number: int, account: int, respondent: int, at: int) -> Answer:
    """The response of a number, at `at` in ms."""
    mixed = (number + 1) * _SCRAMBLE & _MASK
    return Answer(
        f"{mixed:016x}{mixed ^ _SCRAMBLE:016x}",
        account_id(account),
        f"{respondent:09d}@acme.example",
        f"seg{(mixed >> 40) % SEGMENTS}",
        SCORES[(mixed >> 20) % len(SCORES)],
        at,
    )
