"""Read survey responses from files: CSV, JSON Lines, a JSON array, or one vendor's payload, gzipped or not, or from stdin.

What is in a file is not judged here, but by the intake: a row with a bad score is sent and becomes a dead letter. Refused is
what is no such file at all.
"""

import csv
import gzip
import io
import itertools
import os
import stat
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import PurePath
from typing import IO, Any, Final, cast

import orjson

from agents.intake import ACCOUNT_HEADER, SOURCE_HEADER
from npstream.failures import UserError
from npstream.raw_record import RawRecord
from schemas.events import Response

STDIN: Final = "-"
"""The file name that means standard input."""
GZIP_MAGIC: Final = b"\x1f\x8b"
"""How a gzip stream begins, for standard input that has no extension. Source: RFC 1952, section 2.3.1."""
BUFFER_BYTES: Final = 256 * 1024
"""One read from the disk: few system calls, little memory."""
RECORD_BYTES: Final = 1_000_000
"""Longest record: a broker takes 1,048,588 bytes with key, headers and framing unless set otherwise."""
DOCUMENT_BYTES: Final = 256 * 1024 * 1024
"""Longest JSON document that is read whole (an array, a payload over several lines): parsed, it takes ten times as much memory.
Longer ones belong in JSON Lines, which are read one by one."""

SEGMENT_PREFIX: Final = "segments."
"""A column `segments.plan` is the dimension `plan` among the segments."""
TIME_FIELDS: Final = frozenset({"responded_at", "updated_at"})
TIME_DIGITS: Final = 18
"""Longer numbers are beyond 64 bits, and no times."""
FIELDS: Final = (frozenset(Response.__struct_fields__) - {"segments"}) | {"kind", "segment"}
"""What a column of a CSV file may be: the fields of a canonical response that have one value."""
REQUIRED: Final = ("response_id", "account_id", "score", "responded_at")
DELIMITERS: Final = (",", ";", "\t")
"""Comma, what spreadsheets write where the comma is the decimal sign, and tab."""


class Form(Enum):
    """How the records stand in a file."""

    CSV = "CSV"
    LINES = "JSON Lines"
    DOCUMENT = "JSON"


@dataclass(frozen=True, slots=True)
class Labels:
    """What the user says about the files, beyond what they say themselves."""

    source: str | None = None
    account: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    """CSV column to canonical field."""

    def headers(self, form: Form) -> tuple[tuple[str, bytes], ...]:
        """The Kafka headers of every record of a file."""
        source = "canonical" if form is Form.CSV else self.source
        named = ((SOURCE_HEADER, source), (ACCOUNT_HEADER, self.account))
        return tuple((name, value.encode()) for name, value in named if value)


