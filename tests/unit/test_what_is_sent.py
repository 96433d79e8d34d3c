"""Every record that the agents send fits the published contract."""

import json
from pathlib import Path
from typing import Any

from npstream.hosting import processors
from npstream.settings import AGENTS, Settings
from schemas import topics
from schemas.contract import asyncapi
from schemas.examples import EXAMPLES
from schemas.topics import BY_NAME, TOPICS
from streams.processor import DAY_MS
from streams.test_driver import Sent, TestDriver
from tests.json_schema import errors
from tests.payloads import NAMES, raw

NOW = 1_772_357_400_000  # 2026-03-01T09:30:00Z
CARE = """
[first_touch]
enabled = true
company = "Vendor Inc."
[[alerts.routes]]
name = "all"
sinks = ["csm"]
[sinks.csm]
kind = "webhook"
url = "https://csm.vendor.example/nps"
secret = "whsec_c2VjcmV0LW9mLXRoZS1zaW5r"
"""
BY_OTHERS = {topics.DELIVERIES}
"""What no agent writes: npstream notify does."""
DOCUMENT = asyncapi()


def canonical(number: int, **changes: Any) -> bytes:
    common = {"response_id": f"r-{number}", "account_id": "acme", "respondent_id": "u-1", "responded_at": NOW - number * DAY_MS}
    return json.dumps(common | changes).encode()


ARRIVING = [
    *(raw(name) for name in NAMES),
    canonical(9, score=9, segments={"plan": "smb"}),
    canonical(8, score=2, comment="Slow."),
    canonical(8, score=2, comment="Slow, and nobody answers."),
    canonical(7, score=10, respondent_id=None),
    canonical(6, score=7, channel="email", locale="en", survey_id="s"),
    canonical(60, score=1),
    canonical(2000, score=1),
    canonical(5, score=0),
    canonical(5, score=8),
    json.dumps({"kind": "retraction", "response_id": "r-6", "account_id": "acme"}).encode(),
    json.dumps({"kind": "retraction", "response_id": "never seen", "account_id": "acme"}).encode(),
    canonical(-3, score=5),
    b"no json",
    json.dumps({"event_type": "response_completed", "object_id": "7", "resources": {"survey_id": "5"}}).encode(),  # ids alone
]


def command(number: int, **fields: str) -> bytes:
    return json.dumps({"command_id": f"c-{number}", "account_id": "acme", "by": "csm@vendor.example", **fields}).encode()


def test_everything_that_is_sent_fits_the_contract(tmp_path: Path) -> None:
    (tmp_path / "care.toml").write_text(CARE, encoding="utf-8")
    settings = Settings(care_file=str(tmp_path / "care.toml"), default_account="acme")
    driver = TestDriver([one for unit in AGENTS for one in processors(unit, settings)], now=NOW, partitions=2)
    driver.pipe(topics.ACCOUNTS, b"acme", json.dumps(EXAMPLES["AccountFacts"]).encode())
    for value in ARRIVING:
        driver.pipe(topics.RAW, None, value, headers=[("nps-account", b"acme")])
        driver.run()
    (case, *_) = (json.loads(record.value or b"") for record in driver.sent(topics.CASES))
    named = {"case_id": case["case_id"], "command": "acknowledge"}
    for number, fields in enumerate((named, named | {"command": "reopen"}, {"case_id": "none", "command": "contact"})):
        driver.pipe(topics.CASE_COMMANDS, b"acme", command(number, **fields))
    for name in ("u-2", "u-3@acme.example"):
        preference = {"account_id": "acme", "respondent_id": name, "outreach": False}
        driver.pipe(topics.PREFERENCES, f"acme|{name}".encode(), json.dumps(preference).encode(), partition=0)
        driver.pipe(topics.PREFERENCES, f"acme|{name}".encode(), json.dumps(preference).encode(), partition=1)
    driver.run()
    for _ in range(10):
        driver.advance(60_000)
    for command_ in (EXAMPLES["Erasure"], {"account_id": "acme", "respondent_id": "u-1"}):
        driver.pipe(topics.ERASURES, b"acme", json.dumps(command_).encode())
        driver.run()
    for _ in range(3):
        driver.advance(8 * DAY_MS)
    for topic in (one for one in TOPICS if one.name not in BY_OTHERS):
        sent = driver.sent(topic.name)
        assert sent, f"nothing was sent to {topic.name}: the test would show nothing"
        for record in sent:
            assert fits(record) == [], record


def fits(record: Sent) -> list[str]:
    """What is wrong with one record, by the messages that its channel has."""
    if record.topic == topics.RAW:
        return []
    found: list[str] = []
    for name in DOCUMENT["channels"][record.topic]["messages"]:
        message = DOCUMENT["components"]["messages"][name]
        found = []
        if "headers" in message:
            found += errors(
                message["headers"] | {"components": DOCUMENT["components"]},
                {name: value.decode() for name, value in record.headers},
            )
        if BY_NAME[record.topic].schema is not None:
            if record.value is None:
                found += [] if "compact" in BY_NAME[record.topic].config["cleanup.policy"] else ["a tombstone"]
            else:
                found += errors(message["payload"] | {"components": DOCUMENT["components"]}, json.loads(record.value))
        if not found:
            return []
    return found
