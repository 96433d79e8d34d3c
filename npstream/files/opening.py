"""Open a file, know its form, and read what it holds. Refused is what is no such file at all."""

import io
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from itertools import chain, islice
from pathlib import PurePath
from typing import Final, cast

from npstream.failures import UserError
from npstream.files import csv_table, json_text, spreadsheet
from npstream.files.columns import TIME_FIELDS, Column, columns_of
from npstream.files.csv_table import Cells
from npstream.files.dates import Order
from npstream.files.json_text import Payload, line_of, parsed
from npstream.files.labels import Labels
from npstream.files.looks import SAMPLE_ROWS, look_at
from npstream.files.plan import Plan
from npstream.files.responses import Responses
from npstream.files.row import Row, record_of
from npstream.files.rows import Rows, text_of
from npstream.files.text import BUFFER_BYTES, as_utf_8, plain, readable

STDIN: Final = "-"
"""The file name that means standard input."""
STDIN_NAME: Final = "standard input"
"""What it is called."""
SPOOL_BYTES: Final = 16 * 1024 * 1024
"""A table from a pipe is looked at as a whole before it is read: so much of it is kept in memory, the rest on the disk."""
EXAMPLE: Final = "response_id, account_id, score, responded_at"
"""Names of columns, for messages."""


class Form(Enum):
    """How the records stand in a file."""

    CSV = "CSV"
    SPREADSHEET = "a spreadsheet"
    LINES = "JSON Lines"
    DOCUMENT = "JSON"

    @property
    def is_table(self) -> bool:
        """Whether it has columns."""
        return self in (Form.CSV, Form.SPREADSHEET)


