"""One real Kafka node for tests, benchmarks and by hand: Apache Kafka from Maven Central's jars, KRaft, one process.

    with KafkaBroker() as kafka:
        print(kafka.bootstrap)

or `python -m tests.kafka`, which runs one until Ctrl-C. It needs Java 17 and the jars that `make setup` puts into .kafka/libs.
"""

import base64
import re
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from npstream.broker import HOST, answers_metadata, free_port, port_taken
from npstream.child import Child

LIBS = Path(__file__).parents[2] / ".kafka" / "libs"
"""Where `make setup` puts the jars that tests/kafka/pom.xml names."""
JAVA_AT_LEAST = 17
"""Kafka 4 brokers do not run on an older one."""
READY_TIMEOUT_S = 90.0
"""A start takes 4 s on a quiet machine with two cores, several times that on a busy one."""
FORMAT_TIMEOUT_S = 60.0
"""Formatting takes 2 s; the rest is for a busy machine."""
STOP_TIMEOUT_S = 30.0
"""A controlled shutdown takes about a second."""
POLL_S = 0.05
"""Pause between two looks at whether the broker answers."""
LOG_LINES = 30
"""How many lines of the broker's log an error shows."""

JVM_OPTIONS = (
    "-Xmx512m",
    "-Xms256m",
    "-XX:+UseSerialGC",  # one small heap on two cores: collector threads would take turns with the tests
    "-XX:TieredStopAtLevel=1",  # start quickly; a benchmark gives its own options
    "-Xshare:auto",
)

SERVER = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",  # a missing topic must show
    "delete.topic.enable": "true",
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",  # the defaults of 50 take seconds to create on first use
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",  # a test's group has all its members when they come, and waits for nobody
    "group.min.session.timeout.ms": "1000",  # so that tests of a dead worker need not wait long
    # No retention: what tests send is of a fixed day, past all of it. It would run for the first time after half a minute.
    "log.initial.task.delay.ms": "86400000",
    "log.retention.check.interval.ms": "86400000",
    "log.cleaner.backoff.ms": "1000",  # compaction within a test's patience, where a topic's own settings ask for it
    "log.cleaner.dedupe.buffer.size": "16777216",  # the default of 128 MB is a quarter of the heap
}
"""server.properties, apart from ports and folders. What is not here is Kafka's default."""

QUICK_RESTART = {"broker.session.timeout.ms": "2000", "broker.heartbeat.interval.ms": "500"}
"""For tests that kill the broker: it may register again once the session of the killed one has ended, after 9 s by default.
Not for all, since a machine that is busy for two seconds would then fence the broker."""


class Listener(NamedTuple):
    """One more address of the broker. Its protocol is a setting, `listener.security.protocol.map`."""

    name: str
    bound: str
    """Where the broker listens: host:port."""
    advertised: str
    """Where it tells clients to connect: the same, or what leads there."""


class KafkaUnavailable(RuntimeError):
    """The broker cannot run, or did not start; the message says what to do, or quotes the end of the broker's log."""


