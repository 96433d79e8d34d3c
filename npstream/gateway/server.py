"""The gateway as a process: its port, its producer, and an orderly end."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Iterator
from typing import Final

import uvicorn
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from npstream.ending import LAST_RESORT_S, end_within
from npstream.failures import UserError
from npstream.gateway.app import Limits, create_app
from npstream.gateway.configuration import Rules
from npstream.gateway.kafka_sink import KafkaSink
from npstream.gateway.limits import InFlight
from npstream.gateway.metrics import GatewayMetrics
from npstream.memory import freeze, tune_collector
from npstream.settings import Settings
from schemas import topics

logger = logging.getLogger(__name__)

BACKLOG: Final = 2048
"""Connections that wait to be taken: what a burst opens before the loop turns."""
KEEP_ALIVE_S: Final = 75
"""Longer than a proxy before it keeps an idle connection (60 s for many): else it would use one that is just being closed."""
END_MARGIN_S: Final = 2
"""To answer what is in flight, beside the longest wait for Kafka."""


class Server(uvicorn.Server):
    """Ends when it is told to, without raising the signal once more as uvicorn does: that would not be exit code 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The process has handlers of its own."""
        yield


async def run_gateway(settings: Settings, rules: Rules) -> None:
    """Serve until SIGTERM or SIGINT. Raises UserError if the port is taken, or Kafka refuses for good."""
    tune_collector(settings.gc_threshold)
    listener = bound(settings.gateway_host, settings.gateway_port)
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    in_flight = InFlight(settings.gateway_in_flight_bytes)
    sink = KafkaSink(settings.connection(), topics.RAW, settings.gateway_timeout_ms / 1000)
    app = create_app(rules, Limits.of(settings), sink, GatewayMetrics(registry, in_flight), in_flight)
    server = Server(
        uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            loop="none",  # it is running already
            lifespan="off",
            log_config=None,
            access_log=False,  # paths may hold tokens
            server_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=settings.gateway_timeout_ms // 1000 + END_MARGIN_S,
        )
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    host, port = listener.getsockname()[:2]
    logger.info("webhooks on http://%s:%d", f"[{host}]" if ":" in host else host, port)
    freeze()
    with _ended_by_signals(server):
        await _serve(server, sink, listener)
    logger.info("stopped")


async def _serve(server: Server, sink: KafkaSink, listener: socket.socket) -> None:
    """Serve and keep the sink alive; what ends one of them ends both. The sink goes last: it has to acknowledge what is in
    flight."""
    keeping = asyncio.create_task(sink.keep())

    def kept(_: "asyncio.Task[None]") -> None:
        server.should_exit = True

    keeping.add_done_callback(kept)
    try:
        await server.serve(sockets=[listener])
    finally:
        keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeping


@contextlib.contextmanager
def _ended_by_signals(server: Server) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True
        end_within(LAST_RESORT_S, code=0)

    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop)
    try:
        yield
    finally:
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(sign)


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises UserError if the port is taken, or the host is not ours."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise UserError(
            f"cannot take webhooks on {host}:{port}: {error.strerror}; change gateway_host or gateway_port"
        ) from error
    return listener
