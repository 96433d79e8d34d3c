"""The gateway on a real Kafka: what it accepts is there, byte for byte, and what it cannot store it does not accept."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from npstream.broker import HOST, free_port
from schemas import topics
from tests import signing
from tests.integration.cluster import Cluster
from tests.integration.gateways import ANSWER_TIMEOUT_S, Answer, Gateway
from tests.integration.workers import ROOT, Workers, command, environment, until
from tests.kafka.broker import KafkaBroker
from tests.kafka.topics import TopicAdmin

SECRET = "planted-secret"
TYPEFORM = (ROOT / "tests" / "payloads" / "typeform.json").read_bytes()
PATIENCE_S = 60.0
"""What is waited for takes a second or two; the rest is for a busy machine."""
MB = 1_000_000
SETTINGS = {"gateway_secrets": f"typeform={SECRET},delighted={SECRET}", "gateway_tokens": SECRET}
BEARER = {"Authorization": f"Bearer {SECRET}"}


def twenty_mb() -> Iterator[bytes]:
    for _ in range(200):
        yield b"x" * (MB // 10)


def test_a_webhook_and_a_response_become_scores(transactional: Cluster, tmp_path: Path, app_id: str) -> None:
    bootstrap = transactional.connection.bootstrap
    with Gateway(bootstrap, tmp_path, **SETTINGS) as gateway, Workers(bootstrap, app_id, tmp_path, partitions=2) as workers:
        assert command(bootstrap, app_id, "topics", "create", settings={"partitions": 2}).returncode == 0
        worker = workers.start()
        gateway.ready()
        answer = gateway.post("/webhooks/typeform", TYPEFORM, signing.typeform(SECRET, TYPEFORM))
        assert (answer.status, answer.json) == (200, {"accepted": 1})
        response = {"response_id": "r-1", "account_id": "globex", "score": 3, "responded_at": "2026-02-14T11:05:09Z"}
        answer = gateway.post("/v1/responses", json.dumps([response]).encode(), BEARER)
        assert (answer.status, answer.json) == (202, {"accepted": 1})
        raw = transactional.records(topics.RAW)
        assert raw[0].value == TYPEFORM
        assert dict(raw[0].headers) == {"nps-source": b"typeform"}
        worker.wait_ready()
        until(lambda: len(transactional.records(topics.SCORED)) == 2, "both are scored", PATIENCE_S)
        scored = [json.loads(record.value) for record in transactional.records(topics.SCORED)]
        assert sorted((one["source"], one["category"]) for one in scored) == [
            ("canonical", "detractor"),
            ("typeform", "promoter"),
        ]
        assert gateway.terminate() == 0
        assert SECRET not in gateway.log


def test_what_is_refused_never_reaches_kafka(transactional: Cluster, tmp_path: Path) -> None:
    body = b'{"planted-body": 1}'
    with Gateway(transactional.connection.bootstrap, tmp_path, **SETTINGS) as gateway:
        gateway.ready()
        token = {"X-Webhook-Secret": SECRET}
        assert gateway.post("/webhooks/typeform", body, signing.typeform("other", body)).status == 401
        assert gateway.post("/webhooks/nobody", body).status == 404
        assert gateway.post("/webhooks/delighted", b"no json", token).status == 422
        assert gateway.post("/webhooks/delighted", b"x" * (MB + 1), token).status == 413
        # 20 MB are refused without being held: chunks whose length nobody declared, and a length that is declared.
        before = resident_bytes(gateway.pid)
        for headers in ({"Transfer-Encoding": "chunked"}, {"Content-Length": str(20 * MB)}):
            answer = gateway.post("/webhooks/delighted", twenty_mb(), token | headers, chunked="Transfer-Encoding" in headers)
            assert answer.status == 413
        assert resident_bytes(gateway.pid) - before < 10 * MB
        # The longest that is taken fits into a record.
        longest = b"[" + b" " * (MB - 2) + b"]"
        assert gateway.post("/webhooks/delighted", longest, token).status == 200
        assert [len(record.value) for record in transactional.records(topics.RAW)] == [MB]
        assert "planted" not in gateway.log


def resident_bytes(pid: int) -> int:
    """The memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_while_the_broker_is_away_it_says_so_and_nothing_that_was_accepted_is_lost(tmp_path: Path) -> None:
    with KafkaBroker() as kafka:
        cluster = Cluster(kafka.bootstrap)
        with Gateway(kafka.bootstrap, tmp_path, gateway_timeout_ms=1000, **SETTINGS) as gateway:
            gateway.ready()
            accepted: list[bytes] = []

            def send(number: int) -> Answer:
                body = b'{"number": %d}' % number
                answer = gateway.post("/webhooks/delighted", body, {"X-Webhook-Secret": SECRET})
                if answer.status == 200:
                    accepted.append(body)
                return answer

            assert [send(number).status for number in range(20)] == [200] * 20
            os.kill(kafka.pid, signal.SIGSTOP)
            try:
                away = [send(number) for number in range(20, 24)]
                gateway.wait("/health/ready", 503)
                away += [send(number) for number in range(24, 30)]
            finally:
                os.kill(kafka.pid, signal.SIGCONT)
            assert {answer.status for answer in away} == {503}
            assert all(int(answer.headers["retry-after"]) >= 1 for answer in away)
            gateway.ready()
            assert [send(number).status for number in range(30, 40)] == [200] * 10
            assert gateway.terminate() == 0
        # Those of the 503s may have come through as well, which is why their vendor may send them again.
        stored = [record.value for record in cluster.records(topics.RAW)]
        assert set(accepted) <= set(stored)
        assert len(set(stored)) == len(stored)


