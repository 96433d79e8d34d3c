"""SurveyMonkey: webhooks with ids alone, and scores that only the survey's details tell."""

from typing import Any

import pytest

from schemas.dead_letters import Reason
from schemas.vendors import ADAPTERS
from schemas.vendors.adapter import Incomplete, SourceSettings, SurveySettings
from tests.adapting import DEFAULTS, read, refused, response
from tests.payloads import payload

WEIGHTS = [*[-100] * 7, 0, 0, 100, 100]


def fetched(**changes: Any) -> dict[str, Any]:
    """What the fetching brings, with other values in its response."""
    made: dict[str, Any] = payload("surveymonkey_fetched")
    made["response"] = {name: value for name, value in (made["response"] | changes).items() if value is not ...}
    return made


def asking(given: dict[str, Any], texts: list[str], weights: list[Any] | None = None, **question: Any) -> dict[str, Any]:
    """With these choices of the NPS question, the first at position 1."""
    found = given["survey"]["pages"][0]["questions"][1]
    found["answers"]["choices"] = [
        {"id": str(8200 + number), "position": number + 1, "text": text} | ({"weight": weights[number]} if weights else {})
        for number, text in enumerate(texts)
    ]
    found |= question
    return given


def choosing(given: dict[str, Any], choice: Any, weight: str = "100") -> dict[str, Any]:
    """With this answer to the NPS question."""
    answer = {"choice_id": choice, "row_id": "8299", "choice_metadata": {"weight": weight}}
    given["response"]["pages"][0]["questions"][1]["answers"] = [answer]
    return given


def webhook(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in (payload("surveymonkey") | changes).items() if value is not ...}


# ---------------------------------------------------------------------------------------------------------------- webhooks


@pytest.mark.parametrize("event", ["response_completed", "response_updated"])
def test_a_webhook_has_ids_alone(event: str) -> None:
    with pytest.raises(Incomplete, match="survey_id 300700") as raised:
        ADAPTERS["surveymonkey"].adapt(webhook(event_type=event), DEFAULTS)
    assert raised.value.ids == {"survey_id": "300700", "response_id": "118000001"}


def test_a_webhook_of_a_survey_may_name_it_as_its_filter_alone() -> None:
    with pytest.raises(Incomplete) as raised:
        ADAPTERS["surveymonkey"].adapt(webhook(resources={}), DEFAULTS)
    assert raised.value.ids["survey_id"] == "300700"


@pytest.mark.parametrize(
    "event", ["response_created", "response_disqualified", "response_overquota", "collector_created", "", None, ...]
)
def test_other_events_are_no_responses(event: Any) -> None:
    assert refused(webhook(event_type=event), source="surveymonkey")[0] is Reason.NOT_A_RESPONSE


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"object_id": ...}, Reason.MISSING_FIELD),
        ({"object_id": ""}, Reason.MISSING_FIELD),
        ({"object_id": "1/../../users/me"}, Reason.BAD_ID),
        ({"object_id": "1?x=y"}, Reason.BAD_ID),
        ({"object_id": "1\n"}, Reason.BAD_ID),
        ({"object_id": "7" * 65}, Reason.BAD_ID),
        ({"object_id": ["1"]}, Reason.BAD_ID),
        ({"object_id": True}, Reason.BAD_ID),
        ({"resources": {"survey_id": "%2e%2e"}}, Reason.BAD_ID),
        ({"resources": None, "filter_type": "collector"}, Reason.MISSING_FIELD),
    ],
)
def test_an_id_that_would_lead_elsewhere_is_not_fetched(changes: dict[str, Any], reason: Reason) -> None:
    assert refused(webhook(**changes), source="surveymonkey")[0] is reason


def test_a_deleted_response_is_taken_back() -> None:
    (found,) = read(payload("surveymonkey_deleted"), account="globex")
    assert found["kind"] == "retraction"
    assert (found["response_id"], found["updated_at"]) == ("118000001", "2026-02-20T08:00:00.000Z")
    assert refused(payload("surveymonkey_deleted"))[0] is Reason.NO_ACCOUNT


# ------------------------------------------------------------------------------------------------------------------- scores


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param([str(score) for score in range(11)], id="numbers"),
        pytest.param(["0 - not at all", *map(str, range(1, 10)), "10 - extremely likely"], id="numbers and words"),
        pytest.param(["Not at all likely", *map(str, range(1, 10)), "Extremely likely"], id="words at both ends"),
        pytest.param([""] * 11, id="no texts"),
        pytest.param(["Level " + "ABCDEFGHIJK"[score] for score in range(11)], id="no numbers"),
    ],
)
@pytest.mark.parametrize("score", range(11))
def test_a_score_is_what_the_chosen_text_or_its_position_says_never_the_weight(texts: list[str], score: int) -> None:
    given = choosing(asking(fetched(), texts, WEIGHTS), str(8200 + score), str(WEIGHTS[score]))
    assert response(given)["score"] == score


def test_the_numbers_count_where_the_scale_is_turned_round() -> None:
    texts = [str(score) for score in range(10, -1, -1)]
    given = choosing(asking(fetched(), texts, WEIGHTS[::-1]), "8201")
    assert response(given)["score"] == 9


@pytest.mark.parametrize("choice", ["8210", 8210])
def test_an_id_may_be_a_number_here_and_text_there(choice: Any) -> None:
    assert response(choosing(fetched(), choice))["score"] == 10


