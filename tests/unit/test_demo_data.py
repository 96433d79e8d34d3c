"""The demo's year: the same for a seed, plausible, keyed so that order holds, and what the agents make of it is what the
recount expects."""

import json
from collections import Counter
from collections.abc import Callable
from itertools import islice
from random import Random
from typing import Any

import pytest

from agents.intake import Intake
from agents.rollups import Rollups
from agents.scoring import Scoring, ScoringSettings
from npstream.demo_accounts import COMMENTS, make_accounts
from npstream.demo_data import SEED, trickle, year_of_responses
from npstream.demo_expectation import Counts, differences, expected
from npstream.raw_record import RawRecord
from schemas import topics
from schemas.events import Response
from schemas.times import DAY_MS, day_of, parse_day, parse_time
from streams.test_driver import Sent, TestDriver

NOW = parse_day("2026-03-01") * DAY_MS + 13 * 3_600_000
TODAY = day_of(NOW)


@pytest.fixture(scope="module")
def year() -> list[RawRecord]:
    return year_of_responses(SEED, NOW)


@pytest.fixture(scope="module")
def canonical(year: list[RawRecord]) -> TestDriver:
    """The year after the intake."""
    driver = TestDriver([Intake()], now=NOW)
    for record in year:
        driver.pipe(topics.RAW, record.key, record.value, record.timestamp, record.headers)
    driver.run()
    return driver


def test_the_same_seed_and_end_give_the_same_bytes(year: list[RawRecord]) -> None:
    assert year == year_of_responses(SEED, NOW)
    assert year != year_of_responses(SEED + 1, NOW)


def test_the_year_is_as_large_and_as_mixed_as_it_should_be(year: list[RawRecord]) -> None:
    sources = Counter(dict(record.headers)["nps-source"] for record in year)
    assert 40_000 <= len(year) <= 60_000
    assert len({record.key for record in year}) == len(make_accounts(SEED)) == 200
    assert min(sources[b"canonical"], sources[b"delighted"], sources[b"typeform"]) > 5_000


def test_records_arrive_one_a_millisecond_and_end_now(year: list[RawRecord]) -> None:
    assert [record.timestamp for record in year] == list(range(NOW - len(year) + 1, NOW + 1))


def test_intake_accepts_all_but_the_rubbish(canonical: TestDriver, year: list[RawRecord]) -> None:
    responses = [json.loads(sent.value or b"") for sent in canonical.sent(topics.RESPONSES)]
    reasons = {dict(sent.headers)["nps-reason"] for sent in canonical.sent(topics.DEAD_LETTERS)}
    assert len(responses) + len(canonical.sent(topics.DEAD_LETTERS)) == len(year)
    assert reasons >= {b"bad score", b"not json", b"no account", b"unknown vendor", b"missing field"}
    assert {response.get("kind") for response in responses} == {None, "retraction"}
    fields = set(Response.__struct_fields__)
    assert all(response.keys() <= fields for response in responses if "kind" not in response)


