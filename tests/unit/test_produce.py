"""`npstream produce` without a broker: what it asks, what it sends, what it refuses, and where it goes on."""

import csv
import gzip
import io
import json
import os
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Self

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from npstream import preview, resuming
from npstream.cli import cli
from npstream.commands import produce
from npstream.failures import UserError, explain
from npstream.files import Labels, Row, opened
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
MAPPING = """\
name = "ours"

[[ignore]]
when = "Status == 'dismissed'"
message = "Status: it was dismissed"

[fields]
account_id = "Company"
respondent_id = "Who"
score = { path = '"How likely"', convert = "number in text" }
responded_at = { path = "When", format = "%d.%m.%Y %H:%M" }

[segments]
plan = "Plan"
"""


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


Run = Callable[..., Result]


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


# ------------------------------------------------------------------------------------------------------------- guesses


def test_without_a_terminal_a_guess_is_not_sent_and_what_to_say_is_said(sent: Sent) -> None:
    code, out, err = run(write("export.csv", EXPORT))
    assert (code, out, sent.records) == (2, "", [])
    assert "How likely are you to recommend us?  is  score          its name asks for it, 2 of 2 values are 0 to 10\n" in err
    assert "not used: Agent" in err
    assert "export.csv: these columns are guesses: go on with --yes, or say it: --column Submitted=responded_at" in err
    assert "--column 'How likely are you to recommend us?=score'" in err


@pytest.mark.parametrize("said", [["--yes"], ["--column", "Submitted=responded_at", "--column", "Company=account_id", "--yes"]])
def test_with_yes_it_is(sent: Sent, said: list[str]) -> None:
    code, out, err = run(*said, write("export.csv", EXPORT))
    assert (code, sent.without_ids()) == (0, EXPORTED)
    assert out.startswith("sent 2 records to nps.responses.raw in ")
    assert {header for record in sent.records for header in record.headers} == {("nps-source", b"canonical")}
    assert [record.key for record in sent.records] == [b"acme", b"globex"]
    assert "export.csv: ignored columns Agent (--column COLUMN=FIELD uses one)" in err


def test_pairs_that_cover_what_is_required_are_enough_and_guesses_are_left_out(sent: Sent) -> None:
    pairs = ["Submitted=responded_at", "How likely are you to recommend us?=score", "Company=account_id"]
    code, _, err = run(*[word for pair in pairs for word in ("--column", pair)], write("export.csv", EXPORT))
    assert code == 0
    assert [set(one) for one in sent.values()] == [{"response_id", "account_id", "score", "responded_at"}] * 2
    assert "ignored columns E-mail, Why?, Plan, Agent" in err


@pytest.mark.parametrize(("keys", "code", "count"), [("y\n", 0, 2), ("n\n", 1, 0), ("\n", 1, 0)])
def test_on_a_terminal_it_asks(sent: Sent, monkeypatch: pytest.MonkeyPatch, keys: str, code: int, count: int) -> None:
    monkeypatch.setattr(preview, "on_terminal", lambda: True)
    found, _, err = run(write("export.csv", EXPORT), keys=keys)
    assert (found, len(sent.records)) == (code, count)
    assert "Send it like this? [y/N]" in err


def test_columns_with_the_names_of_fields_need_no_confirmation(sent: Sent) -> None:
    assert run(write("a.csv", f"{HEADER}\n{ROW}\n"))[0] == 0
    assert sent.values() == [RESPONSE]


# ------------------------------------------------------------------------------------------------------- dates, encodings


@pytest.mark.parametrize(
    ("dates", "said", "expected"),
    [
        (["03/04/2026", "31/12/2026"], [], ["2026-04-03", "2026-12-31"]),
        (["03/04/2026", "12/31/2026"], [], ["2026-03-04", "2026-12-31"]),
        (["03/04/2026"], ["--dates", "month-first"], ["2026-03-04"]),
        (["03/04/2026"], ["--dates", "day-first"], ["2026-04-03"]),
    ],
)
def test_the_order_of_day_and_month_is_that_of_the_whole_column(
    sent: Sent, dates: list[str], said: list[str], expected: list[str]
) -> None:
    rows = "".join(f"r-{n},acme,9,{day}\n" for n, day in enumerate(dates))
    assert run(*said, write("a.csv", f"{HEADER}\n{rows}"))[0] == 0
    assert [one["responded_at"][:10] for one in sent.values()] == expected


