"""What scoring tells, each event in one line: what happened, to which account, what was said, by whom. No I/O here."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeGuard

from rich.text import Text

from npstream.lines import signed
from npstream.tables_view import SEVERITIES
from schemas import topics

CATEGORIES: Final = {"promoter": "green", "passive": "bright_black", "detractor": "red"}
"""Colour of each category."""

Event = Mapping[str, Any]


def plain(event: Any) -> Event:
    """The members of an event that are text or a number, which a line can show: anybody may write anything, at any depth."""
    if not isinstance(event, dict):
        return {}
    return {name: member for name, member in event.items() if not isinstance(member, list | dict)}


def _detractor(event: Event) -> Text:
    severity = str(event.get("severity", ""))
    row = event.get("consecutive", 1)
    again = f" \N{MULTIPLICATION SIGN}{row}" if isinstance(row, int) and row > 1 else ""
    style = SEVERITIES.get(severity, "")
    word = "withdrawn" if event.get("withdrawn") else severity
    return told(event, Text(f"{score(event)} {word}{again}".ljust(16), "dim" if event.get("withdrawn") else style))


def _promoter(event: Event) -> Text:
    word = "withdrawn" if event.get("withdrawn") else "first time" if event.get("first") else "again"
    return told(event, Text(f"{score(event)} {word}".ljust(16), "green"))


def _change(event: Event) -> Text:
    before, after = str(event.get("from") or "nothing"), str(event.get("to") or "nothing")
    arrow = Text(f"{before:>9} \N{RIGHTWARDS ARROW} {after:<9}", CATEGORIES.get(after, "dim"))
    return told(event, Text.assemble(arrow, f"  {event.get('cause', '')!s:<10}"))


def _scored(event: Event) -> Text:
    category = str(event.get("category") or "")
    what = Text.assemble(
        (f"{score(event)} {category:<9}", CATEGORIES.get(category, "dim")), f"  {event.get('change', '')!s:<10}"
    )
    return told(event, what)


LINES: Final[dict[str, Callable[[Event], Text]]] = {
    topics.DETRACTORS: _detractor,
    topics.PROMOTERS: _promoter,
    topics.CHANGES: _change,
    topics.SCORED: _scored,
}
"""How an event of each topic is told, of which `plain` has made what is given."""


def told(event: Event, what: Text) -> Text:
    """What happened, to which account, what was said, by whom, and the account's NPS where it is told."""
    comment = f"  {quoted(str(event['comment']))}" if event.get("comment") else ""
    nps = event.get("account_nps")
    return Text.assemble(
        what,
        f"  {event.get('account_id', '')}",
        comment,
        (f"  {event.get('respondent_id') or 'anonymous'}" + (f"  NPS {signed(nps)}" if is_number(nps) else ""), "dim"),
    )


def score(event: Event) -> str:
    """What was given, in two characters."""
    return f"{event.get('score', '')!s:>2}"


def quoted(text: str) -> str:
    """In quotation marks, if it is anything."""
    return f"\N{LEFT DOUBLE QUOTATION MARK}{text}\N{RIGHT DOUBLE QUOTATION MARK}" if text else ""


def is_number(value: Any) -> TypeGuard[float]:
    """Whether it can be told with a sign."""
    return isinstance(value, int | float)
