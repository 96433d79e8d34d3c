"""Adapters: which value of a payload becomes which field, and which payloads hold no response."""

import re
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from schemas.dead_letters import Reason, Unusable
from schemas.events import MAX_SEGMENTS
from schemas.vendors import ADAPTERS, recognise
from schemas.vendors.adapter import Incomplete, SourceSettings, comparable, properties_of
from tests.adapting import read, refused, response
from tests.golden_files import check_golden
from tests.payloads import FORMS, NAMES, form, payload

BERLIN = ZoneInfo("Europe/Berlin")


# ---------------------------------------------------------------------------------------------------------- every payload


def outcome(given: Any) -> list[Any]:
    """What becomes of a payload, read with an account if it names none."""
    try:
        return read(given, account="acme")
    except Unusable as error:
        return [{"reason": error.reason.value, "message": str(error)}]
    except Incomplete as error:
        return [{"incomplete": error.ids}]


@pytest.mark.parametrize("name", NAMES)
def test_what_becomes_of_each_payload(name: str) -> None:
    given = payload(name)
    each = given if isinstance(given, list) else [given]
    check_golden(f"responses/{name}.json", [came for one in each for came in outcome(one)])


@pytest.mark.parametrize("name", FORMS)
def test_what_becomes_of_each_form(name: str) -> None:
    check_golden(f"responses/forms/{name}.json", outcome(form(name)))


def recognising(given: Any) -> list[str]:
    return [adapter.NAME for adapter in ADAPTERS.values() if adapter.recognises(given)]


@pytest.mark.parametrize("name", NAMES)
def test_each_payload_is_recognised_by_one_adapter_alone(name: str) -> None:
    given = payload(name)
    assert recognising(given[0] if isinstance(given, list) else given) == [name.partition("_")[0]]


@pytest.mark.parametrize("name", FORMS)
def test_each_form_is_recognised_by_one_adapter_alone(name: str) -> None:
    assert recognising(form(name)) == [name.partition("_")[0]]


@pytest.mark.parametrize(
    "given", [None, True, 7, "acme", [], [1], {}, {"score": 3}, {"event_type": "form_response"}, {"event": "survey sent"}]
)
def test_what_nobody_recognises(given: Any) -> None:
    assert recognise(given) is None


@pytest.mark.parametrize("source", list(ADAPTERS))
@pytest.mark.parametrize("given", [None, True, 7, "acme", [[]], [{}]])
def test_what_is_no_object_is_of_the_wrong_type(source: str, given: Any) -> None:
    assert refused(given, source=source)[0] is Reason.WRONG_TYPE


# --------------------------------------------------------------------------------------------------------------- Delighted


def delighted(**changes: Any) -> dict[str, Any]:
    given = payload("delighted_created")
    given["event_data"] = {name: value for name, value in (given["event_data"] | changes).items() if value is not ...}
    return given  # type: ignore[no-any-return]


def test_a_comment_that_comes_later_is_a_higher_version_of_the_same_response() -> None:
    first, then = response(payload("delighted_created")), response(payload("delighted_updated"))
    same = ("response_id", "account_id", "respondent_id", "score", "responded_at")
    assert [first[name] for name in same] == [then[name] for name in same]
    assert first["updated_at"] < then["updated_at"]
    assert "comment" not in first
    assert then["comment"] == "Support answered after two weeks."


@pytest.mark.parametrize(
    ("person", "respondent_id"),
    [
        ({"id": "4410", "email": "Ines@Globex.example"}, "ines@globex.example"),
        ({"id": "4410", "email": None}, "4410"),
        ({"id": "4410", "email": " "}, "4410"),
        ({"id": 4410}, "4410"),
        ("4410", "4410"),
        (4410, "4410"),
        ({}, None),
        (None, None),
    ],
)
def test_a_person_is_an_object_or_an_id(person: Any, respondent_id: str | None) -> None:
    assert response(delighted(person=person)).get("respondent_id") == respondent_id


@pytest.mark.parametrize("properties", [None, {}, [], "x", {"account_id": ""}, {"account_id": None}, {"account_id": ["x"]}])
def test_without_a_property_for_it_there_is_no_account(properties: Any) -> None:
    assert refused(delighted(person_properties=properties))[0] is Reason.NO_ACCOUNT
    assert response(delighted(person_properties=properties), account="acme")["account_id"] == "acme"


