"""The OpenAPI document says what the gateway does: whatever is made of it, the gateway answers as it says."""

import asyncio
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from npstream.gateway.configuration import Credential
from npstream.gateway.responses import MOST
from schemas import contract
from tests.gateway import Desk, limits, vendor

TOKEN = "tok-en"
EXAMPLES = 15
"""Of each operation."""

NOT_EXACT = [negative_data_rejection, positive_data_acceptance]
"""Checks that ask for a schema that says exactly what is taken. More is taken than the contract has, since values are coerced
and "" is as good as absent; and its pattern does not say that times are from 1970 to 2199. test_gateway_responses.py has these
cases."""
SETTINGS = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)

load_all_checks()
DESK = Desk(
    [vendor("delighted", TOKEN), vendor("typeform", "s")],
    tokens=(Credential(TOKEN),),
    limits=limits(max_body_bytes=1_000_000, in_flight_bytes=10_000_000, burst=100_000),
)
schema = schemathesis.openapi.from_asgi("/openapi.json", DESK.app)


@schema.parametrize()
@SETTINGS
def test_whatever_a_stranger_makes_of_the_document_is_answered_as_it_says(case: schemathesis.Case) -> None:
    case.call_and_validate()
    assert DESK.kafka.records == []


@schema.include(path="/v1/responses").parametrize()
@SETTINGS
def test_whatever_who_has_a_token_makes_of_it_is_answered_as_it_says(case: schemathesis.Case) -> None:
    case.call_and_validate(headers={"Authorization": f"Bearer {TOKEN}"}, excluded_checks=NOT_EXACT)


@schema.include(path_regex="^/webhooks/").parametrize()
@SETTINGS
def test_whatever_a_vendor_makes_of_it_is_answered_as_it_says(case: schemathesis.Case) -> None:
    case.path_parameters["vendor"] = "delighted"
    case.call_and_validate(headers={"X-Webhook-Secret": TOKEN})


def document() -> dict[str, Any]:
    found: dict[str, Any] = DESK.app.openapi()
    return found


def test_responses_have_the_schema_of_the_contract() -> None:
    components = document()["components"]["schemas"]
    published = contract.asyncapi()["components"]["schemas"]
    for name in ("Response", "Retraction"):
        assert components[name] == published[name]
    taken = document()["paths"]["/v1/responses"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert taken["anyOf"][2]["maxItems"] == MOST


STATUSES = """
/webhooks/{vendor}           post  200 400 401 404 408 413 422 429 503
/webhooks/{vendor}/{token}   post  200 400 401 404 408 413 422 429 503
/webhooks/{vendor}           get   200 404
/v1/responses                post  202 400 401 408 413 422 429 503
/health/live                 get   200
/health/ready                get   200 503
/metrics                     get   200
"""


@pytest.mark.parametrize("case", STATUSES.strip().splitlines())
def test_every_status_of_an_operation_is_documented(case: str) -> None:
    path, method, *statuses = case.split()
    assert set(statuses) <= set(document()["paths"][path][method]["responses"])


def test_no_page_loads_anything_from_elsewhere() -> None:
    for path in ("/docs", "/redoc"):
        assert asyncio.run(DESK.call("GET", path)).status == 404
