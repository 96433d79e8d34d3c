"""Asking a vendor's API: what is asked again, what is given up, and what is remembered."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from npstream.failures import UserError
from npstream.fetching import vendor_api
from npstream.fetching.running import accesses
from npstream.fetching.vendor_api import Access, Away, Gone, VendorApi
from npstream.settings import Settings
from schemas.vendors.requests import Request
from tests.vendor_stand_in import TOKEN, StandIn, stand_in

RESPONSE = Request("response", "GET", "/v3/surveys/1/responses/2/details")
SURVEY = Request("survey", "GET", "/v3/surveys/1/details", of_survey=True)


@asynccontextmanager
async def api(
    token: str = TOKEN, per_minute: int = 6_000, called: Counter[str] | None = None
) -> AsyncIterator[tuple[StandIn, VendorApi]]:
    outcomes: Counter[str] = Counter() if called is None else called
    async with stand_in() as server, aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {token}"}
        access = Access("surveymonkey", server.url, headers, "surveymonkey_token", per_minute)
        yield server, VendorApi(session, access, lambda status: outcomes.update([status]))


async def test_an_answer_is_its_json() -> None:
    async with api() as (server, vendor):
        server.answers[RESPONSE.path] = {"id": "2"}
        assert await vendor.ask(RESPONSE) == {"id": "2"}


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_vendor_that_is_busy_is_asked_again(status: int) -> None:
    called: Counter[str] = Counter()
    async with api(called=called) as (server, vendor):
        server.answers[RESPONSE.path] = {"id": "2"}
        server.refusals.extend([(status, {"Retry-After": "0"})] * 3)
        assert await vendor.ask(RESPONSE) == {"id": "2"}
    assert called == {str(status): 3, "200": 1}


async def test_one_that_stays_busy_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor_api, "ASK_AGAIN_S", 0.05)
    async with api() as (server, vendor):
        server.refusals.extend([(503, {"Retry-After": "0"})] * 10_000)
        with pytest.raises(Away, match="surveymonkey answers 503"):
            await vendor.ask(RESPONSE)


async def test_one_that_nobody_hears_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor_api, "ASK_AGAIN_S", 0.05)
    access = Access("qualtrics", "http://127.0.0.1:1", {}, "qualtrics_token", 6_000)
    async with aiohttp.ClientSession() as session:
        silent = VendorApi(session, access, lambda status: None)
        with pytest.raises(Away, match="qualtrics does not answer"):
            await silent.ask(RESPONSE)


@pytest.mark.parametrize("status", [404, 410, 400, 302])
async def test_what_asking_again_does_not_mend_is_given_up(status: int) -> None:
    async with api() as (server, vendor):
        server.refusals.append((status, {}))
        with pytest.raises(Gone, match=str(status)):
            await vendor.ask(RESPONSE)
        assert len(server.calls) == 1


async def test_a_token_that_is_refused_names_its_setting_and_not_itself() -> None:
    async with api(token="wrong-token") as (_, vendor):
        with pytest.raises(UserError, match="check the setting surveymonkey_token") as raised:
            await vendor.ask(RESPONSE)
    assert "wrong-token" not in str(raised.value)


async def test_what_is_known_of_a_survey_is_asked_for_once() -> None:
    async with api() as (server, vendor):
        server.answers |= {SURVEY.path: {"id": "1"}, RESPONSE.path: {"id": "2"}}
        for _ in range(3):
            await vendor.ask(SURVEY)
            await vendor.ask(RESPONSE)
        assert Counter(server.calls) == {SURVEY.path: 1, RESPONSE.path: 3}


async def test_an_answer_that_is_no_json_is_a_vendor_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of a proxy's, as a rule."""
    monkeypatch.setattr(vendor_api, "ASK_AGAIN_S", 0.05)
    async with api() as (server, vendor):
        server.answers[RESPONSE.path] = b"<html>"
        with pytest.raises(Away, match="answers with no JSON"):
            await vendor.ask(RESPONSE)


async def test_an_answer_without_end_is_not_read() -> None:
    async with api() as (server, vendor):
        server.answers[RESPONSE.path] = b'"' + b"x" * (vendor_api.MOST_BYTES + 1) + b'"'
        with pytest.raises(Gone, match="more than"):
            await vendor.ask(RESPONSE)


def test_the_vendors_whose_tokens_are_set_are_asked() -> None:
    found = {
        one.vendor: one for one in accesses(Settings(surveymonkey_token="s", qualtrics_token="q", qualtrics_url="https://x/"))
    }
    assert found["surveymonkey"].headers == {"Authorization": "Bearer s"}
    assert (found["qualtrics"].url, found["qualtrics"].headers) == ("https://x", {"X-API-TOKEN": "q"})
    assert not list(accesses(Settings()))


def test_a_url_that_is_none_is_said_in_one_line() -> None:
    with pytest.raises(UserError, match="qualtrics_url is '': write scheme and host"):
        list(accesses(Settings(qualtrics_token="q")))
