"""What a check found: one line each, with what to change, for people and for programs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from rich.table import Table
from rich.text import Text


class Status(Enum):
    """How bad it is."""

    OK = "ok"
    UNVERIFIABLE = "not verifiable"
    WARNING = "warning"
    FAILED = "failed"


STYLES = {Status.OK: "green", Status.UNVERIFIABLE: "dim", Status.WARNING: "yellow", Status.FAILED: "bold red"}
"""Colours on a terminal; the word says the same without."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    status: Status
    subject: str
    message: str
    remedy: str = ""
    """What to do about it; empty where there is nothing to do."""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"status": self.status.value, "subject": self.subject, "message": self.message, "remedy": self.remedy}


def failed(findings: Sequence[Finding]) -> bool:
    """Whether one of them must be changed before anything can run."""
    return any(finding.status is Status.FAILED for finding in findings)


def table(findings: Sequence[Finding]) -> Table:
    """The findings for a terminal."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column()
    for finding in findings:
        text = Text(finding.message)
        if finding.remedy:
            text.append(f": {finding.remedy}", style="bold" if finding.status is Status.FAILED else "")
        grid.add_row(Text(finding.status.value, STYLES[finding.status]), finding.subject, text)
    return grid


def summary(findings: Sequence[Finding]) -> str:
    """How many of each status."""
    counts = Counter(finding.status for finding in findings)
    return ", ".join(f"{counts[status]} {status.value}" for status in Status if counts[status])
