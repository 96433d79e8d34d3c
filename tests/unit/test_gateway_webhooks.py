"""POST /webhooks/{vendor}: what is accepted is in Kafka as it came, what is not is answered with the status that says why."""

import asyncio
from collections.abc import Iterator

import pytest

from npstream.gateway import reception
from npstream.gateway.refusals import Refused
from npstream.gateway.sink import Away, TooLarge
from tests import signing
from tests.gateway import LIMITS, Answer, Desk, limits, until_waiting, vendor
from tests.signing import SIGNED, STANDARD_SECRET

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
TOKEN = {"X-Webhook-Secret": "tok-en"}


def open_desk(**more: object) -> Desk:
    """One that takes what Delighted sends with a shared secret."""
    return Desk([vendor("delighted", "tok-en")], **more)  # type: ignore[arg-type]


def says(answer: Answer, status: int) -> str:
    """The sentence of a refusal."""
    assert answer.status == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    return str(answer.json["detail"])


# What is accepted


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
@pytest.mark.parametrize(("path", "status"), [("typeform", 200), ("surveymonkey/t", 404), ("typeform/t", 200), ("x", 404)])
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


# What is refused


async def test_a_wrong_signature_is_401_and_says_which_proof_is_asked_for() -> None:
    desk = Desk([vendor("typeform", "tf-secret")])
    answer = await desk.post("/webhooks/typeform", b"{}", signing.typeform("other", b"{}"))
    assert "Typeform-Signature" in says(answer, 401)
    assert desk.kafka.records == []


async def test_a_replayed_webhook_is_401() -> None:
    desk = Desk([vendor("formbricks", STANDARD_SECRET)])
    assert (await desk.post("/webhooks/formbricks", b"{}", signing.formbricks(STANDARD_SECRET, b"{}"))).status == 200
    old = signing.formbricks(STANDARD_SECRET, b"{}", age_s=400)
    assert "5 minutes" in says(await desk.post("/webhooks/formbricks", b"{}", old), 401)
    assert len(desk.kafka.records) == 1


async def test_a_vendor_without_a_secret_is_401_so_that_it_comes_again() -> None:
    desk = Desk()
    answer = await desk.post("/webhooks/typeform", b"{}", signing.typeform("", b"{}"))
    assert "no secret is set" in says(answer, 401)


@pytest.mark.parametrize("path", ["/webhooks/nobody", "/webhooks/nobody/tok-en", "/webhooks", "/webhooks/a/b/c", "/"])
async def test_what_is_not_there_is_404(path: str) -> None:
    says(await Desk().post(path, b"{}"), 404)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_another_method_is_405(method: str) -> None:
    says(await open_desk().call(method, "/webhooks/delighted", [b"{}"], TOKEN), 405)


def chunks_that_are_counted(size: int, count: int, seen: list[int]) -> Iterator[bytes]:
    for number in range(count):
        seen.append(number)
        yield b"x" * size


async def test_a_body_that_says_it_is_too_long_is_413_before_it_is_read() -> None:
    desk = open_desk()
    seen: list[int] = []
    chunks = chunks_that_are_counted(65_536, 320, seen)  # 20 MB
    answer = await desk.call("POST", "/webhooks/delighted", chunks, TOKEN | {"content-length": str(320 * 65_536)})
    says(answer, 413)
    assert len(seen) == 1  # the one that the test itself looked at
    assert answer.left_unread


async def test_a_body_that_does_not_say_how_long_it_is_is_read_up_to_the_limit() -> None:
    desk = open_desk()
    seen: list[int] = []
    answer = await desk.post("/webhooks/delighted", chunks_that_are_counted(4000, 5000, seen), TOKEN)
    says(answer, 413)
    assert len(seen) == 4
    assert desk.in_flight.bytes == 0


@pytest.mark.parametrize("length", ["9" * 30, "9" * 5000])
async def test_a_length_beyond_all_bounds_is_413(length: str) -> None:
    says(await open_desk().call("POST", "/webhooks/delighted", [b"{}"], TOKEN | {"content-length": length}), 413)


