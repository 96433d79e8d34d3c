"""What a command says at its end: findings with their limits, tables, and how figures went in a line of blocks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

BLOCKS: Final = "▁▂▃▄▅▆▇█"
WIDTH: Final = 60
"""Blocks of a line."""


@dataclass(frozen=True)
class Finding:
    """One thing that must hold."""

    what: str
    found: str
    limit: str
    holds: bool


@dataclass
class Report:
    """A section: what was done, what must hold, what was seen."""

    title: str
    command: str
    notes: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    tables: list[tuple[Sequence[str], list[Sequence[str]]]] = field(default_factory=list)
    """Heads and rows."""
    plots: list[tuple[str, str]] = field(default_factory=list)
    """A name and its line of blocks."""

    def hold(self, what: str, found: str, limit: str, holds: bool) -> None:
        """Add a finding."""
        self.findings.append(Finding(what, found, limit, holds))

    def hold_exact(self, differences: dict[str, list[str]]) -> None:
        """Nothing lost and nothing doubled, with what differs if something does."""
        wrong = [f"{topic}: {text}" for topic, texts in differences.items() for text in texts]
        self.hold(
            "lost, doubled or miscounted", "; ".join(wrong) or f"nothing in {len(differences)} topics", "nothing", not wrong
        )

    def plot(self, name: str, values: Sequence[float], unit: str) -> None:
        """Add a line of blocks, from 0 to the greatest value."""
        if values:
            self.plots.append((f"{name}, {min(values):,.0f} to {max(values):,.0f} {unit}", blocks(values)))

    @property
    def holds(self) -> bool:
        """Whether all findings do."""
        return all(finding.holds for finding in self.findings)

    def show(self, console: Console) -> None:
        """Print it."""
        console.print(f"{self.title}: {'holds' if self.holds else 'VIOLATED'}", style="bold", highlight=False)
        for note in self.notes:
            console.print(note, highlight=False, soft_wrap=True)
        console.print(_table(("", "found", "limit", ""), self._verdicts()))
        for heads, rows in self.tables:
            console.print(_table(heads, rows))
        for name, line in self.plots:
            console.print(f"{name}\n{line}", highlight=False)

    def markdown(self) -> str:
        """The same as a section of a document."""
        lines = [f"### {self.title}", "", f"    {self.command}", "", *(f"- {note}" for note in self.notes), ""]
        lines += _markdown(("must hold", "found", "limit", ""), self._verdicts())
        for heads, rows in self.tables:
            lines += _markdown(heads, rows)
        if self.plots:
            lines += ["```", *(f"{line}  {name}" for name, line in self.plots), "```", ""]
        return "\n".join(lines)

    def _verdicts(self) -> list[Sequence[str]]:
        return [(f.what, f.found, f.limit, "holds" if f.holds else "VIOLATED") for f in self.findings]

    def write(self, file: Path) -> None:
        """Write the section into a file of its own."""
        file.write_text(self.markdown(), encoding="utf-8")


def blocks(values: Sequence[float]) -> str:
    """The highest value of each piece of time, as a block between 0 and the highest of all."""
    most = max(values) or 1.0
    count = min(WIDTH, len(values))
    pieces = [values[len(values) * i // count : len(values) * (i + 1) // count] for i in range(count)]
    return "".join(BLOCKS[min(int(max(piece) / most * len(BLOCKS)), len(BLOCKS) - 1)] for piece in pieces)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(*heads, box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*row)
    return table


def _markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *(f"| {' | '.join(row)} |" for row in rows), ""]
