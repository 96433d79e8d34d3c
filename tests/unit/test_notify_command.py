"""`npstream notify`: mistakes are one line, and looking at the sinks needs no broker."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from npstream.commands import notify as command
from npstream.failures import explain
from npstream.invocation import Invocation

PLANTED = "planted-secret"
SLACK = f'[sinks.slack-csm]\nkind = "slack"\nurl = "https://hooks.slack.example/{PLANTED}"\n'


def run(folder: Path, text: str | None, *arguments: str) -> Result:
    file = folder / "care.toml"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    flags = {} if text is None else {"care_file": str(file)}
    return CliRunner().invoke(command.command, list(arguments), obj=Invocation(flags))


@pytest.mark.parametrize(
    ("text", "arguments", "words"),
    [
        (None, (), "no care_file is set, so there is nobody to deliver to"),
        ("", (), "care.toml has no sinks: write a table [sinks.NAME]"),
        ("[cases]\n", ("--check",), "care.toml has no sinks"),
        ("[sinks.a]\nkind = 'slack'", ("--check",), "sinks.a: url is missing"),
        (SLACK, ("--test", "slack"), "there is no sink slack; did you mean slack-csm?"),
        (SLACK, ("--test", "zzz"), "there is no sink zzz; there are slack-csm"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, text: str | None, arguments: tuple[str, ...], words: str) -> None:
    result = run(tmp_path, text, *arguments)
    assert isinstance(result.exception, Exception)
    known = explain(result.exception)
    assert known is not None
    message, code = known
    assert words in message
    assert (len(message.splitlines()), code) == (1, 2)
    assert PLANTED not in message


def test_the_sinks_are_shown_without_their_secrets(tmp_path: Path) -> None:
    result = run(tmp_path, SLACK, "--check")
    assert result.exit_code == 0
    assert "slack-csm" in result.output
    assert "https://hooks.slack.example" in result.output
    assert PLANTED not in result.output


def test_a_package_that_is_missing_is_named_with_what_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "PACKAGES", ("aiohttp", "no_such_package"))
    result = run(tmp_path, SLACK)
    assert str(result.exception) == "npstream notify needs no_such_package: pip install 'npstream[notify]'"
