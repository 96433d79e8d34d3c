"""The producer is kept alive: whatever becomes of it, a record is acknowledged or refused in time, and another is made."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, OutOfOrderSequenceNumber

from npstream.failures import BrokerUnreachable, LoginRefused, UserError
from npstream.gateway import kafka_sink
from npstream.gateway.kafka_sink import KafkaSink
from npstream.gateway.sink import Away, TooLarge
from npstream.raw_record import RawRecord
from streams.connection import Connection

WAIT_S = 20.0
"""Bound of every wait: what is waited for takes milliseconds."""
RECORD = RawRecord(b"k", b"{}", [("nps-source", b"typeform")])


class FakeProducer:
    """As aiokafka's: `outcome` is what becomes of a record, None for nothing at all."""

    def __init__(self, outcome: Exception | str | None = "acknowledged", answers: bool = True) -> None:
        self.outcome = outcome
        self.answers = answers
        self.sent: list[tuple[Any, ...]] = []
        self.stopped = False
        self.client = self

    async def send(self, topic: str, value: bytes, key: bytes, headers: list[Any]) -> "asyncio.Future[str]":
        self.sent.append((topic, value, key, headers))
        delivery: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        if isinstance(self.outcome, MessageSizeTooLargeError):
            raise self.outcome
        if isinstance(self.outcome, Exception):
            delivery.set_exception(self.outcome)
        elif self.outcome is not None:
            delivery.set_result(self.outcome)
        return delivery

    async def force_metadata_update(self) -> bool:
        return self.answers

    async def stop(self) -> None:
        self.stopped = True


@asynccontextmanager
async def kept(
    monkeypatch: pytest.MonkeyPatch, *connections: FakeProducer | Exception, timeout_s: float = WAIT_S
) -> AsyncIterator[tuple[KafkaSink, "asyncio.Task[None]"]]:
    """A sink that connects to these, one after the other; the last one for ever."""
    coming = list(connections)

    async def connect(self: KafkaSink) -> FakeProducer:
        found = coming.pop(0) if len(coming) > 1 else coming[0]
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(KafkaSink, "_connect", connect)
    monkeypatch.setattr(kafka_sink, "CONNECT_PAUSE_S", 0.001)
    monkeypatch.setattr(kafka_sink, "LOOK_INTERVAL_S", 0.001)
    sink = KafkaSink(Connection(), "topic", timeout_s)
    keeping = asyncio.create_task(sink.keep())
    try:
        yield sink, keeping
    finally:
        keeping.cancel()
        await asyncio.wait([keeping], timeout=WAIT_S)


async def until(condition: Any) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 (nothing tells of it)
            await asyncio.sleep(0.001)


async def ready(sink: KafkaSink) -> None:
    await until(lambda: sink.problem() is None)


async def test_a_record_is_sent_with_key_value_and_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = FakeProducer()
    async with kept(monkeypatch, producer) as (sink, _):
        assert sink.problem() == "connecting to Kafka"
        with pytest.raises(Away):
            await sink.send(RECORD)
        await ready(sink)
        await sink.send(RECORD)
    assert producer.sent == [("topic", b"{}", b"k", [("nps-source", b"typeform")])]
    assert producer.stopped


async def test_what_is_never_acknowledged_is_given_up_within_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    async with kept(monkeypatch, FakeProducer(None), timeout_s=0.01) as (sink, _):
        await ready(sink)
        with pytest.raises(Away, match=r"not acknowledged within 0\.01 s"):
            await sink.send(RECORD)


async def test_a_record_that_is_too_large_says_nothing_of_the_producer(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = FakeProducer(MessageSizeTooLargeError())
    async with kept(monkeypatch, producer) as (sink, _):
        await ready(sink)
        with pytest.raises(TooLarge):
            await sink.send(RECORD)
        assert not producer.stopped


async def test_a_producer_that_failed_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    broken, good = FakeProducer(OutOfOrderSequenceNumber()), FakeProducer()
    async with kept(monkeypatch, broken, good) as (sink, _):
        await ready(sink)
        with pytest.raises(Away, match="OutOfOrderSequenceNumber"):
            await sink.send(RECORD)
        await until(lambda: broken.stopped)
        await ready(sink)
        await sink.send(RECORD)
    assert len(good.sent) == 1


async def test_a_broker_that_does_not_answer_is_known_to_be_away_until_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = FakeProducer()
    async with kept(monkeypatch, producer) as (sink, _):
        await ready(sink)
        producer.answers = False
        await until(lambda: sink.problem() is not None)
        with pytest.raises(Away, match="does not answer"):
            await sink.send(RECORD)
        assert producer.sent == []
        producer.answers = True
        await ready(sink)
        await sink.send(RECORD)


@pytest.mark.parametrize("error", [BrokerUnreachable("nobody answers"), KafkaError("no"), OSError("no")])
async def test_a_broker_that_is_away_at_the_start_is_waited_for(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    async with kept(monkeypatch, error, error, FakeProducer()) as (sink, keeping):
        await ready(sink)
        assert not keeping.done()


@pytest.mark.parametrize("error", [UserError("no topic"), LoginRefused("no")])
async def test_what_only_the_user_can_mend_ends_it_at_the_start_and_never_later(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async with kept(monkeypatch, error) as (_, keeping):
        with pytest.raises(type(error)):
            await asyncio.wait_for(keeping, WAIT_S)
    broken = FakeProducer(OutOfOrderSequenceNumber())
    async with kept(monkeypatch, broken, error, FakeProducer()) as (sink, keeping):
        await ready(sink)
        with pytest.raises(Away):
            await sink.send(RECORD)
        await until(lambda: broken.stopped)
        await ready(sink)
        assert not keeping.done()
