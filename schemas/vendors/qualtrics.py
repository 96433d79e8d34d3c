"""Qualtrics: the event completedResponse, which carries ids alone, and what its API says once these are looked up.

Source: Qualtrics' API documentation, "Event subscriptions" and "Retrieve a survey response". What to know about it:
- The event is form-encoded; with a shared key its fields stand as JSON in the field MSG, beside HMAC. Its date has no zone.
- What the API says makes another payload (`schemas.vendors.requests`): {"event": the event, "response": the API's result}.
- `values` has answers by question (QID1; a text is at QID2_TEXT), the embedded data, and what is known of the response. An NPS
  question is one beside which `<its name>_NPS_GROUP` stands, which is the category; `score_fields` can name another one.
- Answers of previews and tests are none.
"""

import re
from collections.abc import Mapping
from typing import Any

from schemas.codec import loads
from schemas.dead_letters import Reason, Unusable
from schemas.vendors.adapter import (
    Draft,
    Incomplete,
    SourceSettings,
    first_of,
    object_in,
    path_id,
    properties_of,
    respondent,
    segments_of,
)

NAME = "qualtrics"
VENDOR_TIMES = True

TOPIC = "completedResponse"
"""What is in the topic of an event of a response."""
COMPLETE = "Complete"
GROUP = "_NPS_GROUP"
"""What is added to the name of an NPS question where its category stands."""
TEXT = "_TEXT"
"""What is added to the name of a question where its text stands."""
TRIED_OUT = 0b11
"""Bits of a response's status: 1 a preview, 2 a test."""

_QUESTION_TEXT = re.compile(rf"QID(\d{{1,9}}){TEXT}", re.ASCII)


def recognises(payload: Any) -> bool:
    if not isinstance(payload, dict):
        return False
    if _is_bare(payload) or ("MSG" in payload and "Topic" in payload) or _is_event(payload):
        return True
    return "response" in payload and isinstance(payload.get("event"), dict) and _is_event(payload["event"])


def adapt(payload: Any, settings: SourceSettings) -> list[Draft]:
    if not isinstance(payload, dict):
        raise Unusable(Reason.WRONG_TYPE, "a Qualtrics payload is an object")
    if _is_bare(payload):
        return [_response(payload, {}, settings)]
    if "event" in payload:
        return [_response(object_in(payload, "response"), object_in(payload, "event"), settings)]
    event, topic = event_of(payload), payload.get("Topic")
    if isinstance(topic, str) and TOPIC not in topic:
        raise Unusable(Reason.NOT_A_RESPONSE, f"Topic: only {TOPIC} carries a response")
    if event.get("Status", COMPLETE) != COMPLETE:
        raise Unusable(Reason.NOT_A_RESPONSE, f"Status: only {COMPLETE} is a response")
    raise Incomplete({name: path_id(event.get(field), field) for name, field in _IDS.items()})


_IDS = {"survey_id": "SurveyID", "response_id": "ResponseID"}


def event_of(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """The event's own fields: those in MSG, or without a shared key the payload's. Raises `Unusable`."""
    event = payload.get("MSG", payload)
    if isinstance(event, str):
        event = loads(event.encode(errors="replace"))
    if not isinstance(event, dict):
        raise Unusable(Reason.WRONG_TYPE, "MSG: not an object")
    return event


def _is_event(payload: Mapping[str, Any]) -> bool:
    return "SurveyID" in payload and "ResponseID" in payload


def _is_bare(payload: Mapping[str, Any]) -> bool:
    """Whether this is a response as the API gives it, by itself."""
    return "responseId" in payload and "values" in payload


def _response(response: Mapping[str, Any], event: Mapping[str, Any], settings: SourceSettings) -> Draft:
    values = object_in(response, "values")
    status = values.get("status")
    if values.get("distributionChannel") == "preview" or (isinstance(status, int) and status & TRIED_OUT):
        raise Unusable(Reason.NOT_A_RESPONSE, "response.values.status: a preview or a test")
    survey_id = event.get("SurveyID")
    settings = settings.of_survey(survey_id)
    properties = properties_of(values)
    known = first_of(properties, (*settings.respondent_properties, "recipientemail", "externaldatareference"))
    return {
        "response_id": response.get("responseId"),
        "account_id": first_of(properties, settings.account_properties),
        "respondent_id": respondent(known),
        "score": _score(values, settings),
        "responded_at": values.get("recordedDate") or values.get("endDate") or event.get("CompletedDate"),
        "comment": _comment(values, settings),
        "segments": segments_of(properties, settings),
        "survey_id": survey_id,
        "channel": values.get("distributionChannel"),
        "locale": values.get("userLanguage"),
    }


def _score(values: Mapping[str, Any], settings: SourceSettings) -> Any:
    groups = sorted((name.removesuffix(GROUP) for name in values if name.endswith(GROUP)), key=lambda name: (len(name), name))
    for question in settings.score_fields or groups:
        value = values.get(question)
        if value is not None and value != "":
            return value
    wanted = " or ".join(settings.score_fields) or f"a question beside which its {GROUP} stands"
    raise Unusable(Reason.NO_SCORE, f"response.values: no answer to {wanted}")


def _comment(values: Mapping[str, Any], settings: SourceSettings) -> Any:
    """The text given to a question that `comment_fields` names; else to the first question for a text."""
    texts = sorted((int(found[1]), name) for name in values if (found := _QUESTION_TEXT.fullmatch(name)))
    for name in [name + end for name in settings.comment_fields for end in ("", TEXT)] or [name for _, name in texts]:
        if isinstance(values.get(name), str) and values[name]:
            return values[name]
    return None
