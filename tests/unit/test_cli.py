"""The command line: help without imports, one line and an exit code for what a user can mend, and nothing hidden otherwise."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from aiokafka.errors import KafkaConnectionError

from npstream import cli
from npstream.failures import CheckFailed, UserError, ends_on_interrupt, explain, run_command
from npstream.settings import Settings
from npstream.settings_sources import declared
from streams.connection import ConnectionRefused

Run = Callable[..., int]
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("NPSTREAM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line as the shell would, and return the exit code."""

    def run(*args: str) -> int:
        monkeypatch.setattr(sys, "argv", ["npstream", *args])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert isinstance(ended.value.code, int)
        return ended.value.code

    return run


@pytest.fixture
def nobody() -> str:
    """An address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def test_help_lists_every_command_and_imports_none() -> None:
    program = (
        "import sys; sys.argv = ['npstream', '--help']\n"
        "from npstream.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: print(end.code, [m for m in sys.modules if m.startswith('npstream.commands')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "0 []"
    assert [name for name in cli.COMMANDS if f"\n  {name} " not in done.stdout] == []


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_of_the_help_is_there_and_has_help_of_its_own(
    name: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(name, "--help") == 0
    assert capsys.readouterr().out.startswith(f"Usage: npstream {name}")


def test_without_a_command_it_shows_its_help(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    assert capsys.readouterr().out.startswith("Usage: npstream")


def test_help_of_a_command_needs_no_valid_settings(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPSTREAM_PARTITIONS", "many")
    assert run("check", "--help") == 0


MISTAKES = [
    # arguments                                         what the line says
    (["topcs"], "npstream: there is no command topcs; did you mean topics?; see npstream --help"),
    (["check", "--nope"], "npstream: No such option: --nope; see npstream check --help"),
    (
        ["check", "--timeout", "x"],
        "npstream: Invalid value for '--timeout': 'x' is not a valid float range; see npstream check --help",
    ),
    (
        ["--set", "partitions", "settings"],
        "npstream: Invalid value for '--set': 'partitions' is not NAME=VALUE; see npstream --help",
    ),
    (["--set", "partitons=4", "settings"], "npstream: partitons is no setting; did you mean partitions?"),
    (["--set", "partitions=x", "settings"], "npstream: partitions is 'x': it must be a whole number"),
    (
        ["--config", "none.toml", "settings"],
        "npstream: cannot read the settings file none.toml: No such file or directory; check --config or NPSTREAM_CONFIG",
    ),
    (["--bootstrap", "", "topics", "show"], "npstream: bootstrap is empty: name a broker, like 127.0.0.1:9092"),
    (["topics", "create", "--partitions", "0"], "npstream: partitions is 0: it must be at least 1"),
    (["schema", "--asyncapi", "--json-schema"], "exclude each other"),
]


@pytest.mark.parametrize(("arguments", "line"), MISTAKES)
def test_a_mistake_on_the_command_line_is_one_line_and_exit_code_2(
    arguments: list[str], line: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert line in err


def test_contradicting_settings_are_one_line_and_exit_code_2(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NPSTREAM_HEARTBEAT_MS", "5000")
    assert run("check") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "heartbeat_ms 5000" in line
    assert "session_timeout_ms 10000" in line


@pytest.mark.parametrize("arguments", [["topics", "show"], ["topics", "create"], ["topics", "check"]])
def test_a_broker_that_is_away_is_one_line_that_names_it(
    arguments: list[str], run: Run, nobody: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--bootstrap", nobody, *arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"npstream: no broker answers at {nobody} over PLAINTEXT (")


@pytest.mark.parametrize("group", ["cases -h", "outreach", "comments", "dlq", "topics", "accounts"])
def test_a_group_without_a_command_shows_its_help(run: Run, group: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*group.split()) == 0
    out, err = capsys.readouterr()
    assert (out.startswith(f"Usage: npstream {group.split()[0]} [OPTIONS] COMMAND"), err) == (True, "")


def test_check_reports_a_broker_that_is_away_as_a_finding(run: Run, nobody: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--bootstrap", nobody, "check", "--json") == 1
    out, err = capsys.readouterr()
    findings = json.loads(out)
    assert [(finding["subject"], finding["status"]) for finding in findings] == [
        ("settings", "ok"),
        ("care file", "ok"),
        ("broker", "failed"),
    ]
    assert nobody in findings[2]["message"]
    assert err == ""


def test_a_listener_that_does_not_speak_kafka_is_given_up_within_the_bound(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        assert run("--bootstrap", address, "topics", "show", "--timeout", "0.2") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{address} over PLAINTEXT (no answer in time)" in line


def test_tls_with_a_listener_that_has_none_is_one_line(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    async def serve_and_look() -> None:
        def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"this is no TLS record")
            writer.close()

        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            arguments = ["--bootstrap", f"127.0.0.1:{port}", "--set", "security_protocol=SSL", "topics", "show"]
            assert await asyncio.to_thread(run, *arguments) == 1

    asyncio.run(serve_and_look())
    (line,) = capsys.readouterr().err.splitlines()
    assert "over SSL" in line
    assert "check security_protocol" in line or "check bootstrap and security_protocol" in line


def test_settings_are_printed_as_json_with_value_source_and_help(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--set", "windows_days=7,90", "settings", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert list(shown) == list(declared(Settings))
    assert shown["windows_days"] | {"help": ""} == {"value": [7, 90], "source": "flag", "help": ""}
    assert shown["sasl_password"] | {"help": ""} == {"value": None, "source": "default", "help": ""}


@pytest.mark.parametrize("columns", ["80", "120"])
def test_the_settings_fit_the_terminal(
    columns: str, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert run("settings") == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= int(columns)
    assert [name for name in declared(Settings) if not any(name in line.split() for line in lines)] == []


ENDS = [
    # what a command raises                                     code   lines on stderr
    (UserError("a: do b"), 2, ["npstream: a: do b"]),
    (UserError("a\nb"), 2, ["npstream: a", "npstream: b"]),
    (CheckFailed("a"), 1, ["npstream: a"]),
    (CheckFailed(), 1, []),
    (ConnectionRefused("no such file: check the path"), 2, ["npstream: no such file: check the path"]),
    (KeyboardInterrupt(), 130, []),
    (click.Abort(), 130, []),
    (click.exceptions.Exit(0), 0, []),
    (click.exceptions.Exit(3), 3, []),
    (FileNotFoundError(2, "No such file", "x.csv"), 2, ["npstream: x.csv: No such file; check the path and its permissions"]),
    (
        ModuleNotFoundError("No module", name="jinja2.ext"),
        2,
        ["npstream: the package jinja2 is not installed: pip install it, or reinstall npstream"],
    ),
    (
        KafkaConnectionError("gone"),
        1,
        ["npstream: the broker does not answer (KafkaConnectionError: gone): check that it runs and the setting bootstrap"],
    ),
]


@pytest.mark.parametrize(("error", "code", "lines"), ENDS, ids=[type(error).__name__ for error, *_ in ENDS])
def test_what_a_command_raises_becomes_lines_and_an_exit_code(
    error: BaseException, code: int, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(SystemExit) as ended:
        run_command(fail)
    assert ended.value.code == code
    assert capsys.readouterr().err.splitlines() == lines


@pytest.mark.parametrize(
    "defect",
    [ValueError("x"), KeyError("x"), ModuleNotFoundError("no", name="npstream.commands.gone"), OSError("no file named")],
)
def test_a_defect_of_ours_keeps_its_traceback(defect: Exception) -> None:
    def fail() -> None:
        raise defect

    with pytest.raises(type(defect)):
        run_command(fail)
    assert explain(defect) is None


def test_a_command_that_runs_until_it_is_stopped_ends_well_on_ctrl_c() -> None:
    @ends_on_interrupt
    def forever() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        run_command(forever)
    assert ended.value.code == 0


def test_a_reader_that_has_seen_enough_ends_us_in_silence() -> None:
    program = f"{sys.executable} -m npstream settings --markdown | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, timeout=60, check=True, cwd=ROOT)
    assert done.stdout.splitlines() == ["# Settings", "0"]
    assert done.stderr == ""
