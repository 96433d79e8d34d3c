"""`npstream produce` and tables: what it asks, how it reads them, and which ids it makes."""

import gzip
import os
import threading
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from npstream import preview
from tests.producing import EXPORT, EXPORTED, HEADER, RESPONSE, ROW, Sent, run, write
from tests.producing import sent as sent
from tests.spreadsheets import xlsx

# ----------------------------------------------------------------------------------------------------------------- guesses


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


# -------------------------------------------------------------------------------------------------------- dates, encodings


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


# ------------------------------------------------------------------------------------------------------------ spreadsheets


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


# ------------------------------------------------------------------------------------------------------------------- pipes


@pytest.mark.parametrize("content", [EXPORT.encode(), gzip.compress(EXPORT.encode())])
def test_of_a_pipe_nobody_can_be_asked_so_it_takes_pairs_or_yes(sent: Sent, tmp_path: Path, content: bytes) -> None:
    pairs = ["Submitted=responded_at", "How likely are you to recommend us?=score", "Company=account_id"]
    said = [word for pair in pairs for word in ("--column", pair)]
    os.mkfifo("pipe")
    for arguments, code in (([], 2), (said, 0), (["--yes"], 0)):
        writer = threading.Thread(target=Path("pipe").write_bytes, args=[content])
        writer.start()
        assert run(*arguments, "pipe")[0] == code
        writer.join()
    assert [(one["account_id"], one["score"]) for one in sent.values()] == [("acme", 9), ("globex", 3)] * 2
    assert sent.without_ids()[2:] == EXPORTED


# ------------------------------------------------------------------------------------------------------- ids that are made


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