def test_dates_that_can_be_read_either_way_are_refused(sent: Sent) -> None:
    code, _, err = run(write("a.csv", f"{HEADER}\nr-1,acme,9,03/04/2026\n"))
    assert (code, sent.records) == (2, [])
    assert err.startswith("a.csv: no date tells whether the day or the month comes first, such as 03/04/2026 in row 2")


@pytest.mark.parametrize(
    ("said", "hour"),
    [([], "09"), (["--zone", "Europe/Berlin"], "08"), (["--zone", "utc"], "09"), (["--zone", "Asia/Tokyo"], "00")],
)
def test_a_zone_may_be_said_for_times_that_have_none(sent: Sent, said: list[str], hour: str) -> None:
    assert run(*said, write("a.csv", f"{HEADER}\nr-1,acme,9,2026-01-01 09:30\n"))[0] == 0
    assert sent.values()[0]["responded_at"] == f"2026-01-01T{hour}:30:00.000Z"


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", []), ("utf-8-sig", []), ("utf-16", []), ("utf-16-be", None), ("utf-16-le", ["--encoding", "utf-16"]),
        ("cp1252", ["--encoding", "cp1252"]), ("utf-8-sig", ["--encoding", "cp1252"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_encodings_and_delimiters_of_exports(sent: Sent, encoding: str, said: list[str] | None, delimiter: str) -> None:
    text = f"{HEADER},comment\n{ROW},naïve – “yes”\n".replace(",", delimiter)
    content = b"\xfe\xff" + text.encode(encoding) if said is None else text.encode(encoding)
    for name, data in (("a.csv", content), ("b.csv.gz", gzip.compress(content))):
        assert run(*(said or []), write(name, data))[0] == 0
    assert sent.values() == [RESPONSE | {"comment": "naïve – “yes”"}] * 2


def test_another_encoding_has_to_be_said(sent: Sent) -> None:
    code, _, err = run(write("a.csv", f"{HEADER},comment\n{ROW},naïve\n".encode("cp1252")))
    assert (code, sent.records) == (2, [])
    assert "a.csv: not UTF-8 after line 1 (invalid continuation byte); say what it is in with --encoding" in err


# ----------------------------------------------------------------------------------------------------------- spreadsheets


def test_a_spreadsheet_has_dates_as_excel_has_them(sent: Sent) -> None:
    head = ["response_id", "account_id", "score", "responded_at", "comment", "segments.seats"]
    rows: list[Sequence[Any]] = [
        head,
        ["r-1", "acme", 9, datetime(2026, 3, 1, 9, 30), "Good", 12],
        [2, 4711, 8.0, date(2026, 3, 2), None, True],
        ["r-3", "acme", "3", 46084.25, " Slow ", 1.5],
        ["r-4", "acme", 7, "2026-03-04 10:00", "", None],
    ]
    write("a.xlsx", xlsx(Export=rows, Notes=[["nothing"]]))
    assert run("a.xlsx")[0] == 0
    assert [(one["response_id"], one["account_id"], one["score"], one["responded_at"]) for one in sent.values()] == [
        ("r-1", "acme", 9, "2026-03-01T09:30:00.000Z"),
        ("2", "4711", 8, "2026-03-02T00:00:00.000Z"),
        ("r-3", "acme", 3, "2026-03-03T06:00:00.000Z"),
        ("r-4", "acme", 7, "2026-03-04T10:00:00.000Z"),
    ]
    assert [one.get("comment") for one in sent.values()] == ["Good", None, "Slow", None]
    assert [one.get("segments") for one in sent.values()] == [{"seats": "12"}, {"seats": "true"}, {"seats": "1.5"}, None]


def test_a_sheet_may_be_named(sent: Sent) -> None:
    good = [HEADER.split(","), ["r-1", "acme", 9, datetime(2026, 3, 1, 9, 30)]]
    write("a.xlsx", xlsx(Notes=[["nothing"]], Export=good))
    assert run("--sheet", "Export", "a.xlsx")[0] == 0
    assert sent.values() == [RESPONSE]
    code, _, err = run("--sheet", "Exports", "a.xlsx")
    assert (code, err) == (2, "a.xlsx: no sheet 'Exports'; there are Notes, Export\n")
    assert "no column for account_id, score, responded_at among nothing" in run("a.xlsx")[2]


def test_what_is_no_spreadsheet_is_one_line(sent: Sent) -> None:
    for content in (b"", b"PK\x03\x04 no zip", b"words\n"):
        code, _, err = run(write("a.xlsx", content))
        assert code == 2
        assert err.startswith("a.xlsx: not a spreadsheet") or err == "a.xlsx: no records in it\n"
        assert len(err.splitlines()) == 1


# ---------------------------------------------------------------------------------------------------------------- pipes


@pytest.mark.parametrize("content", [EXPORT.encode(), gzip.compress(EXPORT.encode())])
def test_a_pipe_cannot_be_asked_about_and_takes_pairs(sent: Sent, tmp_path: Path, content: bytes) -> None:
    pairs = ["Submitted=responded_at", "How likely are you to recommend us?=score", "Company=account_id"]
    said = [word for pair in pairs for word in ("--column", pair)]
    os.mkfifo("pipe")
    for arguments, code in (([], 2), (said, 0)):
        writer = threading.Thread(target=Path("pipe").write_bytes, args=[content])
        writer.start()
        assert run(*arguments, "pipe")[0] == code
        writer.join()
    assert [(one["account_id"], one["score"]) for one in sent.values()] == [("acme", 9), ("globex", 3)]


# -------------------------------------------------------------------------------------------------- ids that are made


def test_a_file_without_ids_has_the_same_ones_each_time_and_says_so(sent: Sent) -> None:
    text = "account_id,respondent_id,score,responded_at,comment\nacme,u-1,9,2026-03-01,Good\nacme,u-1,3,2026-03-01,Good\n"
    _, _, err = run(write("a.csv", text))
    run(write("again.csv", text))
    ids = [one["response_id"] for one in sent.values()]
    assert (ids[:2], len(set(ids))) == (ids[2:], 2)
    assert "a.csv: 2 without response_id: it is made of account, respondent, time, score and comment" in err


@pytest.mark.parametrize("change", ["globex,u-1,9,2026-03-01,Good", "acme,u-2,9,2026-03-01,Good", "acme,u-1,9,2026-03-02,Good"])
def test_another_content_makes_another_id(sent: Sent, change: str) -> None:
    run(write("a.csv", f"account_id,respondent_id,score,responded_at,comment\nacme,u-1,9,2026-03-01,Good\n{change}\n"))
    assert len({one["response_id"] for one in sent.values()}) == 2


def test_anonymous_rows_that_say_the_same_are_as_many_responses(sent: Sent) -> None:
    rows = "acme,9,2026-03-01\n" * 3 + "acme,8,2026-03-01\n"
    run(write("a.csv", f"account_id,score,responded_at\n{rows}"))
    run(write("b.csv", f"account_id,score,responded_at\n{rows}"))
    ids = [one["response_id"] for one in sent.values()]
    assert (len(set(ids)), ids[:4]) == (4, ids[4:])


def test_a_respondents_row_that_stands_twice_is_one_response(sent: Sent) -> None:
    run(write("a.csv", "account_id,respondent_id,score,responded_at\n" + "acme,u-1,9,2026-03-01\n" * 2))
    assert len({one["response_id"] for one in sent.values()}) == 1


# ------------------------------------------------------------------------------------------------------------- mappings

ROWS = [
    {"Company": "acme", "Who": "Kim@acme.example", "How likely": "9 - very", "When": "01.03.2026 09:30", "Plan": "pro"},
    {"Company": "acme", "Status": "dismissed"},
    {"Company": "globex", "How likely": "10", "When": "02.03.2026 09:30"},
]
MAPPED = [
    {
        "account_id": "acme", "score": 9, "responded_at": "2026-03-01T08:30:00.000Z", "respondent_id": "kim@acme.example",
        "segments": {"plan": "pro"}, "source": "ours",
    },
    {"account_id": "globex", "score": 10, "responded_at": "2026-03-02T08:30:00.000Z", "source": "ours"},
]  # fmt: skip


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


FORMS = {
    "a.csv": as_csv(ROWS),
    "a.xlsx": as_xlsx(ROWS),
    "a.jsonl": "".join(json.dumps(row) + "\n" for row in ROWS).encode(),
    "a.json": json.dumps(ROWS, indent=1).encode(),
    "a.jsonl.gz": gzip.compress("".join(json.dumps(row) + "\n" for row in ROWS).encode()),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_mapping_makes_responses_of_rows_in_any_form(sent: Sent, name: str) -> None:
    write("ours.toml", MAPPING)
    code, out, err = run("--mapping", "ours.toml", "--zone", "Europe/Berlin", write(name, FORMS[name]))
    assert (code, sent.without_ids()) == (0, MAPPED)
    assert {header for record in sent.records for header in record.headers} == {("nps-source", b"canonical")}
    assert out.endswith(", 1 passed over\n")
    assert f"{name}: passed over 1: not a response (the first is " in err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = 1", "ours.toml: Expected `str`, got `int`"),
        ("[", "ours.toml: "),
        ('name = "x"\n[fields]\nscore = "["', "ours.toml: fields.score: '[' is no JMESPath"),
        (b"\xff", "ours.toml: not UTF-8"),
    ],
)
def test_a_mapping_that_is_none_is_one_line(sent: Sent, text: str | bytes, words: str) -> None:
    write("ours.toml", text)
    code, _, err = run("--mapping", "ours.toml", write("a.csv", FORMS["a.csv"]))
    assert (code, len(err.splitlines())) == (2, 1)
    assert err.startswith(words)


@pytest.mark.parametrize("other", [["--source", "delighted"], ["--column", "a=score"]])
def test_a_mapping_says_all_there_is_to_say(sent: Sent, other: list[str]) -> None:
    write("ours.toml", MAPPING)
    assert "leave out --column and --source" in run("--mapping", "ours.toml", *other, write("a.csv", FORMS["a.csv"]))[2]


# ---------------------------------------------------------------------------------------------------------- faulty rows

FAULTY = f"{HEADER}\n{ROW}\nr-2,acme,eleven,2026-03-01\nr-3,acme,3,soon\nr-4,acme,3,2026-03-01,more\nr-5,acme,5,2026-03-02\n"


def test_at_a_row_that_cannot_be_used_it_stops(sent: Sent) -> None:
    code, out, err = run(write("a.csv", FAULTY))
    assert (code, out, [one["response_id"] for one in sent.values()]) == (1, "", ["r-1"])
    assert err == (
        "a.csv: row 3 cannot be used: score: 'eleven' is no whole number from 0 to 10; 1 record was sent before it, "
        "nothing after it. Mend it, or leave such rows out with --skip-faulty\n"
    )


def test_faulty_rows_are_left_out_counted_and_kept(sent: Sent) -> None:
    code, out, err = run("--skip-faulty", write("a.csv", FAULTY))
    assert (code, [one["response_id"] for one in sent.values()]) == (0, ["r-1", "r-5"])
    assert out.endswith(", 3 refused\n")
    assert "a.csv: row 4 refused: responded_at: 'soon' is no time" in err
    assert err.endswith("a.csv: 3 refused: in a.csv.refused.csv, with the reasons\n")
    kept = list(csv.DictReader(Path("a.csv.refused.csv").read_text().splitlines()))
    assert [row["response_id"] for row in kept] == ["r-2", "r-3", "r-4"]
    assert kept[2]["responded_at"] == "2026-03-01,more"
    assert kept[2]["refused"] == "row 5: it has 5 cells, the header 4; is a text with a comma not quoted?"


def test_what_was_kept_can_be_mended_and_sent(sent: Sent) -> None:
    run("--skip-faulty", write("a.csv", FAULTY))
    mended = Path("a.csv.refused.csv").read_text().replace("eleven", "10").replace("soon", "2026-03-01").replace(",more", "")
    code, _, err = run(write("mended.csv", mended))
    assert (code, [one["response_id"] for one in sent.values()]) == (0, ["r-1", "r-5", "r-2", "r-3", "r-4"])
    assert "ignored columns refused" in err


def test_a_payload_that_a_mapping_cannot_use_is_kept_as_it_is(sent: Sent) -> None:
    write("ours.toml", MAPPING)
    lines = [json.dumps(ROWS[0]), "no json", json.dumps(ROWS[0] | {"When": "soon"})]
    code, out, _ = run("--mapping", "ours.toml", "--skip-faulty", write("a.jsonl", "\n".join(lines)))
    assert (code, len(sent.records)) == (0, 1)
    assert out.endswith(", 2 refused\n")
    kept = [json.loads(line) for line in Path("a.jsonl.refused.jsonl").read_text().splitlines()]
    assert kept[0] == {"refused": "line 2: not JSON", "payload": "no json"}
    assert kept[1]["payload"]["When"] == "soon"
    assert kept[1]["refused"].startswith("line 3: responded_at: 'soon' is not of the form")


def test_where_no_row_can_be_used_it_fails(sent: Sent) -> None:
    code, _, err = run("--skip-faulty", write("a.csv", f"{HEADER}\nr-1,acme,x,2026-03-01\n"))
    assert code == 1
    assert err.endswith("a.csv: no response in it that can be used\n")


def test_many_refused_rows_are_not_all_said(sent: Sent) -> None:
    rows = "".join(f"r-{n},acme,x,2026-03-01\n" for n in range(30))
    _, _, err = run("--skip-faulty", write("a.csv", f"{HEADER}\n{ROW}\n{rows}"))
    assert len(err.splitlines()) == 12
    assert "a.csv: more rows are refused; all of them are in a.csv.refused.csv" in err
    assert len(Path("a.csv.refused.csv").read_text().splitlines()) == 31


# --------------------------------------------------------------------------------------------------------------- dry run


def test_a_dry_run_shows_canonical_rows_and_sends_nothing(sent: Sent) -> None:
    code, out, err = run("--dry-run", write("export.csv", EXPORT), write("bad.csv", FAULTY))
    assert (code, sent.records) == (0, [])
    shown = [json.loads(line) for line in out.splitlines()]
    assert [{name: value for name, value in one.items() if name != "response_id"} for one in shown[:2]] == [
        {**one, "source": "canonical"} for one in EXPORTED
    ]
    assert "bad.csv: row 3 refused: score: 'eleven' is no whole number from 0 to 10" in err


def test_a_dry_run_of_payloads_shows_what_the_intake_makes_of_them(sent: Sent) -> None:
    lines = [json.dumps(RESPONSE), '{"response_id":"x"}', "no json", '{"x":1}']
    _, out, err = run("--dry-run", write("a.jsonl", "\n".join(lines)))
    assert json.loads(out) == RESPONSE | {"source": "canonical"}
    assert "a.jsonl: line 2 would be a dead letter: missing field, score: missing" in err
    assert "a.jsonl: line 3 would be a dead letter: not json" in err
    assert "a.jsonl: line 4 would be a dead letter: unknown shape, no adapter knows its shape; name whose it is" in err


def test_a_dry_run_is_of_the_first_rows(sent: Sent) -> None:
    rows = "".join(f"r-{n},acme,9,2026-03-01\n" for n in range(50))
    assert len(run("--dry-run", write("a.csv", f"{HEADER}\n{rows}"))[1].splitlines()) == preview.SHOWN


# -------------------------------------------------------------------------------------------------------------- resuming


def many(count: int) -> str:
    return HEADER + "\n" + "".join(f"r-{n},acme,9,2026-03-01\n" for n in range(count))


def ids(sent: Sent) -> list[str]:
    return [one["response_id"] for one in sent.values()]


@pytest.mark.parametrize("said", [[], ["--resume", "state"]])
def test_what_was_interrupted_goes_on_where_it_was_acknowledged(sent: Sent, said: list[str]) -> None:
    state = Path(said[1] if said else "a.csv.npstream-resume")
    sent.fails_at = 1700
    code, _, _ = run(*said, write("a.csv", many(3000)))
    assert (code, state.exists()) == (2, True)
    sent.fails_at = -1
    code, out, err = run(*said, "a.csv")
    assert (code, state.exists()) == (0, False)
    assert err.startswith("a.csv: goes on after 1,500 rows that an interrupted run has sent")
    assert out.endswith(", 1,500 rows sent before\n")
    assert ids(sent) == [f"r-{n}" for n in (*range(1700), *range(1500, 3000))]


@pytest.mark.parametrize(
    "change",
    [
        lambda: (["a.csv"], write("a.csv", many(3001))),
        lambda: (["a.csv"], write("a.csv", many(3000).replace("acme", "ACME"))),
        lambda: (["--account", "other", "a.csv"], None),
        lambda: (["--topic", "other", "a.csv"], None),
    ],
)
def test_another_file_or_another_reading_of_it_begins_anew(sent: Sent, change: Callable[[], tuple[list[str], object]]) -> None:
    sent.fails_at = 1700
    run(write("a.csv", many(3000)))
    sent.fails_at = -1
    before = len(sent.records)
    arguments, _ = change()
    code, _, err = run(*arguments)
    assert (code, "goes on" in err) == (0, False)
    assert len(sent.records) - before >= 3000


def test_a_file_by_another_name_goes_on_where_states_are_together(sent: Sent) -> None:
    sent.fails_at = 1700
    run("--resume", "state", write("a.csv", many(3000)))
    sent.fails_at = -1
    Path("a.csv").rename("b.csv")
    assert "b.csv: goes on after 1,500 rows" in run("--resume", "state", "b.csv")[2]


def test_made_ids_are_the_same_after_an_interruption(sent: Sent) -> None:
    text = "account_id,score,responded_at\n" + "acme,9,2026-03-01\n" * 1200
    sent.fails_at = 700
    run(write("a.csv", text))
    sent.fails_at = -1
    run("a.csv")
    assert len(ids(sent)) == 1400
    assert len(set(ids(sent))) == 1200


def test_after_a_faulty_row_the_rest_follows_once_it_is_skipped(sent: Sent) -> None:
    text = many(700) + "r-x,acme,x,2026-03-01\n" + "r-y,acme,9,2026-03-01\n"
    assert run(write("a.csv", text))[0] == 1
    assert run("--skip-faulty", "a.csv")[0] == 0
    assert sorted(set(ids(sent))) == sorted([*(f"r-{n}" for n in range(700)), "r-y"])
    assert len(ids(sent)) < 1000


def test_a_state_file_that_is_none_is_refused(sent: Sent) -> None:
    code, _, err = run("--resume", write("state", "[]"), write("a.csv", many(1)))
    assert (code, err) == (2, "state: no state of npstream produce; remove it, or name another one with --resume\n")


def test_a_state_that_cannot_be_written_is_refused_where_it_was_asked_for(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resuming, "SAVE_EVERY_S", 0)
    code, _, err = run("--resume", "no/folder/state", write("a.csv", many(1000)))
    assert (code, err) == (2, "no/folder/state: No such file or directory; name a state file that can be written\n")


def test_a_finished_file_leaves_nothing_behind(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resuming, "SAVE_EVERY_S", 0)
    assert run(write("a.csv", many(3000)))[0] == 0
    assert [path.name for path in Path().iterdir()] == ["a.csv"]


# ----------------------------------------------------------------------------------------------------- any rows come back

words = (
    st.text(st.characters(exclude_categories=("C", "Z")) | st.just(" "), min_size=1, max_size=30).map(str.strip).filter(bool)
)
responses = st.fixed_dictionaries(
    {
        "response_id": words,
        "account_id": words,
        "score": st.integers(0, 10),
        "responded_at": st.datetimes(datetime(1971, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC)).map(
            lambda moment: moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        ),
    },
    optional={"respondent_id": words.filter(lambda text: "@" not in text), "comment": words, "survey_id": words},
)


@given(st.lists(responses, min_size=1), st.sampled_from(",;\t"))
def test_any_rows_come_back_from_a_table_and_from_lines(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], delimiter: str
) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "a.csv").write_bytes(as_csv(rows, delimiter))
    (folder / "a.xlsx").write_bytes(as_xlsx(rows))
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for name in ("a.csv", "a.xlsx", "a.jsonl"):
        with opened(str(folder / name), Labels()) as source:
            assert [json.loads(record.value or b"") for row in source for record in row.records] == rows


# ------------------------------------------------------------------------------------------------------------ damaged files

DAMAGED = {
    "a.xlsx": as_xlsx(ROWS),
    "a.csv": EXPORT.encode(),
    "a.csv.gz": gzip.compress(EXPORT.encode()),
    "b.csv": EXPORT.encode("utf-16"),
    "a.json": FORMS["a.json"],
}


@pytest.mark.parametrize("name", DAMAGED)
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    content = bytearray(DAMAGED[name])
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=6)):
        content[at] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / name
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    found: list[Row] = []
    refused = ""
    try:
        with opened(str(path), Labels()) as source:
            source.plan()
        with opened(str(path), Labels(account="acme")) as source:
            found = list(source)
    except UserError as error:
        refused = str(error)
    assert "\n" not in refused
    assert str(path) in refused or not refused
    assert all(row.where and (row.records or row.refused) for row in found)
