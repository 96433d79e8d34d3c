"""PagerDuty's Events API v2, or what takes the same: an event that opens an incident, or closes it.

The dedup_key says which incident is meant: an event with the key of an open one joins it, and resolving what is not open does
nothing. So a repeat does no harm.

Source: PagerDuty's developer documentation, "Events API v2": PD-CEF fields and their lengths; 202 answers what is taken.
"""

from hashlib import sha256
from typing import Any, Final

import msgspec

from npstream.care.sinks import PagerDutyTable
from npstream.notifying.orders import Order
from npstream.notifying.sinks.http import Making, Request
from npstream.notifying.sinks.telling import account_line, alert_of, cut, one_line
from schemas.alerts import Alert
from schemas.codec import dumps

SEVERITIES: Final = {"critical": "critical", "high": "error", "elevated": "warning"}
SUMMARY_CHARS: Final = 1_024
KEY_CHARS: Final = 255
MOST_ITEMS: Final = 50
"""Items that are shown: an event may have 512 KB, and comments are long."""


def pagerduty(table: PagerDutyTable) -> Making:
    """Requests with one routing key."""

    def make(order: Order, now_ms: int) -> Request:
        return Request(table.url, dumps(_event(alert_of(order, "pagerduty"), str(table.routing_key))))

    return make


def _event(alert: Alert, routing_key: str) -> dict[str, Any]:
    event: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": "resolve" if alert.status == "resolved" else "trigger",
        "dedup_key": _key(alert.dedup_key),
    }
    if alert.status == "resolved":
        return event
    event["client"] = "npstream"
    event["payload"] = {
        "summary": cut(one_line(alert.title), SUMMARY_CHARS),
        "source": alert.account_id,
        "severity": SEVERITIES[alert.severity],
        "timestamp": alert.caused_at,
        "component": "nps",
        "group": alert.route,
        "class": alert.items[0].kind,
        "custom_details": {
            "account": account_line(alert),
            "delivery_id": alert.delivery_id,
            "items": [msgspec.to_builtins(item) for item in alert.items[:MOST_ITEMS]],
            "more": alert.more + max(0, len(alert.items) - MOST_ITEMS),
        },
    }
    return event


def _key(dedup_key: str) -> str:
    """One that is too long is replaced by its hash: cut, it could be another's."""
    return dedup_key if len(dedup_key) <= KEY_CHARS else sha256(dedup_key.encode()).hexdigest()
