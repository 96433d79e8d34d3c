"""Cases and what happens to them as records on the topics of care, for tests of what shows them."""

import json
from typing import Any

from schemas import topics
from schemas.examples import EXAMPLES
from schemas.times import parse_time
from streams.test_driver import Sent

CASE = EXAMPLES["Case"]
RESPONSE = CASE["responses"][0]
NOW = parse_time("2026-03-02T10:10:00.000Z")
"""40 minutes after the example's case was opened."""


def record(topic: str, key: str, value: Any, offset: int = 0, partition: int = 0) -> Sent:
    """A value as JSON; None is a tombstone, bytes are as they are."""
    data = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
    return Sent(topic, partition, offset, NOW, key.encode(), data, ())


def case(case_id: str = "c-5b1d2f0a9c3e", **fields: Any) -> Sent:
    """The example's case with other fields; a field of None is left out."""
    value = {name: member for name, member in {**CASE, "case_id": case_id, **fields}.items() if member is not None}
    return record(topics.CASES, f"{value['account_id']}|{case_id}", value)


def said(score: int, comment: str | None = None) -> list[dict[str, Any]]:
    """The responses of a case of one response."""
    response = {**RESPONSE, "score": score, "comment": comment}
    return [{name: member for name, member in response.items() if member is not None}]


def event(kind: str, at: str, of: dict[str, Any] | None = None, **fields: Any) -> Sent:
    """Something happened to the example's case, which has the fields `of` after it."""
    value = {**EXAMPLES["CaseEvent"], "event": kind, "at": at, "case": {**CASE, **(of or {})}, **fields}
    return record(topics.CASE_EVENTS, value["account_id"], value)


def morning() -> list[Sent]:
    """Four cases as they stand in the morning: late, due, snoozed, resolved."""
    return [
        case(),
        case(
            "c-77aa01c3d5e8",
            account_id="globex",
            account={"name": "Globex Corporation International"},
            respondent_id="ines.duarte@globex.example",
            severity="high",
            state="acknowledged",
            owner="kim@vendor.example",
            opened_at="2026-02-20T09:30:00.000Z",
            first_response_due="2026-02-28T09:30:00.000Z",
            responses=said(4, "Nobody answers the phone, and the last three invoices were wrong as well."),
        ),
        case(
            "c-88aa01c3d5e8",
            account_id="initech",
            account=None,
            respondent_id=None,
            owner=None,
            severity="elevated",
            state="contacted",
            first_response_at="2026-03-02T09:40:00.000Z",
            snoozed_until="2026-03-04T10:00:00.000Z",
            responses=said(6),
        ),
        case("c-99aa01c3d5e8", state="resolved", closed_at="2026-03-01T10:00:00.000Z", root_cause="pricing"),
    ]
