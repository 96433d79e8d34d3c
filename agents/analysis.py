"""What a comment is about, and how it sounds, for agents that keep comments: who finds that out is none of their business."""

from collections.abc import Callable
from typing import NamedTuple


class Analysis(NamedTuple):
    """What was found in a comment."""

    themes: tuple[str, ...] = ()
    """Of those that are declared, sorted."""
    sentiment: float | None = None
    """-1 as bad as can be, 1 as good, two decimals; None where nobody knows the language."""


Analyser = Callable[[str, str | None], Analysis]
"""Of a comment and its locale, if that is known. Pure: the same comment always comes to the same."""


def no_analysis(comment: str, locale: str | None) -> Analysis:
    """Finds nothing."""
    return Analysis()
