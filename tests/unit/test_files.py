"""What is read from a file: the records it holds, byte for byte where they are JSON, and one line where it is no such file."""

import gzip
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npstream.failures import UserError
from npstream.files import Labels, Row, json_text, opened, row
from npstream.raw_record import RawRecord

Write = Callable[[str, bytes], str]

HEADER = "response_id,account_id,score,responded_at"
NONE = Labels()
ROW = "r-1,acme,9,2026-03-01T09:30:00Z"
RESPONSE = {"response_id": "r-1", "account_id": "acme", "score": 9, "responded_at": "2026-03-01T09:30:00.000Z"}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file and return its path."""

    def write(name: str, content: bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content)
        return str(path)

    return write


def read(path: str, labels: Labels = NONE) -> list[RawRecord]:
    return [record for row in rows(path, labels) for record in row.records]


def rows(path: str, labels: Labels = NONE) -> list[Row]:
    with opened(path, labels) as source:
        return list(source)


def documents(path: str, labels: Labels = NONE) -> list[Any]:
    return [json.loads(record.value or b"null") for record in read(path, labels)]


def refusal(path: str, labels: Labels = NONE) -> str:
    with pytest.raises(UserError) as refused:
        read(path, labels)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.jsonl", b'{"a":1}\n{"a":2}\n', [b'{"a":1}', b'{"a":2}']),
        ("a.ndjson", b'{"a":1}\n{"a":2}', [b'{"a":1}', b'{"a":2}']),
        ("blank lines.jsonl", b'\n{"a":1}\n\n  \r\n{"a":2}\r\n', [b'{"a":1}', b'{"a":2}']),
        ("a line that is no JSON.jsonl", b'{"a":1}\n{"a":\n', [b'{"a":1}', b'{"a":']),
        ("lines under another name.json", b'{"a":1}\n{"a":2}\n', [b'{"a":1}', b'{"a":2}']),
        ("lines under no name", b'{"a": 1}\n', [b'{"a": 1}']),
        ("one document.json", b'{\n  "a": 1\n}\n', [b'{\n  "a": 1\n}']),
        ("array.json", b'[{"a": 1}, 2, null]', [b'{"a":1}', b"2", b"null"]),
        ("array over lines.json", b'[\n{"a": 1},\n{"a": 2}\n]\n', [b'{"a":1}', b'{"a":2}']),
        ("empty array.json", b"[]", []),
        ("byte order mark.json", b'\xef\xbb\xbf{"a":1}', [b'{"a":1}']),
        ("empty.json", b"", []),
        ("empty.csv", b"\n\n", []),
    ],
)
def test_json_is_sent_as_it_stands(write: Write, name: str, content: bytes, expected: list[bytes]) -> None:
    assert [record.value for record in read(write(name, content))] == expected
    assert [record.value for record in read(write(name + ".gz", gzip.compress(content, mtime=0)))] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{HEADER}\n{ROW}\n", [RESPONSE]),
        (f"\ufeff{HEADER}\r\n{ROW}\r\n\r\n", [RESPONSE]),
        (f"{HEADER}\n{ROW}\n".replace(",", ";"), [RESPONSE]),
        (f"{HEADER}\n{ROW}\n".replace(",", "\t"), [RESPONSE]),
        (f"Response ID, Account-ID ,SCORE,Responded At\n{ROW}", [RESPONSE]),
        (f"{HEADER}\n{ROW},,\n", [RESPONSE]),
        (f"{HEADER},comment\n{ROW},\n", [RESPONSE]),
        (f'{HEADER},comment\n{ROW},"good, very\ngood ""indeed"""\n', [{**RESPONSE, "comment": 'good, very\ngood "indeed"'}]),
        (f"{HEADER},segments.plan,segments.region\n{ROW},pro,\n", [{**RESPONSE, "segments": {"plan": "pro"}}]),
        (f"{HEADER}\nr-1,acme,9,1772357400\n", [RESPONSE]),
        (f"{HEADER},kind\nr-1,acme,9,2026-03-01T10:30:00.000+0100,response\n", [RESPONSE]),
        (
            "kind,response_id,account_id,updated_at\nretraction,r-1,acme,2026-03-01T09:30:00Z\n",
            [{"kind": "retraction", "response_id": "r-1", "account_id": "acme", "updated_at": "2026-03-01T09:30:00.000Z"}],
        ),
    ],
)
def test_a_row_of_csv_is_a_canonical_response(write: Write, text: str, expected: list[dict[str, Any]]) -> None:
    assert documents(write("a.csv", text.encode())) == expected


