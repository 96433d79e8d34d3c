"""One case as a page for people: what it is, what was said, what happened, who was told. No I/O here: a story in, text out."""

from collections.abc import Iterable
from typing import Any, Final

from msgspec import UNSET
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from npstream.care_lines import EVENTS, OUTCOMES
from npstream.case_book import CLOSED, called, moment, next_due
from npstream.case_story import Story, Told
from npstream.cases_view import STATES, due_text, score_text, who
from npstream.durations import away, span
from npstream.event_lines import quoted
from npstream.lines import printable, signed
from schemas.alerts import Delivery
from schemas.cases import Case, CaseEvent, CaseResponse
from schemas.outreach import Outreach

LABEL: Final = 14
"""Characters of the longest label."""
DELIVERIES: Final = 20
"""The newest ones that are shown."""
DUES: Final = {"first_response": "first response", "resolution": "resolution"}
"""What has a due time, in words."""


def page(story: Story, now: int) -> Group:
    """All of a case, at `now` in ms UTC."""
    case = story.case
    parts: list[RenderableType] = [_title(case, now), _facts(case, now)]
    parts += _section("Responses", (_response(one) for one in case.responses))
    parts += _section("History", (_event(event) for event in story.events), "no event is left, or none can be read")
    news = [told for told in story.told.values() if not _is_reminder(told)]
    parts += _section("Deliveries", (_told(told) for told in news[-DELIVERIES:]))
    if len(news) > DELIVERIES:
        parts.append(Text(f"and {len(news) - DELIVERIES:,} before them: --json has them all", "dim"))
    parts += _section(
        "Messages", (_outreach(message, story.sending.get(message.outreach_id, [])) for message in story.outreach)
    )
    if story.unread:
        parts += [Text(), Text(f"not there, or not to be read: {', '.join(story.unread)}", "dim")]
    parts += [Text(), Text("Times are UTC.", "dim")]
    return Group(*parts)


def outcome(case: Case, now: int) -> Text:
    """A case in one line after something was done about it: state, owner, what is due next."""
    due = next_due(case, now)
    parts = [Text(case.case_id, "bold"), Text(case.state, STATES.get(case.state, ""))]
    if case.owner is not UNSET:
        parts.append(Text(f"owner {printable(case.owner)}"))
    if due is not None:
        what = "" if due.what is None else f"{DUES[due.what]} due "
        parts.append(Text.assemble(what, due_text(case, now)))
    return Text("  ").join(parts)


def _title(case: Case, now: int) -> Text:
    state = Text(case.state, STATES.get(case.state, ""))
    return Text("   ").join([Text(printable(case.case_id), "bold"), score_text(case), state, due_text(case, now)])


def _facts(case: Case, now: int) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=LABEL, style="dim", no_wrap=True)
    grid.add_column()
    for label, value in _labelled(case, now):
        grid.add_row(label, value if isinstance(value, Text) else Text(printable(value)))
    return grid


def _labelled(case: Case, now: int) -> Iterable[tuple[str, Text | str]]:
    account = case.account
    name = called(case)
    told = [name if name == case.account_id else f"{name} ({case.account_id})"]
    if account is not UNSET:
        told += [] if account.tier is UNSET else [account.tier]
        told += [] if account.value is UNSET else [f"{account.value:,} a year"]
        told += [] if account.renewal_date is UNSET else [f"renewal {account.renewal_date}"]
    if case.account_nps is not UNSET:
        told.append(f"NPS {signed(case.account_nps)}")
    yield "account", ", ".join(told)
    row = f", {case.consecutive} detractor responses in a row" if case.consecutive > 1 else ""
    yield "respondent", who(case) + row + ("" if case.locale is UNSET else f", {case.locale}")
    times = "once" if case.escalated == 1 else f"{case.escalated} times"
    escalated = f", escalated {times}" if case.escalated else ""
    yield "owner", ("nobody" if case.owner is UNSET else case.owner) + escalated
    opened = moment(case.opened_at) or 0
    yield "opened", f"{_minute(case.opened_at)}, {span(now - opened)} ago"
    yield from _due("first response", case.first_response_due, case.first_response_at, case, now)
    closed = case.closed_at if case.state in CLOSED else UNSET
    yield from _due(
        case.state if case.state in ("expired", "withdrawn") else "resolution", case.resolution_due, closed, case, now
    )
    if case.snoozed_until is not UNSET:
        yield "snoozed until", _minute(case.snoozed_until)
    if case.recovered is not UNSET:
        yield "recovered", f"{case.recovered.to} with {case.recovered.score}, {_minute(case.recovered.at)}"
    if case.root_cause is not UNSET:
        yield "root cause", case.root_cause
    if case.segments is not UNSET:
        yield "segments", " ".join(f"{dimension}={value}" for dimension, value in sorted(case.segments.items()))


