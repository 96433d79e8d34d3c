"""PostHog: three spellings of an answer's key, submissions that grow, and events that are no answers."""

from typing import Any

import pytest

from schemas.dead_letters import Reason
from schemas.vendors.adapter import SourceSettings
from tests.adapting import refused, response
from tests.payloads import payload

NAMELESS = ("$survey_response", "$survey_questions", "$survey_response_")


def posthog(answers: dict[str, Any], **properties: Any) -> dict[str, Any]:
    """The event alone, with these answers and no others."""
    made: dict[str, Any] = payload("posthog")
    kept = {name: value for name, value in made["properties"].items() if not name.startswith(NAMELESS)}
    made["properties"] = {name: value for name, value in (kept | properties | answers).items() if value is not ...}
    return made


@pytest.mark.parametrize(
    ("answers", "fields"),
    [
        pytest.param({"$survey_response": 9, "$survey_response_1": "Fine."}, ((), ()), id="first and second"),
        pytest.param({"$survey_response": "9", "$survey_response_1": "Fine."}, (("0",), ("1",)), id="numbers named"),
        pytest.param({"$survey_response_q-a": "9", "$survey_response_q-b": "Fine."}, (("q-a",), ("q-b",)), id="ids named"),
        pytest.param(
            {"$survey_response": 2, "$survey_response_q-b": 9, "$survey_response_1": "Fine."},
            (("q-b",), ("1",)),
            id="an id where there are both",
        ),
        pytest.param(
            {"$survey_questions": [{"id": "a", "response": 9}, {"id": "b", "response": "Fine."}]},
            ((), ()),
            id="the list of questions",
        ),
    ],
)
def test_an_answers_key_is_spelt_in_three_ways(answers: dict[str, Any], fields: tuple[Any, Any]) -> None:
    settings = SourceSettings(score_fields=fields[0], comment_fields=fields[1])
    found = response(posthog(answers), settings=settings)
    assert (found["score"], found["comment"]) == (9, "Fine.")


def test_answers_by_id_alone_need_a_name() -> None:
    reason, message = refused(posthog({"$survey_response_q-a": 9}))
    assert reason is Reason.NO_SCORE
    assert "score_fields" in message


@pytest.mark.parametrize("second", [7, ["a", "b"], {"x": 1}, None, ""])
def test_a_second_question_without_a_text_is_no_comment(second: Any) -> None:
    found = response(posthog({"$survey_response": 9, "$survey_response_1": second}))
    assert found["score"] == 9
    assert "comment" not in found


def test_a_submission_that_grows_is_one_response_in_versions() -> None:
    partial, whole = response(payload("posthog_partial")), response(payload("posthog_destination"))
    assert partial["response_id"] == whole["response_id"] == "0196-sub-1"
    assert partial["updated_at"] < whole["updated_at"]
    assert ("comment" in partial, "comment" in whole) == (False, True)


def test_a_submission_whose_score_is_not_given_yet_is_passed_over() -> None:
    given = posthog({"$survey_response_1": "First the reason."}, **{"$survey_completed": False})
    assert refused(given)[0] is Reason.NO_SCORE


def test_without_a_submission_the_event_is_the_response() -> None:
    given = posthog({"$survey_response": 9}, **{"$survey_submission_id": ...})
    assert response(given)["response_id"] == given["uuid"]


def test_the_event_may_come_alone_or_with_its_person() -> None:
    alone, with_person = response(payload("posthog")), response(payload("posthog_destination"))
    assert alone["respondent_id"] == "u-77"
    assert with_person["respondent_id"] == "ines@globex.example"
    assert alone["account_id"] == with_person["account_id"] == "globex"
    assert with_person["segments"] == {"plan": "team"}


@pytest.mark.parametrize("event", ["survey shown", "survey dismissed", "$pageview"])
@pytest.mark.parametrize("name", ["posthog", "posthog_destination"])
def test_surveys_that_are_shown_or_dismissed_are_no_responses(name: str, event: str) -> None:
    given = payload(name)
    (given["event"] if isinstance(given["event"], dict) else given)["event"] = event
    assert refused(given)[0] is Reason.NOT_A_RESPONSE


def test_the_suggested_body_of_a_notification_says_what_to_send_instead() -> None:
    reason, message = refused(payload("posthog_notification"))
    assert reason is Reason.MISSING_FIELD
    assert "let the webhook send event and person" in message
