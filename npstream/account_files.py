"""Read CRM facts of accounts from a file: CSV, JSON Lines, or JSON (a list of objects, or one).

A row says something of the fields that it has; an empty cell or null takes a field back, a field that is not there stays as it
is. A file with a fault anywhere is refused as a whole, with all its faults.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from npstream.failures import UserError
from schemas.accounts import AccountFacts
from schemas.events import MAX_ID_CHARS
from schemas.vendors.adapter import USUAL_SEGMENTS

ACCOUNT_ID: Final = "account_id"
SEGMENT_PREFIX: Final = "segments."
"""A column `segments.plan` is the dimension `plan` among the segments."""
LISTS: Final = ("contacts", "domains")
FIELDS: Final = frozenset(AccountFacts.__struct_fields__) - {"segments"}
SYNONYMS: Final[Mapping[str, Sequence[str]]] = {
    ACCOUNT_ID: ("account", "id", "customer_id", "company_id", "organization_id", "organisation_id", "tenant_id"),
    "name": ("account_name", "company", "company_name", "customer", "customer_name", "organization", "organisation"),
    "owner": ("csm", "account_owner", "owner_email", "csm_email", "customer_success_manager", "account_manager"),
    "tier": ("level", "service_level", "service_tier", "support_tier"),
    "value": ("arr", "acv", "annual_value", "yearly_value", "annual_recurring_revenue", "annual_contract_value"),
    "renewal_date": ("renewal", "renews_on", "renewal_day", "contract_end", "contract_end_date"),
    "time_zone": ("timezone", "tz"),
    "contacts": ("contact", "email", "emails", "contact_email", "contact_emails"),
    "domains": ("domain", "email_domain", "email_domains"),
}
"""What CRM exports call the fields. The first name that is there counts, the field's own before all."""
FAULTS_SHOWN: Final = 10
"""Faults that are named: a file that is wrong in one way is wrong in each line."""

