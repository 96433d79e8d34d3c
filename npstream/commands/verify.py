"""npstream verify: does everything that stands in the output topics follow from the source topic, and is nothing missing?"""

from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from npstream.cut import read_seen
from npstream.failures import CheckFailed
from npstream.invocation import pass_settings, run_async
from npstream.memory import no_collections
from npstream.recount.reading import format_time
from npstream.settings import Settings
from npstream.terminal import console, print_json
from npstream.verification import Difference, Seen, Verdict, verify

TIMEOUT_S: Final = 60.0
"""How long the agents may take to come to the cut: a worker that keeps up needs a second."""
SHOWN: Final = 20
"""Differences that are printed; a fault shows in the first, and --json has them all."""


@click.command("verify")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0),
    default=TIMEOUT_S,
    show_default=True,
    help="Seconds that the agents may take to come to the present end of nps.responses.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document with every difference.")
@pass_settings
def command(settings: Settings, timeout_s: float, as_json: bool) -> None:
    """Recount everything from nps.responses and compare: scores, changes, detractors, promoters, dead letters, tables.

    The recount shares no code with the agents. It works while workers run, and reads committed records only. It keeps all
    responses in memory, some 10 KB each. Exit code 1 if anything differs.
    """
    seen = run_async(settings, read_seen(settings, timeout_s))
    with no_collections():
        lengths = (settings.windows_days, settings.headline_days, settings.grace_days, settings.alert_max_age_days)
        verdict = verify(seen, *lengths)
    if as_json:
        print_json(_document(seen, verdict))
    else:
        _show(console(), seen, verdict)
    if verdict.differences:
        raise CheckFailed


def _document(seen: Seen, verdict: Verdict) -> dict[str, Any]:
    return {
        "read_at": format_time(seen.read_at),
        "cut": {str(partition): offset for partition, offset in sorted(seen.cut.items())},
        "responses": len(seen.source),
        "erasures": sum(map(len, seen.erasures.values())),
        "compared": dict(verdict.compared),
        "unproved": verdict.unproved,
        "differences": [{"where": d.where, "topic": d.topic, "text": d.text} for d in verdict.differences],
    }


def _show(out: Console, seen: Seen, verdict: Verdict) -> None:
    out.print(
        f"{len(seen.source):,} records of nps.responses in {len(seen.cut)} partitions, read at {format_time(seen.read_at)}"
    )
    if erased := sum(map(len, seen.erasures.values())):
        out.print(f"{erased:,} respondent{'s' * (erased != 1)} erased, and left out from then on")
    grid = Table.grid(padding=(0, 2))
    for topic, count in verdict.compared.items():
        wrong = sum(difference.topic == topic for difference in verdict.differences)
        note = Text(f"{wrong:,} differences", "bold red") if wrong else Text("as recounted", "green")
        grid.add_row(Text(f"{count:,}", justify="right"), topic, note)
    out.print(grid)
    for what, why in list(verdict.unproved.items())[:SHOWN]:
        out.print(Text.assemble(("not proved ", "yellow"), f"{what}: {why}"))
    _more(out, len(verdict.unproved))
    for difference in verdict.differences[:SHOWN]:
        out.print(_line(difference))
    _more(out, len(verdict.differences))
    out.print(f"{len(verdict.differences):,} differences")


def _line(difference: Difference) -> Text:
    return Text.assemble(("differs ", "bold red"), f"{difference.where}, {difference.topic}: {difference.text}")


def _more(out: Console, count: int) -> None:
    if count > SHOWN:
        out.print(f"and {count - SHOWN:,} more: --json has them all", style="dim")
