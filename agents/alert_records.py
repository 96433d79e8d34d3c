"""The record of one delivery: its fields, its title, its ids.

Ids follow from what is told: a batch that is repeated after it was abandoned has the same.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, Raw

from agents.alert_keys import SEPARATOR, sink_of
from agents.headlines import HEADLINE_CHARS, NAME_CHARS, one_line, shorten
from agents.routes import CASE, SEVERITIES
from schemas import topics
from schemas.alerts import AlertItem
from schemas.cloudevents import ALERT, SOURCE, event_headers
from schemas.events import AccountBrief, Severity
from schemas.times import format_time
from streams.processor import Outbox

ID_BYTES: Final = 12
LONGEST_KEY: Final = 255
"""Characters of a dedup_key: PagerDuty takes no more."""
MOST_BYTES: Final = 500_000
"""Of all items of a delivery: a broker takes records of 1 MB by default."""

_encode = msgspec.json.Encoder().encode


class Cause(NamedTuple):
    """What makes something be told: a record, or time. Times in ms."""

    now: int
    timestamp: int
    """Of what is sent because of it."""
    traceparent: bytes | None = None


class Told(NamedTuple):
    """One item of a delivery."""

    item: AlertItem
    revision: str
    caused_at: int
    over: bool


class Telling(NamedTuple):
    """One delivery."""

    account_id: str
    channel: str
    route: str
    number: int
    """Tells it from others of the same items."""
    expires_at: int
    told: Sequence[Told]
    more: int = 0
    again: str | None = None
    """Which part of what is open it repeats; None if it is news."""
    account: AccountBrief | None = None
    nps: float | None = None


def send_alert(telling: Telling, cause: Cause, outbox: Outbox) -> None:
    """Send the record of a delivery."""
    told = telling.told
    firing = not all(one.over for one in told)
    severity: Severity = min((one.item.severity for one in told if not (firing and one.over)), key=SEVERITIES.index)
    sink = sink_of(telling.channel)
    dedup_key = dedup_key_of(telling.account_id, telling.channel)
    delivery_id = _delivery_id(telling, firing)
    alert: dict[str, Any] = {
        "delivery_id": delivery_id,
        "account_id": telling.account_id,
        "sink": sink,
        "route": telling.route,
        # Of what is only told again the last is enough, so each part is a thing of its own.
        "dedup_key": dedup_key if telling.again is None else shortened(f"{dedup_key}|{telling.again}"),
        "status": "firing" if firing else "resolved",
        "severity": severity,
        "title": title(telling),
        "created_at": format_time(cause.now),
        "caused_at": format_time(min(one.caused_at for one in told)),
        "expires_at": format_time(telling.expires_at),
    }
    if telling.again is not None:
        alert["refresh"] = True
    if telling.account is not None:
        alert["account"] = telling.account
    if telling.nps is not None:
        alert["account_nps"] = telling.nps
    alert["items"] = [Raw(_encode(one.item)) for one in told]
    if telling.more:
        alert["more"] = telling.more
    headers = event_headers(ALERT, SOURCE, delivery_id, cause.now, cause.traceparent)
    outbox.send(topics.ALERTS, telling.account_id.encode(), _encode(alert), cause.timestamp, headers)
    if telling.again is None:
        outbox.count("alerts", sink, severity)
    else:
        outbox.count("alert_refreshes", sink)


def that_fit(told: Sequence[Told], most: int) -> int:
    """How many of the first ones fit into one delivery: one at least, `most` at most."""
    size = fitting = 0
    for one in told[:most]:
        size += len(_encode(one.item))
        if fitting and size > MOST_BYTES:
            break
        fitting += 1
    return fitting


def dedup_key_of(account_id: str, channel: str) -> str:
    """The same for all that is told in a channel."""
    return shortened("|".join((account_id, *channel.split(SEPARATOR, 1))))


def shortened(key: str) -> str:
    """A key that no sink refuses for its length: itself or its hash."""
    return key if len(key) <= LONGEST_KEY else hashlib.sha256(key.encode()).hexdigest()


def title(telling: Telling) -> str:
    """A delivery in one line."""
    told = telling.told
    account = telling.account
    named = telling.account_id if account is None or account.name is UNSET else account.name
    name = shorten(one_line(named) or one_line(telling.account_id), NAME_CHARS)
    count = len(told) + telling.more
    if count == 1:
        item = told[0].item
        return shorten(f"{name}: {item.headline}" if item.kind == CASE else item.headline, HEADLINE_CHARS)
    things = "cases" if all(one.item.kind == CASE for one in told) else "alerts"
    text = f"{name}: {count} {things}"
    if telling.again is not None:
        return f"{text} still open"
    if all(one.over for one in told):
        return f"{text} closed"
    worst = sum(one.item.severity == "critical" and not one.over for one in told)
    return f"{text}, {worst} critical" if worst else text


def _delivery_id(telling: Telling, firing: bool) -> str:
    cause = (
        telling.account_id,
        telling.channel,
        telling.route,
        telling.number,
        telling.again,
        firing,
        [(one.item.key, one.revision, one.over) for one in telling.told],
        telling.more,
    )
    return "d-" + hashlib.sha256(_encode(cause)).hexdigest()[: 2 * ID_BYTES]
