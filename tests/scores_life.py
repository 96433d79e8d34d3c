"""A life of intake, scoring and rollups, whose changelogs are golden files."""

import json
from typing import Any

from agents import incarnations, keys, sources
from agents.cells import write_key, write_responses
from agents.intake import Intake
from agents.rollups import TICKS, Rollups
from agents.scoring import Scoring, ScoringSettings
from agents.windows import WINDOWS_KEY
from schemas import topics
from schemas.times import format_time
from streams.processor import DAY_MS, partition_of
from streams.test_driver import TestDriver
from tests.golden_changelogs import PARTITIONS, START, Life
from tests.payloads import raw

SEGMENT = b"plan=pro"
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


def feed(driver: TestDriver, values: list[bytes]) -> None:
    for number, value in enumerate(values):
        driver.now += 1
        driver.pipe(topics.RAW, b"any", value, partition=number % PARTITIONS)
    driver.run()


def begin(driver: TestDriver, facts: bool) -> None:
    """Scoring was once started anew."""
    cell = write_key(1, "0000000000000-00000000", SEGMENT.decode(), START // DAY_MS), write_responses([5, 0, 0])
    driver.pipe(topics.CELLS, *cell, partition=partition_of(SEGMENT, PARTITIONS))
    if facts:
        driver.pipe(topics.ACCOUNTS, b"globex", json.dumps(FACTS).encode())
    feed(driver, BEFORE[:20])
    driver.advance(DAY_MS)
    feed(driver, BEFORE[20:])


def go_on(driver: TestDriver) -> None:
    """More responses, and days that pass."""
    feed(driver, AFTER)
    for days in (1, 30, 800):
        driver.advance(days * DAY_MS)


SCORES = Life(
    {
        "intake": Intake,
        # What it is fed is old, and all of it has to be kept.
        "scoring": lambda: Scoring(ScoringSettings(alert_max_age_days=None)),
        "rollups": Rollups,
    },
    KINDS,
    begin,
    go_on,
    (topics.SCORED, topics.SEGMENT_ROLLUPS),
)
