"""npstream accounts: load CRM facts into nps.accounts, and show what it holds."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click
from rich.console import Console
from rich.text import Text

from npstream.account_changes import Change, Document, Kind, changes, usable
from npstream.account_files import Rows, read_accounts
from npstream.column_map import columns_option
from npstream.failures import CheckFailed
from npstream.invocation import pass_settings, run_async
from npstream.lines import NOTHING, Column, heading, line, printable
from npstream.raw_record import RawRecord
from npstream.reading import Reader, require_topics
from npstream.sending import Sender
from npstream.settings import Settings
from npstream.terminal import console, print_json
from schemas.accounts import AccountFacts
from schemas.topics import ACCOUNTS
from streams.partitioner import partition_of

SHOWN: Final = 50
"""Accounts that a table shows: a screen or two; --json has them all."""

CHANGES: Final = (Column("account", 24), Column("", 9), Column("what", 0))
FACTS: Final = (
    Column("account", 20),
    Column("name", 20),
    Column("owner", 22),
    Column("tier", 8),
    Column("value", 10, right=True),
    Column("renewal", 10),
    Column("segments", 0),
)
COLOURS: Final[dict[Kind, str]] = {
    "new": "green",
    "changed": "yellow",
    "deleted": "red",
    "not there": "dim",
    "unchanged": "dim",
}

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")


@click.group("accounts")
def command() -> None:
    """Load and show CRM facts: name, owner, tier, value, segments, renewal date, time zone, contacts, domains."""


@command.command("load")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False))
@click.option("--delete", "deleted", multiple=True, metavar="ID", help="Take back all that is known of an account.")
@columns_option
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@json_option
@pass_settings
def load(
    settings: Settings, file: str | None, deleted: Sequence[str], columns: Mapping[str, str], dry_run: bool, as_json: bool
) -> None:
    """Send what FILE says of accounts to nps.accounts: CSV, JSON Lines, or JSON.

    Columns are found by their names, also by those that CRM exports use (csm, arr, company); plan, region, country, industry,
    product and segment are segments, as is every column segments.NAME. A field that the file does not have stays as it is, an
    empty cell or null takes it back. A file with a fault is refused as a whole.

    What is loaded counts for responses that are scored from then on.

    \b
    npstream accounts load crm.csv --dry-run
    npstream accounts load crm.csv --map "Success hero=owner" --map "Vertical=segments.industry"
    npstream accounts load --delete acme
    """
    if file is None and not deleted:
        raise click.UsageError("there is nothing to do: name a file, or --delete an account")
    rows = Rows() if file is None else read_accounts(file, columns)
    if rows.ignored:
        click.echo(f"{file}: ignored columns {', '.join(rows.ignored)} (--map COLUMN=FIELD uses one)", err=True)
    found = run_async(settings, _load(settings, file or "", rows, deleted, dry_run))
    if as_json:
        print_json({"sent": not dry_run, "changes": [_change(change) for change in found]})
        return
    _show_changes(console(), found, dry_run)


@command.command("show")
@click.argument("account_id", metavar="ID")
@json_option
@pass_settings
def show(settings: Settings, account_id: str, as_json: bool) -> None:
    """What is known of an account. Exit code 1 if that is nothing."""
    document = run_async(settings, _known(settings)).get(account_id)
    if document is None:
        raise CheckFailed(f"{ACCOUNTS} has no facts of {account_id}: is the ID exact? npstream accounts list shows all")
    if as_json:
        print_json({"account_id": account_id, **document})
        return
    out = console()
    for field, value in [("account_id", account_id), *_fields(document)]:
        out.print(Text.assemble((f"{field:<14}", "dim"), printable(_text(value))))


@command.command("list")
@json_option
@pass_settings
def list_accounts(settings: Settings, as_json: bool) -> None:
    """All accounts of which something is known, by their ids."""
    known = run_async(settings, _known(settings))
    if as_json:
        print_json({"accounts": [{"account_id": account_id, **known[account_id]} for account_id in sorted(known)]})
        return
    out = console()
    if not known:
        out.print("No accounts: npstream accounts load FILE sends some.")
        return
    out.print(heading(FACTS, "Account", out.width))
    for account_id in sorted(known):
        out.print(line(FACTS, _cells(account_id, known[account_id]), out.width))


async def _known(settings: Settings) -> dict[str, Document]:
    """What the topic holds, at home, of each account: as scoring takes it."""
    known: dict[str, Document] = {}
    async with Reader(settings.connection(), [ACCOUNTS]) as reader:
        partitions = len(await reader.starts(ACCOUNTS))
        async for records in reader.to_end(ACCOUNTS):
            for record in records:
                if record.key is None or partition_of(record.key, partitions) != record.partition:
                    continue
                document = usable(record.value)
                account_id = record.key.decode(errors="replace")
                if document is not None:
                    known[account_id] = document
                elif record.value is None:
                    known.pop(account_id, None)
    return known


async def _load(settings: Settings, file: str, rows: Rows, deleted: Sequence[str], dry_run: bool) -> list[Change]:
    """What changes; sent unless it is a dry run."""
    found = changes(file, rows.rows, deleted, await _known(settings))
    sent = [change for change in found if change.sends]
    if dry_run or not sent:
        return found
    partitions = (await require_topics(settings.connection(), [ACCOUNTS]))[ACCOUNTS]
    async with Sender(settings.connection(), ACCOUNTS) as sender:
        for change in sent:
            key = change.account_id.encode()
            await sender.send(RawRecord(key, change.value, partition=partition_of(key, partitions)))
        await sender.flush()
    return found


def _show_changes(out: Console, found: Sequence[Change], dry_run: bool) -> None:
    shown = [change for change in found if change.kind != "unchanged"]
    if shown:
        out.print(heading(CHANGES, "Account", out.width))
    for change in shown[:SHOWN]:
        told = "; ".join(_difference(*one) for one in change.differences())
        out.print(line(CHANGES, [change.account_id, Text(change.kind, COLOURS[change.kind]), told], out.width))
    if len(shown) > SHOWN:
        out.print(f"and {len(shown) - SHOWN:,} more: --json has them all", style="dim")
    counts = Counter(change.kind for change in found)
    summary = ", ".join(f"{counts[kind]:,} {kind}" for kind in COLOURS if counts[kind])
    sends = sum(change.sends for change in found)
    done = "nothing was sent" if dry_run or not sends else f"sent {sends:,} record{'s' * (sends != 1)} to {ACCOUNTS}"
    out.print(f"{summary}; {done}")


def _difference(field: str, before: Any, after: Any) -> str:
    if before is None:
        return f"{field} {_text(after)}"
    return f"{field} {_text(before)} \N{RIGHTWARDS ARROW} {NOTHING if after is None else _text(after)}"


def _change(change: Change) -> dict[str, Any]:
    return {
        "account_id": change.account_id,
        "change": change.kind,
        "fields": {field: {"before": before, "after": after} for field, before, after in change.differences()},
    }


def _fields(document: Document) -> list[tuple[str, Any]]:
    return [(field, document[field]) for field in AccountFacts.__struct_fields__ if field in document]


def _cells(account_id: str, document: Document) -> list[str]:
    names = ("name", "owner", "tier", "value", "renewal_date", "segments")
    return [account_id, *(_text(document[name]) if document.get(name) is not None else NOTHING for name in names)]


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{dimension}={text}" for dimension, text in sorted(value.items()))
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int | float) else str(value)
