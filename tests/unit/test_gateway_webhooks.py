"""POST /webhooks/{vendor}: what is accepted is in Kafka as it came, with what is known of it in headers."""

import pytest

from tests import signing
from tests.gateway import Desk, vendor
from tests.signing import SIGNED, STANDARD_SECRET

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
TOKEN = {"X-Webhook-Secret": "tok-en"}


def open_desk(**more: object) -> Desk:
    """One that takes what Delighted sends with a shared secret."""
    return Desk([vendor("delighted", "tok-en")], **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SIGNED)
async def test_a_signed_webhook_is_in_kafka_byte_for_byte(name: str) -> None:
    secret, body, headers = SIGNED[name]
    desk = Desk([vendor(name, secret)])
    form = FORM if b"=" in body and body[:1] != b"{" else {}
    answer = await desk.post(f"/webhooks/{name}", body, headers | form)
    assert (answer.status, answer.json) == (200, {"accepted": 1})
    (record,) = desk.kafka.records
    assert record.value == body
    assert dict(record.headers)["nps-source"] == name.encode()
    assert ("content-type" in dict(record.headers)) == bool(form)


async def test_white_space_and_order_of_a_body_stay_as_they_are() -> None:
    body = b' {"b" : 1.0,\r\n"a":"\\u00e9", "b":2} \n'
    desk = open_desk()
    assert (await desk.post("/webhooks/delighted", body, TOKEN)).status == 200
    assert desk.kafka.records[0].value == body


async def test_a_body_in_chunks_is_one_body() -> None:
    secret, body, headers = SIGNED["typeform"]
    desk = Desk([vendor("typeform", secret)])
    chunks = [body[at : at + 3] for at in range(0, len(body), 3)]
    assert (await desk.post("/webhooks/typeform", chunks, headers)).status == 200
    assert desk.kafka.records[0].value == body


async def test_the_account_is_that_of_the_secret_and_the_key_too() -> None:
    both = vendor("delighted", "tok-en", account="globex")
    desk = Desk([both])
    await desk.post("/webhooks/delighted", b"{}", TOKEN)
    assert desk.kafka.records[0].key == b"globex"
    assert dict(desk.kafka.records[0].headers)["nps-account"] == b"globex"


async def test_without_an_account_neither_key_nor_header_is_made_up() -> None:
    desk = open_desk()
    await desk.post("/webhooks/delighted", b"{}", TOKEN)
    assert desk.kafka.records[0].key is None
    assert [name for name, _ in desk.kafka.records[0].headers] == ["nps-source"]


@pytest.mark.parametrize(("given", "passed_on"), [(TRACE, True), (TRACE.upper(), False), ("x" * 5000, False), ("", False)])
async def test_a_trace_goes_on_if_it_is_one(given: str, passed_on: bool) -> None:
    desk = open_desk()
    await desk.post("/webhooks/delighted", b"{}", TOKEN | {"traceparent": given})
    assert (("traceparent", given.encode()) in desk.kafka.records[0].headers) == passed_on


async def test_json_that_calls_itself_a_form_is_json() -> None:
    desk = open_desk()
    assert (await desk.post("/webhooks/delighted", b' {"a": 1}', TOKEN | FORM)).status == 200
    assert [name for name, _ in desk.kafka.records[0].headers] == ["nps-source"]


@pytest.mark.parametrize("path", ["/webhooks/delighted/tok-en", "/webhooks/delighted"])
@pytest.mark.parametrize("headers", [{"Authorization": "Bearer tok-en"}, TOKEN])
async def test_a_shared_secret_is_taken_from_headers(path: str, headers: dict[str, str]) -> None:
    assert (await open_desk().post(path, b"{}", headers)).status == 200


async def test_a_shared_secret_is_taken_from_the_path() -> None:
    desk = open_desk()
    assert (await desk.post("/webhooks/delighted/tok-en", b"{}")).status == 200
    assert (await desk.post("/webhooks/delighted/other", b"{}")).status == 401


async def test_while_a_secret_is_changed_the_old_and_the_new_one_are_good() -> None:
    desk = Desk([vendor("typeform", "new", "old")])
    for secret, status in (("new", 200), ("old", 200), ("older", 401)):
        assert (await desk.post("/webhooks/typeform", b"{}", signing.typeform(secret, b"{}"))).status == status


async def test_an_open_vendor_asks_for_nothing() -> None:
    desk = Desk([vendor("posthog", open=True, account="globex")])
    assert (await desk.post("/webhooks/posthog", b"{}")).status == 200
    assert desk.kafka.records[0].key == b"globex"


async def test_a_vendor_of_the_users_own_is_named_in_the_header() -> None:
    desk = Desk([vendor("survey-bot", "tok-en")])
    assert (await desk.post("/webhooks/survey-bot", b"{}", TOKEN)).status == 200
    assert desk.kafka.records[0].headers == [("nps-source", b"survey-bot")]


# Handshakes


@pytest.mark.parametrize("method", ["HEAD", "GET"])
@pytest.mark.parametrize(("path", "status"), [("typeform", 200), ("nobody/t", 404), ("typeform/t", 200), ("x", 404)])
async def test_a_vendor_that_asks_whether_somebody_is_here_is_answered(method: str, path: str, status: int) -> None:
    answer = await Desk().call(method, f"/webhooks/{path}")
    assert answer.status == status


@pytest.mark.parametrize("secrets", [(), (STANDARD_SECRET,)])
async def test_the_trial_of_formbricks_is_answered_before_there_is_a_secret_and_not_kept(secrets: tuple[str, ...]) -> None:
    desk = Desk([vendor("formbricks", *secrets)])
    answer = await desk.post("/webhooks/formbricks", b'{"event":"testEndpoint"}')
    assert (answer.status, answer.json) == (200, {"accepted": 0})
    assert (await desk.post("/webhooks/formbricks", b'{"event":"testEndpoint","data":1}')).status == 401
    assert desk.kafka.records == []
