"""The list of cases: the most urgent first, what is late stands out, and it fits every terminal."""

import json
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from npstream.case_book import SHORT, CaseBook, Wanted, document, next_due, totals
from npstream.cases_view import listed
from npstream.failures import UserError
from schemas import topics
from schemas.cases import Case
from schemas.times import parse_time
from streams.test_driver import Sent
from tests.case_records import NOW, case, morning, record, said

AT_80 = """\
Case        due              score       state         account
c-77aa01    late by 2 d      4 high      acknowledged  Globex Corporation Inter…
            ines.duarte@globex.example  owner kim@vendor.example  “Nobody answe…
c-5b1d2f    in 1 h           3 critical  new           Acme
            u-17@acme.example  owner csm@vendor.example  “The export is slow.”
c-88aa01    snoozed 1 d      6 elevated  contacted     initech
            anonymous  owner nobody

3 open: 1 critical, 1 high, 1 elevated; 1 overdue, oldest 10 d
"""
AT_140 = """\
Case        due                 score       state         account           respondent            owner               comment
c-77aa01    late by 2 d         4 high      acknowledged  Globex Corporat…  ines.duarte@globex.…  kim@vendor.example  “Nobody answers the p…
c-5b1d2f    in 1 h 20 min       3 critical  new           Acme              u-17@acme.example     csm@vendor.example  “The export is slow.”
c-88aa01    snoozed 1 d 23 h    6 elevated  contacted     initech           anonymous             nobody
c-99aa01    1 d ago             3 critical  resolved      Acme              u-17@acme.example     csm@vendor.example  “The export is slow.”

3 open: 1 critical, 1 high, 1 elevated; 1 overdue, oldest 10 d; 1 closed
"""  # noqa: E501


def book(*records: Sent) -> CaseBook:
    found = CaseBook()
    found.take(records)
    return found


def shown(cases: CaseBook, width: int, wanted: Wanted = Wanted(), rows: int = 50) -> str:  # noqa: B008
    out = Console(width=width, file=StringIO(), highlight=False)
    for row in listed(cases, wanted, NOW, width, rows):
        out.print(row)
    text = out.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


def ids(found: list[Case]) -> list[str]:
    return [one.case_id[:4] for one in found]


def test_the_list_on_a_narrow_terminal() -> None:
    assert shown(book(*morning()), 80) == AT_80


def test_the_list_with_closed_ones_on_a_wide_terminal() -> None:
    assert shown(book(*morning()), 140, Wanted(closed=True)) == AT_140


def test_one_line_a_case_in_a_pipe() -> None:
    assert len(shown(book(*morning()), 120).splitlines()) == 1 + 3 + 2


def test_more_than_are_wanted_are_counted() -> None:
    assert "and 2 more: -n shows more, --json has them all" in shown(book(*morning()), 120, rows=1).splitlines()


NONE = [
    # what there is                 what is wanted           what is said
    ([], Wanted(), "No cases. One opens when a detractor answers and a worker runs the agent care (setting agents)."),
    ([morning()[3]], Wanted(), "No open cases; --all shows 1 closed."),
    ([morning()[3]], Wanted(accounts=["nobody"]), "No such case among 0 open and 1 closed ones."),
    (morning(), Wanted(severities=["critical"], owners=["nobody"]), "No such case among 3 open and 1 closed ones."),
    (morning(), Wanted(owners=["nobody"]), "No such case among 3 open and 1 closed ones."),
]


@pytest.mark.parametrize(("records", "wanted", "line"), NONE)
def test_an_empty_list_says_what_there_is_instead(records: list[Sent], wanted: Wanted, line: str) -> None:
    assert shown(book(*records), 120, wanted).splitlines()[0] == line


FILTERS = [
    # what is wanted                                     which cases, the most urgent first
    (Wanted(), "c-77 c-5b c-88"),
    (Wanted(closed=True), "c-77 c-5b c-88 c-99"),
    (Wanted(overdue=True), "c-77"),
    (Wanted(accounts=["acme"]), "c-5b"),
    (Wanted(accounts=["ACME", "initech"]), "c-5b c-88"),
    (Wanted(accounts=["globex corporation international"]), "c-77"),
    (Wanted(owners=["csm@vendor.example"], closed=True), "c-5b c-99"),
    (Wanted(severities=["high", "elevated"]), "c-77 c-88"),
    (Wanted(states=["resolved"]), "c-99"),
    (Wanted(states=["new", "acknowledged"], severities=["critical"]), "c-5b"),
]


@pytest.mark.parametrize(("wanted", "found"), FILTERS)
def test_which_cases_are_wanted(wanted: Wanted, found: str) -> None:
    assert ids(book(*morning()).wanted(wanted, NOW)) == found.split()


