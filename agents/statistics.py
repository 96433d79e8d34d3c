"""From counts to a score: NPS, its interval, its change and its band.

NPS = 100 (p - d), where p and d are the shares of promoters and detractors. The interval is the adjusted Wald one: 3/4, 3/2
and 3/4 are added to promoters, passives and detractors, and it is the adjusted mean ± 1.96 standard errors (Rocks, "Interval
estimation for the Net Promoter Score", The American Statistician 70, 2016, follows Agresti and Coull). A change is
significant when the adjusted means are further apart than 1.96 standard errors of their difference.

Everything that is a ratio of counts is rounded in integers: one decimal, half away from zero.
"""

from functools import lru_cache
from math import floor, sqrt
from typing import Any, Final

from schemas.codec import dumps

Z: Final = 1.96
"""Standard errors on each side of a 95 % interval."""
ADDED: Final = 3
"""Responses that the adjustment adds: 3/4 promoters, 3/2 passives, 3/4 detractors."""
LIMIT: Final = 1000
"""The greatest NPS in tenths: intervals are clipped to it."""
REMEMBERED_WINDOWS: Final = 16_384
"""Most windows of an account equal one of another account or length; this many results take about 6 MB."""


def rounded(numerator: int, denominator: int) -> float:
    """A ratio with one decimal, half away from zero, never -0.0. The denominator is positive."""
    tenths = (20 * abs(numerator) + denominator) // (2 * denominator)
    return tenths / 10 if numerator >= 0 or not tenths else -tenths / 10


def nps(promoters: int, total: int, detractors: int) -> float:
    """The rounded NPS; total is positive."""
    return rounded(100 * (promoters - detractors), total)


def variance(promoters: int, passives: int, detractors: int) -> float:
    """Var = p + d - (p - d)^2 of a single response, unadjusted; at least one count is positive."""
    total = promoters + passives + detractors
    return ((promoters + detractors) * total - (promoters - detractors) ** 2) / (total * total)


def adjusted(promoters: int, passives: int, detractors: int) -> tuple[float, float]:
    """The adjusted mean, -1 to 1, and its squared standard error Var/n; counts may be zero."""
    total = promoters + passives + detractors + ADDED
    balance = promoters - detractors
    # With both adjusted, p + d = (promoters + detractors + 3/2) / total; everything over one denominator.
    spread = (2 * (promoters + detractors) + ADDED) * total - 2 * balance * balance
    return balance / total, spread / (2 * total * total * total)


def band(promoters: int, total: int, detractors: int) -> str:
    """The band of the unrounded NPS; total is positive."""
    hundredfold = 100 * (promoters - detractors)
    if hundredfold < 0:
        return "needs work"
    if hundredfold <= 20 * total:
        return "good"
    if hundredfold < 50 * total:
        return "favourable"
    return "excellent" if hundredfold < 80 * total else "world class"


def window_stats(
    promoters: int, passives: int, detractors: int, before_promoters: int, before_passives: int, before_detractors: int
) -> dict[str, Any]:
    """The statistics of a window from its counts and those of the window before it (`schemas.events.WindowStats`).

    An empty window has zero counts and, of the rest, only `previous_nps`; an empty window before leaves out `previous_nps`,
    `change` and `significant`.
    """
    total = promoters + passives + detractors
    before = before_promoters + before_passives + before_detractors
    stats: dict[str, Any] = {"promoters": promoters, "passives": passives, "detractors": detractors, "total": total}
    if total:
        mean, error = adjusted(promoters, passives, detractors)
        half = Z * sqrt(error)
        stats["nps"] = nps(promoters, total, detractors)
        stats["low"] = _clipped(mean - half)
        stats["high"] = _clipped(mean + half)
    if before:
        stats["previous_nps"] = nps(before_promoters, before, before_detractors)
    if total and before:
        difference = (promoters - detractors) * before - (before_promoters - before_detractors) * total
        stats["change"] = rounded(100 * difference, total * before)
        before_mean, before_error = adjusted(before_promoters, before_passives, before_detractors)
        stats["significant"] = abs(mean - before_mean) > Z * sqrt(error + before_error)
    if total:
        stats["band"] = band(promoters, total, detractors)
    return stats


@lru_cache(maxsize=REMEMBERED_WINDOWS)
def window_json(
    promoters: int, passives: int, detractors: int, before_promoters: int, before_passives: int, before_detractors: int
) -> bytes:
    """`window_stats` as JSON."""
    return dumps(window_stats(promoters, passives, detractors, before_promoters, before_passives, before_detractors))


def _clipped(share: float) -> float:
    """100 times a share, within ±100, with one decimal, half away from zero, never -0.0."""
    tenths = min(floor(abs(share) * 1000 + 0.5), LIMIT)
    return tenths / 10 if share >= 0 or not tenths else -tenths / 10
