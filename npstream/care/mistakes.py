"""Says what is wrong with a table of the care file: the place as its author wrote it, and words that are none of Python's.

msgspec names the place (`$.due_h[...].resolution`) and the mistake ("expected `array`, got `str`"); it does not name the key of
a table whose keys are free, nor which keys there are. Both follow from the declared type.
"""

import re
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Final, Literal, NamedTuple, Union, get_args, get_origin

import msgspec
from msgspec import Struct

from npstream.settings_sources import nearest

_STEP: Final = re.compile(r"\.(?P<field>\w+)|\[(?P<number>\d+)\]|(?P<key>\[\.\.\.\])")
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(.*)`")
_CHOICE: Final = re.compile(r"Invalid enum value (.*)", re.DOTALL)
_KIND: Final = re.compile(r"`([a-z0-9| ]+)`")

WORDS: Final = {
    "array": "a list",
    "object": "a table",
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "date": "a date",
    "datetime": "a date with a time",
}
"""What TOML's kinds are called, by msgspec's names."""


class Mistake(NamedTuple):
    """What is wrong, and where: `.due_h.critical`, or empty for the table itself."""

    where: str
    what: str


def mistake(error: msgspec.ValidationError, kind: Any, table: Any) -> Mistake:
    """The mistake that kept `table` from being a `kind`."""
    what, _, path = str(error).partition(" - at ")
    where, there = _place(path.strip("`").removeprefix("$"), kind, table)
    if unknown := _UNKNOWN.fullmatch(what):
        known = list(_fields(there))
        close = nearest(unknown[1], known)
        keys = close if "mean" in close else f"; there are {', '.join(known)}"
        return Mistake(where, f"there is no key {unknown[1][:60]!r} here{keys}")
    if missing := _MISSING.fullmatch(what):
        return Mistake(where, f"{missing[1]} is missing")
    if choice := _CHOICE.fullmatch(what):
        words = [str(word) for word in _choices(there)]
        return Mistake(
            where, f"{choice[1][:60]} is none of {', '.join(words)}" if words else f"{choice[1][:60]} is not allowed"
        )
    if "RFC3339 encoded date" in what:
        return Mistake(where, "this is no date: write 2026-12-24, without quotes")
    told = _KIND.sub(lambda found: " or ".join(WORDS.get(name, name) for name in found[1].split(" | ")), what)
    return Mistake(where, told[:1].lower() + told[1:])


def _place(path: str, kind: Any, table: Any) -> tuple[str, Any]:
    """The place as it is written in the file, and the type of what must be there."""
    where = ""
    for step in _STEP.finditer(path):
        kind = _plain(kind, table)
        if step["field"] is not None:
            kind = _fields(kind).get(step["field"], Any)
            table = table.get(step["field"]) if isinstance(table, dict) else None
            where += f".{step['field']}"
        elif step["number"] is not None:
            kind = (get_args(kind) or (Any,))[0]
            table = table[int(step["number"])] if isinstance(table, list) else None
            where += step[0]
        else:
            kind = (get_args(kind) or (Any, Any))[-1]
            key = next(_wrong(table, kind), None)
            table = table[key] if key is not None else None
            where += step[0] if key is None else f".{key}"
    return where, _plain(kind, table)


def _wrong(table: Any, kind: Any) -> Iterator[str]:
    """The keys whose values are not of a kind."""
    for key, value in table.items() if isinstance(table, dict) else ():
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError:
            yield key


def _plain(kind: Any, value: Any) -> Any:
    """A type without its bounds; of a union the part that a value is most likely meant to be."""
    if get_origin(kind) is Annotated:
        return _plain(get_args(kind)[0], value)
    if get_origin(kind) not in (Union, UnionType):
        return kind
    parts = [_plain(part, value) for part in get_args(kind)]
    if isinstance(value, dict):
        tables = [part for part in parts if isinstance(part, type) and issubclass(part, Struct)]
        tagged = [part for part in tables if value.get("kind", "") == part.__struct_config__.tag]
        return (tagged or tables or parts)[0]
    lists = [part for part in parts if get_origin(part) in (list, tuple)]
    return (lists if isinstance(value, list) and lists else parts)[0]


def _fields(kind: Any) -> dict[str, Any]:
    """The keys of a table, as they are written, and their types."""
    if not (isinstance(kind, type) and issubclass(kind, Struct)):
        return {}
    return {field.encode_name: field.type for field in msgspec.structs.fields(kind)}


def _choices(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) is Literal else ()
