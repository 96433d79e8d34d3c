"""Mappings: what each key of a mapping file does."""

from typing import Any

import pytest

from schemas.dead_letters import Reason, Unusable
from schemas.validation import canonical
from schemas.vendors.adapter import SourceSettings, SurveySettings
from schemas.vendors.mapping import MOST_ITEMS, MappingAdapter
from schemas.vendors.mapping_file import read_mapping

DEFAULTS = SourceSettings()
HEAD = 'name = "desk"\n'
FIELDS = """
[fields]
response_id = "id"
account_id = "company"
score = "score"
responded_at = "at"
"""
TICKET: dict[str, Any] = {"id": "t-1", "company": "globex", "score": 9, "at": "2026-03-01T09:30:00Z"}


def desk(text: str, head: str = "") -> MappingAdapter:
    return MappingAdapter(read_mapping(HEAD + head + text))


def read(adapter: MappingAdapter, given: Any, settings: SourceSettings = DEFAULTS) -> list[dict[str, Any]]:
    return [canonical(draft, adapter.NAME, None, None) for draft in adapter.adapt(given, settings)]


def one(adapter: MappingAdapter, given: Any, settings: SourceSettings = DEFAULTS) -> dict[str, Any]:
    (found,) = read(adapter, given, settings)
    return found


def refused(adapter: MappingAdapter, given: Any, settings: SourceSettings = DEFAULTS) -> tuple[Reason, str]:
    with pytest.raises(Unusable) as raised:
        read(adapter, given, settings)
    return raised.value.reason, str(raised.value)


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
