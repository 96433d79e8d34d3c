"""POST /v1/responses: programs send canonical responses, and hear at once which field is faulty."""

import json
from typing import Any

import pytest

from agents.intake import Intake
from npstream.gateway.configuration import Credential
from npstream.gateway.responses import MOST
from schemas import topics
from streams.test_driver import TestDriver
from tests.gateway import Answer, Desk, limits

RESPONSE: dict[str, Any] = {"response_id": "r-1", "account_id": "globex", "score": 9, "responded_at": "2026-02-14T11:05:09Z"}
RETRACTION: dict[str, Any] = {"kind": "retraction", "response_id": "r-1", "account_id": "globex"}
NOW = 1_771_067_200_000
AUTHORISED = {"Authorization": "Bearer tok-en"}


def open_desk(**more: Any) -> Desk:
    return Desk(tokens=(Credential("other"), Credential("tok-en")), **more)


async def send(desk: Desk, value: object, headers: dict[str, str] = AUTHORISED) -> Answer:
    return await desk.post("/v1/responses", json.dumps(value).encode(), headers)


@pytest.mark.parametrize(
    ("value", "accepted", "key"),
    [
        (RESPONSE, 1, b"globex"),
        (RETRACTION, 1, b"globex"),
        ([RESPONSE], 1, b"globex"),
        ([RESPONSE, RETRACTION], 2, b"globex"),
        ([RESPONSE, RESPONSE | {"account_id": "initech"}], 2, None),
        ([RESPONSE] * MOST, MOST, b"globex"),
    ],
)
async def test_responses_are_accepted_as_one_record_byte_for_byte(value: object, accepted: int, key: bytes | None) -> None:
    desk = open_desk(limits=limits(max_body_bytes=200_000, in_flight_bytes=400_000))
    body = json.dumps(value, indent=1).encode()
    answer = await desk.post("/v1/responses", body, AUTHORISED)
    assert (answer.status, answer.json) == (202, {"accepted": accepted})
    (record,) = desk.kafka.records
    assert (record.key, record.value) == (key, body)
    assert record.headers == [("nps-source", b"canonical")]


async def test_what_is_accepted_is_what_intake_makes_responses_of() -> None:
    desk = open_desk()
    loose = {"response_id": 7, "account_id": "globex", "score": "9", "responded_at": 1_771_067_109, "segment": "smb"}
    await send(desk, [RESPONSE, loose, RETRACTION])
    driver = TestDriver([Intake()], now=NOW)
    for record in desk.kafka.records:
        driver.pipe(topics.RAW, record.key, record.value, timestamp=NOW, headers=record.headers)
    driver.run()
    assert [json.loads(sent.value or b"")["response_id"] for sent in driver.sent(topics.RESPONSES)] == ["r-1", "7", "r-1"]
    assert driver.sent(topics.DEAD_LETTERS) == []


async def test_a_tokens_account_is_that_of_responses_that_name_none() -> None:
    desk = Desk(tokens=(Credential("tok-en", "initech"),))
    nameless = {name: value for name, value in RESPONSE.items() if name != "account_id"}
    assert (await send(desk, nameless)).status == 202
    assert desk.kafka.records[0].key == b"initech"
    assert ("nps-account", b"initech") in desk.kafka.records[0].headers


async def test_the_same_request_may_be_made_again() -> None:
    desk = open_desk()
    assert [(await send(desk, RESPONSE)).status for _ in range(2)] == [202, 202]


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer"}, {"Authorization": "Bearer guess"}, {"Authorization": "Basic tok-en"},
                {"X-Webhook-Secret": "tok-en"}]
)  # fmt: skip
async def test_without_a_token_it_is_401_and_nothing_is_read(headers: dict[str, str]) -> None:
    desk = open_desk()
    answer = await send(desk, RESPONSE, headers)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.left_unread


async def test_where_no_token_is_set_nobody_may_send() -> None:
    assert (await send(Desk(), RESPONSE, {"Authorization": "Bearer "})).status == 401


FAULTS = """
score                 {"score": 11}
score                 {"score": null}
score                 {"score": true}
responded_at          {"responded_at": "2026-02-14T11:05:09"}
responded_at          {"responded_at": "soon"}
responded_at          {"responded_at": "0166-08-23T07:35:45.478Z"}
updated_at            {"updated_at": "soon"}
response_id           {"response_id": ""}
account_id            {"account_id": null}
account_id            {"account_id": ["globex"]}
kind                  {"kind": "question"}
segments              {"segments": {"Plan": "pro"}}
segments.plan         {"segments": {"plan": ["pro"]}}
comment               {"comment": 7}
"""


@pytest.mark.parametrize("case", FAULTS.strip().splitlines())
async def test_a_faulty_field_is_422_and_named(case: str) -> None:
    field, change = case.split(maxsplit=1)
    desk = open_desk()
    faulty = RESPONSE | json.loads(change)
    answer = await send(desk, faulty)
    assert (answer.status, answer.json["field"]) == (422, field)
    assert "index" not in answer.json
    answer = await send(desk, [RESPONSE, RESPONSE, faulty])
    assert (answer.status, answer.json["field"], answer.json["index"]) == (422, field, 2)
    assert desk.kafka.records == []


async def test_the_sender_is_shown_the_faulty_value_and_the_log_is_not(caplog: pytest.LogCaptureFixture) -> None:
    answer = await send(open_desk(), RESPONSE | {"score": "planted words"})
    assert "planted" in answer.json["detail"]
    assert "faulty: score" in caplog.text
    assert "planted" not in caplog.text


@pytest.mark.parametrize("body", [b"", b"no json", b"7", b"null", b'"text"', b"[]", b"[[]]", b"[7]", b"\xff", b"[" * 2000])
async def test_what_is_no_response_is_422(body: bytes) -> None:
    answer = await open_desk().post("/v1/responses", body, AUTHORISED)
    assert answer.status == 422
    assert answer.json["detail"]


async def test_a_list_that_intake_would_not_take_is_422() -> None:
    desk = open_desk(limits=limits(max_body_bytes=200_000, in_flight_bytes=400_000))
    answer = await send(desk, [RESPONSE] * (MOST + 1))
    assert answer.status == 422
    assert f"1 to {MOST}" in answer.json["detail"]


async def test_the_bounds_are_those_of_webhooks() -> None:
    desk = open_desk(limits=limits(rate_per_s=0.1, burst=1))
    assert (await desk.post("/v1/responses", b"x" * 20_000, AUTHORISED)).status == 413
    assert (await send(desk, RESPONSE)).status == 429
    desk.kafka.away = "the broker does not answer"
    answer = await send(desk, RESPONSE)
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert desk.value("requests_total", vendor="api", status="429") == 1
