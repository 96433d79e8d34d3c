"""What somebody does about a case on the command line: who it was, what becomes of times, and what is said of the answer."""

import getpass
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from npstream import cli
from npstream.case_book import read_as
from npstream.case_commanding import checked
from npstream.commands import case_actions
from npstream.commands.case_actions import Sent
from npstream.durations import HOUR_MS
from npstream.failures import UserError
from npstream.settings import Settings
from schemas.cases import CaseEvent, CaseRejection
from schemas.examples import EXAMPLES
from schemas.times import format_time
from tests.case_records import NOW

CASE_ID = "c-5b1d2f0a9c3e"
EVENT = read_as(CaseEvent, json.dumps({**EXAMPLES["CaseEvent"], "by": "me", "event": "acknowledged"}).encode())
REJECTION = read_as(CaseRejection, json.dumps(EXAMPLES["CaseRejection"]).encode())

Run = Callable[..., int]


class Broker:
    """Takes the place of the broker: what would have been sent, and the answer to it."""

    def __init__(self) -> None:
        self.sent: dict[str, Any] = {}
        self.answer: Any = EVENT
        self.before = False

    async def send(
        self, settings: Settings, verb: str, prefix: str, by: str, command_id: str | None, timeout_s: float | None, fields: Any
    ) -> Sent:
        self.sent = {"command": verb, "case": prefix, "by": by, "id": command_id, "timeout": timeout_s}
        self.sent |= {name: value for name, value in fields.items() if value is not None}
        command = checked(command_id=command_id or "made", account_id="acme", case_id=CASE_ID, command=verb, by=by, **fields)
        return Sent(command, self.answer if timeout_s is not None else None, self.before, timeout_s)


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    found = Broker()
    monkeypatch.setattr(case_actions, "_send", found.send)
    monkeypatch.setattr(case_actions, "now_ms", lambda: NOW)
    monkeypatch.setattr(getpass, "getuser", lambda: "somebody")
    return found


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run `npstream cases ...` as the shell would, and return the exit code."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("NPSTREAM_")]:
        monkeypatch.delenv(name)

    def run(*args: str) -> int:
        monkeypatch.setattr(sys, "argv", ["npstream", "cases", *args])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert isinstance(ended.value.code, int)
        return ended.value.code

    return run


COMMANDS = [
    # arguments                                              what is sent
    (["acknowledge", "c-5b"], {"command": "acknowledge"}),
    (["assign", "c-5b", "--owner", "kim@vendor.example"], {"command": "assign", "owner": "kim@vendor.example"}),
    (["contact", "c-5b", "--note", "called"], {"command": "contact", "note": "called"}),
    (["resolve", "c-5b", "--root-cause", "pricing"], {"command": "resolve", "root_cause": "pricing"}),
    (["reopen", "c-5b", "--command-id", "t-1"], {"command": "reopen", "id": "t-1"}),
    (["snooze", "c-5b", "--until", "4h"], {"command": "snooze", "until": format_time(NOW + 4 * HOUR_MS)}),
    (["snooze", "c-5b", "--until", "2026-03-05T09:00:00+01:00"], {"command": "snooze", "until": "2026-03-05T08:00:00.000Z"}),
    (["acknowledge", "c-5b", "--timeout", "3"], {"command": "acknowledge", "timeout": 3.0}),
    (["acknowledge", "c-5b", "--no-wait"], {"command": "acknowledge", "timeout": None}),
]


@pytest.mark.parametrize(("arguments", "sent"), COMMANDS)
def test_what_is_sent(arguments: list[str], sent: dict[str, Any], run: Run, broker: Broker) -> None:
    assert run(*arguments) == 0
    assert broker.sent == {"case": "c-5b", "by": "somebody", "id": None, "timeout": 15.0} | sent


