"""An alert in words, for people."""

import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Final

from msgspec import UNSET

from npstream.notifying.answers import Refused
from npstream.notifying.orders import Order
from schemas.alerts import Alert, AlertItem

COMMENT_CHARS: Final = 600
"""Of a comment, as much is shown: a paragraph. The whole of it is with the case."""
CLOSED: Final = ("resolved", "expired", "withdrawn")
"""States of cases that nothing is to be done about any more."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def alert_of(order: Order, kind: str) -> Alert:
    """The alert in an order. Raises Refused for a message to a respondent: only mail has an address for one."""
    if not isinstance(order.content, Alert):
        raise Refused(f"a sink of kind {kind} cannot write to respondents")
    return order.content


def over(alert: Alert, item: AlertItem) -> bool:
    """Whether nothing is to be done about it any more."""
    return alert.status == "resolved" or item.state in CLOSED


def account_line(alert: Alert) -> str:
    """Whose account it is, and how much there is to lose."""
    facts: list[str] = []
    name = alert.account_id
    if alert.account is not UNSET:
        if alert.account.name is not UNSET and alert.account.name != alert.account_id:
            name = f"{alert.account.name} ({alert.account_id})"
        facts += [f"tier {alert.account.tier}"] if alert.account.tier is not UNSET else []
        facts += [f"value {alert.account.value:,}"] if alert.account.value is not UNSET else []
        facts += [f"owner {alert.account.owner}"] if alert.account.owner is not UNSET else []
    facts += [f"NPS {alert.account_nps:g}"] if alert.account_nps is not UNSET else []
    return ", ".join([name, *facts])


def item_lines(alert: Alert, item: AlertItem) -> Iterator[str]:
    """What there is to know of one thing, beside its headline."""
    if item.comment is not UNSET and item.comment not in item.headline:
        yield f'"{cut(one_line(item.comment), COMMENT_CHARS)}"'
    about: list[str] = []
    if item.case_id is not UNSET:
        about.append(f"case {item.case_id}" + ("" if item.state is UNSET else f", {item.state}"))
    about += [f"owner {item.owner}"] if item.owner is not UNSET else []
    about += [f"themes {', '.join(item.themes)}"] if item.themes else []
    if about:
        yield "; ".join(about)
    if over(alert, item):
        return
    due = [
        f"{what} by {minute(time)}"
        for what, time in (("first response", item.first_response_due), ("resolution", item.resolution_due))
        if time is not UNSET
    ]
    if due:
        yield "due: " + ", ".join(due)


def more_line(alert: Alert) -> str:
    """What is not listed; empty if all is."""
    return f"and {alert.more} more" if alert.more else ""


def plain_id(name: str) -> str:
    """An id that may stand in header fields: itself, or a hash of it."""
    return name if _PLAIN.fullmatch(name) else sha256(name.encode()).hexdigest()[:40]


def minute(time: str) -> str:
    """2026-03-02 11:30 UTC."""
    return f"{time[:10]} {time[11:16]} UTC"


def one_line(text: str) -> str:
    """Without line ends."""
    return " ".join(text.split())


def cut(text: str, most: int) -> str:
    """No longer than that."""
    return text if len(text) <= most else text[: most - 1] + "…"
