"""An incoming webhook of Slack's, or of what takes the same, such as Mattermost: blocks, and the same as plain text for what
shows no blocks.

What people wrote is escaped, so that a comment can neither link nor call anybody. Slack knows no repeats: of a delivery that is
made again after a crash the channel shows two.

Source: Slack's documentation, "Sending messages using incoming webhooks", "Formatting message text", "Reference: blocks".
"""

import re
from typing import Final

from npstream.care.sinks import SlackTable
from npstream.notifying.orders import Order
from npstream.notifying.sinks.http import Making, Request
from npstream.notifying.sinks.telling import account_line, alert_of, cut, item_lines, one_line, over
from schemas.alerts import Alert, AlertItem
from schemas.codec import dumps

SECTION_CHARS: Final = 3_000
"""Longest text of a section block."""
MOST_ITEMS: Final = 10
"""Items that are shown: a message has at most 50 blocks, and people read less."""
HEADLINE_CHARS: Final = 300
SIGNS: Final = {"critical": ":red_circle:", "high": ":large_orange_circle:", "elevated": ":large_yellow_circle:"}
DONE: Final = ":white_check_mark:"
_CALL: Final = re.compile(r"@(?=(?:all|channel|everyone|group|here)\b)")
"""What calls everybody in Slack's like, also in text that is escaped."""


def slack(table: SlackTable) -> Making:
    """Requests to one webhook."""
    url = str(table.url)

    def make(order: Order, now_ms: int) -> Request:
        alert = alert_of(order, "slack")
        return Request(url, dumps({"text": _text(alert), "blocks": _blocks(alert)}))

    return make


def escaped(text: str) -> str:
    """As it is shown: one line, in which nothing is a link or calls anybody."""
    line = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _CALL.sub("@\u200b", line)


def _text(alert: Alert) -> str:
    lines = [f"{_sign(alert)} {escaped(alert.title)}"]
    if len(alert.items) > 1 or alert.items[0].headline != alert.title:
        lines += [f"• {escaped(cut(item.headline, HEADLINE_CHARS))}" for item in alert.items[:MOST_ITEMS]]
    lines += [line for line in (_more(alert), escaped(account_line(alert))) if line]
    return "\n".join(lines)


def _blocks(alert: Alert) -> list[dict[str, object]]:
    blocks = [_section(f"{_sign(alert)} *{escaped(alert.title)}*")]
    blocks += [_section(_item(alert, item)) for item in alert.items[:MOST_ITEMS]]
    if more := _more(alert):
        blocks.append(_section(more))
    told = f"{escaped(account_line(alert))} · {escaped(alert.route)}"
    blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": told[:SECTION_CHARS]}]})
    return blocks


def _item(alert: Alert, item: AlertItem) -> str:
    sign = DONE if over(alert, item) else SIGNS[item.severity]
    lines = [
        f"{sign} {escaped(cut(item.headline, HEADLINE_CHARS))}",
        *(f"> {escaped(line)}" for line in item_lines(alert, item)),
    ]
    return "\n".join(lines)


def _sign(alert: Alert) -> str:
    return DONE if alert.status == "resolved" else SIGNS[alert.severity]


def _more(alert: Alert) -> str:
    hidden = max(0, len(alert.items) - MOST_ITEMS) + alert.more
    return f"and {hidden} more" if hidden else ""


def _section(text: str) -> dict[str, object]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:SECTION_CHARS]}}
