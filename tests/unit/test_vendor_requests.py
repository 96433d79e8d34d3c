"""What is fetched for a payload with ids alone, and what comes of the answers."""

from typing import Any

import pytest

from schemas.dead_letters import Reason, Unusable
from schemas.vendors import ADAPTERS
from schemas.vendors.adapter import Incomplete
from schemas.vendors.requests import FETCHED, completed, requests_for
from tests.adapting import DEFAULTS, response
from tests.payloads import form, payload


def ids_of(vendor: str, given: Any) -> Any:
    with pytest.raises(Incomplete) as raised:
        ADAPTERS[vendor].adapt(given, DEFAULTS)
    return raised.value.ids


def test_what_is_fetched() -> None:
    calls = {
        vendor: [
            (one.name, one.method, one.path, one.of_survey) for one in requests_for(vendor, ids_of(vendor, payload(vendor)))
        ]
        for vendor in FETCHED
    }
    survey, qualtrics = "/v3/surveys/300700", "/API/v3/surveys/SV_0aB1cD2eF3gH4iJ"
    assert calls == {
        "surveymonkey": [
            ("response", "GET", f"{survey}/responses/118000001/details", False),
            ("survey", "GET", f"{survey}/details", True),
        ],
        "qualtrics": [("response", "GET", f"{qualtrics}/responses/R_1zY2xW3vU4tS5rQ", False)],
    }


ANSWERS = {
    "surveymonkey": {name: payload("surveymonkey_fetched")[name] for name in ("response", "survey")},
    "qualtrics": {"response": {"result": payload("qualtrics_response"), "meta": {"httpStatus": "200 - OK"}}},
}
"""As the vendors' APIs give them."""


@pytest.mark.parametrize(
    ("vendor", "given"),
    [
        ("surveymonkey", payload("surveymonkey")),
        ("qualtrics", payload("qualtrics")),
        ("qualtrics", form("qualtrics")),
    ],
)
def test_the_answers_make_the_payload_that_has_all_of_it(vendor: str, given: Any) -> None:
    made = completed(vendor, given, ANSWERS[vendor])
    assert made == payload(f"{vendor}_fetched")
    assert response(made, source=vendor)["account_id"] == "globex"


def test_an_event_without_a_shared_key_is_kept_whole() -> None:
    made = completed("qualtrics", form("qualtrics_unsigned"), ANSWERS["qualtrics"])
    assert response(made) == response(payload("qualtrics_fetched"))


@pytest.mark.parametrize(
    ("vendor", "answers"),
    [
        ("surveymonkey", {}),
        ("surveymonkey", {"response": {}}),
        ("surveymonkey", {"response": {}, "survey": [1]}),
        ("qualtrics", {}),
        ("qualtrics", {"response": "x"}),
        ("qualtrics", {"response": {"meta": {}}}),
        ("qualtrics", {"response": {"result": None}}),
    ],
)
def test_an_answer_that_is_no_object_is_refused(vendor: str, answers: Any) -> None:
    with pytest.raises(Unusable, match="the vendor's answer is not an object") as raised:
        completed(vendor, payload(vendor), answers)
    assert raised.value.reason is Reason.WRONG_TYPE
