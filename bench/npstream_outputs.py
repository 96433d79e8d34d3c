"""Everything that a worker has written, held against the recount to the last field."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from bench import expected
from bench.checking import Comparison, compare_events, compare_rows
from bench.reading import Stored, last_values
from bench.stream import DIMENSION
from bench.truth import DETRACTOR, PROMOTER, Truth
from npstream.settings import Settings
from schemas import topics
from schemas.codec import loads
from schemas.times import format_day

Reading = Callable[[str], Iterable[Stored]]
"""Gives the committed records of a topic."""


def comparisons(settings: Settings, truth: Truth, read: Reading) -> Iterator[Comparison]:
    """Of every topic that the agents of these settings write to."""
    yield from _events(settings, truth, read)
    if "intake" in settings.agents:
        # Every payload is whole and names its account, and no CRM says anything.
        for topic in (topics.INCOMPLETE, topics.CONTACTS, topics.ACCOUNTS):
            yield compare_rows(topic, set(), last_values(read(topic)), lambda key, body: None)
    if "scoring" in settings.agents:
        yield _accounts(settings, truth, last_values(read(topics.ACCOUNT_ROLLUPS)))
        yield _cells(truth, last_values(read(topics.CELLS)))
        # Nobody is erased, and nothing is known of accounts.
        for topic in (topics.ERASURES, topics.ACCOUNTS):
            yield compare_rows(topic, set(), last_values(read(topic)), lambda key, body: None)
    if "rollups" in settings.agents:
        yield _segments(settings, truth, last_values(read(topics.SEGMENT_ROLLUPS)))


def _events(settings: Settings, truth: Truth, read: Reading) -> Iterator[Comparison]:
    outcomes = truth.outcomes
    wanted: dict[str, tuple[set[str], Callable[[dict[str, Any]], Any]]] = {topics.DEAD_LETTERS: (set(), lambda body: None)}
    if "intake" in settings.agents:
        wanted[topics.RESPONSES] = (set(outcomes), lambda body: expected.canonical(outcomes[body["response_id"]]))
    if "scoring" in settings.agents:
        wanted |= {
            # On which day a response was scored only the worker knows.
            topics.SCORED: (
                set(outcomes),
                lambda body: expected.scored(outcomes[body["response_id"]], body.get("as_of", "")),
            ),
            topics.CHANGES: (truth.changing(), lambda body: expected.change(outcomes[body["response_id"]])),
            topics.DETRACTORS: (
                truth.with_category(DETRACTOR),
                lambda body: expected.detractor(outcomes[body["response_id"]]),
            ),
            topics.PROMOTERS: (truth.with_category(PROMOTER), lambda body: expected.promoter(outcomes[body["response_id"]])),
        }
    for topic, (ids, body_of) in wanted.items():
        yield compare_events(topic, ids, ((r.key, r.value) for r in read(topic)), body_of)


def _accounts(settings: Settings, truth: Truth, rows: Mapping[bytes, bytes]) -> Comparison:
    def row(key: bytes, body: Any) -> Any:
        name = key.decode()
        return expected.account_row(name, truth.accounts[name], body["as_of"], settings.windows_days)

    keys = {name.encode() for name in truth.accounts}
    return compare_rows(topics.ACCOUNT_ROLLUPS, keys, rows, row)


def _segments(settings: Settings, truth: Truth, rows: Mapping[bytes, bytes]) -> Comparison:
    def row(key: bytes, body: Any) -> Any:
        name = key.decode().removeprefix(f"{DIMENSION}=")
        return expected.segment_row(name, truth.segments[name], body["as_of"], settings.windows_days)

    keys = {f"{DIMENSION}={name}".encode() for name in truth.segments}
    return compare_rows(topics.SEGMENT_ROLLUPS, keys, rows, row)


def _cells(truth: Truth, cells: Mapping[bytes, bytes]) -> Comparison:
    """The days of all segments: cells of all source partitions added up, as promoters, passives, detractors."""
    wanted = {
        f"{DIMENSION}={name}|{format_day(day)}".encode(): counts[::-1]
        for name, tally in truth.segments.items()
        for day, counts in tally.days.items()
    }
    sums: dict[bytes, list[int]] = {}
    for key, value in cells.items():
        _, _, cell = key.split(b"|", 2)
        counts = loads(value).get("responses")
        if counts is not None:
            sums[cell] = [one + more for one, more in zip(sums.get(cell, [0, 0, 0]), counts, strict=True)]
    found = {cell: b"[%d,%d,%d]" % tuple(counts) for cell, counts in sums.items()}
    return compare_rows(topics.CELLS, set(wanted), found, lambda key, _: wanted[key])
