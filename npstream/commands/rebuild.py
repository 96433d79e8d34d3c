"""npstream rebuild: start an agent anew."""

import sys

import click

from npstream.admin import TIMEOUT_S, connect
from npstream.failures import UserError
from npstream.invocation import pass_settings, run_async
from npstream.rebuild import carry_out, plan
from npstream.settings import AGENTS, Settings


@click.command()
@click.option("--agent", required=True, type=click.Choice(AGENTS), help="Which agent.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@pass_settings
def command(settings: Settings, agent: str, dry_run: bool, yes: bool) -> None:
    """Delete an agent's state, so that it counts again from what its source still holds.

    For a state that does not fit the topics any more and cannot be restored: a worker that refuses it says so. It is refused
    while the agent's workers run. It says in advance what is deleted and what consumers get again, and asks.
    """
    run_async(settings, _rebuild(settings, agent, dry_run, yes))


async def _rebuild(settings: Settings, agent: str, dry_run: bool, yes: bool) -> None:
    async with connect(settings.connection(), TIMEOUT_S) as admin:
        rebuild = await plan(admin, settings, agent)
        for line in rebuild.lines():
            click.echo(line)
        if dry_run:
            return
        if not yes:
            if not sys.stdin.isatty():
                raise UserError("nobody is there to be asked: run it on a terminal, or with --yes; nothing was changed")
            click.confirm(f"Start {agent} anew?", abort=True)
        await carry_out(admin, settings, rebuild)
        click.echo(f"done: start the workers, and {agent} counts again")
