"""What an event must hold, and how it is compared with what was sent.

A field is compared by value and type, so that true is not 1 and -0.0 is not 0.0. `ABSENT` says that it must not be there,
`AnyOf` lists what the contract leaves open. An optional event is one that the contract neither asks for nor forbids.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


class SentRecord(Protocol):
    """A record of an output topic. Timestamp in ms, UTC."""

    @property
    def partition(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


class _Absent:
    def __repr__(self) -> str:
        return "no such field"


ABSENT = _Absent()


class AnyOf(tuple[Any, ...]):
    """Any of these values."""


def any_of(*values: Any) -> AnyOf:
    return AnyOf(values)


@dataclass(frozen=True, slots=True)
class Expected:
    """One event. Fields that are not named are not compared."""

    key: bytes
    timestamp: int
    fields: Mapping[str, Any] = field(default_factory=dict)
    optional: bool = False

    def fits(self, record: SentRecord) -> bool:
        return not self.objections(record)

    def objections(self, record: SentRecord) -> list[str]:
        """Why the record is not this event."""
        found = []
        if record.key != self.key:
            found.append(f"key {record.key!r}, not {self.key!r}")
        if record.timestamp != self.timestamp:
            found.append(f"timestamp {record.timestamp}, not {self.timestamp}")
        body = json.loads(record.value or b"null")
        if not isinstance(body, dict):
            return [*found, f"value {record.value!r}"]
        for name, wanted in self.fields.items():
            given = body.get(name, ABSENT)
            if not same(wanted, given):
                found.append(f"{name} is {given!r}, not {wanted!r}")
        return found


@dataclass(frozen=True, slots=True)
class Cause:
    """A source record and the events that it brings to one topic, in any order."""

    offset: int
    events: Sequence[Expected]


def same(wanted: Any, given: Any) -> bool:
    """Equal in value and in type, at every depth; an int may stand for a whole float."""
    if isinstance(wanted, AnyOf):
        return any(same(one, given) for one in wanted)
    if isinstance(wanted, Mapping) and isinstance(given, Mapping):
        return wanted.keys() == given.keys() and all(same(wanted[name], given[name]) for name in wanted)
    if isinstance(wanted, bool) or isinstance(given, bool):
        return wanted is given
    if isinstance(wanted, int | float) and isinstance(given, int | float):
        return wanted == given and math.copysign(1, wanted) == math.copysign(1, given)
    return type(wanted) is type(given) and wanted == given


def stream_differences(causes: Mapping[int, Sequence[Cause]], sent: Iterable[SentRecord], most: int = 5) -> list[str]:
    """Compare one topic with what is expected of it, partition by partition, in order; up to `most` lines, none if all fits."""
    by_partition: dict[int, list[SentRecord]] = {partition: [] for partition in causes}
    for record in sent:
        by_partition.setdefault(record.partition, []).append(record)
    found: list[str] = []
    for partition, records in sorted(by_partition.items()):
        found += sequence_differences(f"partition {partition}", causes.get(partition, []), records)
    return found[:most]


def sequence_differences(
    where: str, causes: Sequence[Cause], records: Sequence[SentRecord], settled: float = math.inf
) -> list[str]:
    """Compare records in their order with what their causes bring. What the causes from the offset `settled` on bring may be
    missing at the end, since it may not be there yet."""
    at = 0
    for cause in causes:
        waiting = sorted(cause.events, key=lambda event: event.optional)
        while at < len(records):
            fitting = next((event for event in waiting if event.fits(records[at])), None)
            if fitting is None:
                break
            waiting.remove(fitting)
            at += 1
        missing = [event for event in waiting if not event.optional]
        if missing:
            place = f"{where}, for the source record at offset {cause.offset}"
            if at == len(records):
                return [f"{place}: missing at the end: {dict(missing[0].fields)}"] if cause.offset < settled else []
            why = "; ".join(missing[0].objections(records[at]))
            return [f"{place}: expected {dict(missing[0].fields)}, found {records[at].value!r}: {why}"]
    if at < len(records):
        return [f"{where}: nothing brings {records[at].value!r} (timestamp {records[at].timestamp})"]
    return []


def table_differences(wanted: Mapping[bytes, Mapping[str, Any]], given: Mapping[bytes, bytes], most: int = 5) -> list[str]:
    """Compare a compacted topic's last values with the rows expected; up to `most` lines, none if all fits."""
    found = [f"{key!r}: no such row expected: {given[key]!r}" for key in given.keys() - wanted.keys()]
    found += [f"{key!r}: missing, expected {dict(wanted[key])}" for key in wanted.keys() - given.keys()]
    for key in sorted(wanted.keys() & given.keys()):
        found += [f"{key!r}: {line}" for line in _value_differences("", wanted[key], json.loads(given[key]))]
    return found[:most]


def _value_differences(path: str, wanted: Any, given: Any) -> list[str]:
    if not (isinstance(wanted, Mapping) and isinstance(given, Mapping)):
        return [] if same(wanted, given) else [f"{path} is {given!r}, not {wanted!r}"]
    found = []
    for name in sorted(wanted.keys() | given.keys()):
        found += _value_differences(f"{path}.{name}", wanted.get(name, ABSENT), given.get(name, ABSENT))
    return found