def _due(label: str, due: Any, done: Any, case: Case, now: int) -> Iterable[tuple[str, Text | str]]:
    """When it was to be, and when it was."""
    at, ended = moment(due), moment(done)
    if ended is not None:
        took = f"{_minute(done)}, after {span(ended - (moment(case.opened_at) or 0))}"
        late = "" if at is None or ended <= at else f", {span(ended - at)} late"
        yield label, Text.assemble(took, (late, "red"))
    elif at is not None:
        yield label, Text.assemble(f"due {_minute(due)}, ", (away(at, now), "bold red" if at < now else ""))


def _section(title: str, rows: Iterable[list[Text]], otherwise: str = "") -> list[RenderableType]:
    """A heading and its rows: a time, a word, and the rest, which may take several lines; nothing if there are none."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column()
    for row in rows:
        grid.add_row(*row)
    if grid.row_count:
        return [Text(), Text(title, "bold"), grid]
    return [Text(), Text(title, "bold"), Text(otherwise, "dim")] if otherwise else []


def _response(response: CaseResponse) -> list[Text]:
    about = [] if response.themes is UNSET else list(response.themes)
    if response.sentiment is not UNSET:
        about.append(f"sentiment {signed(response.sentiment, 2) or '0'}")
    words = "" if response.comment is UNSET else quoted(response.comment)
    told = Text(printable(words))
    if about:
        told.append(("  " if words else "") + printable(", ".join(about)), "dim")
    return [_when(response.responded_at), Text(f"{response.score:>2}"), told]


def _event(event: CaseEvent) -> list[Text]:
    details = []
    if event.by is not UNSET:
        details.append(f"by {event.by}")
    match event.event:
        case "breached" if event.due is not UNSET:
            details.append(DUES[event.due])
        case "opened" | "assigned" | "escalated" if event.case.owner is not UNSET:
            details.append(f"to {event.case.owner}")
        case "joined" | "reopened" if event.by is UNSET:
            details.append(f"score {event.case.responses[-1].score}")
        case "snoozed" if event.case.snoozed_until is not UNSET:
            details.append(f"until {_minute(event.case.snoozed_until)}")
        case "resolved" if event.case.root_cause is not UNSET:
            details.append(event.case.root_cause)
        case "recovered" if event.case.recovered is not UNSET:
            details.append(f"{event.case.recovered.to} with {event.case.recovered.score}")
    told = Text(printable(", ".join(details)))
    if event.note is not UNSET:
        told.append(("  " if details else "") + printable(quoted(event.note)))
    return [_when(event.at), Text(event.event, EVENTS.get(event.event, "")), told]


def _is_reminder(told: Told) -> bool:
    """Whether it went well and was no news: a sink that forgets is told again and again."""
    delivered = bool(told.attempts) and told.attempts[-1].outcome == "delivered"
    return delivered and told.alert is not None and told.alert.refresh is True


def _told(told: Told) -> list[Text]:
    alert = told.alert
    last = told.attempts[-1] if told.attempts else None
    at = last.at if last is not None else "" if alert is None else alert.created_at
    parts = [Text(printable(told.sink)), Text(_attempts(told.attempts))]
    parts.append(Text() if alert is None else Text(printable(alert.title), "dim"))
    return [_when(at), _outcome(last), Text("  ").join(part for part in parts if part)]


def _outreach(message: Outreach, attempts: list[Delivery]) -> list[Text]:
    if message.status == "suppressed":
        reason = "" if message.reason is UNSET else message.reason
        return [_when(message.created_at), Text("suppressed", "dim"), Text(printable(reason))]
    told = Text(printable("" if message.to is UNSET else message.to))
    if message.subject is not UNSET:
        told.append(f"  {printable(quoted(message.subject))}")
    told.append(f"  {_attempts(attempts)}" if attempts else "", "dim")
    return [_when(message.created_at), _outcome(attempts[-1]) if attempts else Text("handed over"), told]


def _outcome(last: Delivery | None) -> Text:
    return Text("not yet", "yellow") if last is None else Text(last.outcome, OUTCOMES[last.outcome])


def _attempts(attempts: list[Delivery]) -> str:
    """What the last attempt met with, and which it was; nothing of a first one that went well."""
    if not attempts:
        return ""
    last = attempts[-1]
    told = [] if last.outcome == "delivered" or last.status is UNSET else [str(last.status)]
    told += [] if last.error is UNSET else [printable(last.error)]
    told += [f"attempt {last.attempt}"] if last.attempt > 1 else []
    return ", ".join(told)


def _when(time: str) -> Text:
    return Text(_minute(time), "dim")


def _minute(time: str) -> str:
    """2026-03-01 09:30."""
    return time[:16].replace("T", " ")
