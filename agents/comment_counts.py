"""Counts of comments: by day and theme, and rolled over windows.

Of each theme six numbers are counted: promoters, passives and detractors who mention it, then comments of a negative, neutral
and positive tone. All comments count under the empty name, whatever they are about. A comment whose sentiment is not known
has no tone.

A window of N days ending on day D holds the UTC days D-N+1 to D by responded_at, as for scores. Here nothing is compared with
the window before, and respondents are not told apart: each comment counts.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Annotated, Any, Final

from msgspec import Meta

from agents.statistics import nps
from agents.stored import StateUnreadable
from agents.tones import TONES
from schemas.times import DAY_MS, LATEST_MS

ALL: Final = ""
"""In place of a theme: all comments."""
WIDTH: Final = 6
"""Numbers of a theme."""

Number = Annotated[int, Meta(ge=-(1 << 48), le=1 << 48)]
"""Of one day and source partition, as it may stand in the state: so that sums over all of them stay within 64 bits."""
Six = Annotated[list[Number], Meta(min_length=WIDTH, max_length=WIDTH)]
OfDay = dict[str, Six]
"""The numbers of one day by theme; themes that are not mentioned are left out."""
StoredSums = dict[str, list[Annotated[int, Meta(ge=-(1 << 62), le=1 << 62)]]]
"""Sums by theme as they may stand in the state: of each window the six numbers."""
StoredDay = Annotated[int, Meta(ge=0, le=LATEST_MS // DAY_MS)]
"""A day as it may stand in the state."""


def check_windows_days(windows_days: Sequence[int]) -> None:
    """Raises ValueError unless the lengths are positive and ascending."""
    if not windows_days or windows_days[0] < 1 or any(later <= earlier for earlier, later in pairwise(windows_days)):
        raise ValueError(f"windows_days: {tuple(windows_days)} are not positive and ascending lengths in days")


def put(counts: OfDay, themes: Iterable[str], places: Sequence[int], amount: int) -> None:
    """Count `amount` comments more of these themes, at these places of the six; what is zero is left out."""
    for theme in themes:
        numbers = counts.setdefault(theme, [0] * WIDTH)
        for place in places:
            numbers[place] += amount
        if not any(numbers):
            del counts[theme]


def difference(now: OfDay, before: OfDay) -> OfDay:
    """What has to be added to `before` to come to `now`."""
    changed = {}
    for theme in {**before, **now}:
        one, other = now.get(theme), before.get(theme)
        numbers = [a - b for a, b in zip(one or [0] * WIDTH, other or [0] * WIDTH, strict=True)]
        if any(numbers):
            changed[theme] = numbers
    return changed


class Sums:
    """Rolling sums over several windows, as of a day. Days are days since 1970-01-01, UTC."""

    __slots__ = ("_windows", "as_of", "by_theme")

    def __init__(self, windows_days: tuple[int, ...], as_of: int, by_theme: dict[str, list[int]]) -> None:
        """As they are in the state. Raises StateUnreadable for sums of other windows."""
        if any(len(sums) != WIDTH * len(windows_days) for sums in by_theme.values()):
            raise StateUnreadable("a table of comments in the state has other windows")
        self._windows = windows_days
        self.as_of = as_of
        self.by_theme = by_theme
        """The six numbers of each window, one after the other; themes that no window has are left out."""

    @property
    def longest(self) -> int:
        """Days of the longest window."""
        return self._windows[-1]

    def add(self, day: int, counts: OfDay, sign: int = 1) -> None:
        """Count what happened on a day more of, or less of: it counts in the windows that the day is in."""
        age = self.as_of - day
        if age < 0:
            return
        self._add([window for window, length in enumerate(self._windows) if age < length], counts, sign)

    def roll(self, day: int, of_day: Callable[[int], Iterable[OfDay]]) -> None:
        """Move on to a later day. `of_day` gives what was counted on a day."""
        every = range(len(self._windows))
        while self.as_of < day:
            self.as_of += 1
            for counts in of_day(self.as_of):
                self._add(every, counts, 1)
            for window, length in enumerate(self._windows):
                for counts in of_day(self.as_of - length):
                    self._add([window], counts, -1)

    def windows(self) -> dict[str, Any]:
        """The windows as they are sent (`schemas.comments.CommentWindows`)."""
        found = {}
        for window, length in enumerate(self._windows):
            at = WIDTH * window
            stats = {theme: numbers[at : at + WIDTH] for theme, numbers in sorted(self.by_theme.items())}
            found[f"{length}d"] = {
                "comments": theme_stats(stats.pop(ALL, [0] * WIDTH)),
                "themes": {theme: theme_stats(numbers) for theme, numbers in stats.items() if any(numbers)},
            }
        return found

    def _add(self, windows: Sequence[int], counts: OfDay, sign: int) -> None:
        for theme, numbers in counts.items():
            sums = self.by_theme.setdefault(theme, [0] * (WIDTH * len(self._windows)))
            for window in windows:
                for place, number in enumerate(numbers, WIDTH * window):
                    sums[place] += sign * number
            if not any(sums):
                del self.by_theme[theme]


def theme_stats(numbers: Sequence[int]) -> dict[str, Any]:
    """The six numbers of a theme as they are sent (`schemas.comments.ThemeStats`)."""
    promoters, passives, detractors = numbers[:3]
    total = promoters + passives + detractors
    stats: dict[str, Any] = {"promoters": promoters, "passives": passives, "detractors": detractors, "total": total}
    if total:
        stats["nps"] = nps(promoters, total, detractors)
    return stats | {tone: number for tone, number in zip(TONES, numbers[3:], strict=True) if number}
