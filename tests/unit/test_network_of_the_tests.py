"""The network of the tests delivers everything once and in order, unless it is told not to."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from npstream.broker import HOST
from tests.kafka.network import Network

ANSWER_TIMEOUT_S = 10.0
"""On one machine an answer takes no time; the rest is for a busy one."""
SHORTLY_S = 0.3
"""So long nothing comes: what was to come would have."""


@contextmanager
def echo() -> Iterator[int]:
    """A server that sends everything back; its port."""
    server = socket.create_server((HOST, 0))

    def serve(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(1 << 16):
                connection.sendall(data)

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server.getsockname()[1]
    finally:
        server.close()


@pytest.fixture
def network() -> Iterator[Network]:
    with echo() as port, Network(port) as network:
        yield network


@pytest.fixture
def client(network: Network) -> Iterator[socket.socket]:
    with socket.create_connection((HOST, network.port), ANSWER_TIMEOUT_S) as client:
        client.settimeout(ANSWER_TIMEOUT_S)
        yield client


def answer(client: socket.socket, length: int) -> bytes:
    """So many bytes of what comes back."""
    found = b""
    while len(found) < length:
        data = client.recv(1 << 16)
        if not data:
            break
        found += data
    return found


def nothing_comes(client: socket.socket) -> bool:
    client.settimeout(SHORTLY_S)
    try:
        return client.recv(1) is None
    except TimeoutError:
        return True
    finally:
        client.settimeout(ANSWER_TIMEOUT_S)


def ended(client: socket.socket) -> bool:
    """Whether the other side has ended the connection."""
    try:
        client.sendall(b"x")
        return client.recv(1) == b""
    except OSError:
        return True


def test_what_is_sent_arrives_once_and_in_order(client: socket.socket) -> None:
    sent = bytes(range(256)) * 4000
    threading.Thread(target=client.sendall, args=(sent,), daemon=True).start()
    assert answer(client, len(sent)) == sent


@pytest.mark.parametrize("fault", ["silence", "mute"])
def test_what_was_under_way_while_it_was_silent_arrives_when_it_is_calm(
    network: Network, client: socket.socket, fault: str
) -> None:
    getattr(network, fault)()
    client.sendall(b"a commit")
    assert nothing_comes(client)
    network.calm()
    assert answer(client, 8) == b"a commit"


def test_a_delay_is_that_of_each_way(network: Network, client: socket.socket) -> None:
    network.delay(SHORTLY_S)
    client.sendall(b"late")
    assert nothing_comes(client)
    assert answer(client, 4) == b"late"


def test_a_cut_ends_all_connections_and_refuses_others_until_it_is_calm(network: Network, client: socket.socket) -> None:
    client.sendall(b"x")
    assert answer(client, 1) == b"x"
    network.cut()
    assert ended(client)
    with socket.create_connection((HOST, network.port), ANSWER_TIMEOUT_S) as refused:
        refused.settimeout(ANSWER_TIMEOUT_S)
        assert ended(refused)
    network.calm()
    with socket.create_connection((HOST, network.port), ANSWER_TIMEOUT_S) as again:
        again.settimeout(ANSWER_TIMEOUT_S)
        again.sendall(b"y")
        assert answer(again, 1) == b"y"
