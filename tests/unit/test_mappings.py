"""Mappings: answers, what is passed over or taken back, several responses in a payload, and surveys."""

from typing import Any

import pytest

from schemas.dead_letters import Reason
from schemas.vendors.adapter import SourceSettings, SurveySettings
from schemas.vendors.mapping import MOST_ITEMS, MappingAdapter
from schemas.vendors.mapping_file import read_mapping
from tests.mapping import DEFAULTS, FIELDS, TICKET, desk, one, read, refused

# ---------------------------------------------------------------------------------------------------------------- answers

ANSWERS = """
name = "forms"
survey = "form"
answers = "answers[].{id: question.id, ref: question.ref, type: question.kind, value: number || text}"
[fields]
response_id = "id"
account_id = "company"
score = { answer = ["nps", "scale"] }
comment = { answer = ["essay"] }
responded_at = "at"
"""
FORM = {
    **{name: TICKET[name] for name in ("id", "company", "at")},
    "form": "f-1",
    "answers": [
        {"question": {"id": 1, "kind": "scale"}, "number": 3},
        {"question": {"id": 2, "kind": "nps", "ref": "recommend"}, "number": 0},
        {"question": {"id": 3, "kind": "essay"}, "text": "Fine."},
        {"question": {"id": 4, "kind": "essay"}, "text": "And more."},
    ],
}


def test_answers_are_told_by_the_type_of_their_question_the_surer_one_first() -> None:
    found = one(MappingAdapter(read_mapping(ANSWERS)), FORM)
    assert (found["score"], found["comment"], found["survey_id"]) == (0, "Fine.", "f-1")


@pytest.mark.parametrize(
    ("settings", "score"),
    [
        (SourceSettings(score_fields=("1",)), 3),
        (SourceSettings(score_fields=("recommend",)), 0),
        (SourceSettings(surveys={"f-1": SurveySettings(("1",))}), 3),
        (SourceSettings(surveys={"f-2": SurveySettings(("1",))}), 0),
    ],
)
def test_settings_name_a_question_by_id_or_ref(settings: SourceSettings, score: int) -> None:
    assert one(MappingAdapter(read_mapping(ANSWERS)), FORM, settings)["score"] == score


def test_the_answer_to_another_question_is_no_score_where_one_is_named() -> None:
    reason, message = refused(MappingAdapter(read_mapping(ANSWERS)), FORM, SourceSettings(score_fields=("9",)))
    assert (reason, message) == (Reason.NO_SCORE, "score: none (answer to 9)")


@pytest.mark.parametrize("answers", [None, [], {}, "x", 7, [None, 7, "x", {}, {"question": 7}, {"question": {"id": []}}]])
def test_without_answers_there_is_no_score(answers: Any) -> None:
    assert refused(MappingAdapter(read_mapping(ANSWERS)), FORM | {"answers": answers})[0] is Reason.NO_SCORE


@pytest.mark.parametrize(
    ("prefix", "answers"),
    [("", {"1": 8, "b": "x"}), ("q_", {"q_1": 8, "other": 3}), ("q", {"q_1": 8, "q": 2}), ("q", {"q1": 8})],
)
def test_answers_may_be_an_object_by_ids(prefix: str, answers: Any) -> None:
    text = f'name = "o"\nanswers = "answers"\nanswers_prefix = "{prefix}"\n' + FIELDS.replace('score = "score"', "score = {}")
    adapter = MappingAdapter(read_mapping(text))
    assert one(adapter, TICKET | {"answers": answers}, SourceSettings(score_fields=("1",)))["score"] == 8


# ------------------------------------------------------------------------------------------------------ what is passed over

IGNORING = """
[[ignore]]
when = "state == 'dismissed'"
message = "state: dismissed"
[[ignore]]
when = "kind != 'nps'"
reason = "not nps"
"""


@pytest.mark.parametrize(
    ("given", "reason", "message"),
    [
        ({"state": "dismissed"}, Reason.NOT_A_RESPONSE, "state: dismissed"),
        ({"kind": "csat"}, Reason.NOT_NPS, "ignored: kind != 'nps'"),
        ({"score": None}, Reason.NO_SCORE, "score: none (path score)"),
        ({"score": 11}, Reason.BAD_SCORE, "score: 11 is no whole number from 0 to 10"),
    ],
)
def test_what_is_passed_over_says_why(given: dict[str, Any], reason: Reason, message: str) -> None:
    assert refused(desk(FIELDS + IGNORING), TICKET | {"kind": "nps"} | given) == (reason, message)


