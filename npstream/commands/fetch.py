"""`npstream fetch`: ask vendors for the responses of which their webhooks say no more than the ids."""

import click

from npstream import logs
from npstream.failures import UserError
from npstream.invocation import pass_settings, run_async
from npstream.settings import Settings


@click.command("fetch")
@pass_settings
def command(settings: Settings) -> None:
    """Complete the payloads in nps.responses.incomplete from SurveyMonkey's and Qualtrics' APIs, until SIGTERM or Ctrl-C.

    Tokens are settings, best given in the environment: NPSTREAM_SURVEYMONKEY_TOKEN, NPSTREAM_QUALTRICS_TOKEN. Several may run:
    they share the work. Metrics are at the setting fetch_http_port.
    """
    logs.set_up(settings.log_level, settings.log_format)
    try:
        from npstream.fetching.running import run_fetch
    except ModuleNotFoundError as error:
        raise UserError(f"npstream fetch needs {error.name}: pip install 'npstream[fetch]'") from error
    run_async(settings, run_fetch(settings))
