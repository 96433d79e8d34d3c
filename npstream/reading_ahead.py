"""Read a file beside what is done with it: a thread takes its rows in chunks, so that a slow pipe holds nothing up."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import CancelledError
from itertools import islice
from typing import Final

from npstream.files import Input, Row

CHUNK: Final = 500
"""Rows that one look into a file takes: reading happens beside sending, and a hand-over costs as much as ten records."""
CHUNKS_AHEAD: Final = 4
"""How far reading may be ahead of sending: enough that neither waits for the other."""


async def read_ahead(source: Input) -> AsyncIterator[Sequence[Row]]:
    """The rows in chunks. Raises what reading raises."""
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[Sequence[Row] | Exception] = asyncio.Queue(CHUNKS_AHEAD)
    # Each line of a pipe is sent when it comes; files are there already.
    size = CHUNK if source.size is not None else 1

    def read() -> None:
        rows = iter(source)
        while True:
            try:
                chunk: Sequence[Row] | Exception = list(islice(rows, size))
            except Exception as error:  # raised again by the reader of the queue
                chunk = error
            put = chunks.put(chunk)
            try:
                asyncio.run_coroutine_threadsafe(put, loop).result()
            except (RuntimeError, CancelledError):  # the loop has ended, and nobody waits for more
                put.close()
                return
            if not chunk or isinstance(chunk, Exception):
                return

    # A daemon, since a read from a terminal or a pipe cannot be called off.
    threading.Thread(target=read, name="read", daemon=True).start()
    while chunk := await chunks.get():
        if isinstance(chunk, Exception):
            raise chunk
        yield chunk