def test_what_is_taken_back() -> None:
    adapter = desk(FIELDS + 'updated_at = "changed"\nrespondent_id = "who"', 'retraction = "deleted == `true`"\n')
    given = TICKET | {"deleted": True, "changed": "2026-03-02T00:00:00Z", "who": "A@B.example"}
    assert read(adapter, given) == [
        {
            "kind": "retraction",
            "response_id": "t-1",
            "account_id": "globex",
            "updated_at": "2026-03-02T00:00:00.000Z",
            "source": "desk",
        }
    ]
    assert adapter.adapt(given, DEFAULTS)[0]["respondent_id"] == "a@b.example"  # an account may be known by it
    assert one(adapter, given | {"deleted": False})["score"] == 9


# ---------------------------------------------------------------------------------------------------- several in a payload

EACH = """
name = "batch"
each = "items"
ignore = [{ when = "item.draft", message = "draft" }]
[fields]
response_id = "item.id"
account_id = "payload.company"
score = "item.score"
responded_at = "item.at"
"""


def batch(*items: Any) -> dict[str, Any]:
    return {"company": "globex", "items": list(items)}


def test_each_item_is_a_response_but_those_that_are_ignored() -> None:
    adapter = MappingAdapter(read_mapping(EACH))
    found = read(adapter, batch(TICKET, TICKET | {"id": "t-2", "draft": True}, TICKET | {"id": "t-3"}))
    assert [(response["response_id"], response["account_id"]) for response in found] == [("t-1", "globex"), ("t-3", "globex")]


@pytest.mark.parametrize("given", [batch(), {}, {"items": None}, {"items": {"id": 1}}, batch(TICKET | {"draft": True})])
def test_a_payload_without_items_holds_no_response(given: Any) -> None:
    assert refused(MappingAdapter(read_mapping(EACH)), given)[0] is Reason.NOT_A_RESPONSE


def test_one_faulty_item_is_the_reason_for_all() -> None:
    assert refused(MappingAdapter(read_mapping(EACH)), batch(TICKET, {}))[0] is Reason.NO_SCORE


def test_items_are_bounded() -> None:
    adapter = MappingAdapter(read_mapping(EACH))
    assert len(read(adapter, batch(*[TICKET] * MOST_ITEMS))) == MOST_ITEMS
    assert refused(adapter, batch(*[TICKET] * (MOST_ITEMS + 1)))[0] is Reason.TOO_LARGE


# ---------------------------------------------------------------------------------------------------------------- surveys


@pytest.mark.parametrize("survey", ["short", 7])
def test_a_survey_may_have_fields_and_segments_of_its_own(survey: Any) -> None:
    adapter = desk(
        FIELDS
        + f'comment = "why"\n[segments]\nkind = {{ constant = "long" }}\n[surveys.{survey}.fields]\nscore = "stars"\n'
        + f'[surveys.{survey}.segments]\nkind = {{ constant = "short" }}\n',
        'survey = "form"\n',
    )
    given = TICKET | {"form": survey, "stars": 4, "why": "Slow."}
    own, others = one(adapter, given), one(adapter, given | {"form": "other"})
    assert (own["score"], own["segments"], own["survey_id"]) == (4, {"kind": "short"}, str(survey))
    assert (others["score"], others["segments"], others["survey_id"]) == (9, {"kind": "long"}, "other")
    assert own["comment"] == others["comment"] == "Slow."


# ------------------------------------------------------------------------------------------------------------ explanations


def test_of_each_field_it_is_told_how_it_was_come_by() -> None:
    adapter = desk(FIELDS + 'comment = ["why", "else"]\nchannel = { constant = "desk" }', 'properties = "custom"\n')
    (found,) = adapter.explain(TICKET | {"why": 7, "custom": {"account_id": ""}}, DEFAULTS)
    assert {name: (one.value, one.tried) for name, one in found.items()} == {
        "account_id": ("globex", ("path company",)),
        "respondent_id": (None, ()),
        "response_id": ("t-1", ("path id",)),
        "score": (9, ("path score",)),
        "responded_at": ("2026-03-01T09:30:00Z", ("path at",)),
        "comment": (None, ("path why (no text)", "path else")),
        "channel": ("desk", ("constant",)),
        "segments": ({}, ()),
    }


@pytest.mark.parametrize("path", ["sum(score)", "ids[::0]", "nothing(score)", "to_string(@) && join(id, score)"])
def test_a_path_that_cannot_be_asked_of_a_payload_is_a_wrong_type(path: str) -> None:
    adapter = desk(FIELDS.replace('score = "score"', f'score = "{path}"'))
    reason, message = refused(adapter, TICKET | {"ids": [1]})
    assert reason is Reason.WRONG_TYPE
    assert message.startswith("fields.score: ")
    assert "\n" not in message


def test_a_payload_that_is_no_object_is_a_wrong_type() -> None:
    for given in (None, 7, "x", [TICKET]):
        assert refused(desk(FIELDS), given)[0] is Reason.WRONG_TYPE
