"""What has to be fetched from a vendor for a payload that carries ids alone, and how the answers make the payload that has
all of it. Who fetches, how often, and with which secret is not decided here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from schemas.dead_letters import Reason, Unusable
from schemas.vendors import qualtrics, surveymonkey


@dataclass(frozen=True, slots=True)
class Request:
    """One call of a vendor's API, whose answer is a JSON object."""

    name: str
    """Under which its answer goes into the payload."""
    method: str
    path: str
    """From the root of the vendor's API host."""
    of_survey: bool = False
    """The answer is about the survey: it is the same for all responses to it, so it may be kept for some minutes."""


@dataclass(frozen=True, slots=True)
class _Vendor:
    requests: tuple[Request, ...]
    """With {survey_id} and {response_id} in their paths."""
    event: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    """What of the payload is kept."""
    envelope: str = ""
    """The field of an answer that holds what was asked for; empty: the answer is that."""


_VENDORS: Final = {
    surveymonkey.NAME: _Vendor(
        (
            Request("response", "GET", "/v3/surveys/{survey_id}/responses/{response_id}/details"),
            Request("survey", "GET", "/v3/surveys/{survey_id}/details", of_survey=True),
        ),
        event=lambda payload: payload,
    ),
    qualtrics.NAME: _Vendor(
        (Request("response", "GET", "/API/v3/surveys/{survey_id}/responses/{response_id}"),),
        event=qualtrics.event_of,
        envelope="result",
    ),
}
FETCHED: Final = tuple(_VENDORS)
"""Vendors whose payloads may be `schemas.vendors.adapter.Incomplete`."""


def requests_for(vendor: str, ids: Mapping[str, str]) -> tuple[Request, ...]:
    """What to fetch for the ids of an `Incomplete` of this vendor, which is one of `FETCHED`."""
    return tuple(Request(one.name, one.method, one.path.format(**ids), one.of_survey) for one in _VENDORS[vendor].requests)


def completed(vendor: str, payload: Mapping[str, Any], answers: Mapping[str, Any]) -> dict[str, Any]:
    """The payload to send instead of the one with ids alone, from the API's answers by the name of their request. Raises
    `Unusable` for an answer that is not what it should be."""
    how = _VENDORS[vendor]
    made: dict[str, Any] = {"event": how.event(payload)}
    for request in how.requests:
        answer = answers.get(request.name)
        if how.envelope and isinstance(answer, dict):
            answer = answer.get(how.envelope)
        if not isinstance(answer, dict):
            raise Unusable(Reason.WRONG_TYPE, f"{request.path}: the vendor's answer is not an object")
        made[request.name] = answer
    return made
