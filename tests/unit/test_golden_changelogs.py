"""State that a version has written down: the changelogs of each are kept as files, and go on as if they had never been away.

An agent that writes its state in another way than before shows here first: raise its version, write its `upgrade`, and let
UPDATE_GOLDEN=1 write the file of the new version. Those of the old ones stay.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from agents import incarnations, keys, sources
from agents.cells import write_key, write_responses
from agents.intake import Intake
from agents.rollups import TICKS, Rollups
from agents.scoring import Scoring, ScoringSettings
from agents.windows import WINDOWS_KEY
from schemas import topics
from schemas.times import format_time
from streams.changelog import POSITION, SEPARATOR, Position, state_prefix
from streams.processor import DAY_MS, Processor, partition_of
from streams.state_version import StateVersion
from streams.test_driver import TestDriver
from tests.golden_files import FOLDER, check_golden
from tests.payloads import raw

START = 1_772_357_400_000
"""2026-03-01T09:30:00.000Z."""
PARTITIONS = 2
SEGMENT = b"plan=pro"
AGENTS: dict[str, Callable[[], Processor]] = {
    "intake": Intake,
    "scoring": lambda: Scoring(ScoringSettings(alert_max_age_days=None)),  # what it is fed is old, and all of it has to be kept
    "rollups": Rollups,
}
KINDS = {
    "intake": set(),
    "scoring": {
        keys.ACCOUNT, keys.ACCOUNT_DAYS, keys.SEGMENT, keys.SEGMENT_DAYS, keys.RESPONSE, keys.RESPONDENT, keys.RESPONDENT_PART,
        keys.TICKS, keys.FACTS, WINDOWS_KEY,
    },
    "rollups": {
        sources.HEAD, sources.DAYS, sources.MEMBERS, sources.SOURCE, sources.SOURCE_DAYS, incarnations.INCARNATION,
        incarnations.CHANGES, sources.GAUGED, TICKS, WINDOWS_KEY,
    },
}  # fmt: skip
"""What each agent keeps, by the first byte of its keys."""


def said(number: int, score: int, days_ago: int, respondent: str = "u-1", account: str = "acme", **more: Any) -> bytes:
    body = {"response_id": f"r-{number}", "account_id": account, "respondent_id": respondent, "score": score}
    responded_at = format_time(START - days_ago * DAY_MS - 1000)
    return json.dumps({**body, "responded_at": responded_at, "segments": {"plan": "pro"}, **more}).encode()


def taken_back(number: int, account: str = "acme") -> bytes:
    body = {"kind": "retraction", "response_id": f"r-{number}", "account_id": account, "updated_at": format_time(START)}
    return json.dumps(body).encode()


BEFORE = [
    *(said(number, number % 11, 44 - 2 * number) for number in range(22)),
    said(50, 9, 3, "u-2", segments={"plan": "smb", "region": "emea"}, comment="Fine."),
    said(51, 2, 1, "u-3", "globex", comment="Slow."),
    said(52, 8, 90, "u-4", "initech"),
    said(51, 4, 1, "u-3", "globex", updated_at=format_time(START)),
    taken_back(7),
    taken_back(99),
    raw("typeform"),
    raw("delighted_created"),
    b"no json",
]
"""Long and short histories, corrections, retractions (of one that has not come yet, too), vendors, a dead letter."""
AFTER = [
    said(51, 4, 1, "u-3", "globex", updated_at=format_time(START)),
    said(50, 1, 3, "u-2", segments={"plan": "pro"}, updated_at=format_time(START + 1)),
    said(3, 0, 38, updated_at=format_time(START + 1)),
    said(99, 10, 2),
    said(60, 10, 0),
    said(61, 3, 20, comment="Late."),
    said(62, 6, 0, "u-4", "initech"),
    taken_back(20),
    said(63, 9, 0, "u-5", "globex", segments={}),
]
"""A duplicate, corrections of what was counted, one that was taken back before it came, a late one, a retraction; and one that
has its segments from the account."""
FACTS = {"name": "Globex", "tier": "gold", "segments": {"plan": "hidden by its own"}}
"""What is known of an account: its responses name the dimension themselves, so that cells are as they always were."""
BEFORE_FACTS = ("scoring-1",)
"""Changelogs of a version that knew no facts."""


@pytest.fixture(autouse=True)
def same_incarnations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.test_driver.new_incarnation", lambda now_ms: f"{now_ms:013d}-00000000")


def feed(driver: TestDriver, values: list[bytes]) -> None:
    for number, value in enumerate(values):
        driver.now += 1
        driver.pipe(topics.RAW, b"any", value, partition=number % PARTITIONS)
    driver.run()


def before(facts: bool = True) -> TestDriver:
    """All agents, when they have just written down what the golden files hold: scoring was once started anew."""
    driver = TestDriver([make() for make in AGENTS.values()], now=START, partitions=PARTITIONS)
    cell = write_key(1, "0000000000000-00000000", SEGMENT.decode(), START // DAY_MS), write_responses([5, 0, 0])
    driver.pipe(topics.CELLS, *cell, partition=partition_of(SEGMENT, PARTITIONS))
    if facts:
        driver.pipe(topics.ACCOUNTS, b"globex", json.dumps(FACTS).encode())
    feed(driver, BEFORE[:20])
    driver.advance(DAY_MS)
    feed(driver, BEFORE[20:])
    return driver


def after(driver: TestDriver) -> None:
    """What comes then: more responses, and days that pass."""
    feed(driver, AFTER)
    for days in (1, 30, 800):
        driver.advance(days * DAY_MS)


def shown(driver: TestDriver, agent: str) -> list[dict[str, str]]:
    """An agent's changelogs as JSON, by partition: keys as text, values in hexadecimal digits."""
    changelogs = (driver.changelog(agent, partition) for partition in range(PARTITIONS))
    return [{key.decode("latin-1"): log[key].hex() for key in sorted(log)} for log in changelogs]