class KafkaBroker:
    """A KRaft node of its own folder and ports, which stay the same over kill, stop and restart. It cannot outlive us."""

    def __init__(
        self,
        settings: Mapping[str, str] | None = None,
        jvm_options: Sequence[str] = JVM_OPTIONS,
        ready_timeout_s: float = READY_TIMEOUT_S,
        listeners: Sequence[Listener] = (),
        parent: Path | None = None,
    ) -> None:
        """`settings` are added to server.properties and win over SERVER; `listeners` beside the open one. The folder with all
        data is made in `parent`, by default where temporary files are."""
        self._settings = dict(settings or {})
        self._listeners = tuple(listeners)
        self._parent = parent
        self._jvm_options = tuple(jvm_options)
        self._ready_timeout_s = ready_timeout_s
        self._folder: Path | None = None
        self._child: Child | None = None
        self._port = 0

    @property
    def bootstrap(self) -> str:
        """Where clients connect: host:port."""
        return f"{HOST}:{self._port}"

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._child is not None and self._child.alive

    @property
    def pid(self) -> int:
        """The Java process; for SIGSTOP and the like."""
        if self._child is None:
            raise KafkaUnavailable("the broker was not started")
        return self._child.pid

    @property
    def log(self) -> Path:
        """The broker's log file."""
        if self._folder is None:
            raise KafkaUnavailable("the broker was not started")
        return self._folder / "broker.log"

    def start(self) -> Self:
        """Make a folder, format it, start the node, and return when it answers. Raises KafkaUnavailable."""
        if self._folder is not None:
            raise KafkaUnavailable("the broker has been started already; use restart()")
        java = _java()
        self._folder = Path(tempfile.mkdtemp(prefix="npstream-kafka-", dir=self._parent))
        try:
            self._port = free_port()
            self._write_properties(self._folder)
            self._format(java, self._folder)
            self._launch(java)
        except BaseException:
            self.stop()
            raise
        return self

    def _write_properties(self, folder: Path) -> None:
        controller = free_port()
        bound = [f"{one.name}://{one.bound}" for one in self._listeners]
        advertised = [f"{one.name}://{one.advertised}" for one in self._listeners]
        settings = SERVER | {
            "listeners": ",".join([f"PLAINTEXT://{self.bootstrap}", f"CONTROLLER://{HOST}:{controller}", *bound]),
            "advertised.listeners": ",".join([f"PLAINTEXT://{self.bootstrap}", *advertised]),
            "controller.quorum.voters": f"1@{HOST}:{controller}",
            "log.dirs": str(folder / "data"),
        }
        settings |= self._settings
        lines = [f"{name}={value}\n" for name, value in settings.items()]
        (folder / "server.properties").write_text("".join(lines), encoding="utf-8")

    def _format(self, java: str, folder: Path) -> None:
        # An id that begins with a dash would be taken for an option.
        cluster_id = base64.urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).rstrip(b"=").decode()
        command = self._command(java, "kafka.tools.StorageTool")
        command += ["format", "--cluster-id", cluster_id, "--config", str(folder / "server.properties")]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=FORMAT_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise KafkaUnavailable(f"formatting Kafka's folder took more than {FORMAT_TIMEOUT_S:g} s") from error
        if done.returncode != 0:
            raise KafkaUnavailable(f"cannot format Kafka's folder {folder}:\n{done.stdout}{done.stderr}")

    def _command(self, java: str, main: str) -> list[str]:
        logging = [
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
        ]
        return [java, *self._jvm_options, *logging, "-cp", f"{LIBS}/*", main]

    def _launch(self, java: str) -> None:
        properties = self.log.with_name("server.properties")
        self._child = Child([*self._command(java, "kafka.Kafka"), str(properties)], self.log)
        deadline = time.monotonic() + self._ready_timeout_s
        while not answers_metadata(HOST, self._port):
            if not self._child.alive:
                raise KafkaUnavailable(f"Kafka ended at its start; its log says:\n{self._log_end()}")
            if time.monotonic() > deadline:
                raise KafkaUnavailable(
                    f"Kafka did not answer within {self._ready_timeout_s:g} s; its log says:\n{self._log_end()}"
                )
            time.sleep(POLL_S)

    def _log_end(self) -> str:
        lines = self._child.tail().splitlines()[-LOG_LINES:] if self._child is not None else []
        return "\n".join(lines) or "(nothing)"

    def kill(self) -> None:
        """End it at once, as a power cut of the process would (SIGKILL); folder and ports stay for `restart`."""
        if self._child is not None:
            self._child.kill()

    def restart(self) -> None:
        """Start it again on the same ports and folder, after `kill` or while it runs; returns when it answers."""
        if self._folder is None:
            raise KafkaUnavailable("the broker was not started; use start()")
        if self._child is not None:
            self._child.stop(STOP_TIMEOUT_S)
        if port_taken(self._port):
            raise KafkaUnavailable(f"port {self._port} was taken while Kafka was down; start a new broker")
        self._launch(_java())

    def stop(self) -> None:
        """End it and remove its folder. Nothing is worth saving, so this is a kill. Calling it twice does no harm."""
        self.kill()
        self._child = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def __enter__(self) -> Self:
        return self if self.alive else self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def _java() -> str:
    """Path of a Java that can run the broker. Raises KafkaUnavailable if it, its version or the jars are missing."""
    java = shutil.which("java")
    if java is None:
        raise KafkaUnavailable(f"java is not installed: install Java {JAVA_AT_LEAST} or newer (openjdk-17-jre-headless)")
    if not any(LIBS.glob("kafka_2.13-*.jar")):
        raise KafkaUnavailable(f"Kafka's jars are not in {LIBS}: run make setup")
    shown = subprocess.run([java, "-version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(?:1\.)?(\d+)', shown)
    if version is None or int(version[1]) < JAVA_AT_LEAST:
        said = shown.strip().splitlines()[:1] or ["nothing"]
        raise KafkaUnavailable(f"{java} is too old for Kafka 4 (it says {said[0]}): install Java {JAVA_AT_LEAST} or newer")
    return java
