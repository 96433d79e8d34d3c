"""Case events, account alerts and what the agent `alerts` makes of them, for its tests."""

from collections.abc import Mapping
from typing import Any

import msgspec

from agents.alerts import Alerts
from agents.routes import AlertsSettings, Route, SinkTraits
from schemas import topics
from schemas.alerts import Alert
from schemas.codec import dumps
from schemas.times import format_time, parse_time
from streams.test_driver import TestDriver

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
NOW = parse_time("2026-03-02T09:30:00.000Z")
"""A Monday."""
SINKS: Mapping[str, SinkTraits] = {
    "slack": SinkTraits(),
    "mail": SinkTraits(),
    "alertmanager": SinkTraits(keeps_state=True, forgets_after_s=900),
    "pagerduty": SinkTraits(keeps_state=True, per_item=True),
}
CLOSING = {"resolved": "resolved", "recovered": "resolved", "withdrawn": "withdrawn", "expired": "expired"}
"""The state after each event that closes a case."""


def case_event(event: str, at: int, **said: Any) -> dict[str, Any]:
    """An event of a case. Of `said`, `account`, `case_id`, `score`, `comment`, `due` and `themes` are what they are called, the
    rest are fields of the case."""
    account_id, case_id = said.pop("account_id", "acme"), said.pop("case_id", "c-1")
    response: dict[str, Any] = {"response_id": "r-1", "score": said.pop("score", 3), "responded_at": format_time(at)}
    response |= {name: said.pop(name) for name in ("comment", "themes") if name in said}
    due = {"due": said.pop("due")} if "due" in said else {}
    case = {
        "account_id": account_id,
        "case_id": case_id,
        "respondent_id": "u-17@acme.example",
        "state": CLOSING.get(event, "reopened" if event == "reopened" else "new"),
        "severity": "critical",
        "opened_at": format_time(at),
        "updated_at": format_time(at),
        "revision": 0,
        "consecutive": 1,
        "responses": [response],
    }
    whose = {"account_id": account_id, "case_id": case_id}
    return {**whose, "event": event, "at": format_time(at), **due, "case": case | said}


def account_alert(kind: str, at: int, **fields: Any) -> dict[str, Any]:
    """An account at risk, until a week later."""
    told = {
        "account_id": "acme",
        "alert_id": f"a-{kind}-{at}",
        "kind": kind,
        "severity": "high",
        "raised_at": format_time(at),
        "until": format_time(at + 7 * DAY_MS),
    }
    return told | fields


class Desk:
    """The agent on a driver."""

    def __init__(self, *routes: Route, now: int = NOW, sinks: Mapping[str, SinkTraits] = SINKS, **settings: Any) -> None:
        self.driver = TestDriver([Alerts(AlertsSettings(routes, sinks, **settings))], now=now)
        self.batch = 500

    @property
    def now(self) -> int:
        """The clock, in ms."""
        return self.driver.now

    def happens(self, event: str, **said: Any) -> None:
        """Something happens to a case now."""
        self.pipe(topics.CASE_EVENTS, case_event(event, self.now, **said))
        self.driver.run(self.batch)

    def raises(self, kind: str, **fields: Any) -> None:
        """An account is at risk now."""
        self.pipe(topics.ACCOUNT_ALERTS, account_alert(kind, self.now, **fields))
        self.driver.run(self.batch)

    def pipe(self, topic: str, fields: Mapping[str, Any]) -> None:
        """A record that waits."""
        self.driver.pipe(topic, fields["account_id"].encode(), dumps(fields))

    def passes(self, ms: int, tick: int | None = None) -> None:
        """Time passes, with ticks in between."""
        left = ms
        while left > 0:
            step = min(left, tick or ms)
            self.driver.advance(step)
            left -= step

    def alerts(self, sink: str | None = None, refreshes: bool = False) -> list[Alert]:
        """What was sent so far, without what was only told again."""
        sent = [msgspec.json.decode(record.value or b"", type=Alert) for record in self.driver.sent(topics.ALERTS)]
        return [one for one in sent if sink in (None, one.sink) and (refreshes or not one.refresh)]

    def refreshed(self) -> list[Alert]:
        """What was told again."""
        return [one for one in self.alerts(refreshes=True) if one.refresh]

    def counted(self, outcome: str) -> int:
        """Items of that outcome."""
        return sum(n for fact, n in self.driver.facts.items() if fact[0] == "alert_items" and fact[2] == outcome)

    def state(self) -> dict[bytes, bytes]:
        """The agent's keys and values."""
        (task,) = self.driver._tasks
        prefix = b"salerts\0"
        return {key[len(prefix) :]: value for key, value in task.changelog.items() if key.startswith(prefix)}


def told(alerts: list[Alert]) -> list[tuple[str, str]]:
    """Key and event of each item, in order."""
    return [(item.key, item.what) for alert in alerts for item in alert.items]
