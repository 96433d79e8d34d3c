"""npstream erase: forget a respondent, and prove it by reading back what the topics hold."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from npstream.erasure import Erasure, Proof
from npstream.failures import CheckFailed, UserError
from npstream.invocation import pass_settings, run_async
from npstream.lines import printable
from npstream.recount.reading import format_time
from npstream.settings import Settings
from npstream.terminal import console, print_json
from npstream.traces import CARE
from schemas.topics import CASES, PREFERENCES

TIMEOUT_S: Final = 60.0
"""How long scoring and care may take together: a worker that keeps up needs a second."""
SHOWN: Final = 20
"""Places that are printed; --json has them all."""


@click.command("erase")
@click.option("--respondent", "respondent_id", metavar="ID", required=True, help="The respondent_id, exactly as it was sent.")
@click.option("--account", "accounts", metavar="ID", multiple=True, help="Of these accounts; else of all that know the ID.")
@click.option(
    "--counts",
    type=click.Choice(["keep", "remove"]),
    default="keep",
    show_default=True,
    help="Whether what was said stays counted, without a name.",
)
@click.option("--check", "only_check", is_flag=True, help="Change nothing: only read back and report.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0),
    default=TIMEOUT_S,
    show_default=True,
    help="Seconds to wait for scoring and care.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask. Required where there is no terminal to ask on.")
@pass_settings
def command(
    settings: Settings,
    respondent_id: str,
    accounts: Sequence[str],
    counts: str,
    only_check: bool,
    timeout_s: float,
    as_json: bool,
    yes: bool,
) -> None:
    """Erase a respondent's personal data: from state, changelogs and tables, at once and for good.

    A worker must be running, with the agent scoring, and with care if it ever ran. What the respondent says later, or a replay
    brings again, is dropped. It cannot be undone, and the choice of --counts cannot be changed later.

    Then every compacted topic is read back. The report says what is left there, and until when the other topics may keep data
    by their retention. Exit code 1 if a record that counts still names the respondent.

    \b
    npstream erase --respondent u-17@acme.example --account acme --counts remove
    npstream erase --respondent u-17@acme.example --check
    """
    if not (only_check or yes or sys.stdin.isatty()):
        raise click.UsageError("there is no terminal to ask on, and this cannot be undone: say --yes")
    proof = run_async(settings, _run(settings, respondent_id, accounts, counts, only_check, timeout_s, yes))
    if as_json:
        print_json(_document(respondent_id, proof))
    else:
        _show(console(), proof, counts, only_check)
    if not proof.holds:
        raise CheckFailed


async def _run(
    settings: Settings, respondent_id: str, accounts: Sequence[str], counts: str, only_check: bool, timeout_s: float, yes: bool
) -> Proof:
    async with Erasure(settings, respondent_id, accounts) as erasure:
        await erasure.find()
        if not erasure.accounts:
            raise UserError("no account has this respondent in its state: is the ID exact? --account names an account anyway")
        if not only_check:
            if not yes:
                _ask(erasure, counts)
            try:
                await erasure.carry_out(counts, timeout_s)
            except asyncio.CancelledError:  # Ctrl-C ends the waiting, and not the erasure
                click.echo("npstream: what was sent is carried out all the same: --check tells when it is done", err=True)
                raise
        return await erasure.prove()


def _ask(erasure: Erasure, counts: str) -> None:
    open_ones = [account for account in erasure.accounts if account not in erasure.listed]
    if open_ones:
        for account in open_ones:
            click.echo(f"to erase in {printable(account)}, counts: {counts}", err=True)
        click.confirm("This cannot be undone. Erase?", abort=True, err=True)


def _document(respondent_id: str, proof: Proof) -> dict[str, Any]:
    return {
        "respondent_id": respondent_id,
        "erased": [{"account_id": e.account_id, "counts": e.counts, "erased_at": e.erased_at} for e in proof.entries],
        "not_erased": proof.missing,
        "read_back": [
            {
                "topic": one.topic,
                "alive": one.alive,
                "superseded": one.superseded,
                "places": one.places,
                "until": _moment(one.until),
            }
            for one in proof.read_back
        ],
        "retained": [{"topic": one.topic, "until": _moment(one.until)} for one in proof.retained],
    }


def _show(out: Console, proof: Proof, counts: str, only_check: bool) -> None:
    for entry in proof.entries:
        out.print(Text(f"erased in {printable(entry.account_id)} at {entry.erased_at}, counts: {entry.counts}", "green"))
        if entry.counts != counts and not only_check:
            out.print(Text(f"it was erased before, and with counts: {entry.counts}; that cannot be changed", "yellow"))
    for account in proof.missing:
        out.print(Text(f"not erased in {printable(account)}", "bold red"))
    out.print("\nread back, committed records that name the respondent:")
    grid = Table.grid(padding=(0, 2))
    for read in proof.read_back:
        alive = Text(f"{read.alive:,} alive", "bold red" if read.alive else "green", justify="right")
        past = f"{read.superseded:,} superseded, {_by(read.until)}" if read.superseded else "none superseded"
        grid.add_row("", alive, read.topic, past)
    out.print(grid)
    places = [place for read in proof.read_back for place in read.places]
    for place in places[:SHOWN]:
        out.print(Text.assemble(("left ", "bold red"), place))
    if len(places) > SHOWN:
        out.print(f"and {len(places) - SHOWN:,} more: --json has them all", style="dim")
    if proof.entries and any(
        read.alive and (read.topic in (CASES, PREFERENCES) or read.topic.endswith(CARE)) for read in proof.read_back
    ):
        out.print(Text("care has not let go: is a worker with the agent care running? --check tells when it has", "yellow"))
    out.print("\nkept by age, until they are gone by themselves:")
    grid = Table.grid(padding=(0, 2))
    for kept in proof.retained:
        grid.add_row(
            "", kept.topic, "for ever, or the broker does not tell" if kept.until is None else f"until {_day(kept.until)}"
        )
    out.print(grid)


def _by(until: int | None) -> str:
    return "until the broker compacts: nothing says when" if until is None else f"compacted by {_day(until)}"


def _moment(ms: int | None) -> str | None:
    return None if ms is None else format_time(ms)


def _day(ms: int) -> str:
    return format_time(ms)[:10]
