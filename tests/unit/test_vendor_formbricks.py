"""Formbricks: the question is named for each survey, and three events tell of one response."""

from typing import Any

import pytest

from schemas.dead_letters import Reason
from schemas.vendors.adapter import SourceSettings, SurveySettings
from tests.adapting import refused, response
from tests.payloads import payload

SURVEY = payload("formbricks")["data"]["surveyId"]
NAMED = SourceSettings(surveys={SURVEY: SurveySettings(("recommend",), ("why",))})


def formbricks(name: str = "formbricks", event: str | None = None, **data: Any) -> dict[str, Any]:
    made: dict[str, Any] = payload(name)
    made["event"] = event or made["event"]
    made["data"] |= data
    return made


def test_the_question_is_named_for_the_survey() -> None:
    found = response(formbricks(), settings=NAMED)
    assert (found["score"], found["comment"], found["survey_id"]) == (3, "Exports time out.", SURVEY)


def test_the_same_element_of_another_survey_is_not_read() -> None:
    assert refused(formbricks(surveyId="another"), settings=NAMED)[0] is Reason.NO_SCORE


def test_a_question_that_all_surveys_share_is_named_for_the_source() -> None:
    everywhere = SourceSettings(score_fields=("recommend",), surveys={"another": SurveySettings(("own",))})
    assert response(formbricks(), settings=everywhere)["score"] == 3
    given = formbricks(surveyId="another", data={"account_id": "globex", "recommend": 3, "own": 8})
    assert response(given, settings=everywhere)["score"] == 8


def test_without_a_name_the_reason_says_what_to_set() -> None:
    reason, message = refused(formbricks())
    assert reason is Reason.NO_SCORE
    assert "score_fields" in message


@pytest.mark.parametrize("event", ["responseCreated", "responseUpdated", "responseFinished"])
def test_created_updated_and_finished_are_one_response_in_versions(event: str) -> None:
    found = response(formbricks(event=event, updatedAt="2026-02-14T11:06:00.000Z"), settings=NAMED)
    whole = response(formbricks(), settings=NAMED)
    assert found == whole | {"updated_at": "2026-02-14T11:06:00.000Z"}


def test_a_response_whose_score_is_not_given_yet_is_passed_over() -> None:
    assert refused(formbricks("formbricks_partial"), settings=NAMED)[0] is Reason.NO_SCORE


def test_a_response_that_is_not_finished_counts_once_its_score_is_given() -> None:
    given = formbricks("formbricks_partial", "responseUpdated", data={"account_id": "globex", "recommend": 0})
    assert response(given, settings=NAMED)["score"] == 0


def test_hidden_fields_stand_among_the_answers() -> None:
    assert response(formbricks(), settings=NAMED)["account_id"] == "globex"


@pytest.mark.parametrize(
    ("contact", "respondent_id"),
    [
        ({"contactAttributes": {"email": "A@B.example", "userId": "u-1"}}, "a@b.example"),
        ({"contactAttributes": {"userId": "u-1"}}, "u-1"),
        ({"contactAttributes": None, "contact": {"id": "c-1"}}, "c-1"),
        ({"contactAttributes": None, "contact": None}, None),
    ],
)
def test_who_answered(contact: dict[str, Any], respondent_id: str | None) -> None:
    assert response(formbricks(**contact), settings=NAMED).get("respondent_id") == respondent_id


@pytest.mark.parametrize("event", ["testEndpoint", "surveyPublished"])
def test_other_events_are_no_responses(event: str) -> None:
    assert refused(formbricks(event=event), settings=NAMED)[0] is Reason.NOT_A_RESPONSE


def test_an_answer_of_several_choices_is_no_comment() -> None:
    named = SourceSettings(score_fields=("recommend",), comment_fields=("channels",))
    assert "comment" not in response(formbricks(), settings=named)