def test_who_does_it_is_an_option_then_a_variable_then_the_user(
    run: Run, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPSTREAM_BY", "lee@vendor.example")
    assert run("acknowledge", "c-5b") == 0
    assert broker.sent["by"] == "lee@vendor.example"
    assert run("acknowledge", "c-5b", "--by", "kim@vendor.example") == 0
    assert broker.sent["by"] == "kim@vendor.example"


def test_a_system_that_does_not_know_its_user_wants_a_name(
    run: Run, broker: Broker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unknown() -> str:
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr(getpass, "getuser", unknown)
    assert run("acknowledge", "c-5b") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "the system does not know who you are: say --by, or set NPSTREAM_BY" in line


MISTAKES = [
    (["snooze", "c-5b", "--until", "soon"], "'soon' is no time: expected RFC 3339, such as 2026-03-01T09:30:00.000Z, or a dur"),
    (["snooze", "c-5b", "--until", "2026-03-02T09:00:00Z"], "'2026-03-02T09:00:00Z' is past"),
    (["snooze", "c-5b", "--until", "999999w"], "is no time: expected RFC 3339"),
    (["snooze", "c-5b"], "Missing option '--until'"),
    (["resolve", "c-5b"], "Missing option '--root-cause'"),
    (["assign", "c-5b"], "Missing option '--owner'"),
    (["acknowledge"], "Missing argument 'CASE'"),
    (["acknowledge", "c-5b", "--note", "x" * 4001], "note: expected `str` of length <= 4000"),
    (["acknowledge", "c-5b", "--command-id", "x" * 501], "command_id: expected `str` of length <= 500"),
    (["resolve", "c-5b", "--root-cause", ""], "--root-cause is empty: give some text"),
    (["close", "c-5b"], "No such command 'close'"),
    (["--severity", "bad"], "Invalid value for '--severity': 'bad' is not one of 'critical', 'high', 'elevated'"),
]


@pytest.mark.parametrize(("arguments", "words"), MISTAKES)
def test_a_mistake_is_one_line_and_nothing_is_sent(
    arguments: list[str], words: str, run: Run, broker: Broker, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert words in err


def test_what_was_done_is_told_in_a_line(run: Run, broker: Broker, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("acknowledge", "c-5b") == 0
    assert capsys.readouterr() == (
        f"{CASE_ID}  new  owner csm@vendor.example  first response due in 1 h 20 min\n",
        "",
    )
    broker.before = True
    assert run("acknowledge", "c-5b", "--command-id", "t-1") == 0
    assert capsys.readouterr().err == "it was done before, at 2026-03-02T09:30:00.000Z: nothing was sent\n"


def test_a_rejection_is_the_reason_and_exit_code_1(run: Run, broker: Broker, capsys: pytest.CaptureFixture[str]) -> None:
    broker.answer = REJECTION
    assert run("acknowledge", "c-5b") == 1
    assert capsys.readouterr() == ("", "npstream: rejected: a resolved case cannot be acknowledged: reopen it first\n")


def test_no_answer_is_one_line_that_says_how_to_look_later(
    run: Run, broker: Broker, capsys: pytest.CaptureFixture[str]
) -> None:
    broker.answer = None
    assert run("acknowledge", "c-5b", "--timeout", "2") == 1
    assert capsys.readouterr() == (
        "",
        "npstream: sent, but nobody answered within 2 s: is a worker with the agent care running? The next one carries it out: "
        f"npstream cases show {CASE_ID} tells, and so does the same with --command-id made\n",
    )


def test_who_does_not_wait_is_told_the_id(run: Run, broker: Broker, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("acknowledge", "c-5b", "--no-wait", "--command-id", "t-1") == 0
    assert capsys.readouterr().out == (
        f"sent, as t-1: npstream cases show {CASE_ID} tells, and so does the same with --command-id t-1\n"
    )


@pytest.mark.parametrize(
    ("answer", "arguments", "outcome", "code"),
    [
        (EVENT, [], "done", 0),
        (REJECTION, [], "rejected", 1),
        (None, [], "unanswered", 1),
        (None, ["--no-wait"], "sent", 0),
    ],
)
def test_the_answer_as_json(
    answer: Any, arguments: list[str], outcome: str, code: int, run: Run, broker: Broker, capsys: pytest.CaptureFixture[str]
) -> None:
    broker.answer = answer
    assert run("acknowledge", "c-5b", "--json", *arguments) == code
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert (document["outcome"], document["answered_before"]) == (outcome, False)
    assert document["command"] == {
        "command_id": "made",
        "account_id": "acme",
        "case_id": CASE_ID,
        "command": "acknowledge",
        "by": "somebody",
    }
    assert (document["answer"] is None) == (answer is None)
    assert len(err.splitlines()) == code


def test_a_command_that_nobody_could_carry_out_is_refused_by_its_field() -> None:
    with pytest.raises(UserError, match=r"^command: invalid enum value 'close'$"):
        checked(command_id="1", account_id="acme", case_id="c-1", command="close", by="me")


def test_the_help_of_each_command_is_its_own(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    listed = capsys.readouterr().out
    for name in ("list", "show", "stats", "acknowledge", "assign", "contact", "resolve", "reopen", "snooze"):
        assert f"\n  {name} " in listed
        assert run(name, "--help") == 0
        assert capsys.readouterr().out.startswith(f"Usage: npstream cases {name}")
