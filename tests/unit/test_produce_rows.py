"""`npstream produce` row by row: what a mapping makes of them, what cannot be used, and what a dry run shows."""

import csv
import gzip
import json
from pathlib import Path

import pytest

from npstream import preview
from tests.producing import EXPORT, EXPORTED, HEADER, RESPONSE, ROW, Sent, as_csv, as_xlsx, run, write
from tests.producing import sent as sent

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


# ------------------------------------------------------------------------------------------------------------- faulty rows

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


# ----------------------------------------------------------------------------------------------------------------- dry run


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
