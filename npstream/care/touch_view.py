"""What a template of a first message is given: docs/first-touch.md lists it.

All of it is always there, so that a name with a mistake in it is an error and nothing else is. Whatever others wrote is text on
one line and of bounded length: it can neither end a subject nor pretend to be more of the message.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

from msgspec import UNSET

from agents.outreach_events import COMMENT_CHARS
from agents.outreach_rules import is_address
from schemas.cases import Case
from schemas.times import parse_time

NAME_CHARS: Final = 200
"""Of a name or value: longer than any that is one."""
AHEAD_DAYS: Final = 6
"""Days of which the weekday says which one is meant."""
HARDLY_MS: Final = 30 * 60_000
"""What is due sooner than this may have passed when it is read."""
_JOINERS: Final = "\u200c\u200d"
"""They cannot be seen, and some scripts need them."""


@dataclass(frozen=True)
class AccountView:
    """The account, as the CRM has it."""

    id: str
    name: str = ""
    tier: str = ""
    value: float = 0
    """A year."""


@dataclass(frozen=True)
class OwnerView:
    """Who is to act on the case."""

    name: str = ""
    """As the care file has it, or the CRM unless that has an address."""
    email: str = ""


@dataclass(frozen=True)
class DueView:
    """By when the respondent is to be spoken to, by the clock where the account is. All empty if there is no such time, or it
    has passed, or will have in half an hour."""

    when: str = ""
    """`today`, `tomorrow`, `weekday` (within six days), `later`, or empty."""
    weekday: int = 0
    """Monday is 0."""
    date: str = ""
    """2026-03-02"""
    time: str = ""
    """11:30"""


@dataclass(frozen=True)
class Words:
    """What does not depend on the case."""

    company: str = ""
    opt_out_url: str = ""
    names: dict[str, str] = field(default_factory=dict)
    """Of owners, by what the CRM calls them."""


def view_of(case: Case, now: int, words: Words, zones: Callable[[str | None], tzinfo]) -> dict[str, Any]:
    """What templates are given, by name, at `now` in ms UTC."""
    said = case.responses[-1]
    account = case.account
    zone = None if account is UNSET or account.time_zone is UNSET else account.time_zone
    return {
        "severity": case.severity,
        "score": said.score,
        "comment": one_line(said.comment, COMMENT_CHARS),
        "themes": tuple(one_line(theme) for theme in said.themes or ()),
        "consecutive": case.consecutive,
        "segments": dict(case.segments or {}),
        "account": AccountView(one_line(case.account_id))
        if account is UNSET
        else AccountView(one_line(case.account_id), one_line(account.name), one_line(account.tier), account.value or 0),
        "owner": _owner(one_line(case.owner), words),
        "due": _due(case, now, zones(zone)),
        "company": words.company,
        "opt_out_url": words.opt_out_url,
    }


def one_line(text: object, most: int = NAME_CHARS) -> str:
    """Text without line ends and what else cannot be seen, cut to so many characters; empty if it is no text."""
    if not isinstance(text, str):
        return ""
    line = " ".join("".join(c if c.isprintable() or c in _JOINERS else " " for c in text).split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"


def _owner(owner: str, words: Words) -> OwnerView:
    email = owner if is_address(owner) else ""
    return OwnerView(words.names.get(owner, "" if email else owner), email)


def _due(case: Case, now: int, zone: tzinfo) -> DueView:
    if case.first_response_due is UNSET:
        return DueView()
    due = parse_time(case.first_response_due)
    if due < now + HARDLY_MS:
        return DueView()
    then, today = _local(due, zone), _local(now, zone).date()
    days = (then.date() - today) // timedelta(days=1)
    when = ("today", "tomorrow")[days] if days < 2 else "weekday" if days <= AHEAD_DAYS else "later"
    return DueView(when, then.weekday(), then.date().isoformat(), f"{then:%H:%M}")


def _local(ms: int, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(ms / 1000, zone)
