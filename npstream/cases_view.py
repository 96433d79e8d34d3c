"""The list of `npstream cases` as text for a terminal of any size. No I/O here: cases in, lines out."""

from dataclasses import replace
from typing import Final

from msgspec import UNSET
from rich.text import Text

from npstream.case_book import CLOSED, CaseBook, Totals, Wanted, called, moment, next_due, totals
from npstream.durations import away, span
from npstream.event_lines import quoted
from npstream.lines import NOTHING, WIDE, Column, heading, left_out, line, printable
from npstream.tables_view import SEVERITIES
from schemas.cases import Case
from schemas.topics import CASES

STATES: Final = {
    "new": "bold",
    "acknowledged": "cyan",
    "contacted": "cyan",
    "reopened": "bold magenta",
    "resolved": "green",
    "expired": "dim",
    "withdrawn": "dim",
}
"""Colour of each state: what nobody has touched stands out."""

ROOMY: Final = 136
"""Characters from which there is room for the respondent beside the owner."""
DUE: Final = Column("due", 15, wide=18)
"""late by 59 min; on a wide terminal late by 1 h 20 min."""
ONE_LINE: Final = (
    Column("", 10),
    DUE,
    Column("score", 10),
    Column("state", 12),
    Column("account", 16),
    Column("respondent", 20, least=ROOMY),
    Column("owner", 18),
    Column("comment", 0),
)
"""A case on a wide terminal, and in a pipe."""
FIRST_LINE: Final = (Column("", 10), DUE, Column("score", 10), Column("state", 12), Column("account", 0))
SECOND_LINE: Final = (Column("", 10), Column("", 0))
"""A case on a narrow one: what is to be done, then who said what."""


def listed(book: CaseBook, wanted: Wanted, now: int, width: int, rows: int) -> list[Text]:
    """At most `rows` of the cases that are wanted at `now` in ms UTC, the most urgent first, in lines of at most `width`
    characters; then what all that are wanted come to, which may be longer and wrap."""
    cases = book.wanted(wanted, now)
    if not cases:
        return [*_why_none(book, wanted, now), *left_out(book.left_out, CASES)]
    length = book.short_length()
    columns = ONE_LINE if width >= WIDE else FIRST_LINE
    lines = [heading(columns, "Case", width)]
    for case in cases[:rows]:
        lines += _case(case, length, now, width)
    if len(cases) > rows:
        lines.append(Text(f"and {len(cases) - rows:,} more: -n shows more, --json has them all", "dim"))
    return [*lines, Text(), _summary(totals(cases, now), len(cases), len(book.open), now), *left_out(book.left_out, CASES)]


def due_text(case: Case, now: int, parts: int = 2) -> Text:
    """What is due next, as seen from `now` in ms: red when it is late."""
    due = next_due(case, now)
    if case.state in CLOSED:
        closed = moment(case.closed_at)
        return Text("closed" if closed is None else f"{span(now - closed, 1)} ago", "dim")
    if due is None:
        return Text(NOTHING, "dim")
    if due.what is None:
        return Text(f"snoozed {span(due.at - now, parts)}", "dim")
    return Text(away(due.at, now, parts), "bold red" if due.at < now else "")


def score_text(case: Case) -> Text:
    """The last score and the severity, in the severity's colour."""
    return Text(f"{case.responses[-1].score} {case.severity}", SEVERITIES.get(case.severity, ""))


def who(case: Case) -> str:
    """Whose case it is."""
    return "anonymous" if case.respondent_id is UNSET else case.respondent_id


def said(case: Case) -> str:
    """The last thing that the respondent said in words; empty if it was nothing."""
    return next((str(response.comment) for response in reversed(case.responses) if response.comment is not UNSET), "")


def _case(case: Case, length: int, now: int, width: int) -> list[Text]:
    owner = Text("nobody", "dim") if case.owner is UNSET else Text(printable(case.owner))
    state = Text(case.state, STATES.get(case.state, ""))
    first: list[Text | str] = [
        case.case_id[:length],
        due_text(case, now, 2 if width >= WIDE else 1),
        score_text(case),
        state,
        called(case),
    ]
    if width >= WIDE:
        return [line(ONE_LINE, [*first, who(case), owner, quoted(said(case))], width)]
    told = Text.assemble(printable(who(case)), ("  owner ", "dim"), owner)
    if said(case):
        told.append(f"  {printable(quoted(said(case)))}", "dim")
    return [line(FIRST_LINE, first, width), line(SECOND_LINE, ["", told], width)]


def _summary(sums: Totals, shown: int, everyone: int, now: int) -> Text:
    """How many are open, by severity; how many are late; since when the oldest waits."""
    told = Text().append(f"{sums.open:,}{f' of {everyone:,}' if sums.open != everyone else ''} open", "bold")
    for number, (severity, count) in enumerate(sums.by_severity.items()):
        told.append(", " if number else ": ").append(f"{count:,} {severity}", SEVERITIES[severity])
    if sums.oldest is not None:
        late = (f"{sums.overdue:,} overdue", "bold red") if sums.overdue else ("none overdue", "green")
        told.append("; ").append(*late).append(f", oldest {span(now - sums.oldest)}")
    if shown > sums.open:
        told.append(f"; {shown - sums.open:,} closed", "dim")
    return told


def _why_none(book: CaseBook, wanted: Wanted, now: int) -> list[Text]:
    """What there is instead, or how cases come about."""
    still = len(book.open)
    closed = len(book.cases) - still
    if not book.cases:
        return [
            Text("No cases. One opens when a detractor answers and a worker runs the agent care (setting agents)."),
            Text("Responses older than alert_max_age_days open none, so what is loaded from a file wakes nobody.", "dim"),
        ]
    shut = len(book.wanted(replace(wanted, closed=True), now))
    if shut:
        return [
            Text(
                f"No such case is open; --all shows {shut:,} closed."
                if still
                else f"No open cases; --all shows {shut:,} closed."
            )
        ]
    return [Text(f"No such case among {still:,} open and {closed:,} closed ones.")]
