"""Any rows that were written into a file come back from it; any damage to a file is found, or harmless."""

import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npstream.failures import UserError
from npstream.files import Labels, Row, opened
from tests.producing import EXPORT, as_csv, as_xlsx

EXAMPLES = 30
"""Each of them is several files on the disk."""

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


@settings(max_examples=EXAMPLES)
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


DAMAGED = {
    "a.xlsx": as_xlsx([{"response_id": "r-1", "account_id": "acme", "score": 9, "responded_at": "2026-03-01T09:30:00Z"}]),
    "a.csv": EXPORT.encode(),
    "a.csv.gz": gzip.compress(EXPORT.encode()),
    "b.csv": EXPORT.encode("utf-16"),
    "a.json": json.dumps([{"response_id": "r-1"}, {"score": 9}], indent=1).encode(),
}


@pytest.mark.parametrize("name", DAMAGED)
@settings(max_examples=EXAMPLES)
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
