"""`npstream broker`: the embedded broker in the foreground, from its first line to its end."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from npstream.broker import HOST, answers_metadata, port_taken

ROOT = Path(__file__).parents[2]
END_TIMEOUT_S = 20.0
"""It ends within a second; the rest is for a busy machine."""

pytestmark = pytest.mark.embedded


@pytest.fixture
def command() -> Iterator[subprocess.Popen[str]]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("NPSTREAM_")}
    arguments = [sys.executable, "-m", "npstream", "broker", "--port", "0"]
    with subprocess.Popen(
        arguments, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def address_of(command: subprocess.Popen[str]) -> tuple[str, int]:
    """Host and port from its first line, which it prints once the broker answers."""
    assert command.stdout is not None
    words = command.stdout.readline().split()
    host, _, port = words[words.index("on") + 1].rstrip(";").partition(":")
    return host, int(port)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_answers_at_the_address_that_it_prints_and_ends_well(command: subprocess.Popen[str], ending: signal.Signals) -> None:
    host, port = address_of(command)
    assert answers_metadata(host, port)
    command.send_signal(ending)
    _, err = command.communicate(timeout=END_TIMEOUT_S)
    assert (command.returncode, err) == (0, "")
    assert not port_taken(port)


def test_a_port_that_is_taken_is_one_line_and_exit_code_2() -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        arguments = [sys.executable, "-m", "npstream", "broker", "--port", str(port)]
        done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=END_TIMEOUT_S, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert f"port {port} on {HOST} is taken" in line