def test_csv_is_known_by_its_header_where_the_name_says_nothing(write: Write) -> None:
    assert documents(write("export", f"{HEADER}\n{ROW}\n".encode())) == [RESPONSE]


def test_columns_can_be_mapped_and_those_that_are_no_field_are_named(write: Write) -> None:
    path = write("a.csv", b"id,response_id,Customer,score,responded_at,Plan,note\nx,r-1,acme,9,2026-03-01T09:30:00Z,pro,hm\n")
    labels = Labels(columns={"id": "response_id", "Customer": "account_id", "Plan": "segments.plan"})
    with opened(path, labels) as source:
        values = [json.loads(record.value or b"") for row in source for record in row.records]
        assert source.ignored == ("response_id", "note")
    assert values == [{**RESPONSE, "response_id": "x", "segments": {"plan": "pro"}}]


def test_the_account_flag_stands_in_for_a_missing_column_and_for_empty_cells(write: Write) -> None:
    without = write("without.csv", b"response_id,score,responded_at\nr-1,9,2026-03-01T09:30:00Z\n")
    empty = write("empty cell.csv", f"{HEADER}\nr-1,,9,2026-03-01T09:30:00Z\n{ROW}".encode())
    assert documents(without, Labels(account="acme")) == [RESPONSE]
    assert [row["account_id"] for row in documents(empty, Labels(account="other"))] == ["other", "acme"]


@pytest.mark.parametrize(
    ("labels", "name", "expected"),
    [
        (Labels(), "a.jsonl", []),
        (Labels(source="delighted"), "a.jsonl", [("nps-source", b"delighted")]),
        (Labels(account="acme"), "a.jsonl", [("nps-account", b"acme")]),
        (Labels(), "a.csv", [("nps-source", b"canonical")]),
        (Labels(account="acme"), "a.csv", [("nps-source", b"canonical"), ("nps-account", b"acme")]),
    ],
)
def test_headers_say_whose_payload_it_is_and_which_account_is_meant(
    write: Write, labels: Labels, name: str, expected: list[tuple[str, bytes]]
) -> None:
    content = f"{HEADER}\n{ROW}\n" if name.endswith(".csv") else json.dumps(RESPONSE)
    assert [list(record.headers) for record in read(write(name, content.encode()), labels)] == [expected]


