"""`npstream dlq`: look at dead letters, and send them back once the cause is mended."""

import sys
from collections import Counter, deque
from collections.abc import Sequence

import click
from rich.text import Text

from npstream.clock import today
from npstream.dead_letters import Position, parse_reason, reason_of
from npstream.failures import UserError
from npstream.invocation import pass_settings, run_async
from npstream.lines import WIDE, Column, heading, line, printable
from npstream.reading import Reader
from npstream.record_view import as_json, as_page, error_header, source_position, when
from npstream.replay import Replay, Selection, Tally
from npstream.settings import Settings
from npstream.terminal import console, print_json
from schemas.topics import DEAD_LETTERS
from streams.processor import Record

LAST = 50
"""Letters that a list shows: a screen or two."""

COLUMNS = (
    Column("", 10),
    Column("time", 10, wide=19),
    Column("reason", 15),
    Column("stage", 8, least=WIDE),
    Column("bytes", 7, right=True),
    Column("from", 26, least=WIDE),
    Column("message", 0),
)


def _reasons(context: click.Context, parameter: click.Parameter, texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(parse_reason(text) for text in texts)


def _positions(context: click.Context, parameter: click.Parameter, texts: Sequence[str]) -> tuple[Position, ...]:
    return tuple(Position.parse(text) for text in texts)


reason_option = click.option(
    "--reason", "reasons", multiple=True, callback=_reasons, metavar="CODE", help="Only these, such as no_account."
)


@click.group("dlq")
def command() -> None:
    """List, show and replay dead letters: what could not be used, kept byte for byte for 14 days."""


@command.command("list")
@reason_option
@click.option("-n", "--last", "count", type=click.IntRange(min=1), default=LAST, show_default=True, help="The newest N.")
@click.option("--json", "as_documents", is_flag=True, help="JSON instead of a table.")
@pass_settings
def list_letters(settings: Settings, reasons: Sequence[str], count: int, as_documents: bool) -> None:
    """Where each dead letter is and comes from, when, why, and how large; at the end how many there are of each reason."""
    letters, by_reason = run_async(settings, _listed(settings, reasons, count))
    if as_documents:
        print_json({"dead_letters": [_document(letter) for letter in letters], "by_reason": dict(by_reason.most_common())})
        return
    out = console()
    if not letters:
        out.print(f"No dead letters{' of this reason' if reasons else ''}.")
        return
    width = out.width
    rows = [heading(COLUMNS, "Position", width), *(line(COLUMNS, _row(letter, width), width) for letter in letters)]
    for row in rows:
        out.print(row)
    out.print()
    if by_reason.total() > len(letters):
        out.print(Text(f"the newest {len(letters):,} of {by_reason.total():,}; -n shows more", "dim"))
    for reason, number in by_reason.most_common():
        out.print(Text.assemble(f"{number:>8,}  ", (printable(reason or "(no reason)"), "red")))


@command.command()
@click.argument("position", metavar="POSITION")
@click.option("--json", "as_document", is_flag=True, help="JSON instead of text.")
@pass_settings
def show(settings: Settings, position: str, as_document: bool) -> None:
    """One record with its headers and its value, or a hexadecimal dump if that is no text.

    POSITION is what the list shows, PARTITION-OFFSET, or TOPIC-PARTITION-OFFSET for a record of any topic.
    """
    record = run_async(settings, _fetched(settings, Position.parse(position)))
    if as_document:
        print_json(as_json(record))
        return
    out = console()
    for row in as_page(record):
        out.print(row, soft_wrap=True)


@command.command()
@click.argument("positions", nargs=-1, metavar="[POSITION]...", callback=_positions)
@reason_option
@click.option("--account", metavar="ID", help="The account of those that name none (header nps-account).")
@click.option("--again", is_flag=True, help="Also those that were replayed before.")
@click.option("--dry-run", is_flag=True, help="Only say what would be sent.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@pass_settings
def replay(
    settings: Settings,
    positions: Sequence[Position],
    reasons: Sequence[str],
    account: str | None,
    again: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Send dead letters back to the topics that they came from, each once.

    Key, value, headers and timestamp are the original ones, and header nps-replayed says 1. (Those refused for being too far in
    the future get the present time instead: against the old one they always would be.) What is still faulty becomes a new dead
    letter.

    A replay remembers how far it got as committed offsets of the group APP_ID-dlq-replay, one of some reasons in
    APP_ID-dlq-replay-REASON, so that the next replay sends only what came since or was not meant before. Brokers forget the
    offsets of an idle group after offsets.retention.minutes, 7 days by default; what is then sent again is recognised as a
    duplicate. With POSITION only these letters are sent, replayed before or not, and nothing is remembered.

    \b
    npstream dlq replay --reason no_account --account acme
    npstream dlq replay 3-42 3-47
    """
    if positions and (reasons or again):
        raise click.UsageError("positions name the letters already: leave out --reason and --again")
    run_async(settings, _replay(settings, Selection(reasons, positions, again), account, dry_run, yes))


async def _listed(settings: Settings, reasons: Sequence[str], count: int) -> tuple[list[Record], Counter[str]]:
    """The newest letters, oldest first, and how many there are of each reason."""
    by_reason: Counter[str] = Counter()
    newest: dict[int, deque[Record]] = {}
    async with Reader(settings.connection(), [DEAD_LETTERS]) as reader:
        async for records in reader.to_end(DEAD_LETTERS):
            for letter in records:
                reason = reason_of(letter)
                if not reasons or reason in reasons:
                    by_reason[reason] += 1
                    newest.setdefault(letter.partition, deque(maxlen=count)).append(letter)
    letters = sorted(
        (letter for kept in newest.values() for letter in kept),
        key=lambda letter: (letter.timestamp, letter.partition, letter.offset),
    )
    return letters[-count:], by_reason


async def _fetched(settings: Settings, position: Position) -> Record:
    topic, partition, offset = position.topic, position.partition, position.offset
    async with Reader(settings.connection(), [topic]) as reader:
        ends = await reader.ends(topic)
        start = {number: offset if number == partition else end for number, end in ends.items()}
        end = {number: offset + 1 if number == partition else end for number, end in ends.items()}
        async for records in reader.to_end(topic, start, end):
            for record in records:
                if record.offset == offset:
                    return record
    raise UserError(f"there is no record {topic}-{partition}-{offset}: it was deleted, or never was one")


async def _replay(settings: Settings, selection: Selection, account: str | None, dry_run: bool, yes: bool) -> None:
    async with Replay(settings, selection, account) as run:
        planned = await run.survey()
        if planned.homeless:
            click.echo(f"{planned.homeless:,} dead letters do not say which of our topics they came from: left alone", err=True)
        if not planned.total:
            click.echo("nothing to replay" + ("" if selection.again else ": --again sends what was replayed before"))
            return
        if dry_run:
            _tell("would send", planned, account)
            return
        if sys.stdin.isatty() and not yes:
            _tell("to send", planned, account)
            click.confirm("Send them?", abort=True)
        _tell("sent", await run.carry_out(), account)


def _tell(verb: str, tally: Tally, account: str | None) -> None:
    for (reason, topic), number in sorted(tally.sent.items()):
        click.echo(f"{number:>8,}  {reason or '(no reason)'} to {topic}")
    noun = "dead letter" if tally.total == 1 else "dead letters"
    click.echo(f"{verb} {tally.total:,} {noun}" + (f", with account {account}" if account else ""))


def _row(letter: Record, width: int) -> list[Text | str]:
    moment = when(letter.timestamp)
    short = moment[11:19] if moment[:10] == today() else moment[:10]
    return [
        f"{letter.partition}-{letter.offset}",
        Text(moment[:19].replace("T", " ") if width >= WIDE else short, "dim"),
        Text(printable(reason_of(letter)), "red"),
        error_header(letter, "stage"),
        f"{len(letter.value or b''):,}",
        Text(printable(source_position(letter)), "dim"),
        error_header(letter, "exception.message"),
    ]


def _document(letter: Record) -> dict[str, object]:
    return {
        "position": f"{letter.topic}-{letter.partition}-{letter.offset}",
        "timestamp": when(letter.timestamp),
        "reason": reason_of(letter),
        "stage": error_header(letter, "stage"),
        "source": source_position(letter),
        "bytes": len(letter.value or b""),
        "message": error_header(letter, "exception.message"),
        "key": None if letter.key is None else letter.key.decode(errors="replace"),
    }
