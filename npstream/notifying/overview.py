"""What `npstream notify --check` shows: where alerts go, and no secret."""

from collections.abc import Mapping

from rich import box
from rich.table import Table
from yarl import URL

from npstream.care.sinks import AlertmanagerTable, AnyTable, EmailTable, PagerDutyTable, SlackTable, WebhookTable, kind_of
from npstream.durations import SECOND_MS, span


def overview(sinks: Mapping[str, AnyTable], first_touch: str | None) -> Table:
    """A row for each sink."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for title in ("Sink", "Kind", "Where", "Gives up after", "Messages to respondents"):
        table.add_column(title)
    for name, sink in sinks.items():
        sends = "sends them" if name == first_touch else "-"
        table.add_row(name, kind_of(sink), where(sink), _long(sink.give_up_after_s), sends)
    return table


def _long(seconds: float) -> str:
    return f"{seconds:g} s" if seconds % 60 else span(seconds * SECOND_MS)


def where(sink: AnyTable) -> str:
    """Host, and what of the rest is no secret: paths of webhooks are."""
    match sink:
        case AlertmanagerTable(url=url) | PagerDutyTable(url=url):
            return str(URL(url).with_user(None).with_query(None))
        case SlackTable(url=url) | WebhookTable(url=url):
            return f"{URL(str(url)).origin()}/..."
        case EmailTable(host=host, port=port, tls=tls, to=to, to_owner=to_owner):
            to = [*to, *(["its owner"] if to_owner else [])]
            return (
                f"{host}{f':{port}' if port else ''} ({'without TLS' if tls == 'none' else tls}) to {', '.join(to) or 'nobody'}"
            )
        case _:
            raise TypeError(f"{type(sink).__name__} is no table of a sink")