def test_a_gateway_that_is_asked_to_end_answers_what_it_has_begun(transactional: Cluster, tmp_path: Path) -> None:
    with Gateway(transactional.connection.bootstrap, tmp_path, **SETTINGS) as gateway:
        gateway.ready()
        half_sent, go_on = threading.Event(), threading.Event()
        answers: list[Answer] = []

        def slowly() -> Iterator[bytes]:
            yield b'{"a": '
            half_sent.set()
            assert go_on.wait(PATIENCE_S)
            yield b"1}"

        def post() -> None:
            headers = {"X-Webhook-Secret": SECRET, "Transfer-Encoding": "chunked"}
            answers.append(gateway.post("/webhooks/delighted", slowly(), headers, chunked=True))

        posting = threading.Thread(target=post)
        posting.start()
        assert half_sent.wait(PATIENCE_S)
        until(lambda: b"in_flight_requests 1.0" in gateway.get("/metrics").body, "it has begun", PATIENCE_S)
        port = gateway.port
        gateway.ask_to_end()
        until(lambda: not listens(port), "it takes no more", PATIENCE_S)
        go_on.set()
        posting.join(ANSWER_TIMEOUT_S)
        assert [answer.status for answer in answers] == [200]
        assert gateway.ended() == 0
        assert [record.value for record in transactional.records(topics.RAW)] == [b'{"a": 1}']


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def run(bootstrap: str, **settings: object) -> tuple[int, str]:
    """A gateway that ends by itself: its exit code and what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "npstream", "gateway"],
        cwd=ROOT, env=environment(bootstrap, "unused", {"gateway_port": 0, **settings}), capture_output=True, text=True,
        timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"gateway_secrets": "planted-secret"}, "gateway_secrets: number 1 of them is not VENDOR=SECRET"),
        ({"gateway_file": "nowhere.toml"}, "cannot read gateway_file nowhere.toml: No such file"),
        ({"gateway_host": "203.0.113.1"}, "cannot take webhooks on 203.0.113.1:0: Cannot assign requested address"),
        ({"gateway_max_body_bytes": 100}, "NPSTREAM_GATEWAY_MAX_BODY_BYTES is '100': it must be at least 1024"),
    ],
)
def test_wrong_settings_are_one_line(settings: dict[str, object], words: str) -> None:
    code, said = run(f"{HOST}:{free_port()}", **settings)
    (line,) = said.splitlines()
    assert code == 2
    assert words in line
    assert SECRET not in line


def test_a_port_that_is_taken_is_one_line() -> None:
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        code, said = run(f"{HOST}:{free_port()}", gateway_port=port)
    assert (code, len(said.splitlines())) == (2, 1)
    assert f"cannot take webhooks on {HOST}:{port}: Address already in use" in said


def test_a_missing_topic_ends_it_with_what_to_do(transactional: Cluster) -> None:
    TopicAdmin(transactional.connection.bootstrap).delete(topics.RAW)
    code, said = run(transactional.connection.bootstrap)
    assert code == 2
    assert f"has no topic {topics.RAW}: run npstream topics create" in said.splitlines()[-1]
