"""npstream adapt: what becomes of a survey platform's payload, field by field."""

import sys
import time
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.table import Table
from rich.text import Text

from agents.intake import Intake, IntakeSettings
from npstream.adapting import Adapted, adapted, names_at, payload_of
from npstream.failures import CheckFailed, UserError
from npstream.invocation import pass_settings
from npstream.settings import Settings
from npstream.sources_file import read_adapter, read_sources
from npstream.terminal import console, print_json
from schemas.dead_letters import Unusable
from schemas.vendors.rules import Found

STDIN = "-"
LONGEST = 60
"""Characters of a value that the table shows."""


@click.command(help="Show what becomes of a payload, field by field, and why a field is missing. - reads stdin.")
@click.argument("payload", type=click.Path(path_type=Path, allow_dash=True), metavar="PAYLOAD")
@click.option("--mapping", type=click.Path(path_type=Path), metavar="FILE", help="Read it by this mapping (docs/mappings.md).")
@click.option("--source", metavar="NAME", help="Read it as this vendor's; without it the payload's shape tells.")
@click.option("--account", metavar="ID", help="The account, where neither the payload nor the settings name one.")
@click.option("--form", is_flag=True, help="It is form-encoded; what begins with { or [ is JSON unless this is given.")
@click.option("--json", "as_json", is_flag=True, help="The canonical responses as a JSON list, and nothing else.")
@pass_settings
def command(
    settings: Settings, payload: Path, mapping: Path | None, source: str | None, account: str | None, form: bool, as_json: bool
) -> None:
    """Exit code 1 if it would be a dead letter."""
    if mapping is not None and source is not None:
        raise click.UsageError("--mapping and --source exclude each other: a mapping says its own name")
    sources = read_sources(settings.sources_file)
    adapters = dict(sources.adapters)
    if mapping is not None:
        own = read_adapter(mapping)
        adapters[own.NAME], source = own, own.NAME
    if source is not None and source not in adapters:
        raise UserError(f"--source {source}: no adapter is named so; there are {', '.join(adapters)}")
    given = IntakeSettings(adapters, sources.settings, sources.domains, settings.zone(), account or settings.default_account)
    value = _read(payload)
    form = form or value.lstrip()[:1] not in (b"{", b"[")
    found = adapted(value, source, form, Intake(given), int(time.time() * 1000))
    if as_json:
        print_json(found.responses)
    else:
        _show(found, str(payload), value, form)
    if found.refusal is not None:
        raise CheckFailed(f"{payload}: a dead letter: {found.refusal}")


def _read(payload: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(payload) == STDIN else payload.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {payload}: {error.strerror}") from error


def _show(found: Adapted, name: str, value: bytes, form: bool) -> None:
    out = console()
    try:
        payload = payload_of(value, form)
    except Unusable:
        payload = None
    for number, fields in enumerate(found.fields):
        title = f"{name}, read as {found.source}" + (f", response {number + 1}" if len(found.fields) > 1 else "")
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left", title_style="bold")
        for column in ("field", "value", "from"):
            table.add_column(column, overflow="fold")
        for field, one in fields.items():
            table.add_row(field, _value(one.value), _way(one, payload), style="" if _is_there(one) else "dim")
        out.print(table)
    if found.incomplete:
        out.print(f"{name}: it carries ids alone: npstream fetch asks {found.source} for the response")
    for response in found.responses:
        out.print(
            Text(
                f"accepted: {response['response_id']} of {response['account_id']}, score {response.get('score', 'taken back')}"
            )
        )


def _is_there(found: Found) -> bool:
    return found.value not in (None, "", {})


def _value(value: Any) -> Text:
    if value in (None, "", {}):
        return Text("-")
    text = ", ".join(f"{name}={one}" for name, one in value.items()) if isinstance(value, dict) else str(value)
    return Text(text if len(text) <= LONGEST else text[: LONGEST - 1] + "…")


def _way(found: Found, payload: Any) -> Text:
    """How the value was come by; without one, what was tried, and what is there instead."""
    if _is_there(found):
        return Text(found.tried[-1] if found.tried else "")
    lines = []
    for tried in found.tried:
        instead = names_at(payload, tried.removeprefix("path ")) if tried.startswith("path ") else ""
        lines.append(f"nothing at {tried}" + (f": {instead}" if instead else ""))
    return Text("\n".join(lines))
