"""A running worker that its brokers do not let in any more: said once, tried again, and given up in the end."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from npstream import admission
from npstream.admission import PAUSE_S, Admission
from npstream.failures import BrokerUnreachable, LoginRefused
from streams.connection import Connection

GIVE_UP_S = 60.0


class Brokers:
    """What they answer, and a clock that the test moves."""

    def __init__(self) -> None:
        self.answer: Exception | None = None
        self.asked = 0
        self.now = 1000.0

    @asynccontextmanager
    async def connect(self, connection: Connection, timeout_s: float) -> AsyncIterator[None]:
        self.asked += 1
        if self.answer is not None:
            raise self.answer
        yield


@pytest.fixture
def brokers(monkeypatch: pytest.MonkeyPatch) -> Brokers:
    one = Brokers()
    monkeypatch.setattr(admission, "connect", one.connect)
    monkeypatch.setattr(admission.time, "monotonic", lambda: one.now)
    return one


async def test_a_refusal_is_said_once_and_ends_when_they_let_it_in(brokers: Brokers, caplog: pytest.LogCaptureFixture) -> None:
    one = Admission(Connection(), GIVE_UP_S)
    brokers.answer = LoginRefused("refuses the log-in of nps; check sasl_password")
    with caplog.at_level(logging.INFO, "npstream.admission"):
        for _ in range(3):
            brokers.now += PAUSE_S
            await one.look()
            assert one.refusal == "refuses the log-in of nps; check sasl_password"
        brokers.now += PAUSE_S
        brokers.answer = None
        await one.look()
    assert one.refusal is None
    assert [record.getMessage() for record in caplog.records] == [
        "not let in: refuses the log-in of nps; check sasl_password; trying again for 60 s",
        "the broker lets this worker in again",
    ]


async def test_it_is_given_up_after_a_while_counted_from_the_first_refusal(brokers: Brokers) -> None:
    one = Admission(Connection(), GIVE_UP_S)
    for reason in ("no TLS", "no log-in"):
        brokers.now += PAUSE_S
        brokers.answer = LoginRefused(reason)
        await one.look()
    assert not one.given_up
    brokers.now += GIVE_UP_S
    assert one.given_up


async def test_a_broker_that_is_away_refuses_nobody_and_changes_nothing(brokers: Brokers) -> None:
    one = Admission(Connection(), GIVE_UP_S)
    brokers.answer = BrokerUnreachable("nobody there")
    await one.look()
    assert one.refusal is None
    assert not one.given_up


async def test_they_are_not_asked_all_the_time(brokers: Brokers) -> None:
    one = Admission(Connection(), GIVE_UP_S)
    for _ in range(5):
        await one.look()
    assert brokers.asked == 1
