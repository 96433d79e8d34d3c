"""The demo: an embedded broker, a worker of its own, a year of responses, and a recount of what came of it."""

import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from npstream.admin import connect
from npstream.backlog import Backlog
from npstream.board import Board
from npstream.broker import BrokerUnavailable, EmbeddedBroker
from npstream.child import Child
from npstream.commands.top import board_reader, fill, show
from npstream.demo_data import trickle, year_of_responses
from npstream.demo_expectation import Expectation, differences, expected
from npstream.failures import CheckFailed, UserError
from npstream.raw_record import RawRecord
from npstream.reading import Reader
from npstream.sending import Sender
from npstream.settings import Settings
from npstream.tables_view import Pulse, joined, page
from npstream.terminal import console
from npstream.topic_plan import planned_topics
from schemas.times import day_of, format_day
from schemas.topics import ACCOUNT_ROLLUPS, DEAD_LETTERS, DETRACTORS, RAW, SEGMENT_ROLLUPS

PARTITIONS = 1
"""The embedded broker may leave a batch out where several producers write to one partition while it is read: with one partition
each topic of the flow has one producer."""
SESSION_TIMEOUT_MS, HEARTBEAT_MS = 6000, 2000
"""The embedded broker lets a group join after half of the session time-out, and takes none shorter than 6 s."""
PROCESS_TIMEOUT_S = 120.0
"""The year takes about ten seconds on two cores: this is a machine that is busy with something else."""
STOP_TIMEOUT_S = 10.0
"""A worker stops within a second or two."""
LOOK_S = 0.25
"""Pause between two looks at how far the worker is."""
TRICKLE_S = 0.4
"""Mean pause between two live responses: lively, and still to be read."""
ROWS = 12
"""Rows of each table on paper."""


async def run_demo(settings: Settings, seed: int, live: bool) -> None:
    """Raises CheckFailed with what differs if the tables are not those of the recount."""
    out = console()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="npstream-demo-") as folder:
        broker = EmbeddedBroker()
        try:
            broker.start()
        except BrokerUnavailable as error:
            raise UserError(str(error)) from error
        with broker:
            mine = settings.override(
                bootstrap=broker.bootstrap,
                partitions=PARTITIONS,
                session_timeout_ms=SESSION_TIMEOUT_MS,
                heartbeat_ms=HEARTBEAT_MS,
            )
            async with connect(mine.connection()) as admin:
                await admin.create(planned_topics(mine))
            out.print(f"An embedded broker listens on {broker.bootstrap}, with {len(planned_topics(mine))} topics.")
            async with _worker(mine, Path(folder) / "worker.log") as worker:
                out.print("A worker runs intake, scoring and rollups.")
                records = year_of_responses(seed, int(time.time() * 1000))
                await _send(mine, records, out)
                await _processed(mine, records, worker, out, began)
                if live:
                    await _live(mine, seed)
                else:
                    await _print(mine, out)


@asynccontextmanager
async def _worker(settings: Settings, log: Path) -> AsyncIterator[Child]:
    """A worker process of its own, as in production: the terminal's work does not slow it down."""
    given = {
        "NPSTREAM_BOOTSTRAP": settings.bootstrap,
        "NPSTREAM_PARTITIONS": str(settings.partitions),
        "NPSTREAM_SESSION_TIMEOUT_MS": str(settings.session_timeout_ms),
        "NPSTREAM_HEARTBEAT_MS": str(settings.heartbeat_ms),
        "NPSTREAM_HTTP_PORT": "0",
        "NPSTREAM_ALERT_MAX_AGE_DAYS": "0",  # its year is to be seen, and all of it is old news
    }
    worker = Child([sys.executable, "-m", "npstream", "worker"], log, {**os.environ, **given})
    try:
        yield worker
    finally:
        await asyncio.to_thread(worker.stop, STOP_TIMEOUT_S)


