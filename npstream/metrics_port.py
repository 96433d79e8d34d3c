"""The port at which a command that is no worker serves its metrics."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server

from npstream.failures import UserError


@contextmanager
def metrics_served(host: str, port: int, registry: CollectorRegistry, setting: str) -> Iterator[int]:
    """Serve them while the context lasts; gives the port, a free one for 0. `setting` is the name of the port's. Raises
    UserError if it is taken."""
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise UserError(
            f"cannot serve metrics at {host}:{port}: {error.strerror}; choose another port with the setting {setting}"
        ) from error
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
