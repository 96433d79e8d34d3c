"""What the values of a column look like: enough of them to believe what its name says, or to doubt it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from npstream.files.dates import is_time
from schemas.validation import SCORES

SAMPLE_ROWS: Final = 1_000
"""Rows that are looked at: a column that looks like scores in so many is one."""
MOST: Final = 0.9
"""So large a part of the values must look alike; the rest may be faults, which are found row by row."""
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

    @property
    def is_score(self) -> bool:
        return self._most(self.scores)

    @property
    def is_address(self) -> bool:
        return self._most(self.addresses)

    @property
    def is_time(self) -> bool:
        return self._most(self.times)

    @property
    def is_id(self) -> bool:
        """Whether every value is an id of its own."""
        return 0 < self.values == self.different == self.ids

    def _most(self, count: int) -> bool:
        return self.values > 0 and count >= MOST * self.values


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
