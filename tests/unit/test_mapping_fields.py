"""Mappings: what is recognised, and how each field is found."""

from typing import Any

import pytest

from schemas.dead_letters import Reason
from tests.mapping import DEFAULTS, FIELDS, TICKET, desk, one, refused

# ------------------------------------------------------------------------------------------------------------ recognition


@pytest.mark.parametrize(
    ("recognise", "given", "known"),
    [
        ("id", {"id": 0}, True),  # in JMESPath nought is true
        ("id", {"id": ""}, False),
        ("id", {"id": []}, False),
        ("id == `7`", {"id": 7}, True),
        ("id == `7`", {"id": "7"}, False),
        ("starts_with(id, 't-')", {"id": "t-1"}, True),
        ("starts_with(id, 't-')", {"id": 7}, False),  # what cannot be asked is not recognised
        ("id", ["id"], False),
        ("id", None, False),
    ],
)
def test_what_is_recognised(recognise: str, given: Any, known: bool) -> None:
    assert desk(FIELDS, f'recognise = "{recognise}"\n').recognises(given) is known


def test_without_recognise_only_the_header_tells() -> None:
    assert not desk(FIELDS).recognises(TICKET)


def test_times_are_the_vendors_unless_they_are_zoned() -> None:
    assert desk(FIELDS).VENDOR_TIMES is True
    assert desk(FIELDS, "zoned = true\n").VENDOR_TIMES is False


# ----------------------------------------------------------------------------------------------------------------- fields


@pytest.mark.parametrize(
    ("field", "given", "value"),
    [
        pytest.param('"a.b"', {"a": {"b": 7}}, 7, id="a path"),
        pytest.param('["a", "b"]', {"a": None, "b": 7}, 7, id="the first path that leads to something"),
        pytest.param('["a", "b"]', {"a": "", "b": 7}, 7, id="an empty text is nothing"),
        pytest.param('["a", "b"]', {"a": 0, "b": 7}, 0, id="nought is something"),
        pytest.param('"\\"a b\\""', {"a b": 7}, 7, id="a name with a space"),
        pytest.param('"list[?id == \'nps\'].value | [0]"', {"list": [{"id": "x", "value": 1}, {"id": "nps", "value": 7}]}, 7,
                     id="of a list"),
        pytest.param("{ constant = 5 }", {}, 5, id="a constant"),
        pytest.param('{ path = "a", constant = 5 }', {"a": 7}, 7, id="a path before a constant"),
        pytest.param('{ path = "a", convert = "number in text" }', {"a": "9 - very likely"}, 9, id="a number in text"),
        pytest.param('{ path = "a", convert = "number in text" }', {"a": "(10)"}, 10, id="in brackets"),
        pytest.param('{ path = "a", convert = "number in text" }', {"a": 7}, 7, id="a number is one already"),
        pytest.param('{ path = "a", values = { great = 10 } }', {"a": "great"}, 10, id="a value instead"),
        pytest.param('{ path = "a", values = { great = 10 } }', {"a": "7"}, "7", id="another value stays"),
        pytest.param('{ path = "a", values = { 4401 = 10 } }', {"a": 4401}, 10, id="ids as numbers"),
        pytest.param('{ path = "a", values = { 4401 = 10 } }', {"a": 4401.0}, 10, id="ids as floats"),
        pytest.param('{ path = "a", values = { true = 10 } }', {"a": True}, 10, id="booleans as JSON has them"),
        pytest.param('{ path = "a", convert = "lower", values = { great = 10 } }', {"a": "Great"}, 10, id="in turn"),
    ],
)  # fmt: skip
def test_how_a_field_is_found(field: str, given: dict[str, Any], value: Any) -> None:
    adapter = desk(FIELDS.replace('score = "score"', f"score = {field}"))
    assert adapter.adapt(TICKET | given, DEFAULTS)[0]["score"] == value


@pytest.mark.parametrize("text", ["-7", "7.5", "1,200", "1200", "none", "9,5 of 10,0"])
def test_a_part_of_a_number_is_not_a_number_in_text(text: str) -> None:
    adapter = desk(FIELDS.replace('score = "score"', 'score = { path = "score", convert = "number in text" }'))
    assert refused(adapter, TICKET | {"score": text})[0] is Reason.BAD_SCORE


