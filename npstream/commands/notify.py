"""`npstream notify`: deliver alerts and first messages."""

import os
from importlib.util import find_spec

import click

from npstream import logs
from npstream.care.file import read_care
from npstream.care.sinks import open_sinks, outreach_sink
from npstream.failures import UserError
from npstream.invocation import pass_settings, run_async
from npstream.settings import Settings
from npstream.settings_sources import nearest

PACKAGES = ("aiohttp", "aiosmtplib", "standardwebhooks")
"""What the extra installs."""


@click.command("notify")
@click.option("--check", is_flag=True, help="Show the sinks, and end.")
@click.option("--test", "tried", metavar="SINK", help="Send one test delivery to a sink, say what it answered, and end.")
@pass_settings
def command(settings: Settings, check: bool, tried: str | None) -> None:
    """Deliver what nps.alerts says to the sinks of the care file, and the messages in nps.outreach if one of them sends those,
    until SIGTERM or Ctrl-C.

    Each delivery is recorded in nps.deliveries. While a sink is away its deliveries wait, and those of the others do not.
    Several may run: they share the work. Metrics are at the setting notify_http_port. docs/delivery.md says how sinks are
    configured.
    """
    if not settings.care_file:
        raise UserError("no care_file is set, so there is nobody to deliver to: set care_file, with [sinks.NAME] tables in it")
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise UserError(f"npstream notify needs {', '.join(missing)}: pip install 'npstream[notify]'")
    care = read_care(settings.care_file)
    sinks = open_sinks(care, os.environ)
    first_touch = outreach_sink(care)
    if not sinks:
        raise UserError(f"care_file {care.path} has no sinks: write a table [sinks.NAME] for each place that alerts go to")
    if check:
        from npstream.notifying.overview import overview
        from npstream.terminal import console

        console().print(overview(sinks, first_touch))
        return
    if tried is not None:
        if tried not in sinks:
            hint = nearest(tried, sinks)
            raise UserError(f"there is no sink {tried}" + (hint if "mean" in hint else f"; there are {', '.join(sinks)}"))
        from npstream.notifying.trial import try_sink

        taken = run_async(settings, try_sink(tried, sinks[tried], care.folder))
        click.echo(f"sink {tried} answered {taken.status}" + (f": {taken.note}" if taken.note else ""))
        return
    from npstream.notifying.running import run_notify

    logs.set_up(settings.log_level, settings.log_format)
    run_async(settings, run_notify(settings, sinks, first_touch, care.folder))
