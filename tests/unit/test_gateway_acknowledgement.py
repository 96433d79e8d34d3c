"""The gateway answers when Kafka has acknowledged, sheds what Kafka does not take, and tells of neither bodies nor secrets."""

import asyncio

import pytest

from npstream.gateway import reception
from npstream.gateway.refusals import Refused
from npstream.gateway.sink import Away, TooLarge
from tests.gateway import Desk, limits, until_waiting, vendor

TOKEN = {"X-Webhook-Secret": "tok-en"}


def open_desk(**more: object) -> Desk:
    """One that takes what Delighted sends with a shared secret."""
    return Desk([vendor("delighted", "tok-en")], **more)  # type: ignore[arg-type]


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
    assert answer.status == 503
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
