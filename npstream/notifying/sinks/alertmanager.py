"""Prometheus Alertmanager, API v2: POST /api/v2/alerts, one of its alerts for each item.

Labels identify an alert: who sends the same labels again updates it. Severity is one of them, since Alertmanager's routes and
inhibitions go by it; so where it changes, the alert under the former one is over. An alert without endsAt would be taken for
resolved after Alertmanager's resolve_timeout, 5 minutes by default; with one it is until then, and is told again before.

Source: Alertmanager's api/v2/openapi.yaml, postableAlert.
"""

from base64 import b64encode
from typing import Final
from urllib.parse import quote

from msgspec import UNSET, structs

from npstream.care.sinks import AlertmanagerTable
from npstream.notifying.orders import Order
from npstream.notifying.sinks.http import Making, Request
from npstream.notifying.sinks.telling import alert_of, over
from schemas.alerts import Alert, AlertItem
from schemas.codec import dumps
from schemas.times import format_time

PATH: Final = "/api/v2/alerts"
NAMES: Final = {
    "case": "NpsCase",
    "downgrade": "NpsDowngrade",
    "nps_fell": "NpsFell",
    "nps_below": "NpsBelow",
    "no_promoters": "NpsNoPromoters",
    "silence": "NpsSilence",
}
"""The label alertname of each kind: what routes and inhibitions of Alertmanager's are written for."""


def alertmanager(table: AlertmanagerTable) -> Making:
    """Requests to one Alertmanager."""
    url = table.url.rstrip("/") + PATH
    headers = {}
    if table.token:
        headers["Authorization"] = f"Bearer {table.token}"
    elif table.username:
        headers["Authorization"] = "Basic " + b64encode(f"{table.username}:{table.password}".encode()).decode()

    def make(order: Order, now_ms: int) -> Request:
        alert = alert_of(order, "alertmanager")
        held = [one for item in alert.items for one in _held(alert, item, now_ms)]
        posted = [_posted(alert, one, table.generator_url, now_ms) for one in held]
        return Request(url, dumps(posted), headers)

    return make


def _held(alert: Alert, item: AlertItem, now_ms: int) -> list[AlertItem]:
    """An item as Alertmanager is to hold it. Where it holds it under another severity so far, that alert is over, or there
    would be two of one case; and if the case is over, it is over under that severity alone."""
    if item.was is UNSET or item.was == item.severity:
        return [item]
    before = structs.replace(item, severity=item.was, was=UNSET, ends_at=format_time(now_ms))
    return [before] if over(alert, item) else [before, item]


def _posted(alert: Alert, item: AlertItem, generator_url: str, now_ms: int) -> dict[str, object]:
    about = {"case": item.case_id} if item.case_id is not UNSET else {"key": item.key}
    posted: dict[str, object] = {
        "labels": {
            "alertname": NAMES[item.kind],
            "account": alert.account_id,
            "severity": item.severity,
            "kind": item.kind,
            **about,
        },
        "annotations": _annotations(alert, item),
        "startsAt": item.starts_at,
    }
    ends = _ends(alert, item, now_ms)
    if ends:
        posted["endsAt"] = max(ends, item.starts_at)  # it must not end before it starts
    if generator_url:
        posted["generatorURL"] = _linked(generator_url, alert, item)
    return posted


def _ends(alert: Alert, item: AlertItem, now_ms: int) -> str:
    """Times of one form sort as text."""
    if not over(alert, item):
        return "" if item.ends_at is UNSET else item.ends_at
    now = format_time(now_ms)
    return now if item.ends_at is UNSET else min(item.ends_at, now)


def _annotations(alert: Alert, item: AlertItem) -> dict[str, str]:
    account = alert.account
    optional = {
        "comment": item.comment,
        "owner": item.owner,
        "respondent": item.respondent_id,
        "score": UNSET if item.score is UNSET else str(item.score),
        "state": item.state,
        "first_response_due": item.first_response_due,
        "resolution_due": item.resolution_due,
        "account_name": UNSET if account is UNSET else account.name,
        "account_nps": UNSET if alert.account_nps is UNSET else f"{alert.account_nps:g}",
    }
    told = {"summary": item.headline, "what": item.what, "route": alert.route}
    return told | {name: value for name, value in optional.items() if value is not UNSET}


def _linked(generator_url: str, alert: Alert, item: AlertItem) -> str:
    values = {"account": alert.account_id, "case": "" if item.case_id is UNSET else item.case_id, "key": item.key}
    for name, value in values.items():
        generator_url = generator_url.replace("{" + name + "}", quote(value, safe=""))
    return generator_url
