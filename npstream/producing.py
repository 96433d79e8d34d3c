"""Send what files hold, and keep count: of records, of rows that cannot be used, and of how far each file is acknowledged."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from npstream.failures import CheckFailed
from npstream.files import Input, Row
from npstream.files.plan import MADE_IDS
from npstream.pace import Pace
from npstream.reading_ahead import read_ahead
from npstream.refusals import Refusals
from npstream.resuming import Resume, Settling
from npstream.sending import Sender
from npstream.terminal import console

SECOND_S: Final = 1.0
"""From here on a rate means something."""


@dataclass
class Totals:
    """What was sent so far, and what was not."""

    records: int = 0
    bytes: int = 0
    """Keys and values; what is on the wire is more, by framing, or less, by compression."""
    refused: int = 0
    passed_over: int = 0
    before: int = 0
    """Rows that an interrupted run had sent."""
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.started

    @property
    def anything(self) -> bool:
        """Whether there was any row at all."""
        return bool(self.records or self.refused or self.passed_over or self.before)

    def line(self, topic: str) -> str:
        """The one-line summary."""
        seconds = self.seconds
        rate = f" ({self.records / seconds:,.0f} records/s)" if seconds >= SECOND_S else ""
        noun = "record" if self.records == 1 else "records"
        others = ((self.refused, "refused"), (self.passed_over, "passed over"), (self.before, "rows sent before"))
        more = "".join(f", {count:,} {what}" for count, what in others if count)
        return f"sent {self.records:,} {noun} to {topic} in {seconds:.1f} s{rate}, {_size(self.bytes)}{more}"


@dataclass(frozen=True, slots=True)
class _Begun:
    """A file of which not all may be acknowledged yet."""

    resume: Resume
    settling: Settling


class Producing:
    """Sends one file after the other with one sender."""

    def __init__(self, sender: Sender, pace: Pace | None, skip_faulty: bool) -> None:
        self.totals = Totals()
        self.notes: list[str] = []
        """What is to be said at the end."""
        self._sender = sender
        self._pace = pace
        self._skip_faulty = skip_faulty
        self._begun: list[_Begun] = []

    async def send(self, source: Input, resume: Resume | None) -> None:
        """Send a file from where `resume` says. Raises UserError, and CheckFailed at a row that cannot be used, unless such
        rows are skipped; nothing after it is sent."""
        if source.is_stdin and sys.stdin.isatty():
            click.echo("reading from the terminal: one JSON document a line, Ctrl-D ends", err=True)
        skipped, done, made = resume.began_at if resume else 0, 0, 0
        settling = Settling()
        if resume is not None:
            self._begun.append(_Begun(resume, settling))
        if skipped:
            click.echo(f"{source.name}: goes on after {skipped:,} rows that an interrupted run has sent", err=True)
            self.totals.before += skipped
        with Refusals(source.name, goes_on=skipped > 0) as refusals, _progress(source, self.totals) as advance:
            async for chunk in read_ahead(source):
                for row in chunk:
                    if done >= skipped:
                        await self._row(source, row, refusals)
                        made += row.made_id
                    done += 1
                settling.sent(self._sender.sent, done)
                if resume is not None:
                    resume.reached(settling.rows(self._sender.settled))
                advance()
            self.notes += refusals.lines()
        if made:
            self.notes.append(f"{source.name}: {made:,} without response_id: {MADE_IDS}")
        if source.ignored:
            self.notes.append(f"{source.name}: ignored columns {', '.join(source.ignored)} (--column COLUMN=FIELD uses one)")

    async def finish(self) -> None:
        """Wait until everything is acknowledged; nothing is left to go on with."""
        await self._sender.flush()
        for one in self._begun:
            one.resume.finished()

    def remember(self) -> None:
        """Keep how far each file is acknowledged, at once: the run ends early."""
        for one in self._begun:
            one.resume.reached(one.settling.rows(self._sender.settled), at_once=True)

    async def _row(self, source: Input, row: Row, refusals: Refusals) -> None:
        if row.refused:
            await self._refused(source, row, refusals)
        elif row.passed_over:
            self.totals.passed_over += 1
            refusals.pass_over(row)
        for record in row.records:
            wait_s = self._pace.wait_s(self.totals.records, self.totals.seconds) if self._pace else 0.0
            if wait_s:
                await asyncio.sleep(wait_s)
            await self._sender.send(record)
            self.totals.records += 1
            self.totals.bytes += len(record.key or b"") + len(record.value or b"")

    async def _refused(self, source: Input, row: Row, refusals: Refusals) -> None:
        if not self._skip_faulty:
            await self._sender.flush()
            sent = "1 record was" if self.totals.records == 1 else f"{self.totals.records:,} records were"
            raise CheckFailed(
                f"{source.name}: {row.where} cannot be used: {row.refused}; {sent} sent before it, nothing after it. "
                "Mend it, or leave such rows out with --skip-faulty"
            )
        self.totals.refused += 1
        refusals.refuse(row)


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