def test_only_properties_that_were_named_are_segments() -> None:
    given = delighted(person_properties={"account_id": "a", "Plan": "pro", "order": "7", "Seat Count": 5, "region": None})
    assert response(given)["segments"] == {"plan": "pro"}
    named = SourceSettings(segment_properties=("Seat Count", "region"))
    assert response(given, settings=named)["segments"] == {"seat_count": "5"}


def test_the_account_may_be_under_another_name() -> None:
    given = delighted(person_properties={"Company": "globex", "crm id": 7})
    settings = SourceSettings(account_properties=("CRM-ID", "company"))
    assert response(given, settings=settings)["account_id"] == "7"


@pytest.mark.parametrize("survey_type", ["csat", "ces", "5star", "thumbs", "", 7, [], {}])
def test_other_questions_are_not_ours(survey_type: Any) -> None:
    assert refused(delighted(survey_type=survey_type))[0] is Reason.NOT_NPS


def test_a_payload_from_before_there_were_other_questions_is_an_nps() -> None:
    assert response(delighted(survey_type=...))["score"] == 6


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (payload("delighted_unsubscribe"), Reason.NOT_A_RESPONSE),
        ({"event_type": ["survey_response.created"], "event_data": {}}, Reason.NOT_A_RESPONSE),
        ({"event_type": "survey_response.created", "event_data": None}, Reason.MISSING_FIELD),
        ({"event_type": "survey_response.created", "event_data": "x"}, Reason.WRONG_TYPE),
        (delighted(score=None), Reason.NO_SCORE),
        (delighted(score=...), Reason.NO_SCORE),
        (delighted(score=11), Reason.BAD_SCORE),
        (delighted(id=...), Reason.MISSING_FIELD),
        (delighted(created_at=...), Reason.MISSING_FIELD),
        (delighted(created_at="soon"), Reason.BAD_TIME),
        (delighted(comment=["x"]), Reason.WRONG_TYPE),
    ],
)
def test_what_a_delighted_payload_is_refused_for(given: Any, reason: Reason) -> None:
    assert refused(given)[0] is reason


def test_a_vendors_time_without_a_zone_is_in_the_zone_of_its_source() -> None:
    given = delighted(created_at="2026-03-01 10:30:00")
    assert response(given)["responded_at"] == "2026-03-01T10:30:00.000Z"
    assert response(given, zone=BERLIN)["responded_at"] == "2026-03-01T09:30:00.000Z"


# ---------------------------------------------------------------------------------------------------------------- Typeform


def typeform(name: str = "typeform", **changes: Any) -> dict[str, Any]:
    given = payload(name)
    given["form_response"] = {field: value for field, value in (given["form_response"] | changes).items() if value is not ...}
    return given  # type: ignore[no-any-return]


def answer(number: Any, kind: str | None, field_id: str = "f", ref: str | None = None) -> dict[str, Any]:
    field = {"id": field_id, "type": kind, "ref": ref}
    return {"type": "number", "number": number, "field": {name: value for name, value in field.items() if value is not None}}


@pytest.mark.parametrize(
    ("answers", "fields", "score"),
    [
        pytest.param([answer(7, "opinion_scale")], (), 7, id="the only opinion scale"),
        pytest.param([answer(5, "rating"), answer(7, "opinion_scale")], (), 7, id="a rating is none"),
        pytest.param([answer(5, "number"), answer(7, "opinion_scale")], (), 7, id="a number is none"),
        pytest.param([answer(3, "opinion_scale"), answer(7, "nps")], (), 7, id="nps before opinion scale"),
        pytest.param([answer(3, "opinion_scale"), answer(7, "opinion_scale")], (), 3, id="the first opinion scale"),
        pytest.param([answer(3, "nps"), answer(7, "nps")], (), 3, id="the first nps"),
        pytest.param([answer(3, "nps", "a"), answer(7, "nps", "b")], ("b",), 7, id="named by id"),
        pytest.param([answer(3, "nps", "a", "x"), answer(7, "rating", "b", "y")], ("y",), 7, id="named by ref"),
        pytest.param([answer(3, "nps", "a"), answer(7, "nps", "b")], ("other form", "b"), 7, id="named among others"),
        pytest.param([answer(0, "nps")], (), 0, id="nought is a score"),
        pytest.param(["x", None, {"field": "x"}, {"field": {"id": []}}, answer(7, "nps")], (), 7, id="beside nonsense"),
    ],
)
def test_which_answer_is_the_score(answers: Any, fields: tuple[str, ...], score: int) -> None:
    assert response(typeform(answers=answers), settings=SourceSettings(score_fields=fields))["score"] == score


