"""`npstream produce`: send survey responses from files into the flow."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

import click

from npstream.column_map import columns_option
from npstream.failures import CheckFailed, UserError
from npstream.files import STDIN, Labels, Plan, opened
from npstream.files.labels import DateOrder
from npstream.files.text import ENCODINGS
from npstream.invocation import pass_settings, run_async
from npstream.pace import Pace
from npstream.preview import confirmed, dry_run, show
from npstream.producing import Producing
from npstream.resuming import SUFFIX, Resume, fingerprint
from npstream.sending import TIMEOUT_S, Sender
from npstream.settings import Settings
from npstream.zones import zone_named
from schemas.topics import RAW
from schemas.vendors import ADAPTERS
from schemas.vendors.mapping import NEEDED, MappingAdapter
from schemas.vendors.mapping_file import MappingInvalid, read_mapping


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line asks for, beyond how files are read."""

    topic: str
    pace: Pace | None
    timeout_s: float
    skip_faulty: bool
    resume: Path | None
    mapping_text: str


def _pace(context: click.Context, parameter: click.Parameter, text: str | None) -> Pace | None:
    if text is None:
        return None
    try:
        rate = float(text.removesuffix("/s"))
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no number of records per second, such as 500/s") from error
    if not 0 < rate < float("inf"):
        raise click.BadParameter("must be more than 0 records per second")
    return Pace(rate)


def _zone(context: click.Context, parameter: click.Parameter, name: str | None) -> tzinfo | None:
    if name is None:
        return None
    try:
        return zone_named(name)
    except ValueError as error:
        raise click.BadParameter(f"{name!r} is no time zone here; use one like Europe/Berlin, or UTC") from error


@click.command("produce")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--account", metavar="ID", help="Account of responses that name none (header nps-account).")
@click.option("--source", type=click.Choice(list(ADAPTERS)), help="Whose payloads they are; without it their shape tells.")
@columns_option
@click.option(
    "--mapping", "mapping_file", type=click.Path(path_type=Path), metavar="FILE", help="Mapping that makes responses."
)
@click.option("--yes", is_flag=True, help="Take columns for what they look like, without asking.")
@click.option(
    "--dates", type=click.Choice(["day-first", "month-first"]), help="How 03/04/2026 is read, if the file does not tell."
)
@click.option("--zone", callback=_zone, metavar="ZONE", help="Of times without one; without it the setting source_zone.")
@click.option("--encoding", type=click.Choice(ENCODINGS), help="Of a text that does not say it; without it UTF-8.")
@click.option("--sheet", metavar="NAME", help="Of a spreadsheet; without it the first.")
@click.option("--skip-faulty", is_flag=True, help="Leave out rows that cannot be used, and keep them in FILE.refused.*.")
@click.option("--resume", type=click.Path(path_type=Path), metavar="FILE", help="Where to keep how far files are sent.")
@click.option("--dry-run", "dry", is_flag=True, help="Show the first rows as canonical JSON, and send nothing.")
@click.option("--topic", default=RAW, show_default=True, help="Where to send them.")
@click.option("--rate", "pace", callback=_pace, metavar="N/s", help="At most so many records per second.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0.1),
    default=TIMEOUT_S,
    show_default=True,
    metavar="SECONDS",
    help="Give up when the broker acknowledges nothing for so long.",
)
@pass_settings
def command(
    settings: Settings,
    files: Sequence[str],
    account: str | None,
    source: str | None,
    columns: Mapping[str, str],
    mapping_file: Path | None,
    yes: bool,
    zone: tzinfo | None,
    skip_faulty: bool,
    resume: Path | None,
    dry: bool,
    topic: str,
    pace: Pace | None,
    timeout_s: float,
    dates: DateOrder | None,
    encoding: str | None,
    sheet: str | None,
) -> None:
    """Send survey responses from each FILE, or from standard input for "-".

    A file is CSV with a header row, a spreadsheet, JSON Lines, a JSON array, or one payload of a survey platform; gzipped or
    not. What the columns of a table are, --column tells, or else their names and values: that is shown, and has to be
    confirmed. Other columns are ignored, and named at the end. An interrupted file goes on where it was. See docs/files.md.

    \b
    npstream produce responses.csv --column "Customer=account_id" --column "Plan=segments.plan"
    npstream produce --mapping ours.toml export.xlsx --dry-run
    npstream produce --account acme --source delighted webhook.json
    zcat export.jsonl.gz | npstream produce -
    """
    if source not in (None, "canonical") and columns:
        raise click.UsageError(f"--column is for tables, which are canonical; leave out --source {source}")
    if mapping_file is not None and (columns or source is not None):
        raise click.UsageError("--mapping says what every field is; leave out --column and --source")
    mapping_text = "" if mapping_file is None else _text_of(mapping_file)
    mapping = None if mapping_file is None else _mapping(mapping_file, mapping_text)
    labels = Labels(source, account, columns, mapping, encoding, dates, zone or settings.zone(), sheet, yes or dry)
    plans = _plans(files, labels, yes, dry)
    if dry:
        for name in files:
            with opened(name, labels, plans.get(name)) as one:
                dry_run(one, labels)
        return
    run_async(
        settings, _produce(settings, files, labels, plans, Wishes(topic, pace, timeout_s, skip_faulty, resume, mapping_text))
    )


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: not UTF-8 ({error.reason}); a mapping is TOML, which is") from error


