"""Rows of cells in a spreadsheet: Excel's files and those of OpenDocument, read whole by python-calamine."""

import io
from collections.abc import Iterator
from typing import Final

from npstream.failures import UserError
from npstream.files.csv_table import Cells

ZIP_MAGIC: Final = b"PK\x03\x04"
"""How an XLSX file begins, for standard input that has no extension."""
SUFFIXES: Final = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
SPREADSHEET_BYTES: Final = 256 * 1024 * 1024
"""Longest file that is read: all of it is in memory at once, several times its size."""


def rows_of(name: str, first: bytes, stream: io.BufferedReader, sheet: str | None) -> Iterator[Cells]:
    """The header and the rows of a sheet, by default the first one; `first` are the bytes that were read already. Cells are
    text, numbers, dates or times as in the sheet.

    Raises UserError for what is no spreadsheet, has no such sheet, or cannot be read without the optional package.
    """
    try:
        import python_calamine as calamine
    except ImportError as error:
        raise UserError(
            f"{name}: spreadsheets need python-calamine: pip install 'npstream[files]', or save it as CSV"
        ) from error
    data = first + stream.read(SPREADSHEET_BYTES + 1)
    if len(data) > SPREADSHEET_BYTES:
        raise UserError(f"{name}: a spreadsheet of more than {SPREADSHEET_BYTES:,} bytes; save it as CSV")
    try:
        book = calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
        if not book.sheet_names:
            raise UserError(f"{name}: a spreadsheet without sheets")
        if sheet is not None and sheet not in book.sheet_names:
            raise UserError(f"{name}: no sheet {sheet!r}; there are {', '.join(book.sheet_names)}")
        rows = book.get_sheet_by_name(sheet or book.sheet_names[0]).to_python(skip_empty_area=False)
    except calamine.PasswordError as error:
        raise UserError(f"{name}: a spreadsheet with a password; save it without one") from error
    except calamine.CalamineError as error:
        raise UserError(f"{name}: not a spreadsheet ({error})") from error
    for number, cells in enumerate(rows, 1):
        if any(cell != "" for cell in cells):
            yield Cells(f"row {number:,}", cells)
