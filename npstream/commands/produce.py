"""`npstream produce`: send survey responses from files into the flow."""

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from npstream.column_map import columns_option
from npstream.failures import UserError
from npstream.files import STDIN, Input, Labels, opened
from npstream.invocation import pass_settings, run_async
from npstream.pace import Pace
from npstream.raw_record import RawRecord
from npstream.sending import TIMEOUT_S, Sender
from npstream.settings import Settings
from npstream.terminal import console
from schemas.topics import RAW
from schemas.vendors import ADAPTERS

CHUNK = 500
"""Records that one look into a file takes: reading happens beside sending, and a hand-over costs as much as ten records."""
CHUNKS_AHEAD = 4
"""How far reading may be ahead of sending: enough that neither waits for the other."""
SECOND_S = 1.0
"""From here on a rate means something."""


@dataclass
class Totals:
    """What was sent so far."""

    records: int = 0
    bytes: int = 0
    """Keys and values; what is on the wire is more, by framing, or less, by compression."""
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.started

    def line(self, topic: str) -> str:
        """The one-line summary."""
        seconds = self.seconds
        rate = f" ({self.records / seconds:,.0f} records/s)" if seconds >= SECOND_S else ""
        noun = "record" if self.records == 1 else "records"
        return f"sent {self.records:,} {noun} to {topic} in {seconds:.1f} s{rate}, {_size(self.bytes)}"


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


@click.command("produce")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--account", metavar="ID", help="Account of responses that name none (header nps-account).")
@click.option("--source", type=click.Choice(list(ADAPTERS)), help="Whose payloads they are; without it their shape tells.")
@columns_option
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
    topic: str,
    pace: Pace | None,
    timeout_s: float,
) -> None:
    """Send survey responses from each FILE, or from standard input for "-".

    A file is CSV with a header row, JSON Lines, a JSON array, or one payload of a survey platform; gzipped files are unpacked.
    CSV columns are the fields of a canonical response: response_id, account_id, score and responded_at at least, segments as
    segments.NAME. Other columns are ignored, and named at the end.

    \b
    npstream produce responses.csv --map "Customer=account_id" --map "Plan=segments.plan"
    npstream produce --account acme --source delighted webhook.json
    zcat export.jsonl.gz | npstream produce -
    """
    if source not in (None, "canonical") and columns:
        raise click.UsageError(f"--map is for CSV files, which are canonical; leave out --source {source}")
    run_async(settings, _produce(settings, files, Labels(source, account, columns), topic, pace, timeout_s))


async def _produce(
    settings: Settings, files: Sequence[str], labels: Labels, topic: str, pace: Pace | None, timeout_s: float
) -> None:
    ignored: dict[str, Sequence[str]] = {}
    async with Sender(settings.connection(), topic, timeout_s) as sender:
        totals = Totals()
        try:
            for name in files:
                with opened(name, labels) as source, _progress(source, totals) as advance:
                    if name == STDIN and sys.stdin.isatty():
                        click.echo("reading from the terminal: one JSON document a line, Ctrl-D ends", err=True)
                    async for chunk in _read(source):
                        for record in chunk:
                            wait_s = pace.wait_s(totals.records, totals.seconds) if pace else 0.0
                            if wait_s:
                                await asyncio.sleep(wait_s)
                            await sender.send(record)
                            totals.records += 1
                            totals.bytes += len(record.key or b"") + len(record.value or b"")
                        advance()
                    if source.ignored:
                        ignored[source.name] = source.ignored
            await sender.flush()
        except asyncio.CancelledError:
            click.echo(f"interrupted: {sender.acknowledged:,} of {sender.sent:,} records were acknowledged", err=True)
            raise
    if not totals.records:
        raise UserError(f"{', '.join(files)}: no records in it")
    click.echo(totals.line(topic))
    for name, columns in ignored.items():
        click.echo(f"{name}: ignored columns {', '.join(columns)} (--map COLUMN=FIELD uses one)", err=True)


async def _read(source: Input) -> AsyncIterator[Sequence[RawRecord]]:
    """The records in chunks, read by a thread, so that waiting for a slow pipe does not hold up what is being sent."""
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[Sequence[RawRecord] | Exception] = asyncio.Queue(CHUNKS_AHEAD)
    # Each line of a pipe is sent when it comes; files are there already.
    size = CHUNK if source.size is not None else 1

    def read() -> None:
        records = iter(source)
        while True:
            try:
                chunk: Sequence[RawRecord] | Exception = list(islice(records, size))
            except Exception as error:  # raised again by the reader of the queue
                chunk = error
            try:
                asyncio.run_coroutine_threadsafe(chunks.put(chunk), loop).result()
            except (RuntimeError, CancelledError):  # the loop has ended, and nobody waits for more
                return
            if not chunk or isinstance(chunk, Exception):
                return

    # A daemon, since a read from a terminal or a pipe cannot be called off.
    threading.Thread(target=read, name="read", daemon=True).start()
    while chunk := await chunks.get():
        if isinstance(chunk, Exception):
            raise chunk
        yield chunk


@contextmanager
def _progress(source: Input, totals: Totals) -> Iterator[Callable[[], None]]:
    """A bar on a terminal, nothing elsewhere; what it yields is called after each chunk."""
    out = console(stderr=True)
    if not out.is_terminal:
        yield lambda: None
        return
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        DownloadColumn(),
        TextColumn("{task.fields[records]} records"),
        TimeRemainingColumn(),
        console=out,
        transient=True,
    )
    before = totals.records
    with bar:
        task = bar.add_task(source.name, total=source.size, records="0")
        yield lambda: bar.update(task, completed=source.bytes_read, records=f"{totals.records - before:,}")


def _size(count: int) -> str:
    """Bytes for people, in decimal units."""
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{count:,} bytes" if unit == "bytes" else f"{size:.1f} {unit}"
