"""`npstream cases`: which customers wait for somebody, what became of each, and what is done about it."""

from collections.abc import Sequence
from typing import Final, get_args

import click

from npstream.case_book import SEVERITIES, Wanted, document, totals
from npstream.case_page import page
from npstream.case_reading import read_cases, read_statistics, read_story
from npstream.case_statistics_view import shown
from npstream.case_story import Story
from npstream.cases_view import listed
from npstream.clock import now_ms
from npstream.commands.case_actions import ACTIONS
from npstream.invocation import pass_settings, run_async
from npstream.settings import Settings
from npstream.terminal import console, print_json
from schemas.cases import CaseState
from schemas.times import DAY_MS, format_time
from schemas.topics import BY_NAME, CASE_EVENTS

ROWS: Final = 50
"""Cases that a list shows: a screen or two; --json has them all."""
DAYS: Final = 30
"""What a review looks at, unless told otherwise: a month."""

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")


class ListFirst(click.Group):
    """A group whose first command is meant when none is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `list` in front of its options."""
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they are needed."""
        return list(self.commands)


@click.group("cases", cls=ListFirst)
def command() -> None:
    """Cases of detractors: who waits for an answer, until when, and what is done about it.

    Without a command it lists what is open, the most urgent first, with the options of `list`. CASE is the beginning of an id,
    as long as it is one case's alone.

    \b
    npstream cases --overdue
    npstream cases show c-5b1d2f
    npstream cases resolve c-5b1d2f --root-cause pricing
    """


@command.command("list", short_help="What is open, the most urgent first; --all also what is closed.")
@click.option("--account", "accounts", metavar="ID", multiple=True, help="Of this account: its id, or its name.")
@click.option("--owner", "owners", metavar="OWNER", multiple=True, help="That this person is to act on.")
@click.option("--severity", "severities", type=click.Choice(SEVERITIES), multiple=True, help="Of this severity.")
@click.option("--state", "states", type=click.Choice(get_args(CaseState)), multiple=True, help="In this state.")
@click.option("--all", "closed", is_flag=True, help="Those that are closed, too.")
@click.option("--overdue", is_flag=True, help="Only what is late.")
@click.option("-n", "--rows", type=click.IntRange(min=1), default=ROWS, show_default=True, help="Most cases in the table.")
@json_option
@pass_settings
def list_cases(
    settings: Settings,
    accounts: Sequence[str],
    owners: Sequence[str],
    severities: Sequence[str],
    states: Sequence[str],
    closed: bool,
    overdue: bool,
    rows: int,
    as_json: bool,
) -> None:
    """Open cases, the most urgent first: by what is due next, the first response or the resolution.

    Options that are given more than once mean any of them.

    \b
    npstream cases --overdue
    npstream cases --owner csm@vendor.example --severity critical --severity high
    """
    wanted = Wanted(accounts, owners, severities, states, closed, overdue)
    book = run_async(settings, read_cases(settings.connection()))
    now = now_ms()
    if not as_json:
        out = console()
        for row in listed(book, wanted, now, out.width, rows):
            out.print(row)
        return
    cases = book.wanted(wanted, now)
    sums = totals(cases, now)
    summary = {"open": sums.open, "by_severity": sums.by_severity, "overdue": sums.overdue}
    if sums.oldest is not None:
        summary["oldest_opened_at"] = format_time(sums.oldest)
    print_json({"cases": [document(case, now) for case in cases], "summary": summary, "left_out": book.left_out})


@command.command("show", short_help="All of one: what was said, done, told and written.")
@click.argument("prefix", metavar="CASE")
@json_option
@pass_settings
def show(settings: Settings, prefix: str, as_json: bool) -> None:
    """Everything about a case: what was said, what happened, who was told, what was written to the respondent."""
    story = run_async(settings, _story(settings, prefix))
    if as_json:
        print_json(story.as_json(now_ms()))
    else:
        console().print(page(story, now_ms()))


@command.command("stats", short_help="For reviews: how many, how soon, how they ended, why.")
@click.option(
    "--days",
    type=click.IntRange(1, BY_NAME[CASE_EVENTS].retention_days),
    default=DAYS,
    show_default=True,
    help="Of so many days up to now.",
)
@json_option
@pass_settings
def stats(settings: Settings, days: int, as_json: bool) -> None:
    """How many cases there were, how soon they were answered and resolved, how they ended, and why they came about.

    Times run from when a case was opened, or reopened last, on the clock: nights and weekends count. Due times leave them out,
    and "met" is the part of the cases that met theirs.
    """
    now = now_ms()
    found = run_async(settings, read_statistics(settings.connection(), now - days * DAY_MS, now))
    if as_json:
        print_json(found.as_json())
        return
    out = console()
    for row in shown(found, out.width):
        out.print(row)


for action in ACTIONS:
    command.add_command(action)


async def _story(settings: Settings, prefix: str) -> Story:
    connection = settings.connection()
    return await read_story(connection, (await read_cases(connection)).find(prefix))
