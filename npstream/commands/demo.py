"""`npstream demo`: everything at once, on one machine, from nothing."""

import sys

import click

from npstream.invocation import pass_settings, run_async
from npstream.settings import Settings


@click.command("demo")
@click.option("--once", is_flag=True, help="Process the year, print and check the tables, and end. So it is in a pipe.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed is another year.")
@pass_settings
def command(settings: Settings, once: bool, seed: int) -> None:
    """Show it all: the embedded broker, a worker, a year of responses of 200 accounts, live tables.

    Nothing is kept, and nothing of yours is touched: the broker listens on loopback and holds its data in memory. On a terminal
    it goes on with a trickle of new responses until q or Ctrl-C.
    """
    from npstream.demo import run_demo

    run_async(settings, run_demo(settings, seed, live=sys.stdout.isatty() and not once))
