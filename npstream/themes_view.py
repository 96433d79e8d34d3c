"""What comments are about, as text for a terminal of any width and as one document. No I/O here."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from rich.text import Text

from agents.categories import CATEGORIES
from agents.comment_counts import ALL, OfDay, put, theme_stats
from agents.tones import TONES
from npstream.lines import NOTHING, Column, heading, line, signed

THEMES: Final = (
    Column("", 0),
    Column("comments", 8, right=True),
    Column("share", 6, right=True),
    Column("NPS", 6, right=True),
    Column("negative", 8, right=True, least=60),
    Column("neutral", 7, right=True, least=80),
    Column("positive", 8, right=True, least=60),
)
READABLE: Final = 100
"""Characters beyond which a number is too far from its name."""
MATCHES: Final = (Column("", 20), Column("keyword", 28), Column("found in", 0))
COUNTED: Final = (*(f"{category}s" for category in CATEGORIES), *TONES)
"""What the six numbers of a theme are named in its statistics."""

Stats = Mapping[str, Any]


def added_up(windows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One window over all accounts: `schemas.comments.CommentWindow` of each."""
    counts: OfDay = {}
    for window in windows:
        for theme, stats in {ALL: window["comments"], **window["themes"]}.items():
            for place, name in enumerate(COUNTED):
                if stats.get(name):
                    put(counts, (theme,), (place,), stats[name])
    everything = counts.pop(ALL, [0] * len(COUNTED))
    return {
        "comments": theme_stats(everything),
        "themes": {theme: theme_stats(numbers) for theme, numbers in sorted(counts.items())},
    }


def most_first(window: Mapping[str, Any]) -> list[tuple[str, Stats]]:
    """The themes of a window, the most mentioned first."""
    return sorted(window["themes"].items(), key=lambda named: (-named[1]["total"], named[0]))


def theme_lines(window: Mapping[str, Any], title: str, width: int) -> list[Text]:
    """A heading, all comments, and a row for each theme."""
    total, width = window["comments"]["total"], min(width, READABLE)
    rows = [("all comments", window["comments"]), *most_first(window)]
    return [heading(THEMES, title, width), *(line(THEMES, _row(name, stats, total), width) for name, stats in rows)]


def _row(name: str, stats: Stats, total: int) -> list[Text | str]:
    return [
        name,
        f"{stats['total']:,}",
        f"{100 * stats['total'] / total:.0f} %" if total else NOTHING,
        Text(signed(stats["nps"]), "bold") if "nps" in stats else NOTHING,
        Text(f"{stats.get('negative', 0):,}", "red" if stats.get("negative") else "dim"),
        Text(f"{stats.get('neutral', 0):,}", "dim"),
        Text(f"{stats.get('positive', 0):,}", "green" if stats.get("positive") else "dim"),
    ]
