"""A worker's HTTP port."""

import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter

from streams.health import LOOP_TIMEOUT_S, Health, PortTaken

ANSWER_S = 10.0


class Served:
    """A running one, and what it says is not ready."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.registry = CollectorRegistry()
        self.health = Health(self.registry, lambda: self.problems)
        self.health.start("127.0.0.1", 0)

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health.port}{path}", timeout=ANSWER_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


@pytest.fixture
def served() -> Iterator[Served]:
    one = Served()
    yield one
    one.health.stop()


def test_ready_says_what_is_not_ready_a_line_each(served: Served) -> None:
    assert served.get("/ready") == (200, "ok\n")
    served.problems = ["scoring-0: restoring", "scoring-1: fencing"]
    assert served.get("/ready") == (503, "scoring-0: restoring\nscoring-1: fencing\n")


def test_live_fails_when_the_event_loop_hangs_and_not_because_something_is_not_ready(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.problems = ["not ready"]
    assert served.get("/live") == (200, "ok\n")
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + LOOP_TIMEOUT_S + 5)
    status, reason = served.get("/live")
    assert status == 503
    assert reason.startswith("the event loop has not turned for 3")
    served.health.turned()
    assert served.get("/live") == (200, "ok\n")


def test_metrics_are_those_of_the_registry(served: Served) -> None:
    Counter("things", "Things", registry=served.registry).inc(3)
    status, text = served.get("/metrics")
    assert status == 200
    assert "things_total 3.0" in text


def test_other_paths_say_which_there_are(served: Served) -> None:
    assert served.get("/") == (404, "/metrics, /live, /ready\n")


def test_a_port_that_is_taken_is_one_line_that_names_the_settings() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTaken) as refusal:
            Health(CollectorRegistry(), list).start("127.0.0.1", port)
    message = str(refusal.value)
    assert message.startswith(f"cannot serve metrics on 127.0.0.1:{port}: ")
    assert message.endswith("change http_host or http_port")
    assert "\n" not in message


def test_a_host_that_is_not_ours_or_has_no_address_is_refused_as_well() -> None:
    for host in ("203.0.113.1", "host.invalid"):
        with pytest.raises(PortTaken, match=f"cannot serve metrics on {host}:0: .+; change http_host or http_port"):
            Health(CollectorRegistry(), list).start(host, 0)


def test_stopping_frees_the_port_and_ends_the_thread() -> None:
    one = Served()
    port = one.health.port
    one.health.stop()
    one.health.stop()
    assert one.health.port == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert not [thread for thread in threading.enumerate() if thread.name == "health" and thread.is_alive()]


def test_a_client_that_says_nothing_does_not_stop_the_others(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.health.port), timeout=ANSWER_S):
        assert served.get("/live") == (200, "ok\n")
