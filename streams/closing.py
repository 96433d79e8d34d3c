"""Lets go of a client of aiokafka's within a bound. Left to itself it may wait for ever: for what a broker that is away has not
answered, and for its own tasks that wait for the same."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

CLOSE_TIMEOUT_S = 2.0
"""Closing connections takes no time; a broker that answers nobody must not make it take any."""


async def close(connections: Any, stop: Callable[[], Awaitable[None]]) -> None:
    """Close the connections, then stop the client that had them. Errors do not matter any more."""
    ending = asyncio.ensure_future(_end(connections, stop))
    done, _ = await asyncio.wait({ending}, timeout=CLOSE_TIMEOUT_S)
    if done:
        ending.exception()  # retrieved, so that nobody logs it
    else:
        ending.cancel()


async def _end(connections: Any, stop: Callable[[], Awaitable[None]]) -> None:
    # Connections first: requests that wait for an answer end with them. What that makes of the client's own tasks, errors of
    # the event loop for a write to a connection that was just closed among them, interests nobody.
    with suppress(Exception):
        await connections.close()
    await stop()
