"""The command `npstream`: options that come before every command, and the commands, imported when they are used."""

import importlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NoReturn

import click

from npstream.failures import run_command
from npstream.invocation import Invocation
from npstream.settings import Settings
from npstream.settings_sources import PREFIX, declared, nearest

COMMANDS = {
    "demo": "Show it all: embedded broker, worker, a year of responses, live tables.",
    "worker": "Run the agents: responses in, scores and events out.",
    "gateway": "Take webhooks and responses over HTTP, and send them to Kafka.",
    "fetch": "Ask vendors for responses of which webhooks give only ids.",
    "cases": "Show detractors' cases, and act on them.",
    "notify": "Deliver alerts and first messages: e-mail, Slack, PagerDuty, Alertmanager, webhooks.",
    "outreach": "Show first messages, try templates, and who wants none.",
    "comments": "Show what comments are about, and try it on a text.",
    "broker": "Run the embedded broker, for trying things out.",
    "topics": "Show, create and check the topics.",
    "produce": "Send responses from a file to Kafka.",
    "adapt": "Show what becomes of a survey platform's payload, and why not.",
    "accounts": "Load and show CRM facts: owner, tier, value, segments of accounts.",
    "top": "Live tables of accounts, segments and detractors.",
    "tail": "Follow what comes out: detractors, changes, scores, cases, alerts, deliveries, comments.",
    "dlq": "List, show and replay dead letters.",
    "rebuild": "Start an agent anew: it counts again from its source.",
    "erase": "Erase a respondent's personal data, and prove it.",
    "verify": "Recount everything from the source topic, and compare.",
    "check": "Check settings, care file, broker, topics and permissions.",
    "settings": "Show every setting, its value and where it came from.",
    "schema": "Write AsyncAPI and JSON Schema of the topics.",
}
"""The commands in the order of the help, with what it says of them: help imports none of them. Each is a module of
`npstream.commands` of the same name."""

SECRETS = frozenset(name for name, target in declared(Settings).items() if target.metadata["secret"])
"""Settings that are no flags."""


class Commands(click.Group):
    """The commands by name, each imported when it is used: help is quick, and what one lacks does not hurt the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one. An ImportError is the command's own, and passes."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"npstream.commands.{cmd_name}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which was probably meant."""
        name = args[0]
        if not ctx.resilient_parsing and name not in COMMANDS and not name.startswith("-"):
            hint = nearest(name, COMMANDS)
            ctx.fail(f"there is no command {name}" + (hint if "mean" in hint else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


class Assignment(click.ParamType):
    """NAME=VALUE."""

    name = "NAME=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Split at the first equals sign."""
        if isinstance(value, tuple):
            return value
        name, equals, text = str(value).partition("=")
        if not equals:
            self.fail(f"{value!r} is not NAME=VALUE", param, ctx)
        return name.strip(), text


def _version() -> str:
    try:
        return version("npstream")
    except PackageNotFoundError:
        return "(not installed: run from its sources)"


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    # with no arguments: help on stdout and exit code 0, as people who just type the name expect
    invoke_without_command=True,
    no_args_is_help=False,
)
@click.option("--bootstrap", metavar="HOST:PORT", help="Brokers to ask first (setting bootstrap).")
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="TOML file with settings.")
@click.option("--set", "assignments", type=Assignment(), multiple=True, help="Any setting; may be given more than once.")
@click.version_option(_version(), "--version", prog_name="npstream", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context, bootstrap: str | None, config: Path | None, assignments: tuple[tuple[str, str], ...]) -> None:
    """Rolling Net Promoter Scores and the events that make people act, on Kafka.

    Settings come from flags, NPSTREAM_* variables, a TOML file and defaults: npstream settings shows them.
    """
    flags = dict(assignments)
    for name in flags.keys() & SECRETS:
        raise click.UsageError(
            f"{name} as a flag can be read by all who list processes: give it as {PREFIX}{name.upper()}, or in the file", ctx
        )
    if bootstrap is not None:
        flags["bootstrap"] = bootstrap
    ctx.obj = Invocation(flags, config)
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main() -> NoReturn:
    """Run the command line and exit."""
    run_command(lambda: cli.main(prog_name="npstream", standalone_mode=False))
