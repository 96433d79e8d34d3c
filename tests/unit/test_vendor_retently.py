"""Retently: feedback as its API lists it, with properties as a list of pairs."""

from typing import Any

import pytest

from schemas.dead_letters import Reason
from schemas.vendors.adapter import SourceSettings
from tests.adapting import read, refused, response
from tests.payloads import payload


def retently(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in (payload("retently") | changes).items() if value is not ...}


@pytest.mark.parametrize(
    "pairs",
    [
        [{"label": "Plan", "value": "pro"}],
        [{"name": "plan", "value": "pro"}],
        [{"label": "Plan", "name": "plan", "type": "text", "value": "pro"}],
        [{"label": "Pricing", "name": "plan", "value": "pro"}, {"name": "plan", "value": "free"}],
        ["x", None, {}, {"label": 7, "value": "x"}, {"label": "plan"}, {"label": "plan", "value": "pro"}],
        {"Plan": "pro"},
        {"Plan": {"type": "text", "value": "pro"}},
    ],
)
def test_custom_properties_are_pairs_or_an_object(pairs: Any) -> None:
    assert response(retently(customProps=pairs, country=""))["segments"] == {"plan": "pro"}


@pytest.mark.parametrize("pairs", [None, [], {}, "x", 7, ..., [[{"label": "plan", "value": "x"}]], [{"plan": "x"}]])
def test_without_pairs_there_are_no_custom_properties(pairs: Any) -> None:
    assert "segments" not in response(retently(customProps=pairs, country=""))


def test_the_company_is_the_account_unless_a_property_is() -> None:
    assert response(retently())["account_id"] == "globex"
    pairs = [{"label": "CRM id", "value": "a-7"}]
    settings = SourceSettings(account_properties=("crm_id",))
    assert response(retently(customProps=pairs), settings=settings)["account_id"] == "a-7"
    assert response(retently(customProps=[]), settings=settings)["account_id"] == "globex"


@pytest.mark.parametrize("bogus", [True, "true"])
def test_what_somebody_marked_as_bogus_is_taken_back(bogus: Any) -> None:
    (found,) = read(retently(isBogus=bogus))
    assert (found["kind"], found["response_id"]) == ("retraction", payload("retently")["id"])


def test_nought_is_a_score() -> None:
    assert response(retently(score=0, ratingCategory="detractor"))["score"] == 0


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (payload("retently_csat"), Reason.NOT_NPS),
        (retently(metricsType="STAR"), Reason.NOT_NPS),
        (retently(score=None), Reason.NO_SCORE),
        (retently(score=8.5), Reason.BAD_SCORE),
        (retently(createdDate="yesterday"), Reason.BAD_TIME),
        (retently(companyName="", customProps=[]), Reason.NO_ACCOUNT),
    ],
)
def test_what_retentlys_feedback_is_refused_for(given: Any, reason: Reason) -> None:
    assert refused(given, source="retently")[0] is reason
