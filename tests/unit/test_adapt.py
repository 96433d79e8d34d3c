"""npstream adapt: what becomes of a payload, field by field, and why a field is missing."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from npstream import cli
from npstream.adapting import names_at

Run = Callable[..., int]

MAPPING = """
name = "helpdesk"
survey = "form"
ignore = [{ when = "status != 'done'", message = "status: only done ones are answers" }]

[fields]
response_id = "ticket.id"
account_id = "ticket.company"
score = { path = "ticket.rating", values = { great = 10, poor = 2 } }
comment = "ticket.remark"
responded_at = { path = "ticket.closed", convert = "unix" }

[surveys.short.fields]
score = "stars"
"""
TICKET: dict[str, Any] = {
    "status": "done",
    "ticket": {"id": 77, "company": "globex", "rating": "great", "closed": "1772357400"},
}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    Path("helpdesk.toml").write_text(MAPPING)

    def run(payload: Any, *arguments: str) -> int:
        Path("payload").write_text(payload if isinstance(payload, str) else json.dumps(payload))
        monkeypatch.setattr(sys, "argv", ["npstream", "adapt", "payload", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert isinstance(ended.value.code, int)
        return ended.value.code

    return run


def rows(out: str) -> dict[str, list[str]]:
    """The table by its first column."""
    found = [line.split("  ") for line in out.splitlines()]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:] if cell.strip()] for cells in found if cells}


def test_each_field_is_shown_with_the_way_that_led_to_it(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(TICKET, "--mapping", "helpdesk.toml") == 0
    out = capsys.readouterr().out
    assert "payload, read as helpdesk" in out
    assert rows(out)["score"] == ["10", "path ticket.rating"]
    assert rows(out)["responded_at"] == ["2026-03-01T09:30:00.000Z", "path ticket.closed"]
    assert "accepted: 77 of globex, score 10" in out


def test_a_missing_field_says_what_is_there_instead(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(TICKET, "--mapping", "helpdesk.toml") == 0
    assert rows(capsys.readouterr().out)["comment"] == [
        "-",
        "nothing at path ticket.remark: ticket has id, company, rating, closed",
    ]


def test_a_survey_may_have_fields_of_its_own(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run({**TICKET, "form": "short", "stars": 4}, "--mapping", "helpdesk.toml") == 0
    out = capsys.readouterr().out
    assert rows(out)["score"] == ["4", "path stars"]
    assert rows(out)["survey_id"] == ["short", "survey"]


@pytest.mark.parametrize(
    ("payload", "refusal"),
    [
        ({**TICKET, "status": "open"}, "not a response (at stage adapt): status: only done ones are answers"),
        ({"status": "done", "ticket": {}}, "no score (at stage adapt): score: none (path ticket.rating)"),
        ("{", "not json (at stage decode): "),
        ("nothing", "not json (at stage decode): the body is not form-encoded"),
    ],
)
def test_what_would_be_a_dead_letter_ends_with_its_reason(
    run: Run, capsys: pytest.CaptureFixture[str], payload: Any, refusal: str
) -> None:
    assert run(payload, "--mapping", "helpdesk.toml") == 1
    err = capsys.readouterr().err
    assert err.startswith(f"npstream: payload: a dead letter: {refusal}")
    assert err.count("\n") == 1


def test_a_form_is_told_by_its_first_character(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    form = "status=done&ticket[id]=77&ticket[company]=globex&ticket[rating]=poor&ticket[closed]=1772357400"
    assert run(form, "--mapping", "helpdesk.toml") == 0
    assert "accepted: 77 of globex, score 2" in capsys.readouterr().out


def test_the_responses_alone_as_json(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(TICKET, "--mapping", "helpdesk.toml", "--json") == 0
    (response,) = json.loads(capsys.readouterr().out)
    assert (response["account_id"], response["score"], response["source"]) == ("globex", 10, "helpdesk")


def test_the_account_of_the_settings_is_shown_as_theirs(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    nameless = {"status": "done", "ticket": {"id": 1, "rating": "poor", "closed": "1772357400"}}
    assert run(nameless, "--mapping", "helpdesk.toml", "--account", "acme") == 0
    assert rows(capsys.readouterr().out)["account_id"] == ["acme", "settings"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--mapping", "helpdesk.toml", "--source", "typeform"), "--mapping and --source exclude each other"),
        (("--source", "helpdesk"), "--source helpdesk: no adapter is named so; there are canonical, delighted, "),
        (("--mapping", "none.toml"), "cannot read none.toml: No such file or directory"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(
    run: Run, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], complaint: str
) -> None:
    assert run(TICKET, *arguments) == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("a.b", "a has c"),
        ("x", "the payload has a, n, e"),
        ("n", "n is null"),
        ("e", "e is empty"),
        ("a.c", ""),
        ("a[0].b", ""),
        ("(a || n).x", ""),
    ],
)
def test_where_a_path_ends(path: str, told: str) -> None:
    assert names_at({"a": {"c": 1}, "n": None, "e": ""}, path) == told
