"""A straight line through measured points, and what becomes of a figure by the hour if it goes on like that."""

from collections.abc import Sequence
from typing import Final, NamedTuple

HOUR_S: Final = 3600
SETTLED_AFTER: Final = 1 / 3
"""Of a long run, what is left out before growth is looked for: caches fill, and the state comes to its size."""


class Line(NamedTuple):
    """Of the least squares."""

    slope: float
    """For each second."""
    start: float
    """At the second 0."""

    @property
    def per_hour(self) -> float:
        """What an hour adds."""
        return self.slope * HOUR_S


def fit(points: Sequence[tuple[float, float]]) -> Line:
    """Through points of (seconds, value). Raises ValueError for fewer than two moments."""
    if len({at for at, _ in points}) < 2:
        raise ValueError(f"{len(points)} points of less than two moments: no line goes through them alone")
    middle = sum(at for at, _ in points) / len(points)
    mean = sum(value for _, value in points) / len(points)
    slope = sum((at - middle) * (value - mean) for at, value in points) / sum((at - middle) ** 2 for at, _ in points)
    return Line(slope, mean - slope * middle)


def settled(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points of the last two thirds of the time."""
    if not points:
        return []
    first, last = points[0][0], points[-1][0]
    return [point for point in points if point[0] >= first + (last - first) * SETTLED_AFTER]
