"""The peers' work (bench/peers) as a processor. State, by the first byte of its keys:

    r<respondent>   two bytes: the last category and score
    a<account>      sixteen bytes for each UTC day of the last 90 of event time: the day since 1970-01-01, promoters, passives,
                    detractors; in order of days

Like the peers it takes its input for what the benchmark has sent: a record that is no response fails the batch.
"""

from collections.abc import Sequence
from struct import Struct
from typing import Final

from orjson import dumps, loads

from streams.processor import Outbox, Record, State, StreamTime

KEPT_DAYS: Final = 90
DAY_S: Final = 86_400
CATEGORIES: Final = ("promoter", "passive", "detractor")
PROMOTER, PASSIVE, DETRACTOR = range(3)
LAST: Final = tuple(bytes((DETRACTOR if n <= 6 else PASSIVE if n <= 8 else PROMOTER, n)) for n in range(11))
"""The state of a respondent by its last score."""
CACHED: Final = 100_000
"""Accounts that are kept decoded, about: some 50 MB."""

_day = Struct(">IIII")


class Account:
    """An account's table, decoded."""

    __slots__ = ("counts", "day", "days", "key")

    def __init__(self, key: bytes, packed: bytes) -> None:
        self.key = key
        self.days = {day: counts for day, *counts in _day.iter_unpack(packed)}
        self.day = -1
        """Of the response counted last: the next one is most likely of the same."""
        self.counts: list[int] = []
        """Those of this day, to be changed in place."""

    def turn_to(self, day: int) -> None:
        """Count on this day. Days that are too old are forgotten."""
        if day not in self.days:
            self.days[day] = [0, 0, 0]
        self.day, self.counts = day, self.days[day]
        oldest = max(self.days) - KEPT_DAYS + 1
        self.days = {day: self.days[day] for day in sorted(self.days) if day >= oldest}

    def packed(self) -> bytes:
        """As a value of the state."""
        return b"".join([_day.pack(day, *counts) for day, counts in self.days.items()])


class Tally:
    """Respondents' last categories, accounts' days, and the events of both. Tables are written once a batch."""

    name = "tally"

    def __init__(self, source: str, changes: str, detractors: str) -> None:
        self.sources = (source,)
        self._changes = changes
        self._detractors = detractors

    def process(self, batch: Sequence[Record], state: State, now: StreamTime, outbox: Outbox) -> None:
        """See `streams.processor.Processor`."""
        accounts: dict[str, Account] = state.cache
        changed: set[Account] = set()
        get, put, send = state.get, state.put, outbox.send
        for record in batch:
            response = loads(record.value or b"")
            score = response["score"]
            account_id = response["account_id"]
            account = accounts.get(account_id)
            if account is None:
                account = accounts[account_id] = _account(account_id.encode(), state)
            changed.add(account)
            last = LAST[score]
            category = last[0]
            if (day := response["responded_at"] // DAY_S) != account.day:
                account.turn_to(day)
            account.counts[category] += 1
            respondent = b"r" + response["respondent_id"].encode()
            before = get(respondent)
            if before != last:
                put(respondent, last)
                if before is not None and before[0] != category:
                    change = {
                        "response_id": response["response_id"],
                        "respondent_id": response["respondent_id"],
                        "account_id": account_id,
                        "segment": response["segment"],
                        "from": CATEGORIES[before[0]],
                        "to": CATEGORIES[category],
                        "score": score,
                        "responded_at": response["responded_at"],
                    }
                    send(self._changes, account.key, dumps(change), record.timestamp)
            if category == DETRACTOR:
                detractor = {
                    "response_id": response["response_id"],
                    "respondent_id": response["respondent_id"],
                    "account_id": account_id,
                    "segment": response["segment"],
                    "score": score,
                    "comment": response["comment"],
                    "responded_at": response["responded_at"],
                }
                send(self._detractors, account.key, dumps(detractor), record.timestamp)
        for account in changed:
            put(b"a" + account.key, account.packed())
        if len(accounts) > CACHED:
            accounts.clear()

    def tick(self, now: int, state: State, outbox: Outbox) -> None:
        """Nothing comes of passing time."""


def _account(key: bytes, state: State) -> Account:
    return Account(key, state.get(b"a" + key) or b"")
