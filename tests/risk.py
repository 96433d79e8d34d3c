"""Accounts of the tests that watch for risk: responses go through scoring, and what it sends goes to the agent `risk`."""

import json
from typing import Any

import msgspec

from agents.risk import Risk
from agents.risk_rules import RiskSettings
from agents.scoring import Scoring, ScoringSettings
from schemas import topics
from schemas.alerts import AccountAlert
from schemas.codec import dumps
from schemas.times import DAY_MS, format_time, parse_time
from streams.test_driver import Sent, TestDriver

NOON = parse_time("2026-05-20T12:00:00Z")
_decode = msgspec.json.Decoder(AccountAlert).decode


def alerts_of(sent: list[Sent]) -> list[dict[str, Any]]:
    """Account alerts as plain objects, each held against its type."""
    assert all(_decode(one.value or b"").account_id.encode() == one.key for one in sent)
    return [json.loads(one.value or b"") for one in sent]


class Watched:
    """Scoring and risk on one partition, and a clock."""

    def __init__(self, settings: RiskSettings | None = None, limit: int | None = 14, now: int = NOON) -> None:
        """`limit`: the alert age of scoring."""
        self.driver = TestDriver([Scoring(ScoringSettings(alert_max_age_days=limit)), Risk(settings)], now=now)
        self._count = 0
        self._seen = 0

    def says(self, score: int, who: str | None = "u-1", ago: float = 0, account: str = "acme", **more: Any) -> str:
        """Somebody answers, or did so many days ago; the response_id."""
        self._count += 1
        name = more.pop("response_id", f"r-{self._count}")
        body = {"response_id": name, "account_id": account, "score": score} | more
        body["responded_at"] = format_time(int(self.driver.now - ago * DAY_MS))
        if who is not None:
            body["respondent_id"] = who
        self.send(body)
        return str(name)

    def take_back(self, name: str, account: str = "acme") -> None:
        """Retract a response."""
        self.send({"kind": "retraction", "response_id": name, "account_id": account})

    def send(self, body: dict[str, Any]) -> None:
        """A minute later a record comes to nps.responses."""
        self.driver.now += 60_000
        self.driver.pipe(topics.RESPONSES, str(body["account_id"]).encode(), dumps(body))
        self.driver.run()

    def many(self, score: int, count: int, ago: float = 0) -> None:
        """Each of so many others answers, in one batch."""
        for _ in range(count):
            self._count += 1
            body = {
                "response_id": f"r-{self._count}",
                "account_id": "acme",
                "score": score,
                "respondent_id": f"o-{self._count}",
            }
            body["responded_at"] = format_time(int(self.driver.now - ago * DAY_MS))
            self.driver.pipe(topics.RESPONSES, b"acme", dumps(body))
        self.driver.run()

    def days(self, count: int) -> None:
        """Days pass, one after the other."""
        for _ in range(count):
            self.driver.advance(DAY_MS)

    @property
    def alerts(self) -> list[dict[str, Any]]:
        """All that were raised."""
        return alerts_of(self.driver.sent(topics.ACCOUNT_ALERTS))

    @property
    def kinds(self) -> list[str]:
        """Kind and severity of those that were raised since this was last asked for."""
        found, self._seen = self.alerts[self._seen :], len(self.alerts)
        return [f"{one['kind']} {one['severity']}" for one in found]

    @property
    def state(self) -> dict[bytes, bytes]:
        """The state of risk, but for the cursor of its passes."""
        return {key: value for key, value in self.driver.state("risk").items() if key != b"T"}
