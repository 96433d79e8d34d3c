"""The tables [sinks.NAME] of the care file: where alerts go, and what opens each place.

    [sinks.slack-csm]
    kind = "slack"
    url = { env = "SLACK_CSM_URL" }

`sink_tables` reads them as they are written, without looking for secrets: a worker only has to know which sinks there are, and
of which kind. `open_sinks` puts the secrets in, for `npstream notify`.
"""

import os
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

import msgspec
from msgspec import Meta, Struct

from npstream.care.file import CareFile, Secret, secret_text
from npstream.care.mistakes import mistake
from npstream.settings_sources import nearest

SINK_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
"""What a sink may be called: it stands in names of consumer groups, transactional ids and labels of metrics."""
ADDRESS: Final = re.compile(r"[^\s@<>,;:\"()\[\]\\]+@[^\s@<>,;:\"()\[\]\\]+")
"""What is taken for an e-mail address: enough to tell one from a name, and to keep header fields apart."""

_PLACE: Final = re.compile(r"\{(.*?)\}")

Text = str | Secret
Seconds = Annotated[float, Meta(gt=0)]


class SinkTable(Struct, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What every sink has."""

    secrets: ClassVar[tuple[str, ...]] = ()
    """Its fields that may be secrets."""

    give_up_after_s: Seconds = 3600.0
    """How long a delivery is tried that the sink does not take, then it is a dead letter: longer than most outages."""
    timeout_s: Annotated[float, Meta(gt=0, le=120)] = 10.0
    """How long one attempt may take: sinks answer within a second, or not at all."""
    at_once: Annotated[int, Meta(ge=1, le=64)] = 8
    """Attempts under way at a time."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"  # it may hold secrets


class AlertmanagerTable(SinkTable, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="alertmanager"):
    """Prometheus Alertmanager, API v2."""

    secrets: ClassVar = ("password", "token")

    url: str
    """Scheme and host, and a path where it is not served at the root; /api/v2/alerts is added."""
    username: str = ""
    password: Text = ""
    token: Text = ""
    """A bearer token, in place of name and password."""
    generator_url: str = ""
    """A link that each alert carries; {account}, {case} and {key} are put in."""


class SlackTable(SinkTable, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="slack"):
    """An incoming webhook of Slack's, or of what takes the same."""

    secrets: ClassVar = ("url",)

    url: Text
    at_once: Annotated[int, Meta(ge=1, le=64)] = 1
    """Slack takes one message a second for each webhook."""


class PagerDutyTable(SinkTable, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="pagerduty"):
    """PagerDuty's Events API v2, or what takes the same."""

    secrets: ClassVar = ("routing_key",)

    routing_key: Text
    url: str = "https://events.pagerduty.com/v2/enqueue"


class EmailTable(SinkTable, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="email"):
    """A mail server that takes mail for others: SMTP submission."""

    secrets: ClassVar = ("password",)

    host: str
    port: Annotated[int, Meta(ge=1, le=65_535)] | None = None
    """None: the usual one, 587 with starttls, 465 with tls, 25 without."""
    tls: Literal["starttls", "tls", "none"] = "starttls"
    ca_file: str = ""
    """PEM file of the authority that signed the server's certificate; empty: the system's. Beside the care file."""
    username: str = ""
    password: Text = ""
    sender: str
    """The address that mail comes from."""
    to: list[str] = []
    """Who gets alerts."""
    to_owner: bool = False
    """Also whoever owns what an alert tells of, where that is an address."""
    at_once: Annotated[int, Meta(ge=1, le=64)] = 4
    """Each is a connection; servers allow few from one place."""


class WebhookTable(SinkTable, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="webhook"):
    """Somebody's own endpoint: signed as Standard Webhooks says."""

    secrets: ClassVar = ("url", "secret")

    url: Text
    secret: Text
    """Base64, with or without `whsec_` before it."""


AnyTable = AlertmanagerTable | SlackTable | PagerDutyTable | EmailTable | WebhookTable
KINDS: Final = ("alertmanager", "slack", "pagerduty", "email", "webhook")


def sink_tables(care: CareFile) -> dict[str, AnyTable]:
    """The sinks by name, in the order of the file, secrets as they are written. Raises SettingsError."""
    given = care.tables.get("sinks", {})
    if not isinstance(given, dict):
        raise care.wrong("sinks", "write a table for each, such as [sinks.slack-csm]")
    return {name: _table(care, name, one) for name, one in given.items()}


def open_sinks(care: CareFile, environ: Mapping[str, str] = os.environ) -> dict[str, AnyTable]:
    """The same with each secret in its place as text. Raises SettingsError, which shows none."""
    return {name: _opened(care, name, table, environ) for name, table in sink_tables(care).items()}


def outreach_sink(care: CareFile) -> str | None:
    """The name of the e-mail sink that sends first messages, from `first_touch.send_by`; None: a mail system of the user's own
    sends them. Raises SettingsError."""
    table = care.tables.get("first_touch", {})
    name = table.get("send_by", "") if isinstance(table, dict) else ""
    if name == "":
        return None
    sinks = sink_tables(care)
    if not isinstance(name, str) or name not in sinks:
        raise care.wrong("first_touch.send_by", f"there is no sink {name!r:.60}{_meant(str(name), sinks)}")
    if not isinstance(sinks[name], EmailTable):
        raise care.wrong("first_touch.send_by", f"{name} is no sink of kind email, and respondents have nothing else")
    return name


def kind_of(table: AnyTable) -> str:
    """What stands at `kind` in its table."""
    return str(table.__struct_config__.tag)


def _table(care: CareFile, name: str, given: Any) -> AnyTable:
    where = f"sinks.{name:.60}"
    if not SINK_NAME.fullmatch(name):
        raise care.wrong(where, "a sink's name is of a-z, 0-9, - and _, at most 40 of them")
    if isinstance(given, dict) and given.get("kind") not in KINDS:
        kind = given.get("kind", "")
        raise care.wrong(where, f"kind is {kind!r:.60}: it must be one of {', '.join(KINDS)}{_meant(str(kind), KINDS)}")
    try:
        table: AnyTable = msgspec.convert(given, AnyTable)
    except msgspec.ValidationError as error:
        inner, what = mistake(error, AnyTable, given)
        raise care.wrong(where + inner, what) from None
    for problem in _problems(table):
        raise care.wrong(where, problem)
    return table


def _opened(care: CareFile, name: str, table: AnyTable, environ: Mapping[str, str]) -> AnyTable:
    texts = {
        field: secret_text(care, f"sinks.{name}.{field}", getattr(table, field), environ)
        for field in table.secrets
        if getattr(table, field) != ""
    }
    opened = msgspec.structs.replace(table, **texts)
    for problem in [*_problems(opened), *_secret_problems(opened)]:
        raise care.wrong(f"sinks.{name}", problem)
    return opened


def _problems(table: AnyTable) -> Iterator[str]:
    """What can be told without the secrets, and once more with them."""
    url = getattr(table, "url", "")
    if isinstance(url, str) and not isinstance(table, EmailTable) and not url.startswith(("https://", "http://")):
        yield "url: write scheme and host, such as https://hooks.example.com"
    match table:
        case AlertmanagerTable(generator_url=link) if unknown := [*set(_PLACE.findall(link)) - {"account", "case", "key"}]:
            yield f"generator_url: {{{min(unknown)}}} is put in nowhere: there are {{account}}, {{case}} and {{key}}"
        case AlertmanagerTable(username=username, token=token) if username and token:
            yield "give username and password, or token, not both"
        case EmailTable(sender=sender) if not ADDRESS.fullmatch(sender):
            yield f"sender is {sender!r:.60}: write an address, such as npstream@vendor.example"
        case EmailTable(to=to) if wrong := [one for one in to if not ADDRESS.fullmatch(one)]:
            yield f"to: {wrong[0]!r:.60} is no address"
        case EmailTable(username=username, tls="none") if username:
            yield "the password would be readable on its way: use tls = starttls or tls"
        case EmailTable(username=username, password=password) if bool(username) != bool(password):
            yield "give username and password, or neither"


def _secret_problems(table: AnyTable) -> Iterator[str]:
    match table:
        case WebhookTable(secret=str(secret)) if not _is_base64(secret.removeprefix("whsec_")):
            yield "secret: it must be base64, with or without whsec_ before it"
        case PagerDutyTable(routing_key=str(key)) if not key:
            yield "routing_key is empty"


def _is_base64(text: str) -> bool:
    try:
        return bool(b64decode(text + "=" * (-len(text) % 4), validate=True))
    except ValueError:
        return False


def _meant(name: str, known: Any) -> str:
    hint = nearest(name, known)
    return hint if "mean" in hint else ""
