"""npstream outreach: first messages to detractors; what they say, whom they went to, and who wants none."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from msgspec import UNSET
from rich.text import Text

from agents.outreach_preferences import preference_key
from agents.outreach_rules import is_address, reply_address
from npstream.care.file import read_care
from npstream.care.first_touch import TABLE, first_touch_templates
from npstream.failures import UserError
from npstream.invocation import pass_settings, run_async
from npstream.lines import NOTHING, Column, heading, line, printable
from npstream.outreach_log import Entry, entries
from npstream.raw_record import RawRecord
from npstream.reading import require_topics
from npstream.sending import Sender
from npstream.settings import Settings
from npstream.terminal import console, print_json
from schemas.cases import Case
from schemas.events import MAX_ID_CHARS
from schemas.examples import EXAMPLES
from schemas.outreach import Preference
from schemas.times import parse_time
from schemas.topics import PREFERENCES
from streams.partitioner import partition_of

LAST: Final = 50
"""Records that are listed unless more are asked for: a screen or two."""
COLUMNS: Final = (
    Column("when", 16),
    Column("", 11),
    Column("account", 18),
    Column("respondent", 28, wide=36),
    Column("message", 0),
)

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
account_option = click.option("--account", "account_id", metavar="ID", required=True, help="The account_id.")
respondent_option = click.option("--respondent", "respondent_id", metavar="ID", required=True, help="The respondent_id.")


class Pair(click.ParamType):
    """DIMENSION=VALUE."""

    name = "DIMENSION=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Split at the first equals sign."""
        dimension, equals, text = str(value).partition("=")
        if not equals or not dimension or not text:
            self.fail(f"{value!r} is not DIMENSION=VALUE", param, ctx)
        return dimension, text


@click.group("outreach")
def command() -> None:
    """First messages to detractors: preview them, list them, and note who wants none."""


@command.command("preview", short_help="What would be sent, made with which template, and why.")
@click.option(
    "--case", "file", type=click.Path(allow_dash=True, path_type=Path), help="A case or case event in JSON; - is stdin."
)
@click.option("--severity", type=click.Choice(["critical", "high", "elevated"]), help="Instead of the case's.")
@click.option("--locale", metavar="LOCALE", help="Instead of the case's, such as de-AT.")
@click.option("--segment", "segments", type=Pair(), multiple=True, help="Besides the case's; may be given more than once.")
@json_option
@pass_settings
def preview(
    settings: Settings,
    file: Path | None,
    severity: str | None,
    locale: str | None,
    segments: Sequence[tuple[str, str]],
    as_json: bool,
) -> None:
    """Show a message as it would be sent when the case last changed, which template it is made with, and why.

    Nothing is sent, and the broker is not asked. Without --case it is about an example.

    \b
    npstream outreach preview --severity high --locale fr
    npstream outreach preview --segment plan=enterprise
    npstream cases show c-5b1d2f0a9c3e --json | npstream outreach preview --case -
    """
    case = _changed(_read(file), severity, locale, dict(segments))
    care = read_care(settings.care_file)
    templates = first_touch_templates(care)
    choice, message = templates.choose(case), templates.render(case, parse_time(case.updated_at))
    respondent = case.respondent_id
    document = {
        "template": message.template,
        "locale": message.locale,
        "file": templates.path(choice),
        "why": choice.why,
        "failed": message.failed or None,
        "to": respondent if is_address(respondent) else None,
        "reply_to": reply_address(case, care.tables.get(TABLE, {}).get("reply_to", "")) or None,
        "subject": message.subject,
        "text": message.text,
    }
    if as_json:
        print_json(document)
        return
    out = console()
    if message.failed:
        told = f"{document['file']} fails for this case: the shipped message is sent instead"
        out.print(Text(printable(told), "bold red"), soft_wrap=True)
    rows = {
        "template": f"{message.template}, {message.locale}" + ("" if message.failed else f": {document['file']}"),
        "why": choice.why,
        "to": document["to"] or "nobody: the respondent_id is no e-mail address",
        "reply to": document["reply_to"] or "whoever it is sent from",
        "subject": message.subject,
    }
    for name, value in rows.items():
        out.print(Text.assemble((f"{name:<10}", "dim"), printable(value)), soft_wrap=True)
    out.print()
    for part in message.text.split("\n"):
        out.print(Text(printable(part)), soft_wrap=True)