def _mapping(file: Path, text: str) -> MappingAdapter:
    try:
        # A row without an id is given one that is made of it (npstream/files/identity.py).
        return MappingAdapter(read_mapping(text), [name for name in NEEDED if name != "response_id"])
    except MappingInvalid as error:
        raise UserError(f"{file}: {error}; see docs/mappings.md") from error


def _plans(files: Sequence[str], labels: Labels, yes: bool, dry: bool) -> dict[str, Plan]:
    """How each table is read, agreed upon before anything is sent. Pipes are no files: they can be read once."""
    plans = {}
    for name in files:
        if name == STDIN or (os.path.exists(name) and not os.path.isfile(name) and not os.path.isdir(name)):
            continue
        with opened(name, labels) as source:
            plan = source.plan()
        if plan is None:
            continue
        if dry:
            show(name, plan, labels)
            plan.complete(name, labels)
            plans[name] = plan
        else:
            plans[name] = confirmed(name, plan, labels, yes)
    return plans


async def _produce(settings: Settings, files: Sequence[str], labels: Labels, plans: Mapping[str, Plan], wishes: Wishes) -> None:
    async with Sender(settings.connection(), wishes.topic, wishes.timeout_s) as sender:
        producing = Producing(sender, wishes.pace, wishes.skip_faulty)
        try:
            for name in files:
                with opened(name, labels, plans.get(name)) as source:
                    resume = None if source.size is None else _resume(name, labels, plans.get(name), wishes)
                    await producing.send(source, resume)
            await producing.finish()
        except BaseException as error:
            producing.remember()
            if isinstance(error, asyncio.CancelledError):
                acknowledged = f"{sender.acknowledged:,} of {sender.sent:,} records were acknowledged"
                click.echo(f"interrupted: {acknowledged}; the same command goes on there", err=True)
            raise
    totals = producing.totals
    if not totals.anything:
        raise UserError(f"{', '.join(files)}: no records in it")
    click.echo(totals.line(wishes.topic))
    for note in producing.notes:
        click.echo(note, err=True)
    if not totals.records and not totals.before:
        raise CheckFailed(f"{', '.join(files)}: no response in it that can be used")


def _resume(name: str, labels: Labels, plan: Plan | None, wishes: Wishes) -> Resume:
    how = (
        *(wishes.topic, wishes.mapping_text, labels.source, labels.account, labels.encoding, str(labels.zone), labels.sheet),
        None if plan is None else [(column.name, column.field) for column in plan.columns] + [plan.order],
    )
    path = Path(name)
    state = wishes.resume or path.with_name(path.name + SUFFIX)
    return Resume(state, fingerprint(path, repr(how)), named=wishes.resume is not None)
