"""Tables, as the terminal and as documents show them."""

from collections.abc import Sequence
from typing import NamedTuple

from rich import box
from rich import table as rich_table


class Table(NamedTuple):
    """Heads, and rows of text; the first columns, `left` of them, are no numbers."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = 1

    def for_terminal(self) -> rich_table.Table:
        """For rich."""
        table = rich_table.Table(box=box.SIMPLE_HEAD, pad_edge=False, title=self.title)
        for number, head in enumerate(self.heads):
            table.add_column(head, justify="left" if number < self.left else "right")
        for row in self.rows:
            table.add_row(*row)
        return table

    def for_document(self) -> str:
        """As Markdown."""
        ruler = ["---"] * self.left + ["---:"] * (len(self.heads) - self.left)
        lines = [f"**{self.title}**", "", f"| {' | '.join(self.heads)} |", f"|{'|'.join(ruler)}|"]
        return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in self.rows)])


def described(machine: dict[str, str]) -> str:
    """Where figures were taken, for a document."""
    return "\n".join(f"- {name}: {value}" for name, value in machine.items())
