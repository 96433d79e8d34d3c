"""What rows of a file, or deletions, change in the CRM facts that are known. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson

from npstream.account_files import Row, refuse
from schemas.accounts import AccountFacts, read_facts
from schemas.dead_letters import Unusable

Kind = Literal["new", "changed", "unchanged", "deleted", "not there"]
Document = dict[str, Any]
"""Facts of an account as they stand in the topic."""

ORDER: Final = AccountFacts.__struct_fields__
RECORD_BYTES: Final = 1_000_000
"""Longest record: a broker takes 1,048,588 bytes with key and framing unless set otherwise."""


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one account."""

    account_id: str
    kind: Kind
    before: Document
    after: Document

    @property
    def sends(self) -> bool:
        """Whether a record is needed for it."""
        return self.kind in ("new", "changed", "deleted")

    @property
    def value(self) -> bytes | None:
        """Of that record."""
        return None if self.kind == "deleted" else orjson.dumps(self.after)

    def differences(self) -> list[tuple[str, Any, Any]]:
        """Field, before and after, of what differs; segments by dimension; None where there is nothing."""
        was, becomes = _flat(self.before), _flat(self.after)
        return [(name, was.get(name), becomes.get(name)) for name in {**was, **becomes} if was.get(name) != becomes.get(name)]


def changes(name: str, rows: Iterable[Row], deleted: Sequence[str], known: Mapping[str, Document]) -> list[Change]:
    """What each row and each deletion brings, given what is known. Raises UserError for rows of the file `name` that scoring
    would bury, and for an account that is both loaded and deleted."""
    found, faults = [], []
    for row in rows:
        before = known.get(row.account_id)
        after = _merged(before or {}, row)
        try:
            if row.account_id in deleted:
                raise ValueError("it is to be deleted as well")
            _check(after)
        except ValueError as error:
            faults.append(f"{row.where}, {row.account_id}: {error}")
            continue
        kind: Kind = "new" if before is None else "unchanged" if after == before else "changed"
        found.append(Change(row.account_id, kind, before or {}, after))
    refuse(name, faults)
    for account_id in dict.fromkeys(deleted):
        before = known.get(account_id)
        found.append(Change(account_id, "not there" if before is None else "deleted", before or {}, {}))
    return found


def _merged(before: Document, row: Row) -> Document:
    """Fields that the row has replace those of before; all others stay, those of other systems too."""
    after = {**before, **row.fields}
    segments = {} if row.segments is None else {**_segments(before), **row.segments}
    after["segments"] = {dimension: value for dimension, value in segments.items() if value is not None}
    ordered = {field: after.pop(field) for field in ORDER if field in after} | after
    return {field: value for field, value in ordered.items() if value not in (None, {}, "")}


def _check(document: Document) -> None:
    try:
        value = orjson.dumps(document)
    except TypeError as error:
        raise ValueError("it is nested too deeply") from error
    if len(value) > RECORD_BYTES:
        raise ValueError(f"{len(value):,} bytes, more than the {RECORD_BYTES:,} that a record may have")
    facts = read_facts(value)
    try:
        if facts.time_zone:
            ZoneInfo(facts.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"time_zone: {facts.time_zone!r} is no name in the IANA database, such as Europe/Berlin") from error


def usable(value: bytes | None) -> Document | None:
    """The facts in a record of the topic; None for a tombstone, and for what scoring buries."""
    if value is None:
        return None
    try:
        read_facts(value)
    except Unusable:
        return None
    document: Document = orjson.loads(value)
    return document


def _segments(document: Document) -> dict[str, Any]:
    segments = document.get("segments")
    return segments if isinstance(segments, dict) else {}


def _flat(document: Document) -> Document:
    """Segments beside the other fields."""
    segments = {f"segments.{dimension}": value for dimension, value in _segments(document).items()}
    return {field: value for field, value in document.items() if field != "segments"} | segments
