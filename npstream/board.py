"""What `npstream top` knows: the last rollup of each account and segment, the newest detractors, and the cases. No I/O here."""

from collections import deque
from collections.abc import Iterable
from typing import Any, Final, TypeVar

import msgspec
from msgspec import UNSET

from npstream.case_book import CaseBook
from schemas import topics
from schemas.codec import loads
from schemas.dead_letters import Reason, Unusable
from schemas.events import AccountRollup, Detractor, SegmentRollup, WindowStats
from streams.processor import Record

FEED: Final = 200
"""Detractors that are kept: more than any screen shows."""
ORDERS: Final = ("responses", "nps", "change", "name")
"""How accounts and segments can be sorted: most responses first, lowest NPS first, greatest fall first, by name."""

Rollup = dict[str, Any]
"""A value of nps.rollups.accounts or nps.rollups.segments."""
Kind = TypeVar("Kind")


class Board:
    """Takes records of the rollup topics, of nps.detractors and of nps.cases, in any order between partitions, and keeps what
    they say."""

    def __init__(self, headline_days: int, account: str | None = None) -> None:
        self.window = f"{headline_days}d"
        """The headline window, as rollups name it."""
        self.account = account
        """Show this account alone, and no segments: they are of all accounts."""
        self.accounts: dict[str, Rollup] = {}
        self.segments: dict[str, Rollup] = {}
        self.detractors: deque[Rollup] = deque(maxlen=FEED)
        """The newest last, as they are in nps.detractors."""
        self.cases = CaseBook()
        self.left_out = 0
        """Records that are none of ours: anybody who may write to these topics can write anything."""

    def take(self, records: Iterable[Record]) -> bool:
        """Take records in; whether anything has changed. What does not fit the published types is counted and left out."""
        changed = False
        for record in records:
            key = (record.key or b"").decode(errors="replace")
            try:
                if record.topic == topics.DETRACTORS:
                    changed |= self._take_detractor(record.value)
                elif record.topic == topics.SEGMENT_ROLLUPS and self.account is None:
                    changed |= _put(self.segments, key, record.value, SegmentRollup)
                elif record.topic == topics.ACCOUNT_ROLLUPS and self.account in (None, key):
                    changed |= _put(self.accounts, key, record.value, AccountRollup)
                elif record.topic == topics.CASES and self.account in (None, key.rpartition("|")[0]):
                    changed |= self._take_case(record)
            except (Unusable, msgspec.ValidationError):
                self.left_out += 1
                changed = True
        return changed

    def _take_detractor(self, value: bytes | None) -> bool:
        event = _read(value, Detractor)
        if self.account not in (None, event.account_id):
            return False
        self.detractors.append(msgspec.to_builtins(event))
        return True

    def _take_case(self, record: Record) -> bool:
        unknown = self.cases.left_out
        self.cases.take([record])
        self.left_out += self.cases.left_out - unknown
        return True

    def headline(self, rollup: Rollup) -> Rollup:
        """The statistics of the headline window, counting responses; empty if the rollup has no such window."""
        stats: Rollup = rollup.get("windows", {}).get(self.window, {}).get("responses", {})
        return stats

    def windows_of(self, account: str) -> list[tuple[str, Rollup]]:
        """The statistics of all windows of one account, in both ways of counting."""
        windows = self.accounts.get(account, {}).get("windows", {})
        return [
            (f"{window} {way}", stats[way])
            for way in ("responses", "respondents")
            for window, stats in windows.items()
            if way in stats
        ]

    def ordered(self, rollups: dict[str, Rollup], order: str) -> list[tuple[str, Rollup]]:
        """Key and rollup, sorted by one of `ORDERS`; those without a response in the window last."""

        def place(item: tuple[str, Rollup]) -> tuple[bool, float, str]:
            key, rollup = item
            stats = self.headline(rollup)
            number = {
                "responses": -stats.get("total", 0),
                "nps": stats.get("nps", 0.0),
                "change": stats.get("change", 0.0),
                "name": 0.0,
            }[order]
            return not stats.get("total"), number, key

        return sorted(rollups.items(), key=place)

    def totals(self) -> tuple[int, int, int]:
        """Promoters, passives and detractors of all accounts in the headline window."""
        counts = [self.headline(rollup) for rollup in self.accounts.values()]
        promoters, passives, detractors = (
            sum(stats.get(category, 0) for stats in counts) for category in ("promoters", "passives", "detractors")
        )
        return promoters, passives, detractors

    def snapshot(self, order: str) -> dict[str, list[Rollup] | int]:
        """Everything as JSON: rollups and events as they stand in their topics, detractors newest first; how many records were
        left out."""
        return {
            "accounts": [rollup for _, rollup in self.ordered(self.accounts, order)],
            "segments": [rollup for _, rollup in self.ordered(self.segments, order)],
            "detractors": list(reversed(self.detractors)),
            "left_out": self.left_out,
        }


def _put(rollups: dict[str, Rollup], key: str, value: bytes | None, kind: type[AccountRollup | SegmentRollup]) -> bool:
    if value is None:
        return rollups.pop(key, None) is not None
    rollup = _read(value, kind)
    for window in rollup.windows.values():
        _check(window.responses)
        _check(window.respondents)
    rollups[key] = msgspec.to_builtins(rollup)
    return True


def _read(value: bytes | None, kind: type[Kind]) -> Kind:
    """Raises Unusable for what is no JSON, ValidationError for what is no such value."""
    return msgspec.convert(loads(value or b""), kind)


def _check(stats: WindowStats) -> None:
    """What the type does not say: counts add up, and there is a score where there are responses. Raises Unusable."""
    if stats.total != stats.promoters + stats.passives + stats.detractors:
        raise Unusable(Reason.WRONG_TYPE, "total: not the sum of the counts")
    if stats.total and UNSET in (stats.nps, stats.low, stats.high, stats.band):
        raise Unusable(Reason.MISSING_FIELD, "nps: missing beside responses")