class Input:
    """One open file: iterate over it once for its records. Raises UserError where it is not what it seems to be."""

    def __init__(self, name: str, raw: io.RawIOBase, size: int | None, labels: Labels) -> None:
        self.name = "standard input" if name == STDIN else name
        self.size = size
        """Bytes on the disk, or None if nobody knows."""
        self.ignored: tuple[str, ...] = ()
        """Columns of a CSV file that are no field; known once the first record was read."""
        self._raw = raw
        self._labels = labels
        self._stream = _plain(name, raw)
        self._suffix = _suffix(name)

    @property
    def bytes_read(self) -> int:
        """How far into the file on the disk we are, as far as that is known."""
        return self._raw.tell() if self.size is not None else 0

    def __iter__(self) -> Iterator[RawRecord]:
        try:
            first = self._first_line()
            if first is None:
                return
            form = self._form(first)
            headers = self._labels.headers(form)
            if form is Form.CSV:
                yield from self._rows(first, headers)
            elif form is Form.LINES:
                yield from self._lines(first, headers)
            else:
                yield from self._document(first, headers)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise UserError(
                f"{self.name}: not a whole gzip file ({error}); copy it again, or unpack it to see what is left"
            ) from error

    def _first_line(self) -> bytes | None:
        """The first line that is not blank, without a byte order mark; None if there is none."""
        line = self._line(1).removeprefix(b"\xef\xbb\xbf")
        while line and not line.strip():
            line = self._line(1)
        return line or None

    def _line(self, number: int, limit: int = DOCUMENT_BYTES) -> bytes:
        line = self._stream.readline(limit + 1)
        if len(line) > limit:
            raise UserError(
                f"{self.name}: line {number:,} is longer than {limit:,} bytes, which no record can hold; is it JSON Lines?"
            )
        return line

    def _form(self, first: bytes) -> Form:
        if self._suffix in (".csv", ".tsv"):
            return Form.CSV
        if self._suffix in (".jsonl", ".ndjson"):
            return Form.LINES
        if first.lstrip()[:1] in (b"{", b"["):
            # A complete object on the first line is a file of one line or of many: read it line by line.
            return Form.LINES if isinstance(_parsed(first), dict) else Form.DOCUMENT
        if self._suffix != ".json" and first.isascii() and b"\0" not in first and _delimiter(first.decode()) is not None:
            return Form.CSV
        raise UserError(f"{self.name}: neither JSON nor CSV with a header row of fields such as {', '.join(REQUIRED)}")

    def _lines(self, first: bytes, headers: Sequence[tuple[str, bytes]]) -> Iterator[RawRecord]:
        line, number = first, 1
        while line:
            if value := line.strip():
                yield self._record(value, _parsed(value), headers, f"line {number:,}")
            number += 1
            line = self._line(number, RECORD_BYTES)

    def _document(self, first: bytes, headers: Sequence[tuple[str, bytes]]) -> Iterator[RawRecord]:
        data = first + self._stream.read(DOCUMENT_BYTES + 1)
        if len(data) > DOCUMENT_BYTES:
            raise UserError(f"{self.name}: a JSON document of more than {DOCUMENT_BYTES:,} bytes; turn it into JSON Lines")
        try:
            document = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise UserError(f"{self.name}: not JSON ({error}); nothing of it was sent") from error
        if not isinstance(document, list):
            yield self._record(data.strip(), document, headers, "the document")
            return
        for number, element in enumerate(document, 1):
            try:
                value = orjson.dumps(element)
            except TypeError as error:
                raise UserError(f"{self.name}: element {number:,} is nested too deeply ({error}); no response is") from error
            yield self._record(value, element, headers, f"element {number:,}")

    def _rows(self, first: bytes, headers: Sequence[tuple[str, bytes]]) -> Iterator[RawRecord]:
        number = 1
        try:
            lines = (line.decode() for line in itertools.chain([first], self._stream))
            rows = csv.reader(lines, delimiter=_delimiter(first.decode()) or ",", strict=True)
            header = next(rows)
            columns = self._columns(header)
            for row in rows:
                number = rows.line_num
                document = self._response(row, columns, len(header), number)
                if document:
                    yield self._record(orjson.dumps(document), document, headers, f"line {number:,}")
        except UnicodeDecodeError as error:
            raise UserError(f"{self.name}: not UTF-8 after line {number:,} ({error.reason}); save it as CSV UTF-8") from error
        except csv.Error as error:
            raise UserError(f"{self.name}: not CSV after line {number:,} ({error}); is a quotation mark left open?") from error

    def _columns(self, header: Sequence[str]) -> list[str | None]:
        """The canonical field of each column, None for those that are ignored."""
        names = [column.strip() for column in header]
        for column, target in self._labels.columns.items():
            if column not in names:
                raise UserError(f"{self.name}: --map names a column {column!r}, but the columns are {', '.join(names)}")
            if not _known(target):
                raise UserError(
                    f"--map {column}={target}: no such field; fields are {', '.join(sorted(FIELDS))} and segments.NAME"
                )
        mapped = set(self._labels.columns.values())
        fields = [self._labels.columns.get(name) or (None if _field(name) in mapped else _field(name)) for name in names]
        doubles = {name for name in fields if name is not None and fields.count(name) > 1}
        if doubles:
            raise UserError(
                f"{self.name}: several columns are {', '.join(sorted(doubles))}; say which one with --map COLUMN=FIELD"
            )
        wanted = [f for f in REQUIRED if f not in fields and not (f == "account_id" and self._labels.account)]
        if "kind" in fields:
            wanted = [f for f in wanted if f not in ("score", "responded_at")]  # retractions have neither
        if wanted:
            raise UserError(
                f"{self.name}: no column for {', '.join(wanted)} among {', '.join(names) or 'none'}; "
                f"name it with --map COLUMN={wanted[0]}" + (" or --account" if "account_id" in wanted else "")
            )
        self.ignored = tuple(name or "(no name)" for name, known in zip(names, fields, strict=True) if known is None)
        return fields

    def _response(self, row: Sequence[str], columns: Sequence[str | None], width: int, number: int) -> dict[str, Any]:
        """A row as a canonical response: empty cells left out, the segments collected."""
        if any(row[width:]):
            raise UserError(
                f"{self.name}: line {number:,} has {len(row)} cells, the header {width}; is a text with a comma not quoted?"
            )
        document: dict[str, Any] = {}
        segments: dict[str, str] = {}
        for name, text in zip(columns, row, strict=False):
            cell = text.strip()
            if name is None or not cell:
                continue
            if name.startswith(SEGMENT_PREFIX):
                segments[name.removeprefix(SEGMENT_PREFIX)] = cell
            else:
                # In CSV a number is text as well; an epoch number is a time only as a number.
                epoch = name in TIME_FIELDS and cell.isdecimal() and cell.isascii() and len(cell) <= TIME_DIGITS
                document[name] = int(cell) if epoch else cell
        if document and self._labels.account and "account_id" not in document:
            document["account_id"] = self._labels.account
        if segments:
            document["segments"] = segments
        return document

    def _record(self, value: bytes, document: object, headers: Sequence[tuple[str, bytes]], where: str) -> RawRecord:
        if len(value) > RECORD_BYTES:
            raise UserError(
                f"{self.name}: {where} has {len(value):,} bytes, more than the {RECORD_BYTES:,} that a record may have"
            )
        return RawRecord(self._key(document), value, headers)

    def _key(self, document: object) -> bytes | None:
        """The account where it is plain to see, so that its responses stay in order; else an id, to spread them."""
        if not isinstance(document, dict):
            return None
        for name in (document.get("account_id"), self._labels.account, document.get("response_id"), document.get("event_id")):
            if isinstance(name, str) and name:
                return name.encode(errors="replace")
        return None


