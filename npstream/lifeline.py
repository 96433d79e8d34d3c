"""What ties a process of a worker to the one that started it: a pair of connected sockets, of which each has one end.

1. The parent asks how the process is, or for its metrics; a thread of the process answers, also while its event loop works.
2. A process that cannot go on says why, and with which code it ends: the last that comes from it.
3. An end that closes says that its process is gone, however it went. A process whose parent is gone ends in order.

There is no port to open, no file to leave behind, and nothing that an orphan could miss.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from enum import Enum
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.samples import Sample

from streams.health import Health

logger = logging.getLogger(__name__)


class About(Enum):
    """What a parent asks for."""

    HEALTH = "health"
    METRICS = "metrics"


class State(msgspec.Struct, tag="health"):
    """How a process is: a line for each thing that is wrong."""

    not_live: list[str]
    not_ready: list[str]


class Family(msgspec.Struct, array_like=True):
    """All samples of one metric."""

    name: str
    help: str
    kind: str
    samples: list[tuple[str, dict[str, str], float]]

    @classmethod
    def of(cls, metric: Metric) -> "Family":
        """From what a registry collects."""
        return cls(metric.name, metric.documentation, metric.type, [(s.name, s.labels, s.value) for s in metric.samples])

    def metric(self) -> Metric:
        """As a registry collects it, without samples."""
        return Metric(self.name, self.help, self.kind)

    def labelled(self, label: str, value: str) -> list[Sample]:
        """Its samples with one more label."""
        return [Sample(name, {label: value, **labels}, number) for name, labels, number in self.samples]


class Metrics(msgspec.Struct, tag="metrics"):
    """What a process's registry has collected."""

    families: list[Family]


class Farewell(msgspec.Struct, tag="farewell"):
    """Why a process ends, a line each, and its exit code."""

    reason: str
    code: int


Message = State | Metrics | Farewell

_message = msgspec.msgpack.Decoder(Message)


class ProcessGone(Exception):
    """It ended before it answered."""


class Lifeline:
    """The process's end."""

    def __init__(self, descriptor: int) -> None:
        """`descriptor` is that of `ProcessLine.theirs`, inherited."""
        self._connection: Connection[Any, Any] = Connection(descriptor)
        self._sending = threading.Lock()

    def serve(self, health: Health, gone: Callable[[], None]) -> None:
        """Answer in a thread; call `gone` there once the parent is gone."""
        threading.Thread(target=self._answer, args=(health, gone), name="lifeline", daemon=True).start()

    def farewell(self, reason: str, code: int) -> None:
        """Say why this process ends. A parent that is gone does not hear it."""
        self._send(Farewell(reason, code))

    def _answer(self, health: Health, gone: Callable[[], None]) -> None:
        try:
            while True:
                self._send(answer(About(self._connection.recv_bytes().decode()), health))
        except (EOFError, OSError):
            gone()

    def _send(self, message: Message) -> None:
        try:
            with self._sending:
                self._connection.send_bytes(msgspec.msgpack.encode(message))
        except OSError as error:
            logger.debug("the parent does not hear %s: %s", type(message).__name__, error)


def answer(about: About, health: Health) -> State | Metrics:
    """There is always one: who asks waits for it, and would take silence for a process that stands still."""
    try:
        return State(health.not_live(), health.not_ready()) if about is About.HEALTH else collected(health.registry)
    except Exception as error:
        logger.exception("cannot tell its %s", about.value)
        return State([], [f"cannot tell how it is: {type(error).__name__}"]) if about is About.HEALTH else Metrics([])


def collected(registry: CollectorRegistry) -> Metrics:
    """All metrics of a registry."""
    return Metrics([Family.of(metric) for metric in registry.collect()])


class ProcessLine:
    """The parent's end: a thread reads what comes, and whoever asked gets it. All methods may be called from any thread."""

    def __init__(self) -> None:
        self._ours, self.theirs = Pipe()
        self._lock = threading.Lock()
        self._asked: dict[About, tuple[Future[Any], float]] = {}
        self._reader = threading.Thread(target=self._read, name="process line", daemon=True)
        self.state: State | None = None
        """The newest that the process has said of itself."""
        self.farewell: Farewell | None = None

    def started(self) -> None:
        """The process has its end now: close ours of it, so that the end of the process is seen, and begin to read."""
        self.theirs.close()
        self._reader.start()

    def ask(self, about: About) -> "Future[Any]":
        """The answer to come: `State` or `Metrics`. One that is still to come is waited for, not asked for twice, so that a
        process that stands still is not flooded. Once the process is gone, it is ProcessGone."""
        with self._lock:
            answer, _ = self._asked.get(about, (None, 0.0))
            if answer is not None and not answer.done():
                return answer
            answer = Future()
            self._asked[about] = answer, time.monotonic()
            try:
                self._ours.send_bytes(about.value.encode())
            except OSError:
                answer.set_exception(ProcessGone())
            return answer

    def silent_s(self) -> float:
        """For how long the oldest question has been waiting for its answer; 0 if none is."""
        with self._lock:
            waiting = [asked for answer, asked in self._asked.values() if not answer.done()]
        return time.monotonic() - min(waiting) if waiting else 0.0

    def close(self) -> None:
        """The process has ended: take in what it said last."""
        if self._reader.ident is not None:
            self._reader.join()
        self.theirs.close()
        self._ours.close()

    def _read(self) -> None:
        try:
            while True:
                self._take(_message.decode(self._ours.recv_bytes()))
        except (EOFError, OSError):
            with self._lock:
                for answer, _ in self._asked.values():
                    if not answer.done():
                        answer.set_exception(ProcessGone())

    def _take(self, message: Message) -> None:
        match message:
            case Farewell():
                self.farewell = message
            case State():
                self.state = message
                self._give(About.HEALTH, message)
            case Metrics():
                self._give(About.METRICS, message)

    def _give(self, about: About, message: Message) -> None:
        with self._lock:
            answer, _ = self._asked[about]
        answer.set_result(message)