class Input:
    """One open file: iterate over it once for what it holds. Raises UserError where it is not what it seems to be.

    A table can be asked for its `plan` first; it is then read to its end for that, and read again for its rows.
    """

    def __init__(self, name: str, raw: io.RawIOBase, size: int | None, labels: Labels, plan: Plan | None = None) -> None:
        """`plan` is the one that this file had when it was opened before."""
        self.name = STDIN_NAME if name == STDIN else name
        self.size = size
        """Bytes on the disk, or None if nobody knows."""
        self._name = name
        self._raw = raw
        self._labels = labels
        self._plan = plan
        self._suffix = _suffix(name)
        self._spool: io.BufferedReader | None = None
        self._before: io.BufferedReader | None = None
        self._rows_done = 0
        with readable(self.name):
            self._stream = self._decoded(plain(name, raw))

    @property
    def is_stdin(self) -> bool:
        """Whether it is no file, but what is piped or typed in."""
        return self._name == STDIN

    @property
    def ignored(self) -> tuple[str, ...]:
        """Columns of a table that are no field; known once the first row was read."""
        return () if self._plan is None else self._plan.ignored

    @property
    def bytes_read(self) -> int:
        """How far into the file on the disk we are, as far as that is known."""
        if self.size is None:
            return 0
        if self._plan is not None and self._plan.rows:  # a table may be read as a whole before its rows are
            return self.size * self._rows_done // self._plan.rows
        return self._raw.tell()

    def plan(self) -> Plan | None:
        """How a table will be read, with its guesses; None for what has no columns, and for a
        pipe, which cannot be read twice. Raises UserError."""
        if self._plan is None and self.size is not None:
            with readable(self.name):
                first = self._first_line()
                if first is not None and self._form(first).is_table:
                    self._plan = self._looked_at(self._cells(self._form(first), first))
                self._rewind()
        return self._plan

    def __iter__(self) -> Iterator[Row]:
        with readable(self.name):
            first = self._first_line()
            if first is None:
                return
            form = self._form(first)
            if form.is_table:
                yield from self._table(form, first)
            elif form is Form.LINES:
                yield from self._json(json_text.lines(self.name, self._stream, first))
            else:
                yield from self._json(json_text.document(self.name, self._stream, first))

    def _table(self, form: Form, first: bytes) -> Iterator[Row]:
        if self._plan is None:
            # Nobody could be asked: a pipe, or a caller who asks nobody.
            if self.size is None:
                first = self._spooled(first)
            looked_at = self._looked_at(self._cells(form, first))
            self._plan = looked_at if self._labels.guesses else looked_at.sure
            self._rewind()
            first = self._first_line() or b""
        plan, cells = self._plan, self._cells(form, first)
        plan.complete(self.name, self._labels)
        make = Rows(plan, self._labels)
        next(cells, None)
        for one in cells:
            self._rows_done += 1
            yield make.row(one)

    def _looked_at(self, cells: Iterator[Cells]) -> Plan:
        """The plan of a table: from its first rows what the columns are, from all of them how dates are written."""
        header = next(cells, None)
        names = [text_of(cell) for cell in header.cells] if header else []
        while names and not names[-1]:
            names.pop()
        if self._labels.mapping is not None:
            return Plan(tuple(Column(name, None, "") for name in names), sum(1 for _ in cells), mapped=True)
        sample = list(islice(cells, SAMPLE_ROWS))
        looks = [look_at(row.cells[index] for row in sample if index < len(row.cells)) for index in range(len(names))]
        columns = tuple(columns_of(self.name, names, looks, self._labels.columns))
        times = [index for index, column in enumerate(columns) if column.field in TIME_FIELDS]
        order, count = Order(), 0
        for row in chain(sample, cells):
            count += 1
            for index in times:
                if index < len(row.cells):
                    order.look(row.where, row.cells[index])
        if self._labels.dates is not None:
            return Plan(columns, count, self._labels.dates, f"{self._labels.dates}, as you said", self._labels.zone)
        try:
            decided, why = order.decided()
        except ValueError as error:
            raise UserError(f"{self.name}: {error}") from error
        return Plan(columns, count, decided, why, self._labels.zone)

    def _cells(self, form: Form, first: bytes) -> Iterator[Cells]:
        if form is Form.CSV:
            return csv_table.rows_of(self.name, self._stream, first)
        return spreadsheet.rows_of(self.name, first, self._stream, self._labels.sheet)

    def _json(self, payloads: Iterator[Payload]) -> Iterator[Row]:
        labels = self._labels
        if labels.mapping is None:
            headers = labels.headers(canonical=False)
            for one in payloads:
                record = record_of(self.name, one.where, one.value, one.document, labels.account, headers)
                yield Row(one.where, (record,))
            return
        responses = Responses(labels)
        for one in payloads:
            if one.document is None and one.value != b"null":
                yield Row(one.where, refused="not JSON", original=one.value.decode(errors="replace"))
            else:
                yield responses.of_payload(one.where, one.document)

    def _decoded(self, stream: io.BufferedReader) -> io.BufferedReader:
        return stream if self._is_spreadsheet(stream) else as_utf_8(stream, self._labels.encoding)

    def _is_spreadsheet(self, stream: io.BufferedReader) -> bool:
        return self._suffix in spreadsheet.SUFFIXES or stream.peek(4)[:4] == spreadsheet.ZIP_MAGIC

    def _first_line(self) -> bytes | None:
        """The first line that is not blank; None if there is none. Of a spreadsheet its first bytes, whatever they are."""
        line = line_of(self.name, self._stream, 1)
        while line and not line.strip():
            line = line_of(self.name, self._stream, 1)
        return line or None

    def _form(self, first: bytes) -> Form:
        if self._suffix in spreadsheet.SUFFIXES or first[:4] == spreadsheet.ZIP_MAGIC:
            return Form.SPREADSHEET
        if self._suffix in (".csv", ".tsv"):
            return Form.CSV
        if self._suffix in (".jsonl", ".ndjson"):
            return Form.LINES
        if first.lstrip()[:1] in (b"{", b"["):
            # A complete object on the first line is a file of one line or of many: read it line by line.
            return Form.LINES if isinstance(parsed(first), dict) else Form.DOCUMENT
        if self._suffix != ".json" and b"\0" not in first and _has_columns(first):
            return Form.CSV
        raise UserError(f"{self.name}: neither JSON nor CSV with a header row of fields such as {EXAMPLE}, nor a spreadsheet")

    def _spooled(self, first: bytes) -> bytes:
        """Keep the rest of what cannot be read twice, from its first line on."""
        spool = tempfile.SpooledTemporaryFile(SPOOL_BYTES)  # noqa: SIM115 - gone with this object
        spool.write(first)
        shutil.copyfileobj(self._stream, spool, BUFFER_BYTES)
        spool.seek(0)
        self._stream = self._spool = cast(io.BufferedReader, spool)
        return self._first_line() or b""

    def _rewind(self) -> None:
        if self._spool is not None:
            self._spool.seek(0)
            return
        self._raw.seek(0)
        self._before = self._stream  # if it were let go of, it would close the file
        self._stream = self._decoded(plain(self._name, self._raw))


@contextmanager
def opened(name: str, labels: Labels, plan: Plan | None = None) -> Iterator[Input]:
    """Open a file, or standard input for `-`. Raises OSError if it cannot be opened."""
    if name == STDIN:
        with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as raw:
            yield Input(name, raw, None, labels, plan)
        return
    with open(name, "rb", buffering=0) as raw:
        yield Input(name, raw, _size(raw), labels, plan)


def _size(raw: io.FileIO) -> int | None:
    """Bytes of a regular file; a pipe has no size and no position."""
    status = os.fstat(raw.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _suffix(name: str) -> str:
    return PurePath(name.lower().removesuffix(".gz")).suffix


def _has_columns(first: bytes) -> bool:
    try:
        return csv_table.delimiter_of(first.decode()) is not None
    except UnicodeDecodeError:
        return False
