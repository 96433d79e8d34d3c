"""All kinds of sinks: from a table of the care file to what delivers."""

import ssl
from pathlib import Path

import aiohttp

from npstream.care.sinks import (
    AlertmanagerTable,
    AnyTable,
    EmailTable,
    PagerDutyTable,
    SlackTable,
    WebhookTable,
)
from npstream.failures import UserError
from npstream.notifying.delivering import Sink
from npstream.notifying.sinks.alertmanager import alertmanager
from npstream.notifying.sinks.http import HttpSink, Making
from npstream.notifying.sinks.mail import MailSink
from npstream.notifying.sinks.pagerduty import pagerduty
from npstream.notifying.sinks.slack import slack
from npstream.notifying.sinks.webhook import webhook


def sink_of(name: str, table: AnyTable, session: aiohttp.ClientSession, folder: Path) -> Sink:
    """What delivers to one sink; the table's secrets are texts. `folder`: where files lie that it names. Raises UserError."""
    if isinstance(table, EmailTable):
        try:
            return MailSink(name, table, folder)
        except (OSError, ssl.SSLError) as error:
            raise UserError(f"sinks.{name}: cannot read the authorities in ca_file {table.ca_file}: {error}") from error
    secrets = [str(getattr(table, field)) for field in table.secrets]
    return HttpSink(name, session, _making(table), secrets)


def _making(table: AnyTable) -> Making:
    match table:
        case AlertmanagerTable():
            return alertmanager(table)
        case SlackTable():
            return slack(table)
        case PagerDutyTable():
            return pagerduty(table)
        case WebhookTable():
            return webhook(table)
        case _:
            raise TypeError(f"a sink of kind {type(table).__name__} takes no POST")
