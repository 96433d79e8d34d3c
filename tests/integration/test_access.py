"""Log-in and encryption, on a Kafka that asks for both: SCRAM over TLS reaches every client, and what is wrong with either is
one line without the password."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

from tests.integration.workers import Workers, command, until
from tests.kafka.certificates import PASSWORD, Certificate, make_certificate
from tests.kafka.guarded import GuardedKafka

PATIENCE_S = 60.0
"""Each step takes a second or three; the rest is for a busy machine."""
APP = "npstream-access"
SECRET = "correct horse battery staple"
SCRAM_LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def kafka(certificate: Certificate) -> Iterator[GuardedKafka]:
    settings = {
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,GUARDED:SASL_SSL",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.guarded.scram-sha-512.sasl.jaas.config": SCRAM_LOGIN,
        "listener.name.guarded.ssl.keystore.type": "PKCS12",
        "listener.name.guarded.ssl.keystore.location": str(certificate.key_store),
        "listener.name.guarded.ssl.keystore.password": PASSWORD,
    }
    with GuardedKafka(settings) as broker:
        set_password(broker, SECRET)
        yield broker


def set_password(kafka: GuardedKafka, password: str) -> None:
    known = UserScramCredentialUpsertion("nps", ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096), password.encode())
    administrator = AdminClient({"bootstrap.servers": kafka.bootstrap})
    for done in administrator.alter_user_scram_credentials([known]).values():
        done.result(PATIENCE_S)


def login(certificate: Certificate, **other: object) -> dict[str, object]:
    return {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_username": "nps",
        "sasl_password": SECRET,
        "ssl_ca_file": certificate.pem,
        "partitions": 2,
    } | other


def test_worker_and_commands_log_in_over_tls(kafka: GuardedKafka, certificate: Certificate, tmp_path: Path) -> None:
    settings = login(certificate)
    response = {
        "response_id": "r-1",
        "account_id": "acme",
        "score": 3,
        "responded_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    (tmp_path / "one.jsonl").write_text(json.dumps(response) + "\n", encoding="utf-8")

    def run(*arguments: str) -> str:
        done = command(kafka.guarded, APP, *arguments, settings=settings)
        assert (done.returncode, SECRET in done.stdout + done.stderr) == (0, False), done.stderr
        return done.stdout

    run("topics", "create")
    run("check")
    with Workers(kafka.guarded, APP, tmp_path, **settings) as workers:
        worker = workers.start().wait_ready()
        run("produce", str(tmp_path / "one.jsonl"))
        until(lambda: run("tail", "detractors", "--json", "--no-follow"), "the detractor", PATIENCE_S)
        assert "acme" in run("top", "--json")
        assert json.loads(run("verify", "--json"))["differences"] == []
        assert worker.terminate() == 0
        again = workers.start().wait_ready()  # which restores, over the same connection
        assert again.terminate() == 0
        assert SECRET not in worker.log + again.log
    assert SECRET not in run("settings")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"sasl_password": "Tr0ub4dor&3"}, "check sasl_mechanism, sasl_username and sasl_password"),
        ({"sasl_username": "somebody"}, "check sasl_mechanism, sasl_username and sasl_password"),
        ({"sasl_mechanism": "PLAIN"}, "sasl_mechanism"),
        ({"ssl_ca_file": ""}, "ssl_ca_file"),
    ],
)
@pytest.mark.parametrize("arguments", [("worker",), ("topics", "show")])
def test_a_wrong_log_in_is_one_line_that_says_what_to_check(
    kafka: GuardedKafka, certificate: Certificate, arguments: tuple[str, ...], wrong: dict[str, object], words: str
) -> None:
    settings = {name: value for name, value in login(certificate, **wrong).items() if value != ""}
    done = command(kafka.guarded, APP, *arguments, settings=settings)
    assert done.returncode in (1, 2)
    lines = [line for line in done.stderr.splitlines() if line.startswith("npstream: ")]
    assert len(lines) == 1, done.stderr
    assert words in lines[0]
    assert "Traceback" not in done.stderr
    assert str(settings["sasl_password"]) not in done.stdout + done.stderr


def test_a_changed_password_and_a_new_certificate_are_one_line_each_and_do_not_end_the_worker(
    kafka: GuardedKafka, certificate: Certificate, tmp_path: Path
) -> None:
    other = make_certificate(tmp_path)
    settings = login(certificate)
    assert command(kafka.guarded, APP, "topics", "create", settings=settings).returncode == 0
    with Workers(kafka.guarded, APP, tmp_path, **settings) as workers:
        worker = workers.start().wait_ready()
        set_password(kafka, "another one")
        certificate.key_store.write_bytes(other.key_store.read_bytes())
        kafka.restart()
        worker.wait_not_ready("no TLS with the broker", PATIENCE_S)
        certificate.pem.write_bytes(other.pem.read_bytes())
        worker.wait_not_ready("refuses the log-in of nps", PATIENCE_S)
        set_password(kafka, SECRET)
        worker.wait_ready()
        for said in ("no TLS with the broker", "refuses the log-in of nps"):
            assert len([line for line in worker.logged(said) if "waiting" not in line]) == 1
        assert worker.terminate() == 0
        assert SECRET not in worker.log