@command.command("opt-out")
@account_option
@respondent_option
@json_option
@pass_settings
def opt_out(settings: Settings, account_id: str, respondent_id: str, as_json: bool) -> None:
    """Note that a respondent wants no messages.

    It holds from when the worker has read it, also for a message that is planned already.
    """
    _prefer(settings, Preference(account_id=account_id, respondent_id=respondent_id, outreach=False), as_json)


@command.command("opt-in")
@account_option
@respondent_option
@json_option
@pass_settings
def opt_in(settings: Settings, account_id: str, respondent_id: str, as_json: bool) -> None:
    """Note that a respondent may be sent messages again."""
    _prefer(settings, Preference(account_id=account_id, respondent_id=respondent_id, outreach=True), as_json)


@command.command("list")
@click.option("-n", "--last", "count", type=click.IntRange(min=1), default=LAST, show_default=True, help="The newest N.")
@click.option("--account", "account_id", metavar="ID", help="Of this account alone.")
@click.option("--status", type=click.Choice(["send", "suppressed"]), help="Of this outcome alone.")
@json_option
@pass_settings
def list_outreach(settings: Settings, count: int, account_id: str | None, status: str | None, as_json: bool) -> None:
    """Messages that were sent or suppressed lately, and why."""
    found = run_async(settings, entries(settings.connection(), count, account_id, status))
    if as_json:
        print_json({"outreach": [msgspec.to_builtins(entry.told) for entry in found]})
        return
    out = console()
    if not found:
        out.print("No messages: are first messages switched on, and have detractors answered? docs/first-touch.md")
        return
    out.print(heading(COLUMNS, "When", out.width))
    for entry in found:
        out.print(line(COLUMNS, _cells(entry), out.width))


def _read(file: Path | None) -> Case:
    """The case in a file, or the example. Raises UserError."""
    if file is None:
        return msgspec.convert(EXAMPLES["Case"], Case)
    name = "stdin" if str(file) == "-" else str(file)
    data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    try:
        document = msgspec.json.decode(data)
        case = msgspec.convert(document.get("case", document) if isinstance(document, dict) else document, Case)
        for time in (case.updated_at, case.first_response_due):
            if time is not UNSET:
                parse_time(time)
    except (msgspec.MsgspecError, ValueError) as error:
        raise UserError(f"{name}: no case: {error}") from None
    return case


def _changed(case: Case, severity: str | None, locale: str | None, segments: dict[str, str]) -> Case:
    changes: dict[str, Any] = {"segments": {**(case.segments or {}), **segments}}
    if severity is not None:
        changes["severity"] = severity
    if locale is not None:
        changes["locale"] = locale
    return msgspec.structs.replace(case, **changes)


def _prefer(settings: Settings, wanted: Preference, as_json: bool) -> None:
    for name in ("account_id", "respondent_id"):
        if not 0 < len(getattr(wanted, name)) <= MAX_ID_CHARS:
            raise UserError(f"--{name.removesuffix('_id')} must have 1 to {MAX_ID_CHARS} characters")
    run_async(settings, _send(settings, wanted))
    if as_json:
        print_json({"sent": True, **msgspec.to_builtins(wanted)})
        return
    may = "may be sent messages again" if wanted.outreach else "is sent no messages"
    console().print(Text(f"{printable(wanted.respondent_id)} of {printable(wanted.account_id)} {may}"))


async def _send(settings: Settings, wanted: Preference) -> None:
    partitions = (await require_topics(settings.connection(), [PREFERENCES]))[PREFERENCES]
    partition = partition_of(wanted.account_id.encode(), partitions)
    key = preference_key(wanted.account_id, wanted.respondent_id)
    async with Sender(settings.connection(), PREFERENCES) as sender:
        await sender.send(RawRecord(key, msgspec.json.encode(wanted), partition=partition))
        await sender.flush()


def _cells(entry: Entry) -> list[Text | str]:
    told = entry.told
    sent = told.status == "send"
    outcome = Text("sent", "green") if sent else Text(told.reason or "suppressed", "yellow")
    message = f"{told.template or NOTHING} {told.locale or ''}: {told.subject or ''}" if sent else NOTHING
    return [told.created_at[:16].replace("T", " "), outcome, told.account_id, told.respondent_id, message]
