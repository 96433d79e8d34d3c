"""The event types: what they accept and refuse where others rely on it, beyond what the contract's examples show."""

from typing import Any

import msgspec
import pytest

from schemas import contract, events
from schemas.examples import EXAMPLES

TYPES: dict[str, Any] = {**vars(events), **{kind.__name__: kind for kind in contract.TYPES}}


def fits(name: str, value: dict[str, Any]) -> bool:
    try:
        msgspec.json.decode(msgspec.json.encode(value), type=TYPES[name])
    except msgspec.ValidationError:
        return False
    return True


def changed(name: str, changes: dict[str, Any]) -> dict[str, Any]:
    """The example of a type with other values; `...` leaves a field out."""
    return {field: value for field, value in (EXAMPLES[name] | changes).items() if value is not ...}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_read_and_written_as_it_is(name: str) -> None:
    read = msgspec.convert(EXAMPLES[name], TYPES[name], strict=True)
    assert msgspec.json.decode(msgspec.json.encode(read)) == EXAMPLES[name]


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_field_that_a_reader_does_not_know_is_no_error(name: str) -> None:
    assert fits(name, changed(name, {"added_later": {"deep": [1]}}))


TABLE = """
    Response       | score         | 0                          | fits
    Response       | score         | 10                         | fits
    Response       | score         | 11                         | no
    Response       | score         | -1                         | no
    Response       | score         | 9.5                        | no
    Response       | score         | "9"                        | no
    Response       | score         | true                       | no
    Response       | score         | null                       | no
    Response       | response_id   | ""                         | no
    Response       | respondent_id | null                       | no
    Response       | comment       | ""                         | no
    Response       | responded_at  | "2026-03-01T09:30:00Z"     | no
    Response       | responded_at  | 1772357400000              | no
    Response       | segments      | {}                         | fits
    Response       | segments      | {"Plan": "smb"}            | no
    Response       | segments      | {"plan": ""}               | no
    Response       | segments      | {"plan": 5}                | no
    Retraction     | kind          | "response"                 | no
    Scored         | change        | "duplicate"                | no
    Scored         | category      | null                       | no
    Scored         | as_of         | "2026-03-01T09:30:00.000Z" | no
    CategoryChange | to            | null                       | fits
    CategoryChange | from          | null                       | no
    CategoryChange | direction     | "sideways"                 | no
    Detractor      | severity      | "low"                      | no
    Detractor      | withdrawn     | true                       | fits
    Detractor      | withdrawn     | false                      | no
    Detractor      | account_nps   | -100.1                     | no
    Promoter       | score         | 8                          | no
    Promoter       | first         | false                      | no
    AccountRollup  | as_of         | "2026-3-1"                 | no
    AccountRollup  | windows       | {}                         | fits
    AccountRollup  | windows       | {"90": {}}                 | no
    AccountRollup  | windows       | {"90d": {}}                | no
    Cell           | responses     | [1, 2]                     | no
    Cell           | responses     | [1, 2, -1]                 | no
"""


@pytest.mark.parametrize("line", [line.strip() for line in TABLE.strip().splitlines()])
def test_what_fits(line: str) -> None:
    name, field, value, verdict = (cell.strip() for cell in line.split("|"))
    assert fits(name, changed(name, {field: msgspec.json.decode(value)})) is (verdict == "fits")


@pytest.mark.parametrize(
    ("name", "required"),
    [
        ("Response", {"response_id", "account_id", "score", "responded_at"}),
        ("Retraction", {"kind", "response_id", "account_id"}),
        ("Scored", {"response_id", "account_id", "as_of", "change"}),
        ("CategoryChange", {"account_id", "respondent_id", "response_id", "from", "to", "cause", "changed_at"}),
        ("Detractor", {"account_id", "response_id", "score", "severity", "revision", "consecutive", "responded_at"}),
        ("Promoter", {"account_id", "response_id", "score", "revision", "consecutive", "responded_at"}),
        ("AccountRollup", {"account_id", "as_of", "windows"}),
        ("SegmentRollup", {"dimension", "value", "as_of", "windows"}),
        ("Cell", set()),
    ],
)
def test_which_fields_are_always_there(name: str, required: set[str]) -> None:
    assert {field for field in EXAMPLES[name] if not fits(name, changed(name, {field: ...}))} == required


def test_an_empty_window_has_counts_alone() -> None:
    empty = {"promoters": 0, "passives": 0, "detractors": 0, "total": 0}
    assert fits("WindowStats", empty)
    assert fits("WindowStats", empty | {"previous_nps": -100.0})
    assert not fits("WindowStats", empty | {"nps": None})


def test_a_cell_of_respondents_has_two_windows_for_each_name() -> None:
    windows = {"7d": [[1, 0, 0], [0, 0, 0]]}
    cell = {"respondents": {"as_of": "2026-03-01", "now": windows, "eve": windows}}
    assert fits("Cell", cell)
    assert not fits("Cell", {"respondents": cell["respondents"] | {"now": {"7d": [[1, 0, 0]]}}})
