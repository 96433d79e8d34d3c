"""SurveyMonkey: the webhooks for responses, which carry ids alone, and what its API says once these are looked up.

Source: SurveyMonkey's API documentation, "Webhooks", "Survey responses" and "Surveys". What to know about it:
- A webhook names the response and the survey, nothing else. What the API says of both makes another payload
  (`schemas.vendors.requests`): {"event": the webhook, "response": its details, "survey": its details}.
- An answer names a choice by its id. Which score that is, only the survey's details say: in the choice's text, or by its
  position. `choice_metadata.weight` is never the score: in an NPS question it is the category, -100, 0 or 100.
- So eleven choices with these three weights are an NPS question; `score_fields` can name another one by its id.
- Answers of previews are none. A deleted response is taken back, if something else than the response names its account.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from schemas.dead_letters import Reason, Unusable
from schemas.vendors.adapter import (
    Draft,
    Incomplete,
    SourceSettings,
    first_of,
    id_text,
    object_in,
    path_id,
    properties_of,
    respondent,
    segments_of,
)
from schemas.vendors.pairs import as_object
from schemas.vendors.scales import SCORES, scores_of

NAME = "surveymonkey"
VENDOR_TIMES = True

ANSWERED = ("response_completed", "response_updated")
"""Events of responses that can be fetched."""
DELETED = "response_deleted"
PREVIEWS = ("preview", "survey_preview")
"""Values of collection_mode: somebody tries the survey out."""
UNCOUNTED = ("disqualified", "overquota")
"""Values of response_status: the survey has sent them away."""
CATEGORY_WEIGHTS = frozenset((-100, 0, 100))
"""Weights of a detractor's, a passive's and a promoter's choices."""
COMMENT = ("open_ended", "essay")
"""Family and subtype of a question for a comment."""

Answers = Mapping[str, Sequence[Mapping[str, Any]]]
"""What was answered, by the question's id."""


def recognises(payload: Any) -> bool:
    if not isinstance(payload, dict):
        return False
    if _is_bare(payload) or _is_event(payload):
        return True
    return "response" in payload and isinstance(payload.get("event"), dict) and _is_event(payload["event"])


def adapt(payload: Any, settings: SourceSettings) -> list[Draft]:
    if not isinstance(payload, dict):
        raise Unusable(Reason.WRONG_TYPE, "a SurveyMonkey payload is an object")
    if _is_bare(payload):
        raise Unusable(
            Reason.NO_SCORE, "pages: only the survey's details tell which score a choice is: send both, with the event"
        )
    if isinstance(payload.get("event"), dict):
        return [_response(object_in(payload, "response"), object_in(payload, "survey"), settings)]
    kind = payload.get("event_type")
    if kind == DELETED:
        return [_retraction(payload)]
    if kind not in ANSWERED:
        raise Unusable(Reason.NOT_A_RESPONSE, f"event_type: only {' and '.join(ANSWERED)} carry a response")
    raise Incomplete({"survey_id": path_id(_survey_id(payload), "survey_id"), "response_id": _response_id(payload)})


def _is_event(payload: Mapping[str, Any]) -> bool:
    return "event_type" in payload and "object_id" in payload and "resources" in payload


def _is_bare(payload: Mapping[str, Any]) -> bool:
    """Whether this is a response as the API gives it, by itself."""
    return "response_status" in payload and "survey_id" in payload


def _survey_id(event: Mapping[str, Any]) -> Any:
    resources = event.get("resources")
    named = resources.get("survey_id") if isinstance(resources, dict) else None
    return event.get("filter_id") if named is None and event.get("filter_type") == "survey" else named


def _response_id(event: Mapping[str, Any]) -> str:
    return path_id(event.get("object_id"), "object_id")


def _retraction(event: Mapping[str, Any]) -> Draft:
    return {"kind": "retraction", "response_id": _response_id(event), "updated_at": event.get("event_datetime")}