async def _send(settings: Settings, records: Sequence[RawRecord], out: Console) -> None:
    began = time.monotonic()
    async with Sender(settings.connection(), RAW) as sender:
        with _bar(out, "sending", len(records)) as bar:
            task = bar.task_ids[0]
            for number, record in enumerate(records, 1):
                await sender.send(record)
                if number % 1000 == 0:
                    bar.update(task, completed=number)
            await sender.flush()
            bar.update(task, completed=len(records))
    seconds = time.monotonic() - began
    out.print(f"A year of 200 accounts was sent: {len(records):,} survey responses in {seconds:.1f} s.")


async def _processed(settings: Settings, records: Sequence[RawRecord], worker: Child, out: Console, began: float) -> None:
    """Wait until the tables are those of a recount. Raises CheckFailed if they never are."""
    board = Board(settings.headline_days)
    seen = {DETRACTORS: 0, DEAD_LETTERS: 0}
    day, expectation = _recount(settings, records)
    deadline = time.monotonic() + PROCESS_TIMEOUT_S
    topics = (ACCOUNT_ROLLUPS, SEGMENT_ROLLUPS, DETRACTORS, DEAD_LETTERS)
    async with Reader(settings.connection(), topics) as reader:
        with _bar(out, "processing", expectation.detractor_events + expectation.dead_letters) as bar:
            for topic in topics:
                async for found in reader.to_end(topic):
                    _take(board, seen, topic, found)
            async for found in reader.follow(LOOK_S):
                for record in found:
                    _take(board, seen, record.topic, [record])
                bar.update(bar.task_ids[0], completed=sum(seen.values()))
                if day != day_of(int(time.time() * 1000)):
                    day, expectation = _recount(settings, records)
                if found:
                    continue
                wrong = _wrong(expectation, board, seen)
                if not wrong:
                    break
                if not worker.alive:
                    raise CheckFailed(f"the worker ended by itself; its last words: {worker.tail()}")
                if time.monotonic() > deadline:
                    raise CheckFailed("\n".join([f"{len(wrong)} differences from a recount:", *wrong[:20]]))
    out.print(
        f"Checked against a recount of what was sent: {len(expectation.accounts)} accounts, "
        f"{len(expectation.segments)} segments, {expectation.detractor_events:,} detractor events and "
        f"{expectation.dead_letters:,} dead letters, no difference ({time.monotonic() - began:.0f} s since the start).\n"
    )


def _recount(settings: Settings, records: Sequence[RawRecord]) -> tuple[int, Expectation]:
    day = day_of(int(time.time() * 1000))
    return day, expected(records, day, settings.windows_days)


def _take(board: Board, seen: dict[str, int], topic: str, records: Sequence[object]) -> None:
    if topic in seen:
        seen[topic] += len(records)
    if topic != DEAD_LETTERS:
        board.take(records)  # type: ignore[arg-type]


def _wrong(expectation: Expectation, board: Board, seen: dict[str, int]) -> list[str]:
    return differences(expectation, board.accounts, board.segments, seen[DETRACTORS], seen[DEAD_LETTERS])


def _bar(out: Console, what: str, total: int) -> Progress:
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=out, transient=True, disable=not out.is_terminal)
    bar.add_task(what, total=total)
    return bar


async def _print(settings: Settings, out: Console) -> None:
    board = Board(settings.headline_days)
    async with board_reader(settings) as reader:
        await fill(reader, board)
    today = format_day(day_of(int(time.time() * 1000)))
    out.print(joined(page(board, "responses", Pulse(), settings.bootstrap, today, out.width, ROWS)))


async def _live(settings: Settings, seed: int) -> None:
    board = Board(settings.headline_days)
    trickling = asyncio.create_task(_trickle(settings, seed))
    try:
        async with board_reader(settings) as reader, Backlog(settings) as backlog:
            await fill(reader, board)
            await show(settings, board, "responses", reader, backlog)
    except asyncio.CancelledError:
        return  # Ctrl-C is how it ends
    finally:
        trickling.cancel()
        with suppress(asyncio.CancelledError):
            await trickling


async def _trickle(settings: Settings, seed: int) -> None:
    rng = random.Random(f"trickle {seed}")
    async with Sender(settings.connection(), RAW) as sender:
        for record in trickle(rng, lambda: int(time.time() * 1000), seed):
            await sender.send(record)
            await asyncio.sleep(rng.expovariate(1 / TRICKLE_S))
