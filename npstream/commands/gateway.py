"""`npstream gateway`: take webhooks and responses over HTTP."""

import os
from importlib.util import find_spec

import click

from npstream import logs
from npstream.failures import UserError
from npstream.invocation import pass_settings, run_async
from npstream.settings import Settings

PACKAGES = ("fastapi", "uvicorn", "httptools", "standardwebhooks")
"""What the extra installs."""


@click.command("gateway")
@click.option("--host", metavar="HOST", help="Where to listen (setting gateway_host).")
@click.option("--port", type=int, metavar="PORT", help="Port (setting gateway_port); 0 takes a free one.")
@click.option("--check", is_flag=True, help="Show how each vendor's webhooks are proved, and end.")
@pass_settings
def command(settings: Settings, host: str | None, port: int | None, check: bool) -> None:
    """Take webhooks and responses over HTTP, and send them to Kafka, until SIGTERM or Ctrl-C.

    What is answered with 2xx is in Kafka, acknowledged by all replicas. While no broker answers it says 503, and goes on by
    itself. docs/gateway.md says how vendors are configured, and what each status means.
    """
    _check_installed()
    from npstream.gateway.configuration import rules

    chosen = settings.override(gateway_host=host, gateway_port=port)
    found = rules(chosen, os.environ)
    if check:
        from npstream.gateway.overview import overview
        from npstream.terminal import console

        console().print(overview(found))
        return
    from npstream.gateway.server import run_gateway

    logs.set_up(chosen.log_level, chosen.log_format)
    run_async(chosen, run_gateway(chosen, found))


def _check_installed() -> None:
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise UserError(f"the gateway needs {', '.join(missing)}: pip install 'npstream[gateway]'")
