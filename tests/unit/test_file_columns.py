"""Which column is which field: by what was said, by its name, by what it looks like; and how that is told."""

from collections.abc import Sequence
from datetime import UTC
from typing import Any

import pytest

from npstream.failures import UserError
from npstream.files.columns import NAMES, Column, columns_of, compact, field_named, is_field
from npstream.files.labels import Labels
from npstream.files.looks import look_at
from npstream.files.plan import Plan

MAILS = ["kim@acme.example", "lee@globex.example"]
DAYS = ["2026-03-01", "2026-03-02"]
SCORES = ["9", "10"]
TEXTS = ["Setup took a week.", "9 of 10"]
IDS = ["a-1", "a-2"]


def columns(said: dict[str, str] | None = None, **given: Sequence[Any]) -> list[Column]:
    return columns_of("a.csv", list(given), [look_at(cells) for cells in given.values()], said or {})


def fields(given: dict[str, Sequence[Any]], said: dict[str, str] | None = None) -> dict[str, str | None]:
    return {column.name: column.field for column in columns(said, **given)}


@pytest.mark.parametrize(
    ("name", "field"),
    [
        *((name, "responded_at") for name in ("responded_at", "Responded At", "RESPONDED-AT", "respondedAt", " Responded_at ")),
        *((name, "response_id") for name in ("response id", "ResponseId")),
        *((name, "segments.plan") for name in ("segments.plan", "Segments.Plan")),
        *((name, None) for name in ("segments.", "segments", "date", "e-mail", "")),
    ],
)
def test_a_name_in_any_spelling_is_the_fields_own(name: str, field: str | None) -> None:
    assert field_named(name) == field


@pytest.mark.parametrize(
    ("names", "same"),
    [
        (("E-mail", "e mail", "EMail", "E_MAIL ", "\uff25mail"), "email"),
        (("#",), "#"),
        (("Why?",), "why"),
        (("Größe (cm)",), "grössecm"),
    ],
)
def test_names_are_compared_without_what_people_spell_differently(names: Sequence[str], same: str) -> None:
    assert {compact(name) for name in names} == {same}


def test_every_usual_name_is_of_one_field_and_written_as_it_is_compared() -> None:
    usual = [name for names in NAMES.values() for name in names]
    assert len(usual) == len(set(usual))
    assert [compact(name) for name in usual] == usual
    assert all(is_field(field) for field in NAMES)


GUESSES: list[tuple[dict[str, Sequence[Any]], dict[str, str | None]]] = [
    (
        {"Response ID": IDS, "E-Mail": MAILS, "Company": ["a", "b"], "NPS Score": SCORES, "Date": DAYS, "Feedback": TEXTS},
        {
            "Response ID": "response_id", "E-Mail": "respondent_id", "Company": "account_id", "NPS Score": "score",
            "Date": "responded_at", "Feedback": "comment",
        },
    ),
    (
        {"How likely are you to recommend us?": ["9", "n/a"], "What is the main reason?": TEXTS, "Team": ["a b", "c"]},
        {"How likely are you to recommend us?": "score", "What is the main reason?": "comment", "Team": None},
    ),
    ({"#": IDS, "Submit Date (UTC)": DAYS}, {"#": "response_id", "Submit Date (UTC)": "responded_at"}),
    ({"Would you recommend us?": SCORES, "Ease": SCORES}, {"Would you recommend us?": "score", "Ease": None}),
    ({"Answer": SCORES, "Wer?": MAILS, "Wann?": DAYS}, {"Answer": "score", "Wer?": "respondent_id", "Wann?": "responded_at"}),
    ({"One": SCORES, "Other": SCORES, "From": DAYS, "To": DAYS}, {"One": None, "Other": None, "From": None, "To": None}),
    ({"Score": TEXTS, "Date": TEXTS, "ID": TEXTS}, {"Score": "score", "Date": None, "ID": None}),
    ({"Date": DAYS, "Response Date": DAYS}, {"Date": None, "Response Date": "responded_at"}),
    ({"ID": ["a-1", "a-1"], "Token": IDS}, {"ID": None, "Token": "response_id"}),
    ({"Plan": ["pro"], "Region": ["emea"], "Order": ["7"]}, {"Plan": "segments.plan", "Region": "segments.region"}),
    ({"Language": ["en", "de"], "Campaign": ["a", "b"], "Updated At": DAYS}, {"Language": "locale", "Campaign": "survey_id"}),
]  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), GUESSES)
def test_what_names_and_values_suggest(given: dict[str, Sequence[Any]], expected: dict[str, str | None]) -> None:
    found = fields(given)
    assert {name: found[name] for name in expected} == expected


def test_what_was_said_comes_before_names_and_names_before_guesses() -> None:
    given = {"score": SCORES, "NPS Score": SCORES, "Question": SCORES}
    assert fields(given) == {"score": "score", "NPS Score": None, "Question": None}
    assert fields(given, {"Question": "score"}) == {"score": None, "NPS Score": None, "Question": "score"}
    found = columns(None, **given)
    assert [(column.why, column.guessed) for column in found] == [("its name", False), ("", False), ("", False)]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"NPS": SCORES}, "its name is usual for it, its values are whole numbers from 0 to 10"),
        ({"Would you recommend us?": ["9"] * 19 + ["n/a"]}, "its name asks for it, 19 of 20 values are 0 to 10"),
        ({"x": SCORES}, "no other column has whole numbers from 0 to 10"),
        ({"email": MAILS}, "its name is usual for it, its values are e-mail addresses"),
        ({"x": MAILS}, "no other column has e-mail addresses"),
        ({"What is the reason?": TEXTS}, "its name asks for it, its values are texts"),
        ({"x": DAYS}, "no other column has dates or times"),
        ({"Comments": TEXTS}, "its name is usual for it"),
        ({"Plan": ["pro"]}, "its name is that of a usual segment"),
    ],
)
def test_a_guess_says_why(given: dict[str, Sequence[Any]], why: str) -> None:
    (column,) = columns(None, **given)
    assert (column.why, column.guessed) == (why, True)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"Nothing": "score"}, "names a column 'Nothing', but the columns are One, Two"),
        ({"One": "points"}, "--column One=points: no such field; fields are account_id"),
        ({"One": "score", "Two": "score"}, "several columns are score"),
    ],
)
def test_pairs_that_cannot_be_are_refused(said: dict[str, str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        columns(said, One=SCORES, Two=SCORES)


def plan(*fields: str) -> Plan:
    return Plan(tuple(Column(f"c{i}", field, "") for i, field in enumerate(fields)), 1, zone=UTC)


@pytest.mark.parametrize(
    ("fields", "account", "missing"),
    [
        (["account_id", "score", "responded_at"], None, []),
        (["score"], None, ["account_id", "responded_at"]),
        (["score"], "acme", ["responded_at"]),
        (["score", "responded_at", "respondent_id"], None, []),  # whose account the intake may know
        (["kind", "account_id"], None, []),
        ([], None, ["account_id", "score", "responded_at"]),
    ],
)
def test_what_a_table_lacks(fields: list[str], account: str | None, missing: list[str]) -> None:
    assert plan(*fields).missing(Labels(account=account)) == missing


def test_a_plan_says_what_will_be_done() -> None:
    lines = list(plan("score", "responded_at", "respondent_id").lines(Labels()))
    assert lines[0].split() == ["c0", "is", "score"]
    assert "account_id: of none; it has to be known by the respondent" in lines
    assert "times without a zone are those of UTC; dates: day and month cannot be mixed up" in lines
    assert lines[-1].startswith("no column is response_id: it is made of account, respondent, time, score and comment")
