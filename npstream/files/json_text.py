"""JSON in a file: one document a line, or one document, whose elements are the records if it is an array."""

import io
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import orjson

from npstream.failures import UserError
from npstream.files.row import RECORD_BYTES

DOCUMENT_BYTES: Final = 256 * 1024 * 1024
"""Longest JSON document that is read whole (an array, a payload over several lines): parsed, it takes ten times as much memory.
Longer ones belong in JSON Lines, which are read one by one."""


class Payload(NamedTuple):
    """One document."""

    where: str
    value: bytes
    document: object
    """Parsed; None for what is no JSON."""


def parsed(data: bytes) -> object:
    """The JSON value, or None: lines that are no JSON are sent as they are, and the intake says why they are no use."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return None


def line_of(name: str, stream: io.BufferedReader, number: int, limit: int = DOCUMENT_BYTES) -> bytes:
    """The next line, the end of it included; raises UserError if it is longer than `limit` bytes."""
    line = stream.readline(limit + 1)
    if len(line) > limit:
        raise UserError(f"{name}: line {number:,} is longer than {limit:,} bytes, which no record can hold; is it JSON Lines?")
    return line


def lines(name: str, stream: io.BufferedReader, first: bytes) -> Iterator[Payload]:
    """JSON Lines; `first` is the line that was read already."""
    line, number = first, 1
    while line:
        if value := line.strip():
            yield Payload(f"line {number:,}", value, parsed(value))
        number += 1
        line = line_of(name, stream, number, RECORD_BYTES)


def document(name: str, stream: io.BufferedReader, first: bytes) -> Iterator[Payload]:
    """One document, or the elements of an array."""
    data = first + stream.read(DOCUMENT_BYTES + 1)
    if len(data) > DOCUMENT_BYTES:
        raise UserError(f"{name}: a JSON document of more than {DOCUMENT_BYTES:,} bytes; turn it into JSON Lines")
    try:
        whole = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise UserError(f"{name}: not JSON ({error}); nothing of it was sent") from error
    if not isinstance(whole, list):
        yield Payload("the document", data.strip(), whole)
        return
    for number, element in enumerate(whole, 1):
        try:
            value = orjson.dumps(element)
        except TypeError as error:
            raise UserError(f"{name}: element {number:,} is nested too deeply ({error}); no response is") from error
        yield Payload(f"element {number:,}", value, element)


Read = Callable[[str, io.BufferedReader, bytes], Iterator[Payload]]
"""One of the two above."""
