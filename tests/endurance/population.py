"""The same responses for ever: corrected, retracted and answered again, moved beyond the history and back, sent twice, and
records that cannot be used among them. So the state has a size, and memory that grows is a leak.

Every response comes round once a lap, in an order of no pattern, so that no two versions of it have the same timestamp.
"""

import random
from collections import Counter
from collections.abc import Iterator
from typing import Final

from schemas.times import DAY_MS, day_of, format_time, parse_time
from tests.endurance.numbered import SEGMENTS, Totals, category

RESPONSES: Final = 40_000
ACCOUNTS: Final = 400
ANSWERS: Final = 4
"""Responses of each respondent."""
STEP: Final = 27_001
"""From one response to the next: it has no divisor in common with RESPONSES, so that a lap comes to each of them once."""
DAYS_AGO: Final = (0, 0, 0, 0, 5, 20, 60, 200, 400, 800)
"""How long before somebody answered, in turn: in each of the windows, in none but within the history, and beyond it."""
BAD, DUPLICATE, RETRACTION = 0.02, 0.10, 0.18
"""Chances, each up to where the one before ends."""
NO_JSON: Final = b'{"response_id": "cut o'


class Population:
    """What is sent by number, and how it must stand in the end."""

    def __init__(self, seed: int, responses: int = RESPONSES, accounts: int = ACCOUNTS) -> None:
        """Each response comes round once a lap if STEP and `responses` have no divisor in common."""
        self.bad = 0
        """Records that cannot be used."""
        self.retracted: Counter[int] = Counter()
        """How often each response was taken back."""
        self.changing = bytearray()
        """By number, whether the record changes a response, and so is scored with its number in the comment."""
        self._accounts = accounts
        self._random = random.Random(seed)
        self._stands: list[tuple[int, int, bytes] | None] = [None] * responses
        """Score, responded_at, and the record, of responses that are there."""

    def record(self, number: int, responded_at: bytes) -> tuple[bytes, bytes]:
        """Key and value of a canonical record; numbers come in order, each once."""
        response = number * STEP % len(self._stands)
        stands, chance = self._stands[response], self._random.random()
        account = self.account(response)
        self.changing.append(0)
        if chance < BAD:
            self.bad += 1
            return account, NO_JSON
        if chance < DUPLICATE and stands is not None:
            return account, stands[2]
        if chance < RETRACTION and stands is not None:
            self._stands[response] = None
            self.retracted[response] += 1
            return account, b'{"kind":"retraction","response_id":"r%d","account_id":"%b"}' % (response, account)
        self.changing[-1] = 1
        return account, self._answer(number, response, responded_at)

    def _answer(self, number: int, response: int, now: bytes) -> bytes:
        score = self._random.randrange(11)
        at = parse_time(now.decode()) - self._random.choice(DAYS_AGO) * DAY_MS
        segments = ",".join(f'"{name}":"{value}"' for name, value in self.segments(response).items())
        value = (
            f'{{"response_id":"r{response}","account_id":"{self.account(response).decode()}",'
            f'"respondent_id":"u{response // ANSWERS}","score":{score},"comment":"{number}",'
            f'"responded_at":"{format_time(at)}","segments":{{{segments}}}}}'
        ).encode()
        self._stands[response] = (score, at, value)
        return value

    def account(self, response: int) -> bytes:
        """Whose it is."""
        return b"acct-%d" % (response // ANSWERS % self._accounts)

    @staticmethod
    def segments(response: int) -> dict[str, str]:
        """It never has others, so they are its respondent's, and only its account is in several."""
        return {
            name: values[(response // ANSWERS + turn) % len(values)] for turn, (name, values) in enumerate(SEGMENTS.items())
        }

    def totals(self, days: int, as_of: int) -> Totals:
        """What the window of so many days that ends with the UTC day `as_of` says."""
        totals = Totals()
        latest: dict[int, tuple[int, str, int]] = {}
        for response, score, at in self._standing():
            if not as_of - days < day_of(at) <= as_of:
                continue
            self._count(totals, response, "responses", score)
            respondent = response // ANSWERS
            latest[respondent] = max(latest.get(respondent, (0, "", 0)), (at, f"r{response}", score))
        for respondent, (_, _, score) in latest.items():
            self._count(totals, respondent * ANSWERS, "respondents", score)
        return totals

    def _standing(self) -> Iterator[tuple[int, int, int]]:
        for response, stands in enumerate(self._stands):
            if stands is not None:
                yield response, stands[0], stands[1]

    def _count(self, totals: Totals, response: int, kind: str, score: int) -> None:
        pairs = [f"{name}={value}" for name, value in self.segments(response).items()]
        totals.add(self.account(response).decode(), pairs, kind, category(score), 1)
