"""How a comment sounds: its tone follows from its sentiment."""

from typing import Final

from schemas.comments import Tone

TONES: Final[tuple[Tone, ...]] = ("negative", "neutral", "positive")
"""Names by index, which is the order in which they are counted."""
NEUTRAL: Final = 0.1
"""A sentiment this near to zero is neither: a single weak word among others, or as much praise as blame."""


def tone_of(sentiment: float | None) -> int | None:
    """The index of the tone; None where the sentiment is not known."""
    if sentiment is None:
        return None
    return 1 if abs(sentiment) < NEUTRAL else 2 if sentiment > 0 else 0