@pytest.mark.parametrize(
    ("field", "value", "time"),
    [
        ('"at"', "2026-03-01T09:30:00Z", "2026-03-01T09:30:00.000Z"),
        ('"at"', 1_772_357_400, "2026-03-01T09:30:00.000Z"),
        ('"at"', 1_772_357_400_250, "2026-03-01T09:30:00.250Z"),
        ('{ path = "at", convert = "unix" }', "1772357400", "2026-03-01T09:30:00.000Z"),
        ('{ path = "at", convert = "unix" }', " 1772357400.5 ", "2026-03-01T09:30:00.500Z"),
        ('{ path = "at", convert = "unix" }', 1_772_357_400, "2026-03-01T09:30:00.000Z"),
        ('{ path = "at", convert = "unix ms" }', "1772357400250", "2026-03-01T09:30:00.250Z"),
        ('{ path = "at", convert = "unix ms" }', 86_400_000, "1970-01-02T00:00:00.000Z"),  # not seconds, however small
        ('{ path = "at", format = "%d/%m/%Y %H:%M %z" }', "01/03/2026 10:30 +0100", "2026-03-01T09:30:00.000Z"),
    ],
)
def test_how_a_time_is_read(field: str, value: Any, time: str) -> None:
    adapter = desk(FIELDS.replace('responded_at = "at"', f"responded_at = {field}"))
    assert one(adapter, TICKET | {"at": value})["responded_at"] == time


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ('{ path = "at", convert = "unix" }', "2026-03-01"),
        ('{ path = "at", convert = "unix" }', "-1"),
        ('{ path = "at", convert = "unix" }', "99999999999999"),
        ('{ path = "at", convert = "unix" }', True),
        ('{ path = "at", convert = "unix" }', [1]),
        ('{ path = "at", format = "%d/%m/%Y" }', "31/02/2026"),
        ('{ path = "at", format = "%d/%m/%Y" }', 7),
        ('{ path = "at", format = "%d/%m/%Y" }', "01/03/2026"),  # without a zone, and the source has none here
    ],
)
def test_what_is_no_time_of_that_form(field: str, value: Any) -> None:
    adapter = desk(FIELDS.replace('responded_at = "at"', f"responded_at = {field}"))
    reason, message = refused(adapter, TICKET | {"at": value})
    assert reason is Reason.BAD_TIME
    assert message.startswith("responded_at: ")


def test_a_text_that_is_none_is_no_comment() -> None:
    adapter = desk(FIELDS + 'comment = ["why", "else"]')
    assert one(adapter, TICKET | {"why": ["a"], "else": "b"})["comment"] == "b"
    assert "comment" not in one(adapter, TICKET | {"why": 7})


def test_segments_are_those_of_the_mapping_before_those_among_the_properties() -> None:
    adapter = desk(FIELDS + '[segments]\nplan = "level"\nteam = { constant = "emea" }', 'properties = ["custom", "more"]\n')
    given = TICKET | {"level": "gold", "custom": {"Plan": "free", "Region": "eu"}, "more": {"region": "us", "tier": "1"}}
    assert one(adapter, given)["segments"] == {"plan": "gold", "team": "emea", "region": "eu", "tier": "1"}
    assert one(adapter, given | {"level": None})["segments"]["plan"] == "free"


def test_a_segment_may_have_the_name_of_a_field() -> None:
    adapter = desk(FIELDS + '[segments]\ncomment = "floor"\nscore = "level"\naccount_id = "site"', 'properties = "custom"\n')
    given = TICKET | {"floor": 3, "level": "high", "site": "north", "custom": {"account_id": "initech"}}
    found = one(adapter, given)
    assert found["segments"] == {"comment": "3", "score": "high", "account_id": "north"}
    assert found["account_id"] == "initech"


def test_ids_among_the_properties_come_before_those_of_the_mapping() -> None:
    adapter = desk(FIELDS + 'respondent_id = "who"', 'properties = "custom"\n')
    given = TICKET | {"who": " A@B.example", "custom": {"Account ID": "initech", "user_id": "u-1"}}
    assert one(adapter, given)["account_id"] == "initech"
    assert one(adapter, given)["respondent_id"] == "u-1"
    assert one(adapter, given | {"custom": {}})["respondent_id"] == "a@b.example"


def test_properties_may_fill_ids_that_the_mapping_does_not_name() -> None:
    adapter = desk(FIELDS.replace('account_id = "company"\n', ""), 'properties = "custom"\n')
    assert one(adapter, TICKET | {"custom": {"account_id": "initech"}})["account_id"] == "initech"
