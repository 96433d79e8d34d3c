"""Lines of a terminal table: each cell has its width, nothing wraps, and nothing that a respondent wrote moves the cursor."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.text import Text

GAP: Final = 2
"""Blanks between two columns."""
WIDE: Final = 110
"""Characters from which a terminal has room for more than the necessary."""
MINUS: Final = "\N{MINUS SIGN}"
"""As wide as a plus sign, unlike a hyphen."""
NOTHING: Final = "\N{EN DASH}"
"""Stands where there is no value."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    title: str
    width: int
    """Characters; 0 takes what the others leave."""
    right: bool = False
    wide: int | None = None
    """Characters on a wide terminal, where that is another number."""
    least: int = 0
    """Left out on terminals with fewer characters."""


def line(columns: Sequence[Column], cells: Sequence[Text | str], width: int) -> Text:
    """One row as one line of at most `width` characters; one cell for each column, shown or not."""
    row = Text(no_wrap=True, overflow="crop")
    for number, (column, cell, size) in enumerate(_fitting(columns, cells, width)):
        text = cell.copy() if isinstance(cell, Text) else Text(printable(cell))
        text.truncate(size, overflow="ellipsis")
        text.align("right" if column.right else "left", size)
        if number:
            row.append(" " * GAP)
        row.append_text(text)
    row.rstrip()
    row.truncate(width, overflow="crop")
    return row


def heading(columns: Sequence[Column], title: str, width: int) -> Text:
    """The titles of the columns, the table's own in place of the first."""
    return line(columns, [Text(title, "bold"), *(Text(column.title, "dim") for column in columns[1:])], width)


def _fitting(columns: Sequence[Column], cells: Sequence[Text | str], width: int) -> list[tuple[Column, Text | str, int]]:
    """The columns that a terminal of so many characters has room for, their cells and their characters."""
    shown = [(column, cell) for column, cell in zip(columns, cells, strict=True) if column.least <= width]
    sizes = [column.wide if column.wide is not None and width >= WIDE else column.width for column, _ in shown]
    left = max(width - sum(sizes) - GAP * (len(shown) - 1), 1)
    return [(column, cell, size or left) for (column, cell), size in zip(shown, sizes, strict=True)]


def printable(text: str) -> str:
    """The text on one line, a blank for whatever cannot be seen: so a comment cannot send the terminal escape sequences."""
    return "".join(c if c.isprintable() else " " for c in text)


def left_out(records: int, topic: str = "") -> list[Text]:
    """One line if there are records that nobody of ours has written."""
    if not records:
        return []
    what = f"{records:,} record{'s' * (records != 1)}" + (f" of {topic}" if topic else "")
    return [Text(f"left out: {what} that npstream did not write", "yellow", no_wrap=True)]


def signed(value: float, decimals: int = 1) -> str:
    """A number with its sign in front; zero has none."""
    text = f"{abs(value):.{decimals}f}"
    sign = "" if not float(text) else "+" if value > 0 else MINUS
    return sign + text
