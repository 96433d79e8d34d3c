"""npstream settings: every setting, its value and where it came from."""

import sys

import click

from npstream import settings_docs
from npstream.invocation import pass_settings
from npstream.settings import Settings
from npstream.terminal import console, print_json


@click.command(help="Show every setting, its value and where it came from. Secrets are masked.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object: name to value, source and help.")
@click.option("--markdown", is_flag=True, help="The page docs/settings.md, with the defaults.")
@pass_settings
def command(settings: Settings, as_json: bool, markdown: bool) -> None:
    """Print the settings as a table, JSON or Markdown."""
    if markdown:
        sys.stdout.write(settings_docs.markdown())
    elif as_json:
        print_json(settings_docs.as_json(settings))
    else:
        out = console()
        out.print(settings_docs.table(settings, out.width))