def reopened(agent: str, golden: list[dict[str, str]], facts: bool) -> TestDriver:
    """All agents, none of which has seen anything: one has the golden changelogs, the others what they would have written."""
    original = before(facts)
    driver = TestDriver([make() for make in AGENTS.values()], now=START, partitions=PARTITIONS)
    driver.now = original.now
    for name in AGENTS:
        for partition in range(PARTITIONS):
            changelog = original.changelog(name, partition)
            if name == agent:
                changelog = {key.encode("latin-1"): bytes.fromhex(value) for key, value in golden[partition].items()}
            for key, value in changelog.items():
                if key.startswith(POSITION):
                    topic = key.partition(SEPARATOR)[2].decode()
                    for _ in range(Position.decode(value).next):  # whatever stood there: it is not read again
                        driver.pipe(topic, None, None, partition=partition)
            driver.restore(name, changelog, partition)
    return driver


def comparable(driver: TestDriver, since: dict[str, list[int]]) -> dict[str, Any]:
    """What was sent since the lengths given, by topic; and the state of all agents at the end."""
    found: dict[str, Any] = {}
    for topic in topics.BY_NAME:
        records = driver.sent(topic)
        found[topic] = [
            (r.partition, r.timestamp, r.key, r.value, r.headers) for r in records if r.offset >= since[topic][r.partition]
        ]
    for name in AGENTS:
        found[f"state of {name}"] = [driver.state(name, partition) for partition in range(PARTITIONS)]
        found[f"changelog of {name}"] = shown(driver, name)
    return found


def lengths(driver: TestDriver) -> dict[str, list[int]]:
    """Records in each topic, by partition."""
    return {
        topic: [sum(record.partition == partition for record in driver.sent(topic)) for partition in range(PARTITIONS)]
        for topic in topics.BY_NAME
    }


@pytest.mark.parametrize("agent", AGENTS)
def test_what_is_written_down_is_what_its_version_has_always_written(agent: str) -> None:
    check_golden(f"changelog/{agent}-{StateVersion(AGENTS[agent]()).version}.json", shown(before(), agent))


@pytest.mark.parametrize("agent", AGENTS)
def test_the_golden_changelogs_hold_every_kind_of_state(agent: str) -> None:
    prefix = state_prefix(agent).decode("latin-1")
    found = {key.removeprefix(prefix)[:1].encode() for log in shown(before(), agent) for key in log if key.startswith(prefix)}
    assert found == KINDS[agent]


@pytest.mark.parametrize("file", sorted(path.stem for path in (FOLDER / "changelog").glob("*.json")))
def test_a_changelog_of_any_version_goes_on_as_a_state_that_was_never_written_down(file: str) -> None:
    facts = file not in BEFORE_FACTS
    never = before(facts)
    since = lengths(never)
    after(never)
    agent = file.partition("-")[0]
    restored = reopened(agent, json.loads((FOLDER / "changelog" / f"{file}.json").read_text()), facts)
    own = lengths(restored)
    after(restored)
    wanted = comparable(never, since)
    assert wanted[topics.SCORED]
    assert wanted[topics.SEGMENT_ROLLUPS]
    found = comparable(restored, own)
    if file != f"{agent}-{StateVersion(AGENTS[agent]()).version}":
        # What an older version wrote stays as it is until it changes; the state is the same all the same.
        del found[f"changelog of {agent}"], wanted[f"changelog of {agent}"]
    assert found == wanted


def test_there_is_a_golden_changelog_of_every_version_there_has_been() -> None:
    wanted = {f"{agent}-{version}" for agent, make in AGENTS.items() for version in range(1, StateVersion(make()).version + 1)}
    assert {path.stem for path in (FOLDER / "changelog").glob("*.json")} == wanted
