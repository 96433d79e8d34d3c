"""Lets go of a client of aiokafka's within a bound. Left to itself it may wait for ever, for what a broker that is away has not
answered; or raise CancelledError, since it cancels its own tasks and waits for them, which would end whoever called it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

CLOSE_TIMEOUT_S = 2.0
"""Closing takes no time; a broker that answers nobody must not make it take any."""


async def close(*steps: Callable[[], Awaitable[None]]) -> None:
    """Take each step in order, whatever comes of the one before. Errors do not matter any more."""
    ending = asyncio.ensure_future(_all(steps))
    done, _ = await asyncio.wait({ending}, timeout=CLOSE_TIMEOUT_S)
    if not done:
        ending.cancel()  # the step that hangs; those that are left are taken, and nobody waits for them


def forget(future: "asyncio.Future[Any]") -> None:
    """Nobody waits for it any more: without this the event loop would log what it failed of. For `add_done_callback`."""
    if not future.cancelled():
        future.exception()


async def _all(steps: tuple[Callable[[], Awaitable[None]], ...]) -> None:
    for step in steps:
        with suppress(Exception, asyncio.CancelledError):
            await step()
