"""npstream check: is everything right for a worker to start?"""

import click

from npstream import findings
from npstream.admin import TIMEOUT_S
from npstream.checks import check_all
from npstream.failures import CheckFailed
from npstream.invocation import pass_settings, run_async
from npstream.settings import Settings
from npstream.terminal import console, print_json


@click.command(
    help="Check settings, care file, broker, topics and permissions, and say what to change. Exit code 1 if something must be."
)
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0.1), default=TIMEOUT_S, show_default=True, help="Seconds for each call."
)
@click.option("--json", "as_json", is_flag=True, help="A JSON list of findings.")
@pass_settings
def command(settings: Settings, timeout_s: float, as_json: bool) -> None:
    """Print one line for each thing that was looked at."""
    report(run_async(settings, check_all(settings, timeout_s)), as_json)


def report(found: list[findings.Finding], as_json: bool) -> None:
    """Print findings. Raises CheckFailed if one of them failed."""
    if as_json:
        print_json([finding.as_json() for finding in found])
    else:
        out = console()
        out.print(findings.table(found))
        out.print(findings.summary(found))
    if findings.failed(found):
        raise CheckFailed
