"""A stand-in for the APIs of SurveyMonkey and Qualtrics on loopback: the calls that their documentation has, and refusals on
demand."""

import asyncio
from asyncio import Runner
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from threading import Event, Thread
from typing import Any

from aiohttp import web

TOKEN = "token-of-the-test"
START_TIMEOUT_S = 10.0
"""It starts within milliseconds."""


class StandIn:
    """Answers by path; what is in `refusals` comes first."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        """JSON by path."""
        self.refusals: deque[tuple[int, dict[str, str]]] = deque()
        """Statuses, with headers, for the next calls."""
        self.calls: list[str] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.calls.append(request.path)
        if f"Bearer {TOKEN}" != request.headers.get("Authorization") and request.headers.get("X-API-TOKEN") != TOKEN:
            return web.Response(status=401)
        if self.refusals:
            status, headers = self.refusals.popleft()
            return web.Response(status=status, headers=headers)
        if request.path not in self.answers:
            return web.Response(status=404)
        answer = self.answers[request.path]
        return web.Response(body=answer) if isinstance(answer, bytes) else web.json_response(answer)


@asynccontextmanager
async def stand_in(server: StandIn | None = None) -> AsyncIterator[StandIn]:
    """One that listens at `url`."""
    server = server or StandIn()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


@contextmanager
def stand_in_for_processes() -> Iterator[StandIn]:
    """The same, in a thread of its own: for processes that ask it."""
    with Runner() as runner:
        server, ready, done = StandIn(), Event(), asyncio.Event()

        async def serve() -> None:
            async with stand_in(server):
                ready.set()
                await done.wait()

        thread = Thread(target=runner.run, args=(serve(),))
        thread.start()
        try:
            assert ready.wait(START_TIMEOUT_S), "the stand-in has not started"
            yield server
        finally:
            runner.get_loop().call_soon_threadsafe(done.set)
            thread.join()