_BETWEEN = re.compile(r"[;,\s]+")
_NUMBER = re.compile(r"\d{1,15}(\.\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Row:
    """What a file says of one account. None takes a field, or a dimension, back."""

    where: str
    account_id: str
    fields: Mapping[str, Any]
    segments: Mapping[str, Any] | None = field(default_factory=dict)
    """None: all of them are taken back."""


@dataclass(slots=True)
class Rows:
    """A whole file."""

    rows: list[Row] = field(default_factory=list)
    ignored: tuple[str, ...] = ()
    """Columns that mean nothing here."""


def read_accounts(name: str, columns: Mapping[str, str]) -> Rows:
    """Read a file. Raises OSError if it cannot be opened, and UserError as `parse_accounts` does."""
    return parse_accounts(name, Path(name).read_bytes(), columns)


def parse_accounts(name: str, data: bytes, columns: Mapping[str, str]) -> Rows:
    """What is in a file. `columns` says which field a column or member is, where its name does not; a dimension is
    `segments.NAME`. Raises UserError with every fault."""
    for column, target in columns.items():
        if not _known(target):
            fields = ", ".join(sorted(FIELDS | {ACCOUNT_ID}))
            raise UserError(f"--map {column}={target}: no such field; fields are {fields} and segments.NAME")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{name}: not UTF-8 ({error.reason} at byte {error.start:,}); save it as UTF-8") from error
    rows = list(_json(name, text) if text.lstrip()[:1] in ("{", "[") else _csv(name, text))
    if not rows:
        raise UserError(f"{name}: there is no account in it")
    # What a member's name means is decided for the whole file, or a synonym would count in some rows and not in others.
    names = list(dict.fromkeys(column for _, members in rows for column in members))
    means = _meanings(name, names, columns)
    faults: list[str] = []
    found = Rows(ignored=tuple(column or "(no name)" for column in names if column not in means and column != "segments"))
    seen: dict[str, str] = {}
    for where, members in rows:
        try:
            row = _row(where, members, means)
            if row.account_id in seen:
                raise ValueError(f"{row.account_id} stands in {seen[row.account_id]} too")
        except ValueError as error:
            faults.append(f"{where}: {error}")
            continue
        seen[row.account_id] = where
        found.rows.append(row)
    refuse(name, faults)
    return found


def refuse(name: str, faults: Sequence[str]) -> None:
    """Raises UserError if there are faults in a file, a line for each of the first ones."""
    if not faults:
        return
    lines = [f"{name}: {fault}" for fault in faults[:FAULTS_SHOWN]]
    if len(faults) > FAULTS_SHOWN:
        lines.append(f"{name}: and {len(faults) - FAULTS_SHOWN:,} faults more")
    raise UserError("\n".join([*lines, f"{name}: nothing was sent: mend the file, and load it again"]))


def _json(name: str, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects of a JSON document, or of JSON Lines."""
    try:
        document = orjson.loads(text)
        places = "element"
    except orjson.JSONDecodeError as whole:
        document, places = [], "line"
        for number, line in enumerate(text.splitlines(), 1):
            try:
                document.append(orjson.loads(line) if line.strip() else None)
            except orjson.JSONDecodeError as error:
                fault = whole if number == 1 else error
                raise UserError(f"{name}: line {number:,} is no JSON ({fault})") from error
    for number, element in enumerate(document if isinstance(document, list) else [document], 1):
        if element is None and places == "line":
            continue
        if not isinstance(element, dict):
            raise UserError(f"{name}: {places} {number:,} is no JSON object")
        yield f"{places} {number:,}", element


def _csv(name: str, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The rows of a CSV file, every cell as text."""
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    try:
        header = [column.strip() for column in next(rows, [])]
        doubles = sorted({column for column in header if header.count(column) > 1 and column})
        if doubles:
            raise UserError(f"{name}: several columns are called {', '.join(doubles)}: leave one of them")
        for row in rows:
            number = rows.line_num
            cells = [cell.strip() for cell in row]
            if any(cells[len(header) :]):
                raise UserError(
                    f"{name}: line {number:,} has {len(row)} cells, the header {len(header)}; "
                    "is a text with a comma not quoted?"
                )
            if any(cells):
                yield f"line {number:,}", dict(zip(header, cells, strict=False))
    except csv.Error as error:
        raise UserError(f"{name}: not CSV after line {number:,} ({error}); is a quotation mark left open?") from error


def _meanings(name: str, names: Sequence[str], columns: Mapping[str, str]) -> dict[str, str]:
    """The field of each column or member that is one."""
    for column in columns:
        if column not in names:
            raise UserError(f"{name}: --map names a column {column!r}, but the columns are {', '.join(names)}")
    means = dict(columns)
    plain = {column: re.sub(r"[^a-z0-9_.]+", "_", column.casefold()).strip("_") for column in names if column not in means}
    for target in (ACCOUNT_ID, *sorted(FIELDS)):
        for candidate in (target, *SYNONYMS[target]):
            found = next((column for column, text in plain.items() if text == candidate), None)
            if found is not None and target not in means.values():
                means[found] = target
                del plain[found]
    for column, text in plain.items():
        dimension = text if text.startswith(SEGMENT_PREFIX) else SEGMENT_PREFIX + text if text in USUAL_SEGMENTS else None
        if dimension is not None and _known(dimension) and dimension not in means.values():
            means[column] = dimension
    if ACCOUNT_ID not in means.values():
        raise UserError(f"{name}: no column for account_id among {', '.join(names)}; name it with --map COLUMN=account_id")
    return means


def _row(where: str, members: Mapping[str, Any], means: Mapping[str, str]) -> Row:
    """Raises ValueError for what cannot be understood; whether it can be used is decided later."""
    account_id, fields = "", {}
    given = members.get("segments", {})
    if _none(given) is not None and not isinstance(given, dict):
        raise ValueError("segments: no object")
    segments: dict[str, Any] | None = None
    if isinstance(given, dict):
        segments = {dimension: _none(value) for dimension, value in given.items()}
    for column, value in members.items():
        target = means.get(column)
        if target == ACCOUNT_ID:
            account_id = _identity(value)
        elif target is not None and target.startswith(SEGMENT_PREFIX):
            segments = {} if segments is None else segments
            segments[target.removeprefix(SEGMENT_PREFIX)] = _none(value)
        elif target is not None:
            fields[target] = _value(target, value)
    if not account_id:
        raise ValueError("account_id: missing")
    return Row(where, account_id, fields, segments)


def _value(target: str, value: Any) -> Any:
    if _none(value) is None:
        return None
    if target in LISTS and isinstance(value, str):
        return [part for part in _BETWEEN.split(value) if part]
    if target == "value" and isinstance(value, str):
        if _NUMBER.fullmatch(value) is None:
            raise ValueError(f"value: {value[:40]!r} is no number such as 48000 or 48000.50, without signs and separators")
        return float(value) if "." in value else int(value)
    return value


def _identity(value: Any) -> str:
    if type(value) is int:
        return str(value)
    if _none(value) is None:
        raise ValueError("account_id: missing")
    if not isinstance(value, str):
        raise ValueError("account_id: no text")
    if len(value) > MAX_ID_CHARS:
        raise ValueError(f"account_id: {len(value)} characters, at most {MAX_ID_CHARS} are accepted")
    return value


def _none(value: Any) -> Any:
    """None for what is as good as absent."""
    return None if value in ("", [], {}) else value


def _known(target: str) -> bool:
    return target in FIELDS or target == ACCOUNT_ID or (target.startswith(SEGMENT_PREFIX) and len(target) > len(SEGMENT_PREFIX))
