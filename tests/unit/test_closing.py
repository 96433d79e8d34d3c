"""Letting go of a client never raises and never waits long, whatever it does."""

import asyncio

import pytest

from streams.closing import CLOSE_TIMEOUT_S, close
from tests.model.clock import run


class Client:
    """Hangs, fails or ends when its connections are closed, and when it is stopped."""

    def __init__(self, closing: str, stopping: str) -> None:
        self._closing, self._stopping = closing, stopping
        self.did: list[str] = []

    async def close(self) -> None:
        await self._act("close", self._closing)

    async def stop(self) -> None:
        await self._act("stop", self._stopping)

    async def _act(self, what: str, how: str) -> None:
        self.did.append(what)
        if how == "hangs":
            await asyncio.Event().wait()
        if how == "fails":
            raise OSError(what)


@pytest.mark.parametrize("stopping", ["ends", "fails", "hangs"])
@pytest.mark.parametrize("closing", ["ends", "fails", "hangs"])
def test_connections_are_closed_first_and_nothing_is_waited_for_long(closing: str, stopping: str) -> None:
    async def scenario() -> tuple[list[str], float]:
        client = Client(closing, stopping)
        began = asyncio.get_running_loop().time()
        await close(client, client.stop)
        return client.did, asyncio.get_running_loop().time() - began

    did, seconds = run(scenario())
    assert did == (["close"] if closing == "hangs" else ["close", "stop"])
    assert seconds <= CLOSE_TIMEOUT_S
