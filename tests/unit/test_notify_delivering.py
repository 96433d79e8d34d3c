"""Attempts of a delivery: what is made again, what is given up, and who asks while a sink is down."""

import asyncio

import pytest

from npstream.notifying import delivering
from npstream.notifying.answers import Away, Refused
from npstream.notifying.delivering import STRIKES, Closing, Progress
from npstream.notifying.gate import Gate
from npstream.notifying.orders import Order
from npstream.notifying.record import Attempt
from schemas.times import format_time
from tests.notifying import HOUR_MS, NOW, Desk, order, until

SLOW = Away("answers 500", 500)
BUSY = Away("answers 503", 503, of_sink=True)


def named(name: str, **fields: object) -> Order:
    return order(**{"delivery_id": name, "expires_at": format_time(NOW + HOUR_MS), **fields})


async def deliver(desk: Desk, given: Order, progress: Progress | None = None) -> Attempt:
    return await asyncio.wait_for(desk.delivering.deliver(given, progress or Progress(), lambda: None), 20)


async def test_what_the_sink_takes_is_delivered() -> None:
    desk = Desk()
    ended = await deliver(desk, named("d-1"))
    assert ended == Attempt("delivered", 1, NOW, 200)
    assert desk.counted("delivered") == 1
    assert desk.sample("npstream_delivery_seconds_count") == 1
    assert desk.sample("npstream_delivery_delay_seconds_sum") == 0.5


async def test_an_attempt_that_failed_is_made_again_and_recorded() -> None:
    desk, progress = Desk(), Progress()
    desk.sink.answers["d-1"] = [BUSY, SLOW]
    ended = await deliver(desk, named("d-1"), progress)
    assert (ended.outcome, ended.number) == ("delivered", 3)
    assert [(one.outcome, one.number, one.status, one.error) for one in progress.failed] == [
        ("retrying", 1, 503, "answers 503"),
        ("retrying", 2, 500, "answers 500"),
    ]
    assert desk.counted("retrying") == 2


async def test_what_the_sink_refuses_is_given_up_at_once_and_the_sink_is_up() -> None:
    desk = Desk()
    desk.sink.answers["d-1"] = [Refused("answers 400: bad", 400)]
    ended = await deliver(desk, named("d-1"))
    assert (ended.outcome, ended.number, ended.status, ended.error) == ("failed", 1, 400, "answers 400: bad")
    assert str(ended.cause) == ended.error
    assert desk.gate.is_up


async def test_a_fault_of_ours_fails_one_delivery_and_no_other() -> None:
    desk = Desk()
    desk.sink.answers["d-1"] = [KeyError("gone")]
    ended = await deliver(desk, named("d-1"))
    assert (ended.outcome, ended.error) == ("failed", "KeyError: 'gone'")
    assert (await deliver(desk, named("d-2"))).outcome == "delivered"


async def test_a_sink_that_takes_too_long_is_away() -> None:
    desk, progress = Desk(timeout_s=0.01), Progress()
    desk.sink.let_go = asyncio.Event()
    delivery = asyncio.create_task(deliver(desk, named("d-1"), progress))
    await until(lambda: progress.failed)
    assert progress.failed[0].error == "does not answer within 0.01 s"
    desk.sink.let_go.set()
    assert (await delivery).outcome == "delivered"


async def test_what_nobody_wants_any_more_is_not_delivered() -> None:
    desk = Desk()
    ended = await deliver(desk, named("d-1", expires_at=format_time(NOW)))
    assert (ended.outcome, ended.number) == ("expired", 1)
    assert desk.sink.attempts == []


async def test_it_expires_while_the_sink_is_away() -> None:
    desk, progress = Desk(), Progress()
    desk.sink.down = BUSY
    delivery = asyncio.create_task(deliver(desk, named("d-1"), progress))
    await until(lambda: progress.failed)
    desk.wall_ms = NOW + HOUR_MS
    ended = await delivery
    assert ended.outcome == "expired"
    assert ended.number == len(desk.sink.attempts)


async def test_a_repeat_for_a_sink_that_forgets_is_not_tried_beyond_the_end_of_what_it_repeats() -> None:
    desk = Desk()
    item = {"key": "c-1", "kind": "case", "what": "opened", "headline": "h", "severity": "high",
            "starts_at": format_time(NOW - HOUR_MS), "ends_at": format_time(NOW - 1)}  # fmt: skip
    assert (await deliver(desk, named("d-1", items=[item], refresh=True))).outcome == "expired"
    assert (await deliver(desk, named("d-2", items=[item]))).outcome == "delivered"


async def test_what_was_tried_for_long_enough_is_given_up() -> None:
    desk = Desk(give_up_after_s=0.0)
    desk.sink.down = BUSY
    ended = await deliver(desk, named("d-1"))
    assert (ended.outcome, ended.number, ended.status) == ("failed", 1, 503)
    assert ended.error == "answers 503, for 0 s"
    assert str(ended.cause) == ended.error


