"""The rolling tables of any day, from scratch: read everything that came, keep what holds, count what lies in each window.

The order in which records came plays no part in it, unless a respondent was erased in between. Neither does the history's
length: a table looks back twice the longest window, which is less.
"""

from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import Any

from npstream.recount.erasures import Erasures, what_came
from npstream.recount.facts import Told
from npstream.recount.reading import Arrival, SourceRecord, format_day
from npstream.recount.statistics import window_stats
from npstream.recount.versions import what_holds

WINDOWS = (7, 30, 90, 365)

NO_ERASURES: Erasures = MappingProxyType({})

CATEGORIES = ("detractor", "passive", "promoter")

Tables = dict[bytes, dict[str, Any]]
"""Key and value of each row; a row of which all windows and those before them are empty is not there (a tombstone)."""

Spans = list[tuple[str, list[Arrival], list[Arrival]]]
"""Of each window: its name, what lies in it, what lies in the window before it."""


def account_tables(
    records: Iterable[SourceRecord],
    as_of: int,
    windows: Sequence[int] = WINDOWS,
    partitions: int | None = None,
    erasures: Erasures = NO_ERASURES,
) -> Tables:
    """Rows of nps.rollups.accounts as of a day (days since 1970-01-01). With `partitions`, records away from home count only
    once they have come home."""
    rows: Tables = {}
    for account_id, responses in held_responses(records, partitions, erasures).items():
        tables = {}
        anything = False
        for name, now, before in spans(responses, as_of, windows):
            tables[name] = {
                "responses": window_stats(count(now), count(before)),
                "respondents": window_stats(count(latest_of_each(now)), count(latest_of_each(before))),
            }
            anything = anything or bool(now or before)
        if anything:
            rows[account_id.encode()] = {"account_id": account_id, "as_of": format_day(as_of), "windows": tables}
    return rows


def segment_tables(
    records: Iterable[SourceRecord],
    as_of: int,
    windows: Sequence[int] = WINDOWS,
    partitions: int | None = None,
    erasures: Erasures = NO_ERASURES,
    told: Told | None = None,
) -> Tables:
    """Rows of nps.rollups.segments as of a day. A respondent counts in the segments of the latest response alone, whichever
    segments the earlier ones in the window had. `told` says which ones a response has from its account; without it none."""
    counted: dict[tuple[str, str], dict[tuple[str, str, str], list[int]]] = {}

    def add(window: str, kind: str, which: str, responses: Iterable[Arrival]) -> None:
        for response in responses:
            for pair in response.counted.items():
                counts = counted.setdefault(pair, {}).setdefault((window, kind, which), [0, 0, 0])
                counts[CATEGORIES.index(response.category)] += 1

    for responses in held_responses(records, partitions, erasures, told).values():
        for name, now, before in spans(responses, as_of, windows):
            add(name, "responses", "now", now)
            add(name, "responses", "before", before)
            add(name, "respondents", "now", latest_of_each(now))
            add(name, "respondents", "before", latest_of_each(before))

    rows: Tables = {}
    nothing = (0, 0, 0)
    for (dimension, value), counts in counted.items():
        tables = {
            f"{days}d": {
                kind: window_stats(
                    counts.get((f"{days}d", kind, "now"), nothing), counts.get((f"{days}d", kind, "before"), nothing)
                )
                for kind in ("responses", "respondents")
            }
            for days in windows
        }
        rows[f"{dimension}={value}".encode()] = {
            "dimension": dimension,
            "value": value,
            "as_of": format_day(as_of),
            "windows": tables,
        }
    return rows


def held_responses(
    records: Iterable[SourceRecord],
    partitions: int | None = None,
    erasures: Erasures = NO_ERASURES,
    told: Told | None = None,
) -> dict[str, list[Arrival]]:
    """Of each account the responses that hold, given all that came."""
    held = {}
    for account_id, own in what_came(records, partitions, erasures, told).items():
        responses = [what_holds(arrivals) for arrivals in own.values()]
        held[account_id] = [response for response in responses if not response.retraction]
    return held


def spans(responses: Sequence[Arrival], as_of: int, windows: Sequence[int]) -> Spans:
    """A window of N days ending on day D holds the days D-N+1 to D, the one before it the N days before those."""
    return [
        (
            f"{days}d",
            [response for response in responses if as_of - days < response.day <= as_of],
            [response for response in responses if as_of - 2 * days < response.day <= as_of - days],
        )
        for days in windows
    ]


def latest_of_each(responses: Iterable[Arrival]) -> list[Arrival]:
    """Each respondent's latest; anonymous responses have none."""
    latest: dict[str, Arrival] = {}
    for response in responses:
        respondent = response.respondent_id
        if respondent is not None and (respondent not in latest or latest[respondent].place < response.place):
            latest[respondent] = response
    return list(latest.values())


def count(responses: Iterable[Arrival]) -> list[int]:
    """Detractors, passives, promoters."""
    counts = [0, 0, 0]
    for response in responses:
        counts[CATEGORIES.index(response.category)] += 1
    return counts
