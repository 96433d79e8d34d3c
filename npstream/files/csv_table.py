"""Rows of cells in CSV: separated by comma, semicolon or tab, quoted where they must be."""

import csv
import io
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from npstream.failures import UserError
from npstream.files.columns import NAMES, compact, field_named

DELIMITERS: Final = (",", ";", "\t")
"""Comma, what spreadsheets write where the comma is the decimal sign, and tab."""
_SYNONYMS: Final = frozenset(itertools.chain.from_iterable(NAMES.values()))


class Cells(NamedTuple):
    """One row."""

    where: str
    cells: Sequence[Any]


def delimiter_of(header: str) -> str | None:
    """What separates the cells: whatever makes the most known names out of the header row; None if nothing makes two cells."""
    best, best_fitness = None, (0, 1)
    for delimiter in DELIMITERS:
        cells = _split(header, delimiter)
        known = sum(field_named(cell) is not None or compact(cell) in _SYNONYMS for cell in cells)
        fitness = (known, len(cells))
        if fitness > best_fitness:
            best, best_fitness = delimiter, fitness
    return best


def rows_of(name: str, stream: io.BufferedReader, first: bytes) -> Iterator[Cells]:
    """The header and the rows; `first` is the first line, that was read already. Raises UserError for what is no CSV."""
    number, line = 0, 1
    try:
        lines = (text.decode() for text in itertools.chain([first], stream))
        rows = csv.reader(lines, delimiter=delimiter_of(first.decode()) or ",", strict=True)
        for number, cells in enumerate(rows, 1):
            line = rows.line_num
            if any(cell.strip() for cell in cells):
                yield Cells(f"row {number:,}" if line == number else f"row {number:,} (line {line:,})", cells)
    except UnicodeDecodeError as error:
        raise UserError(
            f"{name}: not {error.encoding.upper()} after line {line:,} ({error.reason}); "
            "say what it is in with --encoding, or save it as CSV UTF-8"
        ) from error
    except csv.Error as error:
        raise UserError(f"{name}: not CSV after line {line:,} ({error}); is a quotation mark left open?") from error


def _split(header: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([header.strip()], delimiter=delimiter), [])
    except csv.Error:
        return []