async def test_the_longest_body_that_is_taken_is_taken() -> None:
    desk = open_desk()
    body = b'"' + b"x" * (LIMITS.max_body_bytes - 4) + b'"'
    assert (await desk.post("/webhooks/delighted", b"[" + body + b"]", TOKEN)).status == 200
    assert (await desk.post("/webhooks/delighted", b"[" + body + b" ]", TOKEN)).status == 413


UNREADABLE = [b"", b"{", b"no json", b'{"a": NaN}', b"[" * 2000, b"\xff\xfe{}", b"7", b'"text"', b"null", b"PK\x03\x04"]


@pytest.mark.parametrize("body", UNREADABLE)
async def test_what_intake_could_not_read_is_422(body: bytes) -> None:
    desk = open_desk()
    says(await desk.post("/webhooks/delighted", body, TOKEN), 422)
    assert desk.kafka.records == []


@pytest.mark.parametrize("body", [b"", b"no form", b"a=%ff", b"a=1&a[b]=2"])
async def test_a_form_that_intake_could_not_read_is_422(body: bytes) -> None:
    says(await open_desk().post("/webhooks/delighted", body, TOKEN | FORM), 422)


async def test_a_body_that_ends_early_is_400_and_not_kept() -> None:
    desk = open_desk()

    class Gone(Exception):
        """The connection was lost: the server says so in its next message."""

    def cut() -> Iterator[bytes]:
        yield b'{"a": '
        raise Gone

    async def call() -> Answer:
        messages = cut()
        sent: list[dict[str, object]] = []

        async def receive() -> dict[str, object]:
            try:
                return {"type": "http.request", "body": next(messages), "more_body": True}
            except Gone:
                return {"type": "http.disconnect"}

        async def send(message: dict[str, object]) -> None:
            sent.append(message)

        headers = [(b"x-webhook-secret", b"tok-en")]
        scope = {"type": "http", "method": "POST", "path": "/webhooks/delighted", "headers": headers, "query_string": b""}
        await desk.app(scope, receive, send)  # type: ignore[arg-type]
        start, body = sent
        return Answer(start["status"], {"content-type": "application/json"}, body["body"], False)  # type: ignore[arg-type]

    says(await call(), 400)
    assert desk.kafka.records == []
    assert desk.in_flight.bytes == 0


async def test_more_than_the_rate_is_429_with_the_time_to_wait() -> None:
    desk = open_desk(limits=limits(rate_per_s=0.5, burst=2))
    statuses = [(await desk.post("/webhooks/delighted", b"{}", TOKEN)).status for _ in range(4)]
    assert statuses == [200, 200, 429, 429]
    answer = await desk.post("/webhooks/delighted", b"{}", TOKEN)
    assert answer.headers["retry-after"] == "2"
    assert len(desk.kafka.records) == 2


async def test_strangers_do_not_use_up_the_rate_of_a_vendor() -> None:
    desk = open_desk(limits=limits(rate_per_s=0.1, burst=1))
    for _ in range(5):
        assert (await desk.post("/webhooks/delighted", b"{}", {"X-Webhook-Secret": "guess"})).status == 401
    assert (await desk.post("/webhooks/delighted", b"{}", TOKEN)).status == 200


async def test_a_vendor_may_have_a_rate_of_its_own() -> None:
    desk = Desk([vendor("delighted", "tok-en", rate_per_s=0.1, burst=3)], limits=limits(rate_per_s=0.1, burst=1))
    statuses = [(await desk.post("/webhooks/delighted", b"{}", TOKEN)).status for _ in range(4)]
    assert statuses == [200, 200, 200, 429]


# Kafka


async def test_nothing_is_answered_before_kafka_has_acknowledged() -> None:
    desk = open_desk()
    desk.kafka.hang()
    asked = asyncio.create_task(desk.post("/webhooks/delighted", b"{}", TOKEN))
    await until_waiting(desk.kafka, 1)
    assert not asked.done()
    desk.kafka.release()
    assert (await asked).status == 200


