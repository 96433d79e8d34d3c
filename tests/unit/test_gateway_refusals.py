"""POST /webhooks/{vendor}: what is not accepted is answered with the status that says why, and never reaches Kafka."""

from collections.abc import Iterator

import pytest

from tests import signing
from tests.gateway import LIMITS, Answer, Desk, limits, vendor
from tests.signing import STANDARD_SECRET

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