def _response(response: Mapping[str, Any], survey: Mapping[str, Any], settings: SourceSettings) -> Draft:
    if response.get("collection_mode") in PREVIEWS:
        raise Unusable(Reason.NOT_A_RESPONSE, "response.collection_mode: a preview")
    if response.get("response_status") in UNCOUNTED:
        raise Unusable(Reason.NOT_A_RESPONSE, f"response.response_status: {response['response_status']}")
    survey_id = response.get("survey_id") or survey.get("id")
    settings = settings.of_survey(survey_id)
    questions = dict(_questions(survey))
    answers = {
        name: [one for one in question["answers"] if isinstance(one, dict)]
        for name, question in _questions(response)
        if isinstance(question.get("answers"), list)
    }
    properties = _properties(response)
    known = first_of(properties, settings.respondent_properties) or response.get("email_address")
    return {
        "response_id": response.get("id"),
        "account_id": first_of(properties, settings.account_properties),
        "respondent_id": respondent(known),
        "score": _score(questions, answers, settings),
        "responded_at": response.get("date_created"),
        "updated_at": response.get("date_modified"),
        "comment": _comment(questions, answers, settings),
        "segments": segments_of(properties, settings),
        "survey_id": survey_id,
    }


def _questions(of: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """All questions of the pages of a survey or of a response, by id."""
    pages = of.get("pages")
    for page in pages if isinstance(pages, list) else ():
        questions = page.get("questions") if isinstance(page, dict) else None
        for question in questions if isinstance(questions, list) else ():
            if isinstance(question, dict) and (name := id_text(question.get("id"))) is not None:
                yield name, question


def _properties(response: Mapping[str, Any]) -> dict[str, Any]:
    """Custom variables, before what is known of the contact, before the collector's custom value."""
    metadata = response.get("metadata")
    contact = properties_of(as_object(metadata.get("contact"))) if isinstance(metadata, dict) else {}
    value = properties_of({"custom_value": response.get("custom_value")})
    return value | contact | properties_of(response.get("custom_variables"))


def _score(questions: Mapping[str, Mapping[str, Any]], answers: Answers, settings: SourceSettings) -> Any:
    named = settings.score_fields
    for question_id in named or [name for name, question in questions.items() if _asks_nps(question)]:
        scores = scores_of(_choices(questions.get(question_id, {})))
        for answer in answers.get(question_id, ()):
            score: Any = scores.get(id_text(answer.get("choice_id")) or "")
            if score is None:
                score = answer.get("text")  # of a slider
            if score is not None and score != "":
                return score
    wanted = f"to {' or '.join(named)}" if named else "to a question with the weights -100, 0 and 100 of an NPS"
    raise Unusable(Reason.NO_SCORE, f"response.pages: no answer {wanted}")


def _choices(question: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Those that a respondent sees, without that for no answer."""
    answers = question.get("answers")
    choices = answers.get("choices") if isinstance(answers, dict) else None
    if not isinstance(choices, list):
        return []
    return [
        one for one in choices if isinstance(one, dict) and one.get("visible") is not False and one.get("is_na") is not True
    ]


def _asks_nps(question: Mapping[str, Any]) -> bool:
    choices = _choices(question)
    weights = [choice.get("weight") for choice in choices]
    return (
        len(choices) == len(SCORES)
        and all(isinstance(one, str | int | float) for one in weights)
        and ({_number(one) for one in weights} == CATEGORY_WEIGHTS)
    )


def _number(weight: Any) -> float | None:
    try:
        return float(weight)
    except ValueError:
        return None


def _comment(questions: Mapping[str, Mapping[str, Any]], answers: Answers, settings: SourceSettings) -> Any:
    """The text given to a question that `comment_fields` names; else to the first one for a longer text."""
    essays = [name for name, one in questions.items() if (one.get("family"), one.get("subtype")) == COMMENT]
    for question_id in settings.comment_fields or essays:
        for answer in answers.get(question_id, ()):
            if isinstance(answer.get("text"), str) and answer["text"]:
                return answer["text"]
    return None
