"""What a score means: its category, and for a detractor its severity.

Counts are kept in the order promoters, passives, detractors everywhere; a category is its index in that order.
"""

from typing import Final, Literal

from schemas.events import Category, Severity

PROMOTER: Final = 0
PASSIVE: Final = 1
DETRACTOR: Final = 2

CATEGORIES: Final[tuple[Category, ...]] = ("promoter", "passive", "detractor")
"""Names by index."""

CATEGORY_OF: Final = (DETRACTOR,) * 7 + (PASSIVE,) * 2 + (PROMOTER,) * 2
"""By score, 0 to 10: 0-6 detractor, 7-8 passive, 9-10 promoter (Reichheld's definition)."""

SEVERITY_OF: Final[tuple[Severity, ...]] = ("critical",) * 3 + ("high",) * 2 + ("elevated",) * 2
"""By a detractor's score, 0 to 6."""


def direction(before: int, after: int) -> Literal["up", "down"]:
    """Whether a change from one category to another one is `up` or `down`."""
    return "up" if after < before else "down"
