"""The tables of `npstream top` as text for a terminal of any size. No I/O here: a board and numbers in, lines out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Group
from rich.text import Text

from agents.statistics import nps
from npstream.board import Board, Rollup
from npstream.lines import NOTHING, WIDE, Column, heading, left_out, line, printable, signed

BANDS: Final = {
    "needs work": "red",
    "good": "yellow",
    "favourable": "cyan",
    "excellent": "green",
    "world class": "bold green",
}
"""Colour of each band: the terminal's own sixteen colours, so that they suit light and dark ones."""
SEVERITIES: Final = {"critical": "bold red", "high": "red", "elevated": "yellow"}
"""Colour of each severity of a detractor."""
BAR_WIDTH: Final = 10
"""Characters of the bar: each is a tenth of the responses."""
BAR: Final = (
    ("promoters", "\N{BLACK RECTANGLE}", "green"),
    ("passives", "\N{MIDDLE DOT}", "bright_black"),
    ("detractors", "\N{BLACK RECTANGLE}", "red"),
)
"""What is counted, its character and its colour: promoters from the left, detractors from the right, also without colours."""

ROLLUPS: Final = (
    Column("", 0),
    Column("NPS", 6, right=True),
    Column("95 %", 9, right=True, wide=16, least=72),
    Column("change ", 9, right=True),
    Column("band", 11),
    Column("n", 6, right=True),
    Column("prom.", 6, right=True, least=WIDE),
    Column("pass.", 6, right=True, least=WIDE),
    Column("detr.", 6, right=True, least=WIDE),
    Column("", BAR_WIDTH, least=80),
)
FEED: Final = (
    Column("", 10),
    Column("account", 14, wide=20),
    Column("respondent", 14, wide=26),
    Column("score", 5),
    Column("severity", 9, least=WIDE),
    Column("comment", 0),
)

