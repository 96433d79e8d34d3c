"""Holds what a run wrote against the recount: a figure counts only if nothing differs."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.codec import loads

SHOWN = 300
"""Characters of a record that a difference shows."""


@dataclass
class Comparison:
    """How one topic compares."""

    topic: str
    expected: int
    found: int = 0
    missing: int = 0
    repeated: int = 0
    wrong: int = 0
    """Not expected at all, of another key, or with other fields."""
    example: str = ""
    """The first wrong one."""

    @property
    def equal(self) -> bool:
        """Whether it is as expected, to the last field."""
        return not (self.missing or self.repeated or self.wrong) and self.found == self.expected

    def __str__(self) -> str:
        text = f"{self.topic}: {self.found} of {self.expected}"
        text += "".join(f", {n} {what}" for what, n in self._faults().items() if n)
        return f"{text}; the first: {self.example}" if self.example else text

    def _faults(self) -> Mapping[str, int]:
        return {"missing": self.missing, "repeated": self.repeated, "wrong": self.wrong}


@dataclass
class Checked:
    """All comparisons of one run."""

    comparisons: list[Comparison] = field(default_factory=list)

    @property
    def failures(self) -> list[str]:
        """A line for each topic that differs."""
        return [str(comparison) for comparison in self.comparisons if not comparison.equal]

    @property
    def records(self) -> dict[str, int]:
        """How many records (rows of a table) each topic has."""
        return {comparison.topic: comparison.found for comparison in self.comparisons}


def compare_events(
    topic: str, ids: set[str], records: Iterable[tuple[bytes | None, bytes | None]], wanted: Callable[[dict[str, Any]], Any]
) -> Comparison:
    """Each record by the response that it tells of: exactly one for each id, keyed by the account, with the body that
    `wanted` gives for what was found."""
    comparison = Comparison(topic, len(ids))
    left, seen = set(ids), set()
    for key, value in records:
        comparison.found += 1
        try:
            body = loads(value or b"null")
        except ValueError as error:
            _wrong(comparison, f"{value!r:.{SHOWN}} is no JSON: {error}")
            continue
        name = body.get("response_id") if isinstance(body, dict) else None
        if name in seen:
            comparison.repeated += 1
            continue
        seen.add(name)
        if name not in left:
            _wrong(comparison, f"{value!r:.{SHOWN}} is not expected")
            continue
        left.discard(name)
        expected = wanted(body)
        if body != expected:
            _wrong(comparison, f"{differing(expected, body)} in {value!r:.{SHOWN}}")
        elif (key or b"").decode().strip('"') != body["account_id"]:
            _wrong(comparison, f"key {key!r} of {value!r:.{SHOWN}}")
    comparison.missing = len(left)
    return comparison


def compare_rows(topic: str, keys: set[bytes], rows: Mapping[bytes, bytes], wanted: Callable[[bytes, Any], Any]) -> Comparison:
    """Each row of a table: exactly those of the keys, each with the value that `wanted` gives for what was found."""
    comparison = Comparison(topic, len(keys), found=len(rows), missing=len(keys - rows.keys()))
    for key, value in rows.items():
        body = loads(value)
        if key not in keys:
            _wrong(comparison, f"row {key!r} is not expected")
        elif body != (expected := wanted(key, body)):
            _wrong(comparison, f"row {key!r}: {differing(expected, body)}")
    return comparison


def compare_values(topic: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Comparison:
    """A table that was read already."""
    comparison = Comparison(topic, len(wanted), found=len(found), missing=len(wanted.keys() - found.keys()))
    for key, value in found.items():
        if key not in wanted:
            _wrong(comparison, f"row {key!r} is not expected")
        elif value != wanted[key]:
            _wrong(comparison, f"row {key!r}: {differing(wanted[key], value)}")
    return comparison


def differing(expected: Any, found: Any, path: str = "") -> str:
    """Where two JSON values differ first."""
    if not (isinstance(expected, dict) and isinstance(found, dict)):
        return f"{path or 'value'} is {found!r}, not {expected!r}"
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            return differing(expected.get(name), found.get(name), f"{path}.{name}".lstrip("."))
    return "nothing differs"


def _wrong(comparison: Comparison, example: str) -> None:
    comparison.wrong += 1
    comparison.example = comparison.example or example
