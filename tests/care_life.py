"""A life of the agents of care, and of themes, whose changelogs are golden files.

What scoring sends is written here by hand: their state is to be compared with what they wrote, not scoring with what it sent.
"""

from typing import Any

from agents import alert_keys, case_keys, comment_keys, incarnations, outreach_counts, outreach_plans, theme_segments
from agents.account_alerts import FACTS
from agents.alerts import Alerts
from agents.analysis import Analysis
from agents.case_rules import CasesSettings
from agents.cases import Cases
from agents.comments import Comments
from agents.cooldowns import COOLDOWN
from agents.lately_erased import MARK
from agents.outreach import FirstTouch
from agents.outreach_erased import ERASED
from agents.outreach_hours import MessageHours
from agents.outreach_preferences import PREFERENCE, preference_key
from agents.outreach_rules import FirstTouchSettings, Message
from agents.risk import STANDING, Risk
from agents.risk_passes import PASSES
from agents.routes import AlertsSettings, Route, SinkTraits
from agents.silence import DUE, RHYTHM
from agents.themes import TICKS, Themes
from agents.windows import WINDOWS_KEY
from schemas import topics
from schemas.cases import Case
from schemas.codec import dumps
from schemas.erasures import entry_key, respondent_hash
from schemas.examples import EXAMPLES
from schemas.times import format_time
from streams.processor import DAY_MS, partition_of
from streams.test_driver import TestDriver
from tests.golden_changelogs import PARTITIONS, START, Life

MINUTE_MS = 60_000
SEGMENT = "plan=pro"
SINKS = {"slack": SinkTraits(), "alertmanager": SinkTraits(keeps_state=True, forgets_after_s=900)}
ALERTS = AlertsSettings((Route("all", ("slack", "alertmanager")),), SINKS)
KINDS = {
    "cases": {
        case_keys.CASE, case_keys.RESPONDENT, case_keys.RESPONSE, case_keys.WAITING, case_keys.FACTS, case_keys.DUE,
        case_keys.OPENED, case_keys.SPREAD, case_keys.COUNTS, MARK,
    },
    "comments": {
        comment_keys.ACCOUNT, comment_keys.ACCOUNT_DAYS, comment_keys.SEGMENT, comment_keys.RESPONSE, comment_keys.ERASED,
        comment_keys.TICKS, WINDOWS_KEY,
    },
    "risk": {FACTS, STANDING, RHYTHM, DUE, COOLDOWN, MARK, PASSES},
    "alerts": {alert_keys.ITEM, alert_keys.CHANNEL, alert_keys.WAITING, alert_keys.OPEN, alert_keys.DUE, MARK},
    "outreach": {
        outreach_plans.PLAN, outreach_plans.BUCKET, outreach_plans.ENTRY, outreach_plans.HEAD, outreach_counts.RESPONDENT,
        outreach_counts.ACCOUNT, outreach_counts.ALL, outreach_counts.SWEEP, PREFERENCE, ERASED,
    },
    "themes": {
        theme_segments.HEAD, theme_segments.SOURCE_DAYS, incarnations.INCARNATION, incarnations.CHANGES, TICKS, WINDOWS_KEY,
    },
}  # fmt: skip


def analyse(comment: str, locale: str | None) -> Analysis:
    """Somebody has read the comments."""
    return Analysis(("support",) if "answer" in comment else (), -0.5)


def render(case: Case, now: int) -> Message:
    """Somebody has written the messages."""
    return Message("Your answer", "Thank you.", case.severity, "en")


def pipe(driver: TestDriver, topic: str, account: str, body: dict[str, Any], key: bytes | None = None) -> None:
    """A millisecond later something comes at an account's partition."""
    driver.now += 1
    partition = partition_of(account.encode(), PARTITIONS)
    driver.pipe(topic, key or account.encode(), dumps({"account_id": account, **body}), partition=partition)


def says(driver: TestDriver, number: int, score: int, who: str | None, days_ago: float = 0, account: str = "acme") -> None:
    """What scoring sends of a response: that it was scored, and if it is a detractor's, an event."""
    said: dict[str, Any] = {"response_id": f"r-{number}", "score": score, "segments": {"plan": "pro"}}
    said |= {"comment": "Nobody answers.", "responded_at": format_time(int(driver.now - days_ago * DAY_MS))}
    said |= {} if who is None else {"respondent_id": who}
    scored = {"category": "detractor" if score < 7 else "passive", "as_of": format_time(driver.now)[:10], "change": "new"}
    pipe(driver, topics.SCORED, account, said | scored)
    if score < 7:
        pipe(driver, topics.DETRACTORS, account, said | {"severity": "high", "revision": 0, "consecutive": 1})


def changes(driver: TestDriver, number: int, before: str, to: str, score: int, who: str, account: str = "acme") -> None:
    """A respondent's category changes."""
    direction = "up" if before == "detractor" else "down"
    body = {"respondent_id": who, "response_id": f"r-{number}", "from": before, "to": to, "score": score}
    body |= {"direction": direction, "cause": "response", "changed_at": format_time(driver.now)}
    pipe(driver, topics.CHANGES, account, body)


