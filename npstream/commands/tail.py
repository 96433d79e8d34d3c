"""`npstream tail`: what comes out, record by record."""

import sys

import click
import orjson
from rich.console import Console

from npstream.clock import today
from npstream.failures import ends_on_interrupt
from npstream.invocation import pass_settings, run_async
from npstream.reading import Reader
from npstream.record_view import as_json, as_line
from npstream.settings import Settings
from npstream.terminal import console
from schemas import topics
from streams.processor import Record

TOPICS = {
    "detractors": topics.DETRACTORS,
    "promoters": topics.PROMOTERS,
    "changes": topics.CHANGES,
    "scored": topics.SCORED,
    "cases": topics.CASE_EVENTS,
    "rejections": topics.CASE_REJECTIONS,
    "risks": topics.ACCOUNT_ALERTS,
    "alerts": topics.ALERTS,
    "deliveries": topics.DELIVERIES,
    "outreach": topics.OUTREACH,
    "comments": topics.COMMENTS,
    "dlq": topics.DEAD_LETTERS,
}
"""What can be followed."""
LAST = 10
"""Records that are shown at first, as tail does with lines."""


@click.command("tail")
@click.argument("what", metavar="WHAT", type=click.Choice(list(TOPICS)))
@click.option("-n", "--last", "count", type=click.IntRange(min=0), default=LAST, show_default=True, help="The newest N first.")
@click.option("-f", "--follow/--no-follow", default=None, help="Go on with what comes. [default: on a terminal]")
@click.option("--json", "as_documents", is_flag=True, help="One JSON document a line, with key, headers and position.")
@pass_settings
@ends_on_interrupt
def command(settings: Settings, what: str, count: int, follow: bool | None, as_documents: bool) -> None:
    """Show the newest committed records of WHAT, one a line, and follow what comes.

    \b
    detractors, promoters, changes, scored    what scoring decides
    cases, rejections, risks                  what happens to them; accounts at risk
    alerts, deliveries, outreach              who is told, and what became of it
    comments                                  what they are about, how they sound
    dlq                                       dead letters
    """
    on = sys.stdout.isatty() if follow is None else follow
    run_async(settings, _tail(settings, TOPICS[what], count, on, as_documents))


async def _tail(settings: Settings, topic: str, count: int, follow: bool, as_documents: bool) -> None:
    out = console()
    async with Reader(settings.connection(), [topic]) as reader:
        if count:
            _show(out, await reader.last(topic, count), as_documents)
        if follow:
            async for records in reader.follow():
                _show(out, records, as_documents)


def _show(out: Console, records: list[Record], as_documents: bool) -> None:
    for record in records:
        if as_documents:
            sys.stdout.write(orjson.dumps(as_json(record)).decode() + "\n")
        elif out.is_terminal:
            out.print(as_line(record, today()), no_wrap=True, overflow="ellipsis")
        else:
            sys.stdout.write(as_line(record).plain + "\n")
    sys.stdout.flush()
