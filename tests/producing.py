"""`npstream produce` without a broker: a stand-in for what sends records, and files to send."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import pytest
from click.testing import CliRunner

from npstream.cli import cli
from npstream.commands import produce
from npstream.failures import UserError, explain
from npstream.raw_record import RawRecord
from tests.spreadsheets import xlsx

HEADER = "response_id,account_id,score,responded_at"
ROW = "r-1,acme,9,2026-03-01T09:30:00Z"
RESPONSE = {"response_id": "r-1", "account_id": "acme", "score": 9, "responded_at": "2026-03-01T09:30:00.000Z"}
EXPORT = """\
Submitted,How likely are you to recommend us?,E-mail,Company,Why?,Plan,Agent
31/12/2025 09:30,9,Kim@acme.example,acme,"Good, very",pro,x
01/02/2026 10:00,3,lee@globex.example,globex,,smb,y
"""
EXPORTED = [
    {
        "account_id": "acme", "score": 9, "responded_at": "2025-12-31T09:30:00.000Z", "respondent_id": "kim@acme.example",
        "comment": "Good, very", "segments": {"plan": "pro"},
    },
    {
        "account_id": "globex", "score": 3, "responded_at": "2026-02-01T10:00:00.000Z", "respondent_id": "lee@globex.example",
        "segments": {"plan": "smb"},
    },
]  # fmt: skip


class Sent:
    """Stands for the broker: acknowledges what it is told to, and loses the connection when it is told to."""

    def __init__(self) -> None:
        self.records: list[RawRecord] = []
        self.fails_at = -1
        self.settled = 0

    def __call__(self, connection: object, topic: str, timeout_s: float) -> Self:
        self.began = len(self.records)
        self.settled = 0
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        pass

    @property
    def sent(self) -> int:
        return len(self.records) - self.began

    @property
    def acknowledged(self) -> int:
        return self.settled

    async def send(self, record: RawRecord) -> None:
        if self.sent == self.fails_at:
            raise UserError("the broker answers no more")
        self.records.append(record)
        self.settled = max(0, self.sent - 3)

    async def flush(self) -> None:
        self.settled = self.sent

    def values(self) -> list[dict[str, Any]]:
        return [json.loads(record.value or b"") for record in self.records]

    def without_ids(self) -> list[dict[str, Any]]:
        return [{name: value for name, value in one.items() if name != "response_id"} for one in self.values()]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Sent:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(produce, "Sender", fake := Sent())
    return fake


def run(*arguments: str, keys: str | bytes | None = None) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `npstream produce`."""
    result = CliRunner().invoke(cli, ["produce", *arguments], input=keys)
    if result.exception is None or isinstance(result.exception, SystemExit):
        return result.exit_code, result.stdout, result.stderr
    known = explain(result.exception) if isinstance(result.exception, Exception) else None
    if known is None:
        raise result.exception
    return known[1], result.stdout, result.stderr + known[0] + "\n"


def write(name: str, content: str | bytes) -> str:
    Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    return name


def as_csv(rows: Sequence[dict[str, Any]], delimiter: str = ",") -> bytes:
    text = io.StringIO()
    names = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(text, list(names), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_xlsx(rows: Sequence[dict[str, Any]]) -> bytes:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return xlsx(Sheet1=[names, *([row.get(name) for name in names] for row in rows)])
