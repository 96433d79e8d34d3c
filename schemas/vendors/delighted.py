"""Delighted: the webhooks survey_response.created and .updated, and the same response as its REST API gives it.

Source: Delighted's API documentation, "Webhooks" and "Adding survey responses". What to know about it:
- A response comes again, under the same id, whenever it changes, as when a comment is added: `updated_at` is the version.
- `person` is an object in webhooks (and in the API with expand[]=person), else the person's id.
- `person_properties` may be null. The account is one of them, for Delighted knows persons only.
- Delighted asks CSAT, CES and other questions too, with scores of other meaning: `survey_type` tells.
"""

from typing import Any

from schemas.dead_letters import Reason, Unusable
from schemas.vendors.adapter import Draft, SourceSettings, first_of, object_in, properties_of, respondent, segments_of

NAME = "delighted"
VENDOR_TIMES = True

EVENTS = ("survey_response.created", "survey_response.updated")
"""Events that carry a response; unsubscribe.created and others do not."""


def recognises(payload: Any) -> bool:
    if not isinstance(payload, dict):
        return False
    return ("event_type" in payload and "event_data" in payload) or ("survey_type" in payload and "person" in payload)


def adapt(payload: Any, settings: SourceSettings) -> list[Draft]:
    if not isinstance(payload, dict):
        raise Unusable(Reason.WRONG_TYPE, "a Delighted payload is an object")
    response = payload
    if "event_type" in payload:
        if payload["event_type"] not in EVENTS:
            raise Unusable(Reason.NOT_A_RESPONSE, f"event_type: only {' and '.join(EVENTS)} carry a response")
        response = object_in(payload, "event_data")
    if response.get("survey_type") not in (None, "nps"):
        raise Unusable(Reason.NOT_NPS, "survey_type: only nps asks for a Net Promoter Score")
    if response.get("score") is None:
        raise Unusable(Reason.NO_SCORE, "score: missing")

    properties = properties_of(response.get("person_properties"))
    return [
        {
            "response_id": response.get("id"),
            "account_id": first_of(properties, settings.account_properties),
            "respondent_id": _respondent(response.get("person")),
            "score": response["score"],
            "responded_at": response.get("created_at"),
            "updated_at": response.get("updated_at"),
            "comment": response.get("comment"),
            "segments": segments_of(properties, settings),
        }
    ]


def _respondent(person: Any) -> Any:
    """The person's e-mail address, else id: an address is the same person at other vendors too."""
    if isinstance(person, dict):
        return respondent(person.get("email")) or person.get("id")
    return respondent(person)
