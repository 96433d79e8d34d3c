"""Typeform: the webhook form_response.

Source: Typeform's developer documentation, "Webhooks", "Example payload". What to know about it:
- `calculated.score` is the sum of a quiz, never the NPS. The NPS is the number given to a question of type nps or
  opinion_scale. Which one, where a form has several: a question that `score_fields` names by id or ref; else the first of type
  nps; else the first of type opinion_scale. A rating (stars) never is.
- An answer carries its question's id and type, its ref not always: `definition.fields` has both.
- Account, respondent and segments come from hidden fields, which the form must declare and its links fill.
- A response comes once, but may be delivered again; it has no version.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.dead_letters import Reason, Unusable
from schemas.vendors.adapter import Draft, SourceSettings, first_of, object_in, properties_of, respondent, segments_of

NAME = "typeform"
VENDOR_TIMES = True

EVENT = "form_response"
SCALES = ("nps", "opinion_scale")
"""Types of question that can hold an NPS, the surer one first."""

Answered = Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]
"""Answers, each with its question."""


def recognises(payload: Any) -> bool:
    return isinstance(payload, dict) and "form_response" in payload


def adapt(payload: Any, settings: SourceSettings) -> list[Draft]:
    if not isinstance(payload, dict):
        raise Unusable(Reason.WRONG_TYPE, "a Typeform payload is an object")
    if payload.get("event_type", EVENT) != EVENT:
        raise Unusable(Reason.NOT_A_RESPONSE, f"event_type: only {EVENT} carries a response")
    form = object_in(payload, "form_response")
    answers = form.get("answers")
    if answers is None:
        answers = []
    if not isinstance(answers, list):
        raise Unusable(Reason.WRONG_TYPE, "form_response.answers: not a list")
    questions = _questions(form.get("definition"))
    answered = [(answer, _question(answer, questions)) for answer in answers if isinstance(answer, dict)]

    hidden = properties_of(form.get("hidden"))
    return [
        {
            "response_id": form.get("token"),
            "account_id": first_of(hidden, settings.account_properties),
            "respondent_id": _respondent(hidden, answered, settings),
            "score": _score(answered, settings),
            "responded_at": form.get("submitted_at"),
            "comment": _comment(answered, settings),
            "segments": segments_of(hidden, settings),
            "survey_id": form.get("form_id"),
        }
    ]


def _questions(definition: Any) -> dict[str, Mapping[str, Any]]:
    """The form's questions by id."""
    fields = definition.get("fields") if isinstance(definition, dict) else None
    if not isinstance(fields, list):
        return {}
    return {field["id"]: field for field in fields if isinstance(field, dict) and isinstance(field.get("id"), str)}


def _question(answer: Mapping[str, Any], questions: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """What is known of the question that an answer answers: id, type, ref; the answer's own word first."""
    field = answer.get("field")
    if not isinstance(field, dict):
        return {}
    known = questions.get(field["id"], {}) if isinstance(field.get("id"), str) else {}
    return {**known, **field}


def _score(answered: Answered, settings: SourceSettings) -> Any:
    if settings.score_fields:
        for answer, question in answered:
            if (question.get("id") in settings.score_fields or question.get("ref") in settings.score_fields) and (
                "number" in answer
            ):
                return answer["number"]
        raise Unusable(Reason.NO_SCORE, f"form_response.answers: none to {' or '.join(settings.score_fields)}")
    for scale in SCALES:
        for answer, question in answered:
            if question.get("type") == scale and "number" in answer:
                return answer["number"]
    raise Unusable(Reason.NO_SCORE, "form_response.answers: none to a question of type nps or opinion_scale")


def _comment(answered: Answered, settings: SourceSettings) -> Any:
    """The text given to a question that `comment_fields` names; else the first long text."""
    for answer, question in answered:
        named = question.get("id") in settings.comment_fields or question.get("ref") in settings.comment_fields
        if named or (not settings.comment_fields and question.get("type") == "long_text"):
            return answer.get("text")
    return None


def _respondent(hidden: Mapping[str, Any], answered: Answered, settings: SourceSettings) -> Any:
    """A hidden field that names the respondent, else the first e-mail address given; without either it is anonymous."""
    known = first_of(hidden, settings.respondent_properties)
    if known is not None:
        return respondent(known)
    return next((respondent(answer["email"]) for answer, _ in answered if "email" in answer), None)
