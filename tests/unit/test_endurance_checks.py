"""The endurance runs' checks: what the agents make of the streams passes, what is lost, doubled or miscounted does not."""

from collections.abc import Callable

import pytest

from agents.intake import Intake
from agents.rollups import Rollups
from agents.scoring import Scoring
from bench.reading import Stored
from schemas import topics
from schemas.times import format_time
from streams.test_driver import TestDriver
from tests.endurance.checking import differences, population_differences
from tests.endurance.numbered import Numbered
from tests.endurance.population import BAD, Population
from tests.endurance.sending import Source

NOW_MS = 1_772_000_000_000
PARTITIONS = 2
COUNT = 2_300
"""Twelve laps and a part of one, so that respondents have answered fully, in part, and not yet."""
RECORDS = 3_000

Records = dict[str, list[Stored]]


def written(source: Source, count: int) -> Records:
    """What the agents make of the first records, by topic."""
    driver = TestDriver([Intake(), Scoring(), Rollups()], now=NOW_MS, partitions=PARTITIONS)
    for number in range(count):
        key, value = source.record(number, format_time(NOW_MS + number).encode())
        driver.pipe(topics.RAW, key, value, NOW_MS + number)
    driver.run()
    return {topic.name: [Stored(r.partition, r.key, r.value) for r in driver.sent(topic.name)] for topic in topics.TOPICS}


@pytest.fixture(scope="module")
def numbered() -> tuple[Numbered, Records]:
    source = Numbered("r", ["acme", "globex", "initech"], places=190, answers=5)
    return source, written(source, COUNT)


@pytest.fixture(scope="module")
def population() -> tuple[Population, Records]:
    source = Population(seed=3, responses=240, accounts=5)
    return source, written(source, RECORDS)


def wrong(found: dict[str, list[str]]) -> list[str]:
    return [topic for topic, texts in found.items() if texts]


def lose_one(records: list[Stored]) -> list[Stored]:
    return records[:-1]


def double_one(records: list[Stored]) -> list[Stored]:
    return [*records, records[0]]


def swap_accounts(records: list[Stored]) -> list[Stored]:
    return [record._replace(value=(record.value or b"").replace(b"acme", b"globex")) for record in records]


def test_what_the_agents_make_of_numbered_responses_follows_from_their_number(numbered: tuple[Numbered, Records]) -> None:
    source, records = numbered
    found = differences(records.__getitem__, {source: COUNT})
    assert wrong(found) == []
    assert set(found) == {
        topics.SCORED,
        topics.CHANGES,
        topics.DETRACTORS,
        topics.PROMOTERS,
        topics.ACCOUNT_ROLLUPS,
        topics.SEGMENT_ROLLUPS,
        topics.DEAD_LETTERS,
    }
    assert len(records[topics.CHANGES]) > 100


@pytest.mark.parametrize("topic", [topics.SCORED, topics.CHANGES, topics.DETRACTORS, topics.PROMOTERS])
@pytest.mark.parametrize("spoil", [lose_one, double_one, swap_accounts])
def test_a_spoiled_topic_is_noticed(
    numbered: tuple[Numbered, Records], topic: str, spoil: Callable[[list[Stored]], list[Stored]]
) -> None:
    source, records = numbered
    assert wrong(differences((records | {topic: spoil(records[topic])}).__getitem__, {source: COUNT})) == [topic]


@pytest.mark.parametrize("sent", [COUNT - 1, COUNT + 1])
def test_a_response_more_or_less_is_noticed_in_events_and_tables(numbered: tuple[Numbered, Records], sent: int) -> None:
    source, records = numbered
    assert {topics.SCORED, topics.ACCOUNT_ROLLUPS, topics.SEGMENT_ROLLUPS} <= set(
        wrong(differences(records.__getitem__, {source: sent}))
    )


@pytest.mark.parametrize("topic", [topics.ACCOUNT_ROLLUPS, topics.SEGMENT_ROLLUPS])
def test_a_table_that_counts_one_more_or_is_missing_is_noticed(numbered: tuple[Numbered, Records], topic: str) -> None:
    source, records = numbered
    last = records[topic][-1]
    more = last._replace(value=(last.value or b"").replace(b'"promoters":', b'"promoters":1', 1))
    without = [record for record in records[topic] if record.key != last.key]
    for spoiled in ([*records[topic], more], without):
        assert wrong(differences((records | {topic: spoiled}).__getitem__, {source: COUNT})) == [topic]


def test_a_dead_letter_is_noticed_where_all_records_were_good(numbered: tuple[Numbered, Records]) -> None:
    source, records = numbered
    spoiled = records | {topics.DEAD_LETTERS: [Stored(0, None, b"x")]}
    assert wrong(differences(spoiled.__getitem__, {source: COUNT})) == [topics.DEAD_LETTERS]


def test_what_the_agents_make_of_a_population_is_how_it_stands(population: tuple[Population, Records]) -> None:
    source, records = population
    found = population_differences(records.__getitem__, source, RECORDS)
    assert wrong(found) == []
    assert source.retracted.total() > 50
    assert 0 < source.bad < 2 * BAD * RECORDS
    assert any(b'"change":"expired"' in (record.value or b"") for record in records[topics.SCORED])


@pytest.mark.parametrize("change", [b'"change":"retraction"', b'"change":"correction"'])
def test_a_lost_or_doubled_record_of_a_population_is_noticed(population: tuple[Population, Records], change: bytes) -> None:
    source, records = population
    scored = records[topics.SCORED]
    place = next(index for index, record in enumerate(scored) if change in (record.value or b""))
    for spoiled in ([*scored[:place], *scored[place + 1 :]], [*scored, scored[place]]):
        assert wrong(population_differences((records | {topics.SCORED: spoiled}).__getitem__, source, RECORDS)) == [
            topics.SCORED
        ]


def test_the_state_of_a_population_comes_to_a_size() -> None:
    driver = TestDriver([Scoring()], now=NOW_MS)
    source, sizes = Population(seed=3, responses=240, accounts=5), []
    for number in range(RECORDS * 2):
        key, value = source.record(number, format_time(NOW_MS + number).encode())
        driver.pipe(topics.RESPONSES, key, value, NOW_MS + number)
        if number % RECORDS == RECORDS - 1:
            driver.run()
            sizes.append(len(driver.state("scoring")))
    assert sizes[1] <= sizes[0]
