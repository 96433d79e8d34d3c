"""The network between workers and broker: a relay of TCP connections that can be slow, silent, one-way, or cut.

    with Network(target) as network:
        network.delay(0.2)
        network.calm()

What was on its way while the network was silent arrives when it is calm again, as with TCP: a commit that a worker has long
given up, for one. It runs in a thread of its own and forwards to whoever listens on a port, so a broker may be restarted
behind it.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from npstream.broker import HOST

CHUNK: Final = 1 << 16
"""Bytes forwarded at once."""
UNDER_WAY: Final = 256
"""Chunks that a connection may have under way; beyond it, its sender waits."""
START_TIMEOUT_S: Final = 10.0
"""Binding a port takes no time; the rest is for a busy machine."""


class Network:
    """Relays every connection to `target`, a port on this machine."""

    def __init__(self, target: int) -> None:
        self.port = 0
        """Where clients connect."""
        self.relayed = 0
        """Connections so far."""
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="network", daemon=True)
        self._ready = threading.Event()
        self._delay_s = 0.0
        self._cut = False
        self._there = asyncio.Event()
        """Set while what clients send is delivered."""
        self._back = asyncio.Event()
        """Set while what the broker answers is delivered."""
        self._connections: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(START_TIMEOUT_S):
            raise AssertionError(f"the network did not start within {START_TIMEOUT_S:g} s")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_TIMEOUT_S)

    # What may happen to it.

    def delay(self, seconds: float) -> None:
        """Everything takes so long, each way."""
        self._do(lambda: setattr(self, "_delay_s", seconds))

    def silence(self) -> None:
        """Nothing is delivered, in either direction, until it is calm."""
        self._do(self._there.clear, self._back.clear)

    def mute(self) -> None:
        """What clients send is delivered, the answers are not."""
        self._do(self._back.clear)

    def cut(self) -> None:
        """All connections end, what was under way is lost, and there are no new ones until it is calm."""
        self._do(self._end_all)

    def calm(self) -> None:
        """All is well, and what was under way arrives."""
        self._do(self._calm)

    def _calm(self) -> None:
        self._delay_s = 0.0
        self._cut = False
        self._there.set()
        self._back.set()

    def _end_all(self) -> None:
        self._cut = True
        for connection in self._connections:
            connection.cancel()

    def _do(self, *changes: Callable[[], object]) -> None:
        done = threading.Event()

        def all_of_them() -> None:
            for change in changes:
                change()
            done.set()

        self._loop.call_soon_threadsafe(all_of_them)
        if not done.wait(START_TIMEOUT_S):
            raise AssertionError("the network's thread has ended")

    # How it relays.

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._accept, HOST, 0))
        self.port = server.sockets[0].getsockname()[1]
        self._calm()
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._end_all()
        self._loop.run_until_complete(asyncio.gather(*self._connections, return_exceptions=True))
        self._loop.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.ensure_future(self._relay(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)
        with contextlib.suppress(asyncio.CancelledError):
            await connection

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = [writer]
        try:
            if self._cut:
                return
            self.relayed += 1
            far_reader, far_writer = await asyncio.open_connection(HOST, self._target)
            ends.append(far_writer)
            ways = {
                asyncio.ensure_future(self._forward(reader, far_writer, self._there)),
                asyncio.ensure_future(self._forward(far_reader, writer, self._back)),
            }
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        except OSError:
            return  # nobody listens there: the client finds its connection closed
        finally:
            for end in ends:
                end.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passes: asyncio.Event) -> None:
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(UNDER_WAY)

        async def arrive() -> None:
            while True:
                due, data = await under_way.get()
                await asyncio.sleep(max(0.0, due - self._loop.time()))
                await passes.wait()
                if not data:
                    return
                writer.write(data)
                await writer.drain()

        arriving = asyncio.ensure_future(arrive())
        try:
            with contextlib.suppress(OSError):
                while data := await reader.read(CHUNK):
                    await under_way.put((self._loop.time() + self._delay_s, data))
            await under_way.put((self._loop.time(), b""))
            with contextlib.suppress(OSError):
                await arriving
        finally:
            arriving.cancel()
