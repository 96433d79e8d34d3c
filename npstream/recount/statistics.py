"""NPS of three counts, with its interval and its comparison: exact fractions until the last step.

With p, d the shares of promoters and detractors: NPS = 100 (p - d), Var = p + d - (p - d)^2. Adjusted Wald (Rocks 2016) adds
3/4, 3/2 and 3/4 to detractors, passives and promoters; its interval is the adjusted mean ± 1.96 sqrt(Var / n).
"""

from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

Counts = Sequence[int]
"""Detractors, passives, promoters."""

Z = Fraction(196, 100)


def nps(counts: Counts) -> Fraction:
    detractors, _, promoters = counts
    return Fraction(100 * (promoters - detractors), sum(counts))


def variance(counts: Sequence[Fraction | int]) -> Fraction:
    """Of one answer worth -1, 0 or 1."""
    n = Fraction(sum(counts))
    d, p = counts[0] / n, counts[2] / n
    return p + d - (p - d) ** 2


def adjusted(counts: Counts) -> tuple[Fraction, Fraction]:
    """Adjusted mean (-1 to 1), and the variance of that mean."""
    more = [counts[0] + Fraction(3, 4), counts[1] + Fraction(3, 2), counts[2] + Fraction(3, 4)]
    n = sum(more)
    return (more[2] - more[0]) / n, variance(more) / n


def interval(counts: Counts) -> tuple[Decimal, Decimal]:
    """Low and high, -100 to 100, to 50 digits."""
    mean, variance_of_mean = adjusted(counts)
    with localcontext() as context:
        context.prec = 50
        half = 100 * _decimal(Z) * _decimal(variance_of_mean).sqrt()
        centre = 100 * _decimal(mean)
        return max(centre - half, Decimal(-100)), min(centre + half, Decimal(100))


def significant(now: Counts, before: Counts) -> bool:
    """Whether the adjusted means differ by more than 1.96 standard errors of their difference (squared, thus exact)."""
    mean_now, variance_now = adjusted(now)
    mean_before, variance_before = adjusted(before)
    return (mean_now - mean_before) ** 2 > Z**2 * (variance_now + variance_before)


def band(score: Fraction) -> str:
    if score < 0:
        return "needs work"
    if score <= 20:
        return "good"
    if score < 50:
        return "favourable"
    if score < 80:
        return "excellent"
    return "world class"


def rounded(value: Fraction | Decimal) -> float:
    """One decimal, half away from zero, never -0.0."""
    exact = value if isinstance(value, Fraction) else Fraction(value)
    tenths = (20 * abs(exact.numerator) + exact.denominator) // (2 * exact.denominator)
    return (-tenths if exact < 0 else tenths) / 10


def window_stats(now: Counts, before: Counts) -> dict[str, Any]:
    """W, of the counts of a window and of the window before it."""
    detractors, passives, promoters = now
    stats: dict[str, Any] = {
        "promoters": promoters,
        "passives": passives,
        "detractors": detractors,
        "total": sum(now),
    }
    if sum(now):
        low, high = interval(now)
        stats |= {"nps": rounded(nps(now)), "low": rounded(low), "high": rounded(high), "band": band(nps(now))}
    if sum(before):
        stats["previous_nps"] = rounded(nps(before))
    if sum(now) and sum(before):
        stats |= {"change": rounded(nps(now) - nps(before)), "significant": significant(now, before)}
    return stats


def _decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)
