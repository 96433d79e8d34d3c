"""What the values of a column look like: enough of them to believe what its name says, or to doubt it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from npstream.files.dates import is_time
from schemas.validation import SCORES

SAMPLE_ROWS: Final = 1_000
"""Rows that are looked at: a column that looks like scores in so many is one."""
HALF: Final = 0.5
"""So large a part of the values must be what a column's name says; the rest may be faults, which are found row by row."""
MOST: Final = 0.9
"""The same where the name says nothing."""
_ADDRESS: Final = re.compile(r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;.]+")
_ID_CHARS: Final = 64
"""What is longer, or has blanks, is a text and no id."""


@dataclass(slots=True)
class Look:
    """Counts over the values that are not empty."""

    values: int = 0
    scores: int = 0
    """Whole numbers from 0 to 10."""
    addresses: int = 0
    """E-mail addresses."""
    times: int = 0
    ids: int = 0
    """Short, and without blanks."""
    different: int = 0

    def is_score(self, part: float = HALF) -> bool:
        return self._at_least(self.scores, part)

    def is_address(self, part: float = HALF) -> bool:
        return self._at_least(self.addresses, part)

    def is_time(self, part: float = HALF) -> bool:
        return self._at_least(self.times, part)

    @property
    def is_text(self) -> bool:
        """Whether some value has blanks in it, or is long, and they are nothing else."""
        return self.ids < self.values and not (self.is_score() or self.is_address() or self.is_time())

    @property
    def is_id(self) -> bool:
        """Whether every value is an id of its own."""
        return 0 < self.values == self.different == self.ids

    def _at_least(self, count: int, part: float) -> bool:
        return self.values > 0 and count >= part * self.values


def look_at(cells: Iterable[Any]) -> Look:
    """Look at the cells of one column."""
    look = Look()
    different = set()
    for cell in cells:
        value = cell.strip() if isinstance(cell, str) else cell
        if value is None or value == "":
            continue
        look.values += 1
        text = str(value)
        different.add(text)
        look.scores += is_score(value)
        look.addresses += _ADDRESS.fullmatch(text) is not None
        look.times += is_time(value)
        look.ids += len(text) <= _ID_CHARS and not any(map(str.isspace, text))
    look.different = len(different)
    return look


def is_score(value: Any) -> bool:
    """Whether a cell is a score as the intake has it."""
    if isinstance(value, str):
        return value in SCORES
    return isinstance(value, int | float) and not isinstance(value, bool) and value in range(11)
