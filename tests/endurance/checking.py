"""Nothing lost and nothing doubled, for millions: every number in every topic, and every table against what was sent.

`npstream verify` recounts everything and needs some 10 KB a response; this knows what was sent, and needs some bytes.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Final

from bench.reading import Stored, last_values
from schemas import topics
from schemas.codec import loads
from schemas.times import parse_day
from tests.endurance.delivered import Delivered
from tests.endurance.numbered import CATEGORIES, Counts, Numbered, Totals
from tests.endurance.population import Population

MOST: Final = 10
"""Differences that are said of one topic: the first tells what is wrong."""
KINDS: Final = ("responses", "respondents")

Read = Callable[[str], Iterable[Stored]]
"""All committed records of a topic."""
Wanted = Callable[[Numbered, int], bool]
EVENTS: Final[Mapping[str, Wanted]] = {
    topics.SCORED: lambda stream, number: True,
    topics.CHANGES: lambda stream, number: stream.changes(number),
    topics.DETRACTORS: lambda stream, number: stream.category(number) == "detractor",
    topics.PROMOTERS: lambda stream, number: stream.category(number) == "promoter",
}
"""Which numbers each topic must hold, once each: respondents answer in order, so every response is its respondent's present."""
TABLES: Final = {topics.ACCOUNT_ROLLUPS: "accounts", topics.SEGMENT_ROLLUPS: "segments"}


def differences(read: Read, sent: Mapping[Numbered, int]) -> dict[str, list[str]]:
    """By topic what is not as it should be, when the first so many of each stream were sent and all is processed."""
    found = {topic: list(_events(read, topic, sent, wanted))[:MOST] for topic, wanted in EVENTS.items()}
    totals = Totals()
    for stream, count in sent.items():
        totals += stream.totals(count)
    found |= tables(read, lambda days, as_of: totals)
    letters = sum(1 for _ in read(topics.DEAD_LETTERS))
    found[topics.DEAD_LETTERS] = [f"{letters:,} dead letters, and all records were good"] if letters else []
    return found


def _events(read: Read, topic: str, sent: Mapping[Numbered, int], wanted: Wanted) -> Iterator[str]:
    delivered = {stream.prefix: (stream, Delivered(count)) for stream, count in sent.items()}
    wrong: Counter[str] = Counter()
    for record in read(topic):
        event = loads(record.value or b"null")
        response_id = event["response_id"]
        stream, came = delivered[response_id.rstrip("0123456789")]
        number = stream.number(response_id)
        if number is None:
            wrong["an id that was not sent"] += 1
            continue
        came.mark(number)
        if event["account_id"] != stream.account(number):
            wrong["another account than was sent"] += 1
        if topic == topics.SCORED and (event["category"], event["change"]) != (stream.category(number), "new"):
            wrong[f"{event['change']} {event['category']} instead of new {stream.category(number)}"] += 1
    for stream, came in delivered.values():
        yield from (f"{stream.prefix}: {problem}" for problem in came.problems(lambda number, s=stream: wanted(s, number)))
    yield from (f"{count:,} times {what}" for what, count in wrong.items())


def population_differences(read: Read, source: Population, count: int) -> dict[str, list[str]]:
    """By topic what is not as it should be, when so many records were sent and all is processed."""
    delivered, retracted = Delivered(count), Counter[int]()
    for record in read(topics.SCORED):
        event = loads(record.value or b"null")
        if event["change"] == "retraction":
            retracted[int(event["response_id"][1:])] += 1
        else:
            delivered.mark(int(event["comment"]))
    wrong = list(delivered.problems(lambda number: bool(source.changing[number])))
    wrong += _retractions(source.retracted, retracted)
    letters = sum(1 for _ in read(topics.DEAD_LETTERS))
    return {
        topics.SCORED: wrong,
        topics.DEAD_LETTERS: [] if letters == source.bad else [f"{letters:,} dead letters, not {source.bad:,}"],
        **tables(read, source.totals),
    }


def _retractions(sent: Mapping[int, int], came: Mapping[int, int]) -> list[str]:
    wrong = [response for response in sent.keys() | came.keys() if sent.get(response) != came.get(response)]
    return [f"{len(wrong):,} responses were retracted more or less often than was sent: r{min(wrong)}"] if wrong else []


def tables(read: Read, wanted: Callable[[int, int], Totals]) -> dict[str, list[str]]:
    """By topic what is wrong in the tables; `wanted` is asked for each window, by its days and its last UTC day."""
    wanted = cache(wanted)
    found = {}
    for topic, name in TABLES.items():
        rows = last_values(read(topic))
        found[topic] = list(table_differences(rows, lambda days, as_of, name=name: getattr(wanted(days, as_of), name)))[:MOST]
    return found


def table_differences(rows: Mapping[bytes, bytes], wanted: Callable[[int, int], Counts]) -> Iterator[str]:
    """The tables of a topic against what they must count."""
    for key, value in rows.items():
        who, table = key.decode(), loads(value)
        for window, kinds in table["windows"].items():
            counts = wanted(int(window.removesuffix("d")), parse_day(table["as_of"]))
            for kind in KINDS:
                counted = [kinds[kind][f"{name}s"] for name in CATEGORIES]
                if counted != (right := [counts[who, kind, name] for name in CATEGORIES]):
                    yield f"{who}, {window}, {kind}: {counted} as (promoters, passives, detractors), not {right}"
            missing = {name for name, _, _ in counts} - {name.decode() for name in rows}
            if missing:
                yield f"{len(missing)} tables are missing, that of {min(missing)} for one"
                return
