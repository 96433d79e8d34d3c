"""The tables of `npstream cases stats` as text. No I/O here: statistics in, lines out."""

from typing import Final

from rich.text import Text

from npstream.case_book import SEVERITIES
from npstream.case_statistics import ALL, CaseStatistics, Spread
from npstream.durations import span
from npstream.lines import NOTHING, Column, heading, left_out, line, printable
from npstream.tables_view import SEVERITIES as COLOURS
from schemas.times import DAY_MS, format_time

COLUMNS: Final = (
    Column("", 8),
    Column("opened", 6, right=True),
    Column("first response", 30),
    Column("resolution", 0),
)
TIMES: Final = 11
"""Characters of a length of time: 23 h 59 min."""
SHARE: Final = 4
"""Characters of a part of all."""
CAUSES: Final = 20
"""Root causes that are shown; --json has them all."""


def shown(found: CaseStatistics, width: int) -> list[Text]:
    """A table by severity, and what the cases came to, in lines of at most `width` characters."""
    days = (found.until - found.since) // DAY_MS
    between = f"{_minute(found.since)} to {_minute(found.until)} UTC"
    lines = [Text(f"Cases of {days} day{'s' * (days != 1)}, {between}", "bold"), Text()]
    if not (found.opened or found.closed or found.reopened or found.recovered or found.breached):
        return [*lines, Text("Nothing happened to any case.")]
    first, resolution = found.first_response(), found.resolution()
    lines += [
        heading(COLUMNS, "Severity", width),
        line(COLUMNS, ["", "", *[Text(_row("median", "90 %", "met"), "dim")] * 2], width),
    ]
    for row in (*SEVERITIES, ALL):
        opened = found.opened.total() if row == ALL else found.opened[row]
        cells: list[Text | str] = [Text(row, COLOURS.get(row, "bold")), f"{opened:,}"]
        lines.append(line(COLUMNS, [*cells, _times(first.get(row)), _times(resolution.get(row))], width))
    closed = found.closed
    ended = ", ".join(f"{closed[how]:,} {how}" for how in closed) or "none"
    lines += [
        Text(),
        _labelled("closed", ended),
        _labelled("reopened", f"{found.reopened:,}"),
        _labelled("recovered", f"{found.recovered:,}"),
        _labelled("breaches", _breaches(found)),
    ]
    causes = found.root_causes
    if causes:
        lines += [Text(), Text("Root causes of what was resolved", "bold")]
        lines += [Text(f"{number:>8,}  {printable(cause) if cause else 'not given'}") for cause, number in causes[:CAUSES]]
        if len(causes) > CAUSES:
            lines.append(Text(f"and {len(causes) - CAUSES:,} more: --json has them all", "dim"))
    return lines + ([Text(), *left_out(found.left_out)] if found.left_out else [])


def _minute(ms: int) -> str:
    return format_time(ms)[:16].replace("T", " ")


def _breaches(found: CaseStatistics) -> Text | str:
    if not found.breached:
        return Text("none", "green")
    first, resolution = found.breached["first_response"], found.breached["resolution"]
    return Text(f"{first:,} of the first response, {resolution:,} of the resolution", "red")


def _times(spread: Spread | None) -> Text | str:
    """Half of the cases, nine of ten, and the part that met its due time."""
    if spread is None:
        return Text(NOTHING, "dim")
    share = NOTHING if spread.share is None else f"{spread.share:.0%}"
    return _row(span(spread.median), span(spread.p90), share)


def _row(half: str, most: str, share: str) -> str:
    return f"{half:<{TIMES}}  {most:<{TIMES}}  {share:>{SHARE}}"


def _labelled(label: str, value: Text | str) -> Text:
    return Text.assemble((f"{label:<12}", "dim"), value)
