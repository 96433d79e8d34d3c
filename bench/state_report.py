"""Shows what `bench.state` has measured, on the terminal and in a document."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.busy_accounts import Busy
from bench.sections import Table
from bench.state_measures import Built, Restored

MB = 1 << 20
KINDS_SHOWN = 7
"""Kinds of keys that have a column of their own in tables of changelog bytes."""


@dataclass(frozen=True)
class Size:
    """All that was measured of one size."""

    respondents: int
    tasks: int
    built: Built
    from_memory: Restored
    from_kafka: Restored | None

    @property
    def failures(self) -> list[str]:
        """What is not as it should be, a line each."""
        name = f"{self.respondents:,} respondents, tasks: {self.tasks}"
        found = [f"{name}: the recount has something else: {line}" for line in self.built.differences]
        restored = {"memory": self.from_memory, "Kafka": self.from_kafka}
        found += [
            f"{name}: the state restored from {source} is not the one that was kept"
            for source, one in restored.items()
            if one is not None and one.fingerprint != self.built.fingerprint
        ]
        return found

    def as_json(self) -> dict[str, Any]:
        """All figures; durations in s, sizes in bytes."""
        return asdict(self)


def tables(sizes: Sequence[Size], busy: Sequence[Busy]) -> list[Table]:
    """All of them."""
    if not sizes:
        return []
    return [_memory(sizes), _rates(sizes), _changelog(sizes), _busy(busy), _restores(sizes), _kinds(sizes[-1])]


def _name(size: Size) -> list[str]:
    return [f"{size.respondents:,}", str(size.tasks)]


def _memory(sizes: Sequence[Size]) -> Table:
    heads = (
        "Respondents",
        "tasks",
        "keys",
        "keys and values",
        "objects",
        "resident",
        "after a restore",
        "MB",
        "year made in s",
    )
    rows = [
        [
            *_name(size),
            f"{sum(kind.keys for kind in size.built.kinds.values()):,}",
            f"{size.built.stored / size.respondents:,.0f}",
            f"{sum(kind.memory for kind in size.built.kinds.values()) / size.respondents:,.0f}",
            f"{size.built.resident / size.respondents:,.0f}",
            f"{size.from_memory.resident / size.respondents:,.0f}",
            f"{size.built.resident / MB:,.0f}",
            f"{size.built.build_s:,.0f}",
        ]
        for size in sizes
    ]
    return Table("Memory, bytes a respondent", heads, rows, 0)


def _rates(sizes: Sequence[Size]) -> Table:
    loads = list(sizes[0].built.rates)
    first = sizes[0].built.rates
    heads = ("Respondents", "tasks", *(part for load in loads for part in (f"of {load}", "of the smallest")))
    rows = [
        [
            *_name(size),
            *(
                part
                for load in loads
                for part in (f"{size.built.rates[load]:,.0f}", f"{size.built.rates[load] / first[load]:.0%}")
            ),
        ]
        for size in sizes
    ]
    return Table("Responses for each second of processor time, by where they come from", heads, rows, 0)


def _changelog(sizes: Sequence[Size]) -> Table:
    kinds = _kinds_of([load.bytes for size in sizes for load in size.built.loads.values()])
    heads = ("Responses of", "Respondents", "tasks", "a batch", "in zstd, B each", "plain, B each", *kinds, "framing")
    rows = [
        [
            name,
            *_name(size),
            f"{load.responses / load.batches:,.0f}",
            f"{load.written / load.responses:.0f}",
            f"{load.each:.0f}",
            *_each(load.bytes, load.framing, kinds, load.responses),
        ]
        for name in sizes[0].built.loads
        for size in sizes
        for load in (size.built.loads[name],)
    ]
    return Table("Changelog bytes of a response, by kind", heads, rows)


def _busy(busy: Sequence[Busy]) -> Table:
    kinds = _kinds_of([one.bytes for one in busy])
    heads = ("Account", "a batch", "in zstd, B each", "plain, B each", *kinds, "framing", "state keys", "state bytes")
    rows = [
        [
            one.name,
            f"{one.responses / one.batches:,.0f}",
            f"{one.written / one.responses:.0f}",
            f"{one.each:.0f}",
            *_each(one.bytes, one.framing, kinds, one.responses),
            f"{one.keys:,}",
            f"{one.stored:,}",
        ]
        for one in busy
    ]
    return Table("Changelog bytes of a response of a busy account, by kind", heads, rows)


def _kinds_of(weights: Sequence[Mapping[str, int]]) -> list[str]:
    """The heaviest, in the order of their names."""
    totals: dict[str, int] = {}
    for weight in weights:
        for kind, size in weight.items():
            totals[kind] = totals.get(kind, 0) + size
    return sorted(sorted(totals, key=lambda kind: -totals[kind])[:KINDS_SHOWN])


def _each(weight: Mapping[str, int], framing: int, kinds: Sequence[str], responses: int) -> list[str]:
    return [*(f"{weight.get(kind, 0) / responses:.1f}" for kind in kinds), f"{framing / responses:.1f}"]


def _restores(sizes: Sequence[Size]) -> Table:
    heads = ("Respondents", "tasks", "records", "from memory, records/s", "s", "from Kafka, records/s", "s")
    rows = []
    for size in sizes:
        kafka = ("", "") if size.from_kafka is None else (f"{size.from_kafka.rate:,.0f}", f"{size.from_kafka.seconds:,.1f}")
        one = size.from_memory
        rows.append([*_name(size), f"{one.records:,}", f"{one.rate:,.0f}", f"{one.seconds:,.1f}", *kafka])
    return Table("Restore of the compacted changelog, tasks one after the other", heads, rows, 0)


def _kinds(size: Size) -> Table:
    heads = ("Key", "keys", "keys and values, B each", "memory, B each", "memory, B a respondent")
    rows = [
        [
            kind,
            f"{found.keys:,}",
            f"{found.bytes / found.keys:.0f}",
            f"{found.memory / found.keys:.0f}",
            f"{found.memory / size.respondents:.1f}",
        ]
        for kind, found in sorted(size.built.kinds.items(), key=lambda item: -item[1].memory)
    ]
    return Table(f"The state of {size.respondents:,} respondents, by kind of key", heads, rows)
