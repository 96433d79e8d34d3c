"""What a file holds, one after the other: each row, line or element, with what came of it."""

from dataclasses import dataclass
from typing import Any

import orjson

from npstream.failures import UserError
from npstream.raw_record import RawRecord
from streams.processor import Headers

RECORD_BYTES = 1_000_000
"""Longest record: a broker takes 1,048,588 bytes with key, headers and framing unless set otherwise."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table, line of JSON or element of a list."""

    where: str
    """Its place in the file, as a person would look for it."""
    records: tuple[RawRecord, ...] = ()
    """What is sent of it."""
    refused: str = ""
    """Why it cannot be used."""
    passed_over: str = ""
    """Why the mapping finds no response in it."""
    original: Any = None
    """As it stands in the file, of what cannot be used: cells, or a payload."""
    of_table: bool = False
    """Whether that is cells by the names of their columns."""
    made_id: bool = False
    """Whether its response_id was made of its content."""


def record_of(name: str, where: str, value: bytes, document: object, account: str | None, headers: Headers) -> RawRecord:
    """A record with this value. Raises UserError if it is longer than a broker takes; `name` is the file's."""
    if len(value) > RECORD_BYTES:
        raise UserError(f"{name}: {where} has {len(value):,} bytes, more than the {RECORD_BYTES:,} that a record may have")
    return RawRecord(_key(document, account), value, headers)


def canonical_record(response: dict[str, Any], account: str | None, headers: Headers) -> RawRecord:
    """A record with a canonical response, whose fields have bounds."""
    return RawRecord(_key(response, account), orjson.dumps(response), headers)


def _key(document: object, account: str | None) -> bytes | None:
    """The account where it is plain to see, so that its responses stay in order; else an id, to spread them."""
    if not isinstance(document, dict):
        return None
    for name in (document.get("account_id"), account, document.get("response_id"), document.get("event_id")):
        if isinstance(name, str) and name:
            return name.encode(errors="replace")
    return None
