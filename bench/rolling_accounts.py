"""Accounts whose day is about to end: their state as of yesterday, and the responses that come while they roll.

Each account has four responses by two respondents, spread over two years and a bit, so that all windows and those before them
change at some account's midnight. One account in fifty also answers while the day turns.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.population import answer
from bench.stream import Answer
from schemas.times import DAY_MS

RESPONDENTS = 2
RESPONSES = 4
"""Of an account, before its day ends."""
SPREAD_DAYS = 736
"""The history of the default settings, less a day."""
ANSWERING = 50
"""One account in so many answers while the day turns."""
SEED = 11


@dataclass(frozen=True)
class RollingAccounts:
    """So many accounts, on the last day before `today`, a UTC day since 1970-01-01."""

    accounts: int
    today: int

    @property
    def arrived_ms(self) -> int:
        """When everything that was said has arrived: noon of yesterday."""
        return (self.today - 1) * DAY_MS + DAY_MS // 2

    def before(self, first: int, last: int) -> Iterator[Answer]:
        """What the accounts with these numbers have said, each respondent in the order of time."""
        for account in range(first, last):
            yield from self.before_of(account)

    def before_of(self, account: int) -> Sequence[Answer]:
        """The same of one account."""
        chance = random.Random(SEED + account)
        days = sorted(self.today - 1 - chance.randrange(SPREAD_DAYS) for _ in range(RESPONSES))
        return [
            answer(
                account * RESPONSES + number,
                account,
                account * RESPONDENTS + number % RESPONDENTS,
                day * DAY_MS + chance.randrange(DAY_MS // 4),
            )
            for number, day in enumerate(days)
        ]

    def meanwhile(self, number: int, at_ms: int) -> Answer:
        """The response of a number that comes while the day turns."""
        account = number * 7_919 % max(1, self.accounts // ANSWERING) * ANSWERING
        number_of_all = self.accounts * RESPONSES + number
        return answer(number_of_all, account, account * RESPONDENTS + number % RESPONDENTS, at_ms)

    def is_quiet(self, account: int) -> bool:
        """Whether an account says nothing while the day turns."""
        return account % ANSWERING != 0 or account >= max(1, self.accounts // ANSWERING) * ANSWERING