@pytest.mark.parametrize("error", [Away("no answer"), TooLarge()])
async def test_what_kafka_does_not_take_is_never_answered_with_2xx(error: Away | TooLarge) -> None:
    desk = open_desk()
    desk.kafka.refuse(error)
    answer = await desk.post("/webhooks/delighted", b"{}", TOKEN)
    assert answer.status == (503 if isinstance(error, Away) else 413)
    assert ("retry-after" in answer.headers) == isinstance(error, Away)
    desk.kafka.refuse(None)
    assert (await desk.post("/webhooks/delighted", b"{}", TOKEN)).status == 200


async def test_while_kafka_is_away_no_body_is_read() -> None:
    desk = open_desk()
    desk.kafka.away = "the broker does not answer"
    answer = await desk.post("/webhooks/delighted", b"{}", TOKEN)
    says(answer, 503)
    assert answer.left_unread
    assert "broker" not in answer.text  # what is behind the gateway is not a stranger's business


async def test_a_burst_on_a_kafka_that_hangs_is_shed_and_held_memory_is_bounded() -> None:
    desk = open_desk(limits=limits(in_flight_bytes=200_000))
    desk.kafka.hang()
    body = b"[" + b" " * 8_000 + b"]"
    asked = [asyncio.create_task(desk.post("/webhooks/delighted", body, TOKEN)) for _ in range(100)]
    shed = await asyncio.gather(*asked[16:])
    assert {answer.status for answer in shed} == {503}
    assert 16 * len(body) <= desk.in_flight.bytes <= 200_000
    desk.kafka.release()
    kept = await asyncio.gather(*asked[:16])
    assert {answer.status for answer in kept} == {200}
    assert len(desk.kafka.records) == 16
    assert (desk.in_flight.bytes, desk.in_flight.requests) == (0, 0)
    assert (await desk.post("/webhooks/delighted", body, TOKEN)).status == 200


# What is told of it


async def test_answers_and_bytes_are_counted_and_strangers_make_no_time_series() -> None:
    desk = open_desk()
    await desk.post("/webhooks/delighted", b'{"a":1}', TOKEN)
    await desk.post("/webhooks/delighted", b"{}", {})
    for name in ("x1", "x2"):
        await desk.post(f"/webhooks/{name}", b"{}")
    assert desk.value("requests_total", vendor="delighted", status="200") == 1
    assert desk.value("requests_total", vendor="delighted", status="401") == 1
    assert desk.value("requests_total", vendor="unknown", status="404") == 2
    assert desk.value("accepted_bytes_total", vendor="delighted") == 7
    assert desk.value("produce_seconds_count") == 1
    assert desk.value("in_flight_bytes") == desk.value("in_flight_requests") == 0
    text = (await desk.call("GET", "/metrics")).text
    assert 'npstream_gateway_requests_total{status="200",vendor="delighted"} 1.0' in text
    assert "x1" not in text


async def test_neither_bodies_nor_secrets_nor_paths_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    desk = open_desk()
    for secret in ("tok-en", "planted-guess"):
        await desk.post(f"/webhooks/delighted/{secret}", b'{"comment": "planted-words"}', {"X-Webhook-Secret": secret})
    await desk.post("/webhooks/planted-name", b"{}")
    await desk.post("/webhooks/delighted", b"planted-words", TOKEN)
    assert [record.levelname for record in caplog.records if record.name == reception.__name__] == ["WARNING"] * 3
    assert "planted" not in caplog.text
    assert "tok-en" not in caplog.text


async def test_a_flood_of_refusals_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    desk = open_desk()
    for _ in range(50):
        await desk.post("/webhooks/delighted", b"{}")
    assert len(caplog.records) == 1


def test_a_refusal_tells_only_what_it_has() -> None:
    assert Refused(422, "no").response().body == b'{"detail":"no"}'


# Health


async def test_it_is_ready_while_kafka_can_be_reached_and_alive_anyway() -> None:
    desk = Desk()
    assert ((await desk.call("GET", "/health/ready")).status, (await desk.call("GET", "/health/live")).status) == (200, 200)
    desk.kafka.away = "the broker does not answer"
    ready = await desk.call("GET", "/health/ready")
    assert (ready.status, ready.text) == (503, "the broker does not answer\n")
    assert (await desk.call("GET", "/health/live")).status == 200