@pytest.mark.parametrize(
    ("value", "account", "key"),
    [
        ({"account_id": "acme", "response_id": "r"}, None, b"acme"),
        ({"account_id": "acme"}, "other", b"acme"),
        ({"response_id": "r"}, "acme", b"acme"),
        ({"response_id": "r"}, None, b"r"),
        ({"event_id": "e", "event_data": {}}, None, b"e"),
        ({"account_id": 7}, None, None),
        ({"account_id": ""}, None, None),
        ([1], None, None),
    ],
)
def test_the_key_is_the_account_where_it_is_plain_to_see(
    write: Write, value: object, account: str | None, key: bytes | None
) -> None:
    assert [record.key for record in read(write("a.jsonl", json.dumps(value).encode()), Labels(account=account))] == [key]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("words.txt", b"hello\n", "neither JSON nor CSV"),
        ("picture", b"\x89PNG\r\n\x1a\n\0,\0,", "neither JSON nor CSV"),
        ("broken.json", b'{"a":\n', "not JSON (unexpected end of data"),
        ("words.json", b"response_id,account_id\n", "neither JSON nor CSV"),
        ("no score.csv", b"response_id,account_id,responded_at\nr,a,t\n", "no column for score among"),
        ("no account.csv", b"response_id,score,responded_at\nr,1,t\n", "--column COLUMN=account_id or --account"),
        ("twice.csv", f"{HEADER},Score\n{ROW},3\n".encode(), "several columns are score"),
        ("open quote.csv", f'{HEADER},comment\n{ROW},"oh\n'.encode(), "not CSV after line"),
        ("latin.csv", f"{HEADER},comment\n{ROW},na\u00efve\n".encode("latin-1"), "not UTF-8 after line 1"),
        ("half.jsonl.gz", gzip.compress(b'{"a":1}\n' * 1000, mtime=0)[:40], "not a whole gzip file"),
        ("no gzip.jsonl.gz", b'{"a":1}\n', "not a whole gzip file"),
    ],
)
def test_what_is_no_such_file_is_refused_in_one_line_that_names_it(write: Write, name: str, content: bytes, words: str) -> None:
    message = refusal(write(name, content))
    assert name in message
    assert words in message


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"Nothing": "score"}, "--column names a column 'Nothing', but the columns are response_id"),
        ({"score": "points"}, "--column score=points: no such field; fields are account_id"),
        ({"score": "segments."}, "no such field"),
    ],
)
def test_a_mapping_that_fits_nothing_is_refused(write: Write, columns: dict[str, str], words: str) -> None:
    assert words in refusal(write("a.csv", f"{HEADER}\n{ROW}\n".encode()), Labels(columns=columns))


def test_a_record_that_no_broker_would_take_is_refused_with_its_place(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "RECORD_BYTES", 20)
    monkeypatch.setattr(row, "RECORD_BYTES", 20)
    long = json.dumps({"a": "x" * 20}).encode()
    assert "line 2 is longer than 20 bytes" in refusal(write("a.jsonl", b"{}\n" + long))
    assert "element 2 has 28 bytes" in refusal(write("a.json", b"[{}," + long + b"]"))
    monkeypatch.setattr(json_text, "DOCUMENT_BYTES", 30)
    assert "more than 30 bytes" in refusal(write("b.json", b"[" + b"1,\n" * 20 + b"1]"))


def test_a_missing_file_is_an_operating_system_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.csv"), opened(str(tmp_path / "nothing.csv"), Labels()):
        pass


def test_progress_is_counted_in_bytes_on_the_disk(write: Write) -> None:
    path = write("a.jsonl.gz", gzip.compress(b'{"a":1}\n' * 10_000, mtime=0))
    with opened(path, Labels()) as source:
        assert source.size == os.path.getsize(path)
        list(source)
        assert source.bytes_read == source.size


def test_a_line_of_a_pipe_is_there_before_the_next_one_is_written(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    may_end = threading.Event()

    def write_slowly() -> None:
        with pipe.open("wb", buffering=0) as end:
            end.write(b'{"a":1}\n')
            may_end.wait(10)
            end.write(b'{"a":2}\n')

    writer = threading.Thread(target=write_slowly)
    writer.start()
    with opened(str(pipe), Labels()) as source:
        found = iter(source)
        assert source.size is None
        assert [record.value for record in next(found).records] == [b'{"a":1}']
        may_end.set()
        assert [record.value for record in next(found).records] == [b'{"a":2}']
        assert next(found, None) is None
    writer.join()


@given(st.lists(st.dictionaries(st.text(), st.none() | st.integers(-(2**53), 2**53) | st.text(), min_size=1), min_size=1))
def test_any_objects_come_back_from_lines_and_from_an_array(
    tmp_path_factory: pytest.TempPathFactory, values: list[Any]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "lines.jsonl").write_text("\n".join(map(json.dumps, values)))
    (folder / "array.json").write_text(json.dumps(values))
    assert documents(str(folder / "lines.jsonl")) == values
    assert documents(str(folder / "array.json")) == values