DUES = [
    # state and times of the case                                                       what is due, at which minute of 10 to 11
    ({}, ("first_response", "2026-03-02T11:30:00.000Z")),
    ({"first_response_at": "2026-03-02T10:00:00.000Z"}, ("resolution", "2026-03-04T09:30:00.000Z")),
    ({"first_response_due": None}, ("resolution", "2026-03-04T09:30:00.000Z")),
    ({"first_response_due": None, "resolution_due": None}, None),
    ({"resolution_due": "2026-03-01T09:30:00.000Z"}, ("resolution", "2026-03-01T09:30:00.000Z")),
    ({"snoozed_until": "2026-03-03T09:30:00.000Z"}, (None, "2026-03-03T09:30:00.000Z")),
    ({"snoozed_until": "2026-03-01T09:30:00.000Z"}, ("first_response", "2026-03-02T11:30:00.000Z")),
    ({"state": "expired"}, None),
]


@pytest.mark.parametrize(("fields", "due"), DUES)
def test_what_is_due_next(fields: dict[str, Any], due: tuple[str | None, str] | None) -> None:
    (found,) = book(case(**fields)).cases
    assert next_due(found, NOW) == (None if due is None else (due[0], parse_time(due[1])))


def test_as_json_a_case_has_what_is_due_next() -> None:
    cases = book(*morning())
    late = json.loads(json.dumps(document(cases.find("c-77"), NOW)))["next_due"]
    assert late == {"what": "first_response", "at": "2026-02-28T09:30:00.000Z", "overdue": True}
    assert document(cases.find("c-88"), NOW)["next_due"]["what"] == "snoozed"
    assert "next_due" not in document(cases.find("c-99"), NOW)


def test_what_is_open_is_summed_up() -> None:
    sums = totals(book(*morning()).cases, NOW)
    assert (sums.open, list(sums.by_severity.items()), sums.overdue) == (
        3,
        [("critical", 1), ("high", 1), ("elevated", 1)],
        1,
    )
    assert sums.oldest == parse_time("2026-02-20T09:30:00.000Z")


def test_the_last_record_of_a_case_counts_and_a_tombstone_takes_it_away() -> None:
    cases = book(case(), case(state="acknowledged"), case("c-2"), record(topics.CASES, "acme|c-2", None))
    assert [(one.case_id, one.state) for one in cases.cases] == [("c-5b1d2f0a9c3e", "acknowledged")]


@pytest.mark.parametrize(
    "stranger",
    [
        record(topics.CASES, "acme|c-1", b"no json"),
        record(topics.CASES, "acme|c-1", {"account_id": "acme"}),
        record(topics.CASES, "globex|c-5b1d2f0a9c3e", json.loads(case().value or b"")),
        case("c-1", opened_at="2026-13-99T99:99:99.000Z"),
        case("c-1", snoozed_until="2026-02-31T09:30:00.000Z"),
    ],
)
def test_what_npstream_did_not_write_is_left_out_and_said(stranger: Sent) -> None:
    cases = book(case(), stranger)
    assert len(cases.cases) == 1
    assert shown(cases, 120).splitlines()[-1] == "left out: 1 record of nps.cases that npstream did not write"


def test_a_case_is_found_by_the_beginning_of_its_id() -> None:
    cases = book(case("c-12"), case("c-123"), case("c-9", account_id="globex"))
    assert cases.find("c-9").account_id == "globex"
    assert cases.find("c-12").case_id == "c-12", "an id is itself, though it begins another"
    with pytest.raises(UserError, match=r"^there is no case c-7: npstream cases --all lists those that there are$"):
        cases.find("c-7")
    with pytest.raises(UserError, match="there is no case"):
        cases.find("")
    with pytest.raises(UserError, match=r"^c-1 is the beginning of several cases: c-12 of Acme, c-123 of Acme; give more"):
        cases.find("c-1")


def test_many_candidates_are_counted() -> None:
    with pytest.raises(UserError, match=r"c-104 of Acme and 5 more; give more of the id"):
        book(*(case(f"c-10{n}") for n in range(10))).find("c-1")


def test_a_short_id_is_long_enough_to_tell_cases_apart() -> None:
    assert book(case("c-1"), case("c-2")).short_length() == SHORT
    alike = book(case("c-123456789a"), case("c-123456789b"))
    assert alike.short_length() == len("c-123456789a")


@given(
    st.integers(20, 200),
    st.lists(st.tuples(st.text(max_size=40), st.text(max_size=40), st.integers(0, 6)), min_size=1, max_size=20),
)
def test_no_line_is_wider_than_the_terminal_and_none_moves_the_cursor(width: int, rows: list[tuple[str, str, int]]) -> None:
    cases = book(
        *(
            case(f"c-{number}", respondent_id=name or None, owner=name or None, responses=said(score, comment or None))
            for number, (name, comment, score) in enumerate(rows)
        )
    )
    for row in listed(cases, Wanted(), NOW, width, 50)[:-1]:
        assert row.cell_len <= width
        assert all(c.isprintable() for c in row.plain)