def test_only_eleven_choices_with_the_weights_of_the_categories_are_an_nps() -> None:
    texts = [str(score) for score in range(11)]
    assert refused(asking(fetched(), texts))[0] is Reason.NO_SCORE
    assert refused(asking(fetched(), texts, list(range(11))))[0] is Reason.NO_SCORE
    assert refused(asking(fetched(), texts[:5], [-100, -100, 0, 100, 100]))[0] is Reason.NO_SCORE
    assert response(asking(fetched(), texts, [str(weight) for weight in WEIGHTS]))["score"] == 9


def test_another_question_may_be_named_for_the_source_or_the_survey() -> None:
    given = asking(fetched(), [str(score) for score in range(11)], list(range(11)))
    assert response(given, settings=SourceSettings(score_fields=("7002",)))["score"] == 9
    assert response(given, settings=SourceSettings(surveys={"300700": SurveySettings(("7002",))}))["score"] == 9
    assert refused(given, settings=SourceSettings(surveys={"1": SurveySettings(("7002",))}))[0] is Reason.NO_SCORE


def test_a_named_question_decides_even_where_there_is_an_nps() -> None:
    assert response(fetched(), settings=SourceSettings(score_fields=("7001",)))["score"] == 3  # of the text "Product 3"
    assert refused(fetched(), settings=SourceSettings(score_fields=("7009",)))[0] is Reason.NO_SCORE


def test_a_slider_has_its_number_as_text() -> None:
    given = fetched()
    given["response"]["pages"][0]["questions"][2]["answers"] = [{"text": "8"}]
    assert response(given, settings=SourceSettings(score_fields=("7003",)))["score"] == 8


def test_a_choice_for_no_answer_is_not_counted_among_the_eleven() -> None:
    given = asking(fetched(), ["", *[""] * 10, "N/A"], [*WEIGHTS, None])
    given["survey"]["pages"][0]["questions"][1]["answers"]["choices"][11]["is_na"] = True
    assert response(choosing(given, "8203"))["score"] == 3
    assert refused(choosing(given, "8211"))[0] is Reason.NO_SCORE


def test_a_response_without_the_surveys_details_has_no_score_that_could_be_known() -> None:
    reason, message = refused(payload("surveymonkey_response"), account="acme")
    assert reason is Reason.NO_SCORE
    assert "the survey's details" in message


# -------------------------------------------------------------------------------------------------------------- other fields


@pytest.mark.parametrize(
    ("changes", "respondent_id"),
    [
        ({"custom_variables": {"account_id": "globex", "user_id": "u-1"}}, "u-1"),
        ({"email_address": "B@globex.example", "metadata": {}}, "b@globex.example"),
        ({"metadata": {"contact": {"email": "C@globex.example"}}}, "c@globex.example"),
        ({"metadata": {"contact": {}}}, None),
        ({"metadata": None}, None),
    ],
)
def test_who_answered(changes: dict[str, Any], respondent_id: str | None) -> None:
    assert response(fetched(**changes)).get("respondent_id") == respondent_id


@pytest.mark.parametrize(
    "changes",
    [
        {"custom_variables": {"Account ID": "initech"}},
        {"custom_variables": {}, "metadata": {"contact": {"account_id": {"type": "string", "value": "initech"}}}},
    ],
)
def test_the_account_is_a_custom_variable_or_known_of_the_contact(changes: dict[str, Any]) -> None:
    assert response(fetched(**changes))["account_id"] == "initech"


def test_the_account_may_be_the_custom_value_of_the_collector() -> None:
    given = fetched(custom_variables={}, custom_value="initech")
    assert response(given, settings=SourceSettings(account_properties=("custom_value",)))["account_id"] == "initech"


def test_a_comment_is_the_first_essay_or_the_one_that_was_named() -> None:
    given = fetched()
    given["survey"]["pages"][0]["questions"].append({"id": "7004", "family": "open_ended", "subtype": "single"})
    given["response"]["pages"][0]["questions"].append({"id": "7004", "answers": [{"text": "Kim"}]})
    assert response(given)["comment"] == "It just works."
    assert response(given, settings=SourceSettings(comment_fields=("7004",)))["comment"] == "Kim"
    assert "comment" not in response(given, settings=SourceSettings(comment_fields=("7009",)))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (fetched(collection_mode="preview"), Reason.NOT_A_RESPONSE),
        (fetched(collection_mode="survey_preview"), Reason.NOT_A_RESPONSE),
        (fetched(response_status="disqualified"), Reason.NOT_A_RESPONSE),
        (fetched(response_status="overquota"), Reason.NOT_A_RESPONSE),
        (fetched(pages=[]), Reason.NO_SCORE),
        (fetched(pages=None), Reason.NO_SCORE),
        (fetched(id=...), Reason.MISSING_FIELD),
        (fetched(date_created=...), Reason.MISSING_FIELD),
        (fetched(custom_variables={}), Reason.NO_ACCOUNT),
        ({"event": payload("surveymonkey"), "response": {}}, Reason.MISSING_FIELD),
        ({"event": payload("surveymonkey"), "response": None, "survey": {}}, Reason.MISSING_FIELD),
        ({"event": payload("surveymonkey"), "response": [], "survey": {}}, Reason.WRONG_TYPE),
    ],
)
def test_what_a_fetched_response_is_refused_for(given: Any, reason: Reason) -> None:
    assert refused(given)[0] is reason


def test_an_edited_response_is_a_higher_version() -> None:
    edited = response(fetched(date_modified="2026-02-16T08:00:00+00:00"))
    assert edited["updated_at"] > response(fetched())["updated_at"]
    assert edited["responded_at"] == response(fetched())["responded_at"]
