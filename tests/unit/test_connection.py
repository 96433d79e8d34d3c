"""One value makes every client: what it passes on, and what it refuses."""

import ssl
from pathlib import Path

import pytest

from streams.connection import Connection, ConnectionRefused


def test_without_more_only_the_brokers_are_named() -> None:
    assert Connection("a:9092,b:9092").aiokafka == {"bootstrap_servers": "a:9092,b:9092", "security_protocol": "PLAINTEXT"}


@pytest.mark.parametrize(
    ("protocol", "tls", "login"),
    [("PLAINTEXT", False, False), ("SSL", True, False), ("SASL_PLAINTEXT", False, True), ("SASL_SSL", True, True)],
)
def test_tls_and_login_are_passed_on_where_the_protocol_has_them(protocol: str, tls: bool, login: bool) -> None:
    options = Connection(
        "a:9092", security_protocol=protocol, sasl_mechanism="SCRAM-SHA-512", sasl_username="me", sasl_password="secret"
    ).aiokafka
    assert ("ssl_context" in options) is tls
    names = {"sasl_mechanism": "SCRAM-SHA-512", "sasl_plain_username": "me", "sasl_plain_password": "secret"}
    assert {name: options[name] for name in names if name in options} == (names if login else {})


def test_a_server_must_prove_who_it_is() -> None:
    context = Connection("a:9092", security_protocol="SSL").ssl_context
    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_every_client_gets_the_same_context() -> None:
    connection = Connection("a:9092", security_protocol="SSL")
    assert connection.aiokafka["ssl_context"] is connection.aiokafka["ssl_context"]


@pytest.mark.parametrize("option", ["ssl_ca_file", "ssl_cert_file"])
def test_a_file_that_is_missing_or_no_certificate_is_refused_with_its_name(tmp_path: Path, option: str) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing in here")
    for path in (tmp_path / "missing.pem", empty):
        connection = Connection("a:9092", security_protocol="SSL", **{option: str(path)})
        with pytest.raises(ConnectionRefused, match=rf"cannot load the TLS files {path}: .*; check the paths") as refusal:
            _ = connection.aiokafka
        assert "\n" not in str(refusal.value)


def test_a_password_is_not_shown() -> None:
    assert "hunter2" not in repr(Connection("a:9092", sasl_password="hunter2", ssl_key_password="hunter2"))


def test_files_are_read_again_for_each_connection_and_a_broken_one_does_not_end_what_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[ssl.SSLContext] = []
    create = ssl.create_default_context

    def counted(cafile: str | None = None) -> ssl.SSLContext:
        if cafile == str(tmp_path / "gone.pem") and made:
            raise FileNotFoundError(2, "No such file or directory")
        made.append(create())
        return made[-1]

    monkeypatch.setattr(ssl, "create_default_context", counted)
    for name, expected in (("there.pem", 3), ("gone.pem", 1)):
        made.clear()
        context = Connection("a:9092", security_protocol="SSL", ssl_ca_file=str(tmp_path / name)).ssl_context
        assert context is not None
        for _ in range(2):
            found = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="a")
            assert found.context is made[-1]
        assert len(made) == expected


def test_the_password_of_a_key_is_passed_on_and_never_asked_for_at_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []
    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", lambda self, *arguments: given.append(arguments))
    for password in ("hunter2", None):
        files = {"ssl_cert_file": "cert.pem", "ssl_key_file": "key.pem", "ssl_key_password": password}
        _ = Connection("a:9092", security_protocol="SSL", **files).ssl_context
    assert given == [("cert.pem", "key.pem", "hunter2"), ("cert.pem", "key.pem", "")]
