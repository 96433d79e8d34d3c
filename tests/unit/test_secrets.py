"""Passwords: wherever they are given, no command says them, whatever it prints and however it ends."""

import os
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from npstream import cli
from npstream.settings import Settings
from npstream.settings_sources import declared

pytestmark = pytest.mark.usefixtures("logging_as_it_was")  # the worker sets it up for its process

PLANTED = {
    "sasl_password": "planted-of-the-login",
    "ssl_key_password": "planted-of-the-key",
    "surveymonkey_token": "planted-of-surveymonkey",
    "qualtrics_token": "planted-of-qualtrics",
    "gateway_secrets": "planted-without-a-vendor",
    "gateway_tokens": "planted-of-a-program",
}
COMMANDS = [
    ("worker",),
    ("gateway", "--check"),
    ("topics", "show"),
    ("topics", "create"),
    ("topics", "check"),
    ("produce", "responses.jsonl"),
    ("accounts", "list"),
    ("adapt", "responses.jsonl"),
    ("cases",),
    ("cases", "show", "c-1"),
    ("cases", "stats"),
    ("cases", "acknowledge", "c-1"),
    ("fetch",),
    ("top", "--once"),
    ("top", "--json"),
    ("tail", "detractors", "--no-follow"),
    ("dlq", "list"),
    ("dlq", "show", "0-1"),
    ("dlq", "replay", "--all"),
    ("verify",),
    ("rebuild", "--agent", "scoring", "--yes"),
    ("erase", "--respondent", "u-17", "--yes"),
    ("check",),
    ("check", "--json"),
    ("settings",),
    ("settings", "--json"),
    ("settings", "--markdown"),
    ("schema", "."),
    ("cases",),
    ("cases", "show", "c-1"),
    ("notify",),
    ("outreach", "list"),
    ("comments", "try", "slow"),
    ("demo", "--help"),
    ("broker", "--help"),
]


def in_the_environment(values: Mapping[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    for name, value in values.items():
        monkeypatch.setenv(f"NPSTREAM_{name.upper()}", value)
    return []


def in_a_file(values: Mapping[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines = [f'{name} = "{value}"\n' for name, value in values.items()]
    (folder / "settings.toml").write_text("".join(lines), encoding="utf-8")
    return ["--config", str(folder / "settings.toml")]


def as_flags(values: Mapping[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return [part for name, value in values.items() for part in ("--set", f"{name}={value}")]


@pytest.fixture
def nobody() -> str:
    """An address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("NPSTREAM_")]:
        monkeypatch.delenv(name)
    (tmp_path / "responses.jsonl").write_text('{"response_id":"r-1"}\n', encoding="utf-8")
    (tmp_path / "key.pem").write_text("no certificate", encoding="utf-8")


def test_every_setting_that_is_a_secret_and_every_command_is_looked_at() -> None:
    assert [name for name, target in declared(Settings).items() if target.metadata["secret"]] == list(PLANTED)
    assert {command for command, *_ in COMMANDS} == set(cli.COMMANDS)


@pytest.mark.parametrize("give", [in_the_environment, in_a_file, as_flags])
@pytest.mark.parametrize("level", ["info", "debug"])
def test_no_command_says_a_password(
    level: str,
    give: Callable[[Mapping[str, str], Path, pytest.MonkeyPatch], list[str]],
    nobody: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    login = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN", "sasl_username": "u"}
    login["sasl_password"] = PLANTED["sasl_password"]
    certificate = {"security_protocol": "SSL", "ssl_cert_file": str(tmp_path / "key.pem")}
    certificate["ssl_key_password"] = PLANTED["ssl_key_password"]
    gateway = {"gateway_secrets": "delighted=planted-without-a-vendor", "gateway_tokens": PLANTED["gateway_tokens"]}
    tokens = {name: PLANTED[name] for name in ("surveymonkey_token", "qualtrics_token")} | {
        "qualtrics_url": "http://127.0.0.1:1"
    }
    for values in (login, certificate, gateway, tokens, PLANTED):
        flags = give(values | {"bootstrap": nobody, "log_level": level, "http_port": "0"}, tmp_path, monkeypatch)
        for command in COMMANDS:
            if command == ("worker",) and values in (login, gateway, tokens) and give is not as_flags:
                continue  # it would wait for its broker; tests/integration/test_permissions.py looks at one that runs
            monkeypatch.setattr(sys, "argv", ["npstream", *flags, *command])
            with pytest.raises(SystemExit):
                cli.main()
            out, err = capfd.readouterr()
            assert out + err
            for secret in PLANTED.values():
                assert secret not in out + err, command
        for name in values:
            monkeypatch.delenv(f"NPSTREAM_{name.upper()}", raising=False)


def test_a_password_is_no_flag_since_all_who_list_processes_can_read_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["npstream", "--set", "sasl_password=planted", "settings"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    (line,) = capfd.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert "give it as NPSTREAM_SASL_PASSWORD, or in the file" in line
