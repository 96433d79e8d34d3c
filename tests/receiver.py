"""A receiver of webhooks on loopback, in a thread of its own: it counts what it takes, and can be deaf, busy or slow."""

import asyncio
import json
from asyncio import Runner
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

from aiohttp import web

START_TIMEOUT_S = 10.0
"""It starts within milliseconds."""


class Receiver:
    """What it takes is counted by its webhook-id. Tests read, and set `status`, from their own thread."""

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()
        self.bodies: dict[str, set[bytes]] = {}
        """By webhook-id: repeats are to have the same."""
        self.wrong: list[str] = []
        """Deliveries whose header is not that of their body."""
        self.refused: set[str] = set()
        """Deliveries that are answered with 400."""
        self.asked = 0
        self.status = 200
        self.delay_s = 0.0
        self.port = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def deafen(self) -> None:
        """Nobody listens any more: connections are refused."""
        self._call(self._deafen())

    def listen(self) -> None:
        """Listen, again at the same port."""
        self._call(self._listen())

    def _call(self, doing: Coroutine[Any, Any, None]) -> None:
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(doing, self._loop).result(START_TIMEOUT_S)

    async def _listen(self) -> None:
        app = web.Application()
        app.router.add_post("/hook", self._handle)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        self._site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await self._site.start()
        self.port = self._runner.addresses[0][1]

    async def _deafen(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.Request) -> web.Response:
        self.asked += 1
        body = await request.read()
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if self.status != 200:
            return web.Response(status=self.status)
        identity, told = request.headers.get("webhook-id", ""), json.loads(body)["data"]["delivery_id"]
        if told in self.refused:
            return web.Response(status=400, text="no")
        if identity != told:
            self.wrong.append(told)
        self.taken[identity] += 1
        self.bodies.setdefault(identity, set()).add(body)
        return web.Response(text="ok")

    async def serve(self, ready: Event, done: asyncio.Event) -> None:
        """Until `done`."""
        self._loop = asyncio.get_running_loop()
        await self._listen()
        ready.set()
        await done.wait()
        await self._deafen()


@contextmanager
def receiver() -> Iterator[Receiver]:
    """One that listens."""
    with Runner() as runner:
        made, ready, done = Receiver(), Event(), asyncio.Event()
        thread = Thread(target=runner.run, args=(made.serve(ready, done),))
        thread.start()
        try:
            assert ready.wait(START_TIMEOUT_S), "the receiver has not started"
            yield made
        finally:
            runner.get_loop().call_soon_threadsafe(done.set)
            thread.join()
