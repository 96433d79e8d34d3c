"""Qualtrics: events with ids alone in a form, and responses by the names of their questions."""

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from schemas.dead_letters import Reason
from schemas.vendors import ADAPTERS
from schemas.vendors.adapter import Incomplete, SourceSettings, SurveySettings
from tests.adapting import DEFAULTS, refused, response
from tests.payloads import form, payload

SURVEY = payload("qualtrics")["MSG"]["SurveyID"]


def fetched(**values: Any) -> dict[str, Any]:
    """What the fetching brings, with other values."""
    made: dict[str, Any] = payload("qualtrics_fetched")
    made["response"]["values"] = {
        name: value for name, value in (made["response"]["values"] | values).items() if value is not ...
    }
    return made


def event(**message: Any) -> dict[str, Any]:
    made: dict[str, Any] = payload("qualtrics")
    made["MSG"] = {name: value for name, value in (made["MSG"] | message).items() if value is not ...}
    return made


# ------------------------------------------------------------------------------------------------------------------- events


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(payload("qualtrics"), id="JSON"),
        pytest.param(form("qualtrics"), id="form, with a shared key"),
        pytest.param(form("qualtrics_unsigned"), id="form, without one"),
        pytest.param(payload("qualtrics") | {"MSG": json.dumps(payload("qualtrics")["MSG"])}, id="JSON in JSON"),
    ],
)
def test_an_event_has_ids_alone(given: Any) -> None:
    with pytest.raises(Incomplete) as raised:
        ADAPTERS["qualtrics"].adapt(given, DEFAULTS)
    assert raised.value.ids == {"survey_id": SURVEY, "response_id": "R_1zY2xW3vU4tS5rQ"}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (payload("qualtrics") | {"Topic": "globexbrand.controlpanel.activateSurvey"}, Reason.NOT_A_RESPONSE),
        (event(Status="Partial"), Reason.NOT_A_RESPONSE),
        (event(ResponseID=...), Reason.MISSING_FIELD),
        (event(ResponseID="R_1/../../users"), Reason.BAD_ID),
        (event(SurveyID=7.5), Reason.BAD_ID),
        (payload("qualtrics") | {"MSG": []}, Reason.WRONG_TYPE),
        (payload("qualtrics") | {"MSG": None}, Reason.WRONG_TYPE),
        (payload("qualtrics") | {"MSG": "[1]"}, Reason.WRONG_TYPE),
        (payload("qualtrics") | {"MSG": "{"}, Reason.NOT_JSON),
        ({}, Reason.MISSING_FIELD),
    ],
)
def test_what_an_event_is_refused_for(given: Any, reason: Reason) -> None:
    assert refused(given, source="qualtrics")[0] is reason


# ---------------------------------------------------------------------------------------------------------------- responses


def test_the_nps_question_is_the_one_whose_group_stands_beside_it() -> None:
    assert response(fetched())["score"] == 8  # QID2; QID1 is 4
    assert response(fetched(QID1_NPS_GROUP=1))["score"] == 4  # the first of two
    assert response(fetched(**{"QID10": 1, "QID10_NPS_GROUP": 1}))["score"] == 8  # QID2 is before QID10
    assert refused(fetched(QID2_NPS_GROUP=...))[0] is Reason.NO_SCORE
    assert refused(fetched(QID2=...))[0] is Reason.NO_SCORE


def test_nought_is_a_score() -> None:
    assert response(fetched(QID2=0))["score"] == 0


def test_another_question_may_be_named_for_the_source_or_the_survey() -> None:
    assert response(fetched(), settings=SourceSettings(score_fields=("QID1",)))["score"] == 4
    assert response(fetched(), settings=SourceSettings(surveys={SURVEY: SurveySettings(("QID1",))}))["score"] == 4
    assert refused(fetched(), settings=SourceSettings(score_fields=("QID9",)))[0] is Reason.NO_SCORE


@pytest.mark.parametrize(
    ("fields", "comment"),
    [((), "Exports time out."), (("QID10",), "Nothing else."), (("QID10_TEXT",), "Nothing else."), (("QID9",), None)],
)
def test_a_comment_is_the_first_text_or_the_one_that_was_named(fields: tuple[str, ...], comment: str | None) -> None:
    assert response(fetched(), settings=SourceSettings(comment_fields=fields)).get("comment") == comment


def test_embedded_data_are_properties() -> None:
    found = response(fetched(Region="emea"))
    assert found["account_id"] == "globex"
    assert found["segments"] == {"plan": "team", "region": "emea"}


@pytest.mark.parametrize(
    ("values", "respondent_id"),
    [
        ({}, "ines@globex.example"),
        ({"user_id": "u-1"}, "u-1"),
        ({"recipientEmail": ""}, "crm-17"),
        ({"recipientEmail": ..., "externalDataReference": ...}, None),
    ],
)
def test_who_answered(values: dict[str, Any], respondent_id: str | None) -> None:
    assert response(fetched(**values)).get("respondent_id") == respondent_id


def test_a_date_of_an_event_has_no_zone() -> None:
    given = fetched(recordedDate=..., endDate=...)
    assert response(given)["responded_at"] == "2026-02-14T11:05:51.000Z"
    assert response(given, zone=ZoneInfo("America/Denver"))["responded_at"] == "2026-02-14T18:05:51.000Z"


def test_a_response_by_itself_does_not_say_of_which_survey_it_is() -> None:
    whole, alone = response(payload("qualtrics_fetched")), response(payload("qualtrics_response"))
    assert alone == {name: value for name, value in whole.items() if name != "survey_id"}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (fetched(distributionChannel="preview"), Reason.NOT_A_RESPONSE),
        (fetched(status=1), Reason.NOT_A_RESPONSE),
        (fetched(status=2), Reason.NOT_A_RESPONSE),
        (fetched(status=17), Reason.NOT_A_RESPONSE),
        (fetched(QID2="often"), Reason.BAD_SCORE),
        (fetched(account_id=...), Reason.NO_ACCOUNT),
        ({"event": payload("qualtrics")["MSG"], "response": {"responseId": "R_1"}}, Reason.MISSING_FIELD),
        ({"event": payload("qualtrics")["MSG"], "response": "x"}, Reason.WRONG_TYPE),
    ],
)
def test_what_a_fetched_response_is_refused_for(given: Any, reason: Reason) -> None:
    assert refused(given)[0] is reason


@pytest.mark.parametrize("status", [0, 4, 8, 16, None, "0"])
def test_imported_and_offline_responses_count(status: Any) -> None:
    assert response(fetched(status=status))["score"] == 8