SPACE: Final = "   "
"""Between the parts of the header."""
FEW: Final = 10
"""Below this a rate has a decimal."""
STAR: Final = "* significant at 95 %"
SECTIONS: Final = 3
SEGMENT_SHARE: Final = 0.27
FEED_SHARE: Final = 0.33
"""Shares of the rows that segments and detractors get when there are more than fit; accounts get the rest."""
LEAST_WIDTH: Final = 60
LEAST_HEIGHT: Final = 14
"""Smaller terminals see the upper left part of this."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """How the flow is doing, as far as anybody knows."""

    arriving: float | None = None
    """Raw records that arrive, per second."""
    lag: int | None = None
    """Records that wait to be processed."""


def screen(board: Board, order: str, pulse: Pulse, where: str, today: str, width: int, height: int) -> list[Text]:
    """Everything in `height` lines, if that is enough. `where` names the brokers, `today` is a UTC day like 2026-03-01."""
    width, height = max(width, LEAST_WIDTH), max(height, LEAST_HEIGHT)
    # Header, a blank line after it and between the sections, their headings, what is at the bottom.
    bottom = left_out(board.left_out)
    room = height - (1 + SECTIONS + SECTIONS + len(bottom) + 1)
    wanted = (len(board.accounts), len(board.segments), max(len(board.detractors), 1))
    lines = _sections(board, order, pulse, where, today, width, _shared(room, wanted))
    keys = (("q", "bold"), (" quit   ", "dim"), ("s", "bold"), (f" sorted by {order}   {STAR}", "dim"))
    bottom.append(Text.assemble(*keys, no_wrap=True))
    lines += [Text()] * (height - len(bottom) - len(lines))
    return [*lines[: height - len(bottom)], *bottom]


def page(board: Board, order: str, pulse: Pulse, where: str, today: str, width: int, rows: int) -> list[Text]:
    """The same for a pipe or a log: as long as it takes, at most `rows` rows of each table."""
    lines = _sections(board, order, pulse, where, today, max(width, LEAST_WIDTH), (rows, rows, rows))
    star = [Text(), Text(STAR, "dim")] if board.accounts else []
    return lines + star + left_out(board.left_out)


def joined(lines: Sequence[Text]) -> Group:
    """Lines as one thing to print."""
    return Group(*lines)


def _sections(
    board: Board, order: str, pulse: Pulse, where: str, today: str, width: int, rows: tuple[int, int, int]
) -> list[Text]:
    """Header and tables; `rows` are those of accounts, segments and detractors."""
    lines = [_header(board, pulse, where, width), Text()]
    if not board.accounts:
        return [*lines, _what_to_do(board, pulse)]
    if board.account is None:
        lines += [*_rollups("Accounts", _headlines(board, board.accounts, order), width, rows[0]), Text()]
        lines += [*_rollups("Segments", _headlines(board, board.segments, order), width, rows[1]), Text()]
        return lines + _detractors(board, today, width, rows[2])
    windows = board.windows_of(board.account)
    lines += [*_rollups("Windows", windows, width, len(windows)), Text()]
    return lines + _detractors(board, today, width, sum(rows) - len(windows) + 2)


def _headlines(board: Board, rollups: dict[str, Rollup], order: str) -> list[tuple[str, Rollup]]:
    return [(name, board.headline(rollup)) for name, rollup in board.ordered(rollups, order)]


def _shared(room: int, wanted: tuple[int, int, int]) -> tuple[int, int, int]:
    """Rows for accounts, segments and detractors."""
    accounts, segments, feed = wanted
    segments = min(segments, max(round(room * SEGMENT_SHARE), room - accounts - feed))
    feed = min(feed, max(round(room * FEED_SHARE), room - accounts - segments))
    return room - segments - feed, segments, feed


def _header(board: Board, pulse: Pulse, where: str, width: int) -> Text:
    """How many, how good, how busy, where; on a narrow terminal only what matters most."""
    promoters, passives, detractors = board.totals()
    total = promoters + passives + detractors
    whose = (
        f"{len(board.accounts):,} account{'s' * (len(board.accounts) != 1)}"
        if board.account is None
        else printable(board.account)
    )
    lag = "" if pulse.lag is None else f"lag {pulse.lag:,}"
    # In the order in which they stand, each with its rank: the last ranks go first when there is no room.
    ranked = [
        (0, Text("npstream", "bold")),
        (1, Text(whose)),
        (5, Text(f"{total:,} responses in {board.window}")),
        (2, Text.assemble("NPS ", (signed(nps(promoters, total, detractors)), "bold")) if total else Text()),
        (6, Text("" if pulse.arriving is None else f"{pulse.arriving:,.{int(pulse.arriving < FEW)}f}/s in")),
        (3, Text(lag, "yellow" if pulse.lag else "")),
        (4, _cases(board)),
        (7, Text(printable(where), "dim")),
    ]
    parts = [(rank, part) for rank, part in ranked if part.plain]
    while sum(part.cell_len for _, part in parts) + len(SPACE) * (len(parts) - 1) > width:
        parts.remove(max(parts, key=lambda ranked: ranked[0]))
    return Text(SPACE, no_wrap=True, overflow="crop").join(part for _, part in parts)


def _cases(board: Board) -> Text:
    """How many wait for somebody, in the colour of the worst."""
    found = board.cases.open
    if not found:
        return Text()
    worst = next(severity for severity in SEVERITIES if any(case.severity == severity for case in found))
    return Text(f"{len(found):,} open case{'s' * (len(found) != 1)}", SEVERITIES[worst])


def _what_to_do(board: Board, pulse: Pulse) -> Text:
    if board.account is not None:
        return Text(f"no responses of account {printable(board.account)}: npstream top shows all accounts")
    if pulse.lag:
        return Text(f"{pulse.lag:,} records wait to be scored: npstream worker")
    return Text("no responses yet: npstream produce FILE")


def _rollups(title: str, rollups: Sequence[tuple[str, Rollup]], width: int, rows: int) -> list[Text]:
    """A heading and at most `rows` rows of a name and the statistics of a window."""
    shown = rollups[:rows]
    if len(shown) < len(rollups):
        title += f" {len(shown)}/{len(rollups):,}"
    return [
        heading(ROLLUPS, title, width),
        *(line(ROLLUPS, _rollup(name, stats, width), width) for name, stats in shown),
    ]


def _rollup(name: str, stats: Rollup, width: int) -> list[Text | str]:
    if not stats.get("total"):
        return [Text(printable(name), "dim"), *(Text(text, "dim") for text in (NOTHING, "", "", "", "0", "0", "0", "0", ""))]
    low, high = stats.get("low", 0.0), stats.get("high", 0.0)
    interval = (
        f"{signed(low)} to {signed(high)}" if width >= WIDE else f"{signed(low, 0)}\N{HORIZONTAL ELLIPSIS}{signed(high, 0)}"
    )
    band = stats.get("band", "")
    return [
        name,
        Text(signed(stats["nps"]), "bold"),
        Text(interval, "dim"),
        _change(stats),
        Text(band, BANDS.get(band, "")),
        *(f"{stats.get(count, 0):,}" for count in ("total", "promoters", "passives", "detractors")),
        _bar(stats),
    ]


def _change(stats: Rollup) -> Text:
    """The change with an arrow; coloured and with a star where it is more than chance."""
    change = stats.get("change")
    if change is None:
        return Text("")
    arrow = "\N{BLACK UP-POINTING TRIANGLE}" if change > 0 else "\N{BLACK DOWN-POINTING TRIANGLE}" if change < 0 else ""
    if stats.get("significant"):
        return Text(f"{arrow} {signed(change)}*", "green" if change > 0 else "red")
    return Text(f"{arrow} {signed(change)} ".lstrip(), "dim")


def _bar(stats: Rollup) -> Text:
    """Shares of promoters, passives and detractors. The ends are rounded, and what is there at all is never invisible."""
    total = stats["total"]
    first, last = (
        max(round(BAR_WIDTH * stats.get(name, 0) / total), int(stats.get(name, 0) > 0)) for name, _, _ in (BAR[0], BAR[2])
    )
    first = min(first, BAR_WIDTH - last)
    sizes = (first, BAR_WIDTH - first - last, last)
    return Text.assemble(*((sign * size, style) for size, (_, sign, style) in zip(sizes, BAR, strict=True)))


def _detractors(board: Board, today: str, width: int, rows: int) -> list[Text]:
    """A heading and at most `rows` detractors, the newest first."""
    newest = list(reversed(board.detractors))[:rows]
    if not newest:
        return [Text("Detractors", "bold"), Text("none so far", "dim")]
    return [heading(FEED, "Detractors", width), *(line(FEED, _detractor(event, today), width) for event in newest)]


def _detractor(event: Rollup, today: str) -> list[Text | str]:
    severity = str(event.get("severity", ""))
    style = SEVERITIES.get(severity, "")
    given = str(event.get("responded_at", ""))
    in_a_row = event["consecutive"]
    score = f"{event.get('score', '')!s:>2}" + (f" \N{MULTIPLICATION SIGN}{in_a_row}" if in_a_row > 1 else "")
    comment = Text(printable(str(event.get("comment") or "")))
    if event.get("withdrawn"):
        severity, style, comment = "withdrawn", "dim strike", Text("withdrawn", "dim")
    return [
        Text(given[11:19] if given[:10] == today else given[:10], "dim"),
        str(event.get("account_id", "")),
        str(event.get("respondent_id") or "anonymous"),
        Text(printable(score), style),
        Text(printable(severity), style),
        comment,
    ]
