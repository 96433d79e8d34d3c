"""Letting go of a client never raises and never waits long, whatever it does."""

import asyncio

import pytest

from streams.closing import CLOSE_TIMEOUT_S, close
from tests.model.clock import run


class Client:
    """Does what it is told to when it is stopped, and when its connections are closed."""

    def __init__(self, stopping: str, closing: str) -> None:
        self._stopping, self._closing = stopping, closing
        self.did: list[str] = []

    async def stop(self) -> None:
        await self._act("stop", self._stopping)

    async def close(self) -> None:
        await self._act("close", self._closing)

    async def _act(self, what: str, how: str) -> None:
        self.did.append(what)
        if how == "hangs":
            await asyncio.Event().wait()
        if how == "fails":
            raise OSError(what)
        if how == "waits for a task that it has cancelled":
            one = asyncio.ensure_future(asyncio.Event().wait())
            await asyncio.sleep(0)
            one.cancel()
            await one


@pytest.mark.parametrize("closing", ["ends", "fails", "hangs", "waits for a task that it has cancelled"])
@pytest.mark.parametrize("stopping", ["ends", "fails", "hangs", "waits for a task that it has cancelled"])
def test_each_step_is_taken_and_none_is_waited_for_long(stopping: str, closing: str) -> None:
    async def scenario() -> tuple[list[str], float]:
        client = Client(stopping, closing)
        began = asyncio.get_running_loop().time()
        await close(client.stop, client.close)
        seconds = asyncio.get_running_loop().time() - began
        await asyncio.sleep(0)
        return client.did, seconds

    did, seconds = run(scenario())
    assert did == ["stop", "close"]
    assert seconds <= CLOSE_TIMEOUT_S