def rolls(driver: TestDriver, detractors: int, account: str = "acme") -> None:
    """An account's table changes."""
    window = {"promoters": 5, "passives": 3, "detractors": detractors, "total": 8 + detractors}
    window |= {"nps": round(100 * (5 - detractors) / (8 + detractors), 1), "low": -70.0, "high": 10.0}
    windows = {name: {"responses": window, "respondents": window} for name in ("7d", "90d")}
    pipe(driver, topics.ACCOUNT_ROLLUPS, account, {"as_of": format_time(driver.now)[:10], "windows": windows})


def erases(driver: TestDriver, who: str, account: str = "acme", **body: Any) -> None:
    """Somebody is to be forgotten."""
    key = entry_key(account, respondent_hash(account, who))
    pipe(driver, topics.ERASURES, account, {"respondent_id": who, **body}, key)


def commands(driver: TestDriver, number: int, command: str, **body: Any) -> None:
    """Somebody does something about the case of the first account that was told of first."""
    cases = [r for r in driver.sent(topics.CASE_EVENTS) if r.key == b"acme"]
    case_id = dict(cases[0].headers)["ce_id"].decode().rpartition("-")[0]
    said = {"command_id": f"k-{number}", "case_id": case_id, "command": command, "by": "csm@vendor.example"}
    pipe(driver, topics.CASE_COMMANDS, "acme", said | body)
    driver.run()


def begin(driver: TestDriver, facts: bool) -> None:
    """Comments were once started anew. Two days: on the first somebody is told of and written to, on the second something waits
    everywhere."""
    old = f"1|0000000000000-00000000|{SEGMENT}|{format_time(START)[:10]}".encode()
    driver.pipe(topics.THEMES_CELLS, old, dumps(EXAMPLES["ThemesCell"]), partition=partition_of(SEGMENT.encode(), PARTITIONS))
    pipe(driver, topics.ACCOUNTS, "acme", {"name": "Acme", "owner": "csm@vendor.example", "segments": {"region": "emea"}})
    pipe(driver, topics.PREFERENCES, "acme", {"respondent_id": "u-3@x.example", "outreach": False}, b"acme|u-3@x.example")
    assert preference_key("acme", "u-3@x.example") == b"acme|u-3@x.example"
    for number, days_ago in enumerate((40, 20, 1)):
        says(driver, number, 8, "u-1@x.example", days_ago)
    rolls(driver, 4)
    driver.run()
    driver.advance(DAY_MS)
    says(driver, 10, 3, "u-2@x.example")
    says(driver, 11, 6, None)
    says(driver, 12, 2, "u-4@x.example", account="globex")
    driver.run()
    driver.advance(6 * MINUTE_MS)
    commands(driver, 1, "contact", note="Called.")
    erases(driver, "u-9@x.example", counts="remove")
    says(driver, 20, 0, "u-3@x.example")
    changes(driver, 20, "passive", "detractor", 0, "u-3@x.example")
    changes(driver, 21, "detractor", "passive", 8, "u-5@x.example")
    rolls(driver, 9)
    driver.run()
    pipe(driver, topics.ACCOUNTS, "acme", {"name": "Acme", "owner": "lead@vendor.example", "tier": "gold"})
    driver.run()


def go_on(driver: TestDriver) -> None:
    """What was on its way of the erased, more of the same, and days that pass."""
    says(driver, 30, 1, "u-9@x.example")
    says(driver, 31, 4, "u-2@x.example")
    says(driver, 32, 5, "u-5@x.example")
    changes(driver, 33, "detractor", "promoter", 9, "u-3@x.example")
    erases(driver, "u-4@x.example", "globex")
    driver.run()
    commands(driver, 1, "contact", note="Called.")
    commands(driver, 2, "resolve", root_cause="support")
    commands(driver, 3, "acknowledge")
    rolls(driver, 2)
    driver.run()
    for ms in (MINUTE_MS, 10 * MINUTE_MS, DAY_MS, 40 * DAY_MS, 400 * DAY_MS, 500 * DAY_MS):
        driver.advance(ms)


CARE = Life(
    {
        "cases": lambda: Cases(CasesSettings(escalation=("lead@vendor.example",), analyse=analyse)),
        "comments": lambda: Comments(analyse),
        "risk": Risk,
        "alerts": lambda: Alerts(ALERTS),
        "outreach": lambda: FirstTouch(FirstTouchSettings(render=render, hours=MessageHours(0, 1440))),
        "themes": Themes,
    },
    KINDS,
    begin,
    go_on,
    (
        *(topics.CASE_EVENTS, topics.CASES, topics.CASE_REJECTIONS, topics.COMMENTS, topics.ACCOUNT_THEMES),
        *(topics.THEMES_CELLS, topics.SEGMENT_THEMES, topics.ACCOUNT_ALERTS, topics.ALERTS, topics.OUTREACH),
    ),
)