def test_answers_fill_the_year_up_to_now(canonical: TestDriver) -> None:
    given = [
        parse_time(fields["responded_at"]) for fields in map(_fields, canonical.sent(topics.RESPONSES)) if "score" in fields
    ]
    standing = [moment for moment in given if moment <= NOW]
    assert len(given) - len(standing) < 20  # those that are to be refused for being in the future
    assert min(standing) > NOW - 366 * DAY_MS
    months = Counter((NOW - moment) // (30 * DAY_MS) for moment in standing)
    assert min(months[month] for month in range(12)) > 2_000


def test_what_arrives_last_was_given_last_but_for_a_few_latecomers(canonical: TestDriver) -> None:
    last = [fields for fields in map(_fields, canonical.sent(topics.RESPONSES)[-200:]) if "score" in fields]
    assert sum(parse_time(fields["responded_at"]) > NOW - 4 * DAY_MS for fields in last) > 180


def test_comments_fit_their_scores(canonical: TestDriver) -> None:
    friendly = {comment.partition("{")[0] for comment in COMMENTS["promoter"]} - {""}
    for fields in map(_fields, canonical.sent(topics.RESPONSES)):
        if fields.get("score", 10) <= 6:
            assert not any(fields.get("comment", "").startswith(words) for words in friendly)


def test_some_accounts_improve_and_some_fall(year: list[RawRecord]) -> None:
    now, before = (expected(year, TODAY - back, (90,)).accounts for back in (0, 270))
    moved = [_nps(now[name]["90d"]["responses"]) - _nps(before[name]["90d"]["responses"]) for name in now if name in before]
    assert sum(change > 20 for change in moved) >= 20
    assert sum(change < -20 for change in moved) >= 20


def test_the_agents_come_to_what_the_recount_expects(year: list[RawRecord]) -> None:
    some = [record for record in year if record.key is not None and record.key < b"c"]
    expectation = expected(some, TODAY)
    scoring = Scoring(ScoringSettings(alert_max_age_days=None))  # as the demo has it
    driver = TestDriver([Intake(), scoring, Rollups()], now=NOW, partitions=3)
    for record in some:
        driver.pipe(topics.RAW, record.key, record.value, record.timestamp, record.headers)
    driver.run()
    driver.advance(0)
    found = differences(
        expectation,
        _table(driver, topics.ACCOUNT_ROLLUPS),
        _table(driver, topics.SEGMENT_ROLLUPS),
        len(driver.sent(topics.DETRACTORS)),
        len(driver.sent(topics.DEAD_LETTERS)),
    )
    assert found == []
    assert expectation.detractor_events > 1_000
    assert expectation.dead_letters > 5


def test_differences_are_found_and_named(year: list[RawRecord]) -> None:
    some = [record for record in year if record.key == b"alder-bank"]
    expectation = expected(some, TODAY)
    table = expectation.accounts["alder-bank"]
    rollup = {
        "windows": {w: {way: dict(zip(Counts._fields, c, strict=True)) for way, c in ways.items()} for w, ways in table.items()}
    }
    rollup["windows"]["90d"]["responses"]["promoters"] += 1
    found = differences(expectation, {"alder-bank": rollup, "nobody": {}}, {}, 0, 0)
    assert found[0] == "account nobody: a rollup that nothing was sent for"
    assert found[1].startswith("account alder-bank, responses in 90d: ")
    assert any(line.startswith("0 detractor events, expected ") for line in found)
    assert any(line.startswith("segment plan=") for line in found)
    assert differences(expectation, {}, {}, 0, expectation.dead_letters + 1)[-1].endswith(
        f"{expectation.dead_letters + 1} dead letters, expected {expectation.dead_letters}"
    )


@pytest.mark.parametrize(
    ("value", "counted"),
    [
        ({}, 1),
        ({"score": 11}, 0),
        ({"score": True}, 0),
        ({"responded_at": "2026-02-30T09:30:00.000Z"}, 0),
        ({"responded_at": "2026-03-03T09:30:00.000Z"}, 0),
        ({"responded_at": "2025-03-01T09:30:00.000Z"}, 0),
    ],
)
def test_what_the_recount_counts_in_a_year(value: dict[str, object], counted: int) -> None:
    fields = {
        "response_id": "r",
        "account_id": "acme",
        "score": 9,
        "responded_at": "2026-02-28T09:30:00.000Z",
        "updated_at": "2026-02-28T09:30:00.000Z",
        "segments": {"plan": "pro"},
    }
    record = RawRecord(b"acme", json.dumps({**fields, **value}).encode(), (("nps-source", b"canonical"),), NOW)
    expectation = expected([record], TODAY)
    assert (expectation.accounts.get("acme", {}).get("365d") is not None) == bool(counted)
    assert (expectation.segments.get("plan=pro", {}).get("365d") is not None) == bool(counted)


def test_the_trickle_is_given_now_and_never_ends() -> None:
    clock = _clock(NOW)
    driver = TestDriver([Intake()], now=NOW)
    for record in islice(trickle(Random(1), clock), 200):
        driver.pipe(topics.RAW, record.key, record.value, NOW, record.headers)
    driver.run()
    fields = [_fields(sent) for sent in driver.sent(topics.RESPONSES)]
    assert len({response["response_id"] for response in fields}) == 200
    assert all(NOW - 1000 <= parse_time(response["responded_at"]) <= NOW + 200 for response in fields)


def _clock(start: int) -> Callable[[], int]:
    ticks = iter(range(start, start + 10**6))
    return lambda: next(ticks)


def _fields(sent: Sent) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(sent.value or b"")
    return fields


def _table(driver: TestDriver, topic: str) -> dict[str, dict[str, object]]:
    return {key.decode(): json.loads(value) for key, value in driver.table(topic).items()}


def _nps(counts: Counts) -> float:
    return 100 * (counts.promoters - counts.detractors) / max(sum(counts), 1)
