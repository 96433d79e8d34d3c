"""A worker's HTTP port: /metrics for Prometheus, /live and /ready for whoever restarts and routes.

It runs in a thread of its own, so that it answers while the event loop works, and can tell that the loop does not."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

logger = logging.getLogger(__name__)

LOOP_TIMEOUT_S = 30.0
"""An event loop that has not turned for so long hangs: batches take tens of milliseconds."""


REQUEST_TIMEOUT_S = 10.0
"""A connection that says nothing for so long is closed."""


class PortTaken(OSError):
    """The port is in use, or the host is not ours; the message names the settings."""


class _Server(ThreadingMixIn, WSGIServer):
    """A thread for each connection: one that says nothing must not keep a probe waiting."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away or said nothing is no news; answers that fail are logged by the WSGI handler."""
        logger.debug("%s went away", client_address, exc_info=True)


class _Quiet(WSGIRequestHandler):
    timeout = REQUEST_TIMEOUT_S

    def log_message(self, format: str, *args: Any) -> None:
        """Probes and scrapes come every few seconds: not worth a line each."""


class Health:
    """Knows how it is, and serves that until `stop`. `ready` gives what is not ready, empty if all is; `live`, beside the event
    loop, what only a restart can help."""

    def __init__(
        self, registry: CollectorRegistry, ready: Callable[[], Iterable[str]], live: Callable[[], Iterable[str]] = tuple
    ) -> None:
        self.registry = registry
        self._metrics = make_wsgi_app(registry)
        self._ready = ready
        self._live = live
        self._turned = time.monotonic()
        self._server: WSGIServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port that is served."""
        return self._server.server_port if self._server is not None else 0

    def turned(self) -> None:
        """The event loop says that it turns."""
        self._turned = time.monotonic()

    def not_live(self) -> list[str]:
        """What only a restart can help, a line each."""
        silent = time.monotonic() - self._turned
        hangs = [f"the event loop has not turned for {silent:.0f} s"] if silent > LOOP_TIMEOUT_S else []
        return [*hangs, *self._live()]

    def not_ready(self) -> list[str]:
        """What is not ready, a line each."""
        return list(self._ready())

    def start(self, host: str, port: int) -> None:
        """Serve in a thread. Raises PortTaken."""
        try:
            self._server = make_server(host, port, self._answer, server_class=_Server, handler_class=_Quiet)
        except OSError as error:
            raise PortTaken(
                f"cannot serve metrics on {host}:{port}: {error.strerror}; change http_host or http_port"
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the port."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _answer(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            answer: Iterable[bytes] = self._metrics(environ, start_response)
            return answer
        if path == "/live":
            problems = self.not_live()
        elif path == "/ready":
            problems = self.not_ready()
        else:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"/metrics, /live, /ready\n"]
        start_response("503 Service Unavailable" if problems else "200 OK", [("Content-Type", "text/plain; charset=utf-8")])
        return ["\n".join(problems or ["ok"]).encode() + b"\n"]