def test_type_and_ref_of_a_question_may_stand_in_the_definition_alone() -> None:
    definition = {"fields": [{"id": "a", "type": "rating"}, {"id": "b", "type": "nps", "ref": "recommend"}, {"id": []}, "x"]}
    given = typeform(definition=definition, answers=[answer(3, None, "a"), answer(7, None, "b")])
    assert response(given)["score"] == 7
    assert response(given, settings=SourceSettings(score_fields=("recommend",)))["score"] == 7


@pytest.mark.parametrize(
    ("given", "fields", "reason"),
    [
        (payload("typeform_quiz"), (), Reason.NO_SCORE),  # whatever its calculated.score is
        (typeform(), ("elsewhere",), Reason.NO_SCORE),
        (typeform(answers=...), (), Reason.NO_SCORE),
        (typeform(answers=[]), (), Reason.NO_SCORE),
        (typeform(answers=[{"type": "text", "text": "7", "field": {"id": "a", "type": "nps"}}]), (), Reason.NO_SCORE),
        (typeform(answers={}), (), Reason.WRONG_TYPE),
        (typeform(answers=[answer(11, "nps")]), (), Reason.BAD_SCORE),
        (typeform(answers=[answer(None, "nps")]), (), Reason.BAD_SCORE),
        (typeform(token=...), (), Reason.MISSING_FIELD),
        (typeform(submitted_at=...), (), Reason.MISSING_FIELD),
        (typeform(submitted_at="2026-02-31T00:00:00Z"), (), Reason.BAD_TIME),
        (typeform(hidden=...), (), Reason.NO_ACCOUNT),
        (typeform(hidden=[]), (), Reason.NO_ACCOUNT),
        ({"event_type": "form_response_started", "form_response": {}}, (), Reason.NOT_A_RESPONSE),
        ({"event_type": "form_response", "form_response": None}, (), Reason.MISSING_FIELD),
        ({"event_type": "form_response", "form_response": []}, (), Reason.WRONG_TYPE),
    ],
)
def test_what_a_typeform_payload_is_refused_for(given: Any, fields: tuple[str, ...], reason: Reason) -> None:
    assert refused(given, settings=SourceSettings(score_fields=fields))[0] is reason


@pytest.mark.parametrize(
    ("hidden", "respondent_id"),
    [
        ({"respondent_id": "p-1", "email": "a@b.example"}, "p-1"),
        ({"user_id": 17}, "17"),
        ({"email": "A@B.example"}, "a@b.example"),
        ({"user_id": ""}, "kim@globex.example"),  # the address that was given as an answer
        (None, "kim@globex.example"),
    ],
)
def test_who_answered_a_form(hidden: Any, respondent_id: str) -> None:
    assert response(typeform(hidden=hidden), account="acme")["respondent_id"] == respondent_id


def test_who_gives_no_address_is_anonymous() -> None:
    assert "respondent_id" not in response(payload("typeform_anonymous"), account="acme")


def test_a_comment_is_the_first_long_text_or_the_one_that_was_named() -> None:
    def text(kind: str, words: str, ref: str) -> dict[str, Any]:
        return {"type": "text", "text": words, "field": {"id": ref, "type": kind, "ref": ref}}

    answers = [answer(7, "nps"), text("short_text", "Kim", "a"), text("long_text", "Why", "b"), text("long_text", "How", "c")]
    assert response(typeform(answers=answers))["comment"] == "Why"
    assert response(typeform(answers=answers), settings=SourceSettings(comment_fields=("c",)))["comment"] == "How"
    assert "comment" not in response(typeform(answers=answers), settings=SourceSettings(comment_fields=("z",)))


# ---------------------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("name", "same"),
    [("Account ID", "account_id"), (" plan ", "plan"), ("Größe", "gr__e"), ("utm-source", "utm_source"), ("A.B/C", "a_b_c")],
)
def test_names_of_properties_are_compared_in_one_form(name: str, same: str) -> None:
    assert comparable(name) == same


def test_of_two_properties_with_one_name_the_first_that_is_not_empty_counts() -> None:
    assert properties_of({"Plan": "", "plan": "pro", "PLAN": "free", "list": [1], "none": None}) == {"plan": "pro"}


@pytest.mark.parametrize("names", [("",), ("x" * 41,), tuple(f"d{i}" for i in range(MAX_SEGMENTS + 1))])
def test_names_that_cannot_be_dimensions_are_refused_as_settings(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=re.escape("segment_properties: ")):
        SourceSettings(segment_properties=names)