async def test_a_delivery_that_fails_while_others_are_taken_is_the_culprit() -> None:
    desk = Desk()
    desk.sink.answers["poison"] = [SLOW] * 1000
    poison = asyncio.create_task(deliver(desk, named("poison")))
    taken = 0
    while not poison.done():
        assert (await deliver(desk, named(f"d-{taken}"))).outcome == "delivered"
        taken += 1
        assert taken < 10_000
    ended = await poison
    assert ended.outcome == "failed"
    assert ended.error == f"answers 500, {STRIKES} times while others were taken"
    assert desk.gate.is_up


async def test_a_busy_sink_is_no_fault_of_a_delivery() -> None:
    desk = Desk()
    desk.sink.answers["d-1"] = [BUSY] * (3 * STRIKES)
    first = asyncio.create_task(deliver(desk, named("d-1")))
    for number in range(2, 2000):
        if first.done():
            break
        await deliver(desk, named(f"d-{number}"))
    assert (await first).outcome == "delivered"


async def test_no_more_attempts_than_allowed_are_under_way() -> None:
    desk = Desk(at_once=3)
    await asyncio.gather(*(deliver(desk, named(f"d-{number}")) for number in range(50)))
    assert desk.sink.most_under_way == 3
    assert len(desk.sink.delivered) == 50


async def test_while_a_sink_is_down_one_at_a_time_asks() -> None:
    desk = Desk(at_once=8)
    desk.sink.down = BUSY
    deliveries = [asyncio.create_task(deliver(desk, named(f"d-{number}"))) for number in range(20)]
    await until(lambda: len(desk.sink.attempts) >= 8)  # those that began when it was up
    desk.sink.most_under_way = 0
    await until(lambda: len(desk.sink.attempts) >= 40)
    assert desk.sink.most_under_way == 1
    assert desk.sample("npstream_notify_sink_up") == 0
    desk.sink.down = None
    assert {ended.outcome for ended in await asyncio.gather(*deliveries)} == {"delivered"}
    assert desk.sample("npstream_notify_sink_up") == 1


async def test_an_outage_is_two_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    desk = Desk()
    desk.sink.down = BUSY
    deliveries = [asyncio.create_task(deliver(desk, named(f"d-{number}"))) for number in range(20)]
    await until(lambda: len(desk.sink.attempts) > 50)
    desk.sink.down = None
    await asyncio.gather(*deliveries)
    assert [record.message.partition(",")[0] for record in caplog.records] == [
        "sink here answers 503; deliveries wait",
        "sink here answers again",
    ]


async def test_the_same_refusal_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    for number in range(5):
        desk.sink.answers[f"d-{number}"] = [Refused(f"answers 404: acme {number}", 404, "answers 404")]
        await deliver(desk, named(f"d-{number}"))
    assert len(caplog.records) == 1
    assert "acme" not in caplog.text


async def test_a_delivery_that_waits_can_be_given_up_and_the_next_one_asks() -> None:
    desk = Desk()
    desk.draw = 1.0  # a pause of a second and more
    desk.sink.down = BUSY
    first, second = (asyncio.create_task(deliver(desk, named(name))) for name in ("d-1", "d-2"))
    await until(lambda: len(desk.sink.attempts) == 2)
    first.cancel()
    await asyncio.wait({first})
    desk.sink.down = None
    assert (await second).outcome == "delivered"


async def test_nothing_begins_when_the_lane_ends() -> None:
    desk, progress = Desk(), Progress(closing=True)
    with pytest.raises(Closing):
        await deliver(desk, named("d-1"), progress)
    assert desk.sink.attempts == []


class Clock:
    """Of the gate: moved by the test."""

    def __init__(self) -> None:
        self.now = 0.0


@pytest.mark.parametrize(("asked", "expected"), [(None, [1, 2, 4, 8, 16, 30, 30]), (60.0, [61] + [60 + 1] * 6)])
def test_the_gate_leaves_a_sink_alone_for_longer_and_longer(asked: float | None, expected: list[float]) -> None:
    time, desk = Clock(), Desk()
    gate = Gate("here", desk.metrics, now=lambda: time.now, draw=lambda: 1.0)
    found = []
    for passed in range(7):
        gate.failed(Away("answers 503", 503, asked), passed)
        found.append(gate._next - time.now)
        time.now = gate._next
    assert found == expected


def test_attempts_that_failed_together_are_one_failure() -> None:
    desk = Desk()
    for _ in range(8):
        desk.gate.failed(BUSY, 0)
    assert desk.gate._failures == 1
    assert delivering.STRIKES > 1