@contextmanager
def opened(name: str, labels: Labels) -> Iterator[Input]:
    """Open a file, or standard input for `-`. Raises OSError if it cannot be opened."""
    if name == STDIN:
        with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as raw:
            yield Input(name, raw, None, labels)
        return
    with open(name, "rb", buffering=0) as raw:
        yield Input(name, raw, _size(raw), labels)


def _size(raw: io.FileIO) -> int | None:
    """Bytes of a regular file; a pipe has no size and no position."""
    status = os.fstat(raw.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _plain(name: str, raw: io.RawIOBase) -> IO[bytes]:
    """The stream, unpacked if it is gzip."""
    buffered = io.BufferedReader(raw, BUFFER_BYTES)
    packed = name.lower().endswith(".gz") or buffered.peek(2)[:2] == GZIP_MAGIC
    return cast(IO[bytes], gzip.GzipFile(fileobj=buffered)) if packed else buffered


def _suffix(name: str) -> str:
    return PurePath(name.lower().removesuffix(".gz")).suffix


def _parsed(data: bytes) -> object:
    """The JSON value, or None: lines that are no JSON are sent as they are, and the intake says why they are no use."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return None


def _field(column: str) -> str | None:
    """The canonical field that a column's name means: capitals and spaces do not matter."""
    name = column.casefold().replace(" ", "_").replace("-", "_")
    return name if _known(name) else None


def _known(name: str) -> bool:
    return name in FIELDS or (name.startswith(SEGMENT_PREFIX) and len(name) > len(SEGMENT_PREFIX))


def _delimiter(header: str) -> str | None:
    """What separates the cells: whatever makes the most fields out of the header row; None if nothing makes two."""
    cells = {delimiter: header.strip().split(delimiter) for delimiter in DELIMITERS}

    def fitness(delimiter: str) -> tuple[int, int]:
        known = sum(_field(cell.strip().strip('"').strip()) is not None for cell in cells[delimiter])
        return known, len(cells[delimiter])

    best = max(DELIMITERS, key=fitness)
    return best if fitness(best) > (0, 1) or len(cells[best]) > 1 else None
