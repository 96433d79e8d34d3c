"""`npstream top`: live tables of accounts, segments and detractors."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import click
from rich.live import Live

from npstream.admin import connect
from npstream.backlog import Backlog
from npstream.board import FEED, ORDERS, Board
from npstream.clock import today
from npstream.failures import ends_on_interrupt
from npstream.invocation import pass_settings, run_async
from npstream.reading import Reader
from npstream.settings import Settings
from npstream.tables_view import Pulse, joined, page, screen
from npstream.terminal import console, print_json
from schemas.topics import ACCOUNT_ROLLUPS, CASES, DETRACTORS, SEGMENT_ROLLUPS

PULSE_S = 2.0
"""Seconds between two looks at the lag: the committed offsets that it is made from move about as often."""
REDRAW_S = 0.25
"""Seconds between two pictures: soon enough to look live, seldom enough to be read."""
ROWS = 20
"""Rows of each table on paper."""


@click.command("top")
@click.option("--account", metavar="ID", help="This account alone, with its detractors.")
@click.option(
    "--sort",
    "order",
    type=click.Choice(ORDERS),
    default=ORDERS[0],
    show_default=True,
    help="Most responses, lowest NPS or greatest fall first, or by name.",
)
@click.option("--once", is_flag=True, help="Print the tables once, and end. That is what happens in a pipe.")
@click.option("--json", "as_json", is_flag=True, help="Print one snapshot as JSON, and end.")
@click.option(
    "-n", "--rows", type=click.IntRange(min=1), default=ROWS, show_default=True, help="Rows of each table with --once."
)
@pass_settings
@ends_on_interrupt
def command(settings: Settings, account: str | None, order: str, once: bool, as_json: bool, rows: int) -> None:
    """Live tables: accounts and segments with their rolling NPS, the newest detractors, and how many cases are open.

    NPS, its 95 % interval, the change against the window before, band and counts are those of the headline window (setting
    headline_days). On the screen, q leaves and s sorts by something else.
    """
    board = Board(settings.headline_days, account)
    if as_json or once or not sys.stdout.isatty():
        pulse = run_async(settings, _look_once(settings, board))
        if as_json:
            print_json(board.snapshot(order))
        else:
            out = console()
            out.print(joined(page(board, order, pulse, settings.bootstrap, today(), out.width, rows)))
        return
    run_async(settings, _live(settings, board, order))


async def fill(reader: Reader, board: Board) -> None:
    """Take in the rollups and cases to their present end, and the newest detractors."""
    for topic in reader.topics:
        if topic == DETRACTORS:
            continue
        async for records in reader.to_end(topic):
            board.take(records)
    board.take(await reader.last(DETRACTORS, FEED))


@asynccontextmanager
async def board_reader(settings: Settings) -> AsyncIterator[Reader]:
    """A reader of what a board shows: of cases only where they are, and for this user's eyes."""
    connection = settings.connection()
    async with connect(connection) as admin:
        cases = (CASES,) if (await admin.topics([CASES]))[CASES].exists else ()
    async with Reader(connection, (ACCOUNT_ROLLUPS, SEGMENT_ROLLUPS, DETRACTORS, *cases)) as reader:
        yield reader


async def _look_once(settings: Settings, board: Board) -> Pulse:
    async with board_reader(settings) as reader, Backlog(settings) as backlog:
        await fill(reader, board)
        return await backlog.look()


async def _live(settings: Settings, board: Board, order: str) -> None:
    async with board_reader(settings) as reader, Backlog(settings) as backlog:
        await fill(reader, board)
        await show(settings, board, order, reader, backlog)


async def show(settings: Settings, board: Board, order: str, reader: Reader, backlog: Backlog) -> None:
    """Show a filled board on the terminal and keep it up to date, until q or Ctrl-C."""
    out = console()
    with _keys() as pressed, Live(console=out, screen=True, auto_refresh=False) as live:
        async with _beating(backlog) as pulse:
            drawn = 0.0
            async for records in reader.follow(REDRAW_S):
                board.take(records)
                while not pressed.empty():
                    key = pressed.get_nowait().lower()
                    if key == "q":
                        return
                    if key == "s":
                        order = ORDERS[(ORDERS.index(order) + 1) % len(ORDERS)]
                        drawn = 0.0
                if time.monotonic() - drawn >= REDRAW_S:
                    drawn = time.monotonic()
                    width, height = out.size
                    lines = screen(board, order, pulse[0], settings.bootstrap, today(), width, height)
                    live.update(joined(lines[:height]), refresh=True)


@asynccontextmanager
async def _beating(backlog: Backlog) -> AsyncIterator[list[Pulse]]:
    """The newest pulse, in a list of one; looking takes longer than drawing, so it happens beside it."""
    newest = [Pulse()]

    async def beat() -> None:
        while True:
            newest[0] = await backlog.look()
            await asyncio.sleep(PULSE_S)

    task = asyncio.create_task(beat())
    try:
        yield newest
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@contextmanager
def _keys() -> Iterator["asyncio.Queue[str]"]:
    """Keys as they are pressed, without waiting for Enter and without showing them; none where there is no keyboard."""
    pressed: asyncio.Queue[str] = asyncio.Queue()
    try:
        import termios
        import tty
    except ModuleNotFoundError:  # not on Windows: Ctrl-C leaves there
        yield pressed
        return
    if not sys.stdin.isatty():
        yield pressed
        return
    keyboard = sys.stdin.fileno()
    loop = asyncio.get_running_loop()
    before = termios.tcgetattr(keyboard)
    tty.setcbreak(keyboard)

    def read() -> None:
        for key in os.read(keyboard, 64).decode(errors="ignore"):
            pressed.put_nowait(key)

    loop.add_reader(keyboard, read)
    try:
        yield pressed
    finally:
        loop.remove_reader(keyboard)
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
