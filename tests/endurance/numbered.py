"""Responses by number: cheap enough to be produced by the hundred thousand a second, and what must come of the first N follows
from N alone.

They go round: number n is the place n % places in lap n // places. A place is one account with its segments, and five scores
that take turns from lap to lap. After `answers` laps another respondent takes its place.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

ACCOUNTS: Final = 1000
PLACES: Final = 20_011
"""20 respondents of each account answer at a time."""
CYCLE: Final = 5
"""Scores of a place, in turn."""
DIGITS: Final = 9
"""Of a number in a response's id: ids sort as numbers do."""
COMMENT: Final = "great product but the export is slow"
SEGMENTS: Final = {"plan": ("free", "team", "enterprise"), "region": ("emea", "amer", "apac")}
CATEGORIES: Final = ("promoter", "passive", "detractor")


def category(score: int) -> str:
    """By the definition of NPS."""
    return CATEGORIES[0] if score >= 9 else CATEGORIES[1] if score >= 7 else CATEGORIES[2]


Counts = Counter[tuple[str, str, str]]
"""How many count, by (who, kind, category): who is an account or dimension=value, the kind `responses` or `respondents`."""


@dataclass
class Totals:
    """What the tables must say."""

    accounts: Counts = field(default_factory=Counter)
    segments: Counts = field(default_factory=Counter)

    def add(self, account: str, segments: Sequence[str], kind: str, of: str, amount: int) -> None:
        """So many more of a category."""
        self.accounts[account, kind, of] += amount
        for segment in segments:
            self.segments[segment, kind, of] += amount

    def __add__(self, other: Self) -> "Totals":
        return Totals(self.accounts + other.accounts, self.segments + other.segments)


class Numbered:
    """A stream of responses, the same for the same arguments."""

    def __init__(self, prefix: str, accounts: Sequence[str], places: int, answers: int = CYCLE, seed: int = 1) -> None:
        """`prefix` begins the ids of its responses and respondents, and is no other stream's. Each respondent answers
        `answers` times."""
        chance = random.Random(f"{seed} {prefix}")
        self.prefix = prefix
        self._prefix = prefix.encode()
        self.places = places
        self._answers = answers
        self._accounts = [chance.choice(accounts) for _ in range(places)]
        self._segments = [{name: chance.choice(values) for name, values in SEGMENTS.items()} for _ in range(places)]
        # As many promoters as detractors, and each place with its own order of both.
        self._scores = [[chance.choice((0, 3, 5, 6, 7, 8, 9, 9, 10, 10)) for _ in range(CYCLE)] for _ in range(places)]
        self._categories = [[category(score) for score in scores] for scores in self._scores]
        self._keys = [account.encode() for account in self._accounts]
        self._tails = [[self._tail(place, turn) for place in range(places)] for turn in range(CYCLE)]

    def _tail(self, place: int, turn: int) -> bytes:
        segments = ",".join(f'"{name}":"{value}"' for name, value in self._segments[place].items())
        return (
            f'"account_id":"{self._accounts[place]}","score":{self._scores[place][turn]},"comment":"{COMMENT}",'
            f'"segments":{{{segments}}}}}'
        ).encode()

    def record(self, number: int, responded_at: bytes) -> tuple[bytes, bytes]:
        """Key and value of a canonical response. `responded_at` never goes back from number to number."""
        lap, place = divmod(number, self.places)
        return self._keys[place], (
            b'{"response_id":"%b%09d","respondent_id":"%b%d.%d","responded_at":"%b",'
            % (self._prefix, number, self._prefix, place, lap // self._answers, responded_at)
        ) + self._tails[lap % CYCLE][place]

    def number(self, response_id: str) -> int | None:
        """The number of one of its responses, None for another's."""
        name, digits = response_id[:-DIGITS], response_id[-DIGITS:]
        return int(digits) if name == self.prefix and digits.isdecimal() else None

    def account(self, number: int) -> str:
        """Who it is about."""
        return self._accounts[number % self.places]

    def category(self, number: int) -> str:
        """Of its score."""
        lap, place = divmod(number, self.places)
        return self._categories[place][lap % CYCLE]

    def changes(self, number: int) -> bool:
        """Whether its respondent had another category before."""
        lap = number // self.places
        return lap % self._answers != 0 and self.category(number) != self.category(number - self.places)

    def totals(self, count: int) -> Totals:
        """What the tables say of the first `count`: each response, and each respondent's last one."""
        totals = Totals()
        for place in range(min(self.places, count)):
            laps = count // self.places + (place < count % self.places)
            of = self._categories[place]
            pairs = [f"{name}={value}" for name, value in self._segments[place].items()]
            responses: dict[str, int] = defaultdict(int)
            for turn in range(CYCLE):
                responses[of[turn]] += len(range(turn, laps, CYCLE))
            respondents: dict[str, int] = defaultdict(int)
            for first in range(0, laps, self._answers):
                respondents[of[(min(first + self._answers, laps) - 1) % CYCLE]] += 1
            for kind, counts in (("responses", responses), ("respondents", respondents)):
                for name, amount in counts.items():
                    totals.add(self._accounts[place], pairs, kind, name, amount)
        return totals
