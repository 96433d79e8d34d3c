"""How an account stands, from one rollup to the next: which rules of its window hold, and which of them is news.

A rule is told when it begins to hold, and not again while it holds. If it begins while its cool-down lasts, it is told when
that is over, should it hold then; a window that does not tell (`agents.risk_rules`) changes nothing. What mostly old responses
have brought is known from then on without being told: a backfill wakes nobody.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from agents.risk_rules import RiskSettings, is_old, no_promoters, nps_below, nps_fell
from agents.risk_sources import Tables
from agents.stored import decoder
from schemas.alerts import RiskKind
from schemas.events import Severity

SEVERITIES: Final[dict[RiskKind, Severity]] = {"nps_fell": "high", "nps_below": "high", "no_promoters": "critical"}
"""The kinds that are of an account's window, in the order in which they are told. Without a promoter nobody speaks for us when
the contract ends."""
_BITS: Final[dict[RiskKind, int]] = {kind: 1 << number for number, kind in enumerate(SEVERITIES)}


class Standing(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is known of an account from its last rollup."""

    as_of: str
    total: int
    """Responses in the headline window."""
    recent: int
    """Those of them that are in the recent window too."""
    had_promoters: bool
    """Whether there was a promoter in any window so far."""
    known: int
    """Of each kind a bit: its rule holds, and that was told or is no news."""


decode_standing = decoder(Standing)
encode_standing = msgspec.msgpack.Encoder().encode


def follow(
    before: Standing | None, tables: Tables, today: int, settings: RiskSettings, cools: Callable[[RiskKind], bool]
) -> tuple[Standing, list[RiskKind]]:
    """How the account stands with a rollup that is read on the UTC day `today`, and what of that is to be told. `cools` says of
    a kind whether its cool-down lasts."""
    stats = tables.headline
    had_promoters = stats.promoters > 0 or (before is not None and before.had_promoters)
    news = not (_is_backfill(before, tables) or is_old(tables.day, today, settings.alert_max_age_days))
    rules: tuple[tuple[RiskKind, bool | None], ...] = (
        ("nps_fell", nps_fell(stats, settings)),
        ("nps_below", nps_below(stats, settings)),
        ("no_promoters", no_promoters(stats, settings, had_promoters)),
    )
    known, told = 0 if before is None else before.known, []
    for kind, holds in rules:
        bit = _BITS[kind]
        if holds is False:
            known &= ~bit
        elif holds and not known & bit:
            if news and kind in settings.kinds:
                if cools(kind):
                    continue
                told.append(kind)
            known |= bit
    return Standing(tables.as_of, stats.total, tables.recent, had_promoters, known), told


def _is_backfill(before: Standing | None, tables: Tables) -> bool:
    """Whether most of the responses that have come since the rollup before are old: in the headline window, and not in the
    recent one. Nothing tells from one day to the next, since others have left both windows meanwhile."""
    old, recent = tables.headline.total - tables.recent, tables.recent
    if before is not None:
        if before.as_of != tables.as_of:
            return False
        old, recent = old - (before.total - before.recent), recent - before.recent
    return old > max(recent, 0)
