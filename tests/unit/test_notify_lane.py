"""A lane and its partitions: what is delivered, in which order, what is recorded and when, and what happens at the end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError
from hypothesis import given
from hypothesis import strategies as st

from npstream.failures import UserError
from npstream.notifying import lane as lane_module
from npstream.notifying import partition as partition_module
from npstream.notifying.answers import Away, Refused
from npstream.notifying.lane import Lane
from npstream.notifying.orders import alerts_to
from npstream.notifying.partition import Partition
from schemas import topics
from schemas.times import format_time
from tests.notifying import NOW, Came, Desk, StandInBook, came, until

BUSY = Away("answers 503", 503, of_sink=True)
HERE = TopicPartition(topics.ALERTS, 0)


class Stage:
    """One partition of a lane, its sink and its book."""

    def __init__(self, desk: Desk, book: StandInBook) -> None:
        self.desk = desk
        self.book = book
        self.partition = Partition(desk.delivering, alerts_to("here", buries=True), book, desk.metrics)
        self.running = asyncio.create_task(self.partition.run())

    async def recorded(self, upto: int) -> None:
        """Wait until it could go on there."""
        await until(lambda: self.running.done() or self.partition.passed >= upto)
        if self.running.done():
            self.running.result()

    async def close(self, grace_s: float = 1.0) -> None:
        await self.partition.close(self.running, grace_s)


@asynccontextmanager
async def stage(book: StandInBook | None = None, **settings: Any) -> AsyncIterator[Stage]:
    made = Stage(Desk(**settings), book or StandInBook())
    try:
        yield made
    finally:
        if not made.book.closed:
            await made.close()


async def test_what_is_read_is_delivered_and_recorded_with_the_offset_after_it() -> None:
    async with stage() as here:
        here.partition.add([came(4, "d-1"), came(5, "d-2"), came(6, "d-3", sink="other")])
        await here.recorded(7)
        assert here.book.outcomes == [("d-1", "delivered"), ("d-2", "delivered")]
        assert here.book.floor == 7
        assert here.desk.sample("npstream_notify_waiting") == 0


async def test_alerts_of_an_account_are_delivered_in_order_and_those_of_others_meanwhile() -> None:
    async with stage() as here:
        here.desk.sink.answers["a-1"] = [BUSY] * 5
        records = [came(number, f"{account}-{number // 3}", account=account) for number, account in enumerate("abc" * 20)]
        here.partition.add(records)
        await here.recorded(60)
        for account in "abc":
            mine = [name for name in here.desk.sink.delivered if name.startswith(account)]
            assert mine == [f"{account}-{number}" for number in range(20)]
        assert here.desk.sink.most_under_way == 3


async def test_nothing_is_recorded_beyond_what_is_not_done() -> None:
    async with stage() as here:
        here.desk.sink.answers["d-1"] = [BUSY]
        here.desk.draw = 1.0
        here.partition.add([came(0, "d-0", account="x"), came(1, "d-1"), came(2, "d-2", account="y")])
        await here.recorded(3)
        done_at = {name: upto for outcomes, upto in here.book.writes for one in outcomes for name in [one["delivery_id"]]}
        assert done_at["d-0"] <= done_at["d-1"] == 3
        assert [outcome for name, outcome in here.book.outcomes if name == "d-1"] == ["retrying", "delivered"]
        offsets = [upto for _, upto in here.book.writes]
        assert offsets == sorted(offsets)


async def test_while_one_transaction_is_written_others_are_delivered_and_recorded_together() -> None:
    async with stage() as here:
        here.book.let_go = asyncio.Event()
        here.partition.add([came(number, f"d-{number}", account=f"a{number}") for number in range(100)])
        await until(lambda: len(here.desk.sink.delivered) == 100)
        here.book.let_go.set()
        await here.recorded(100)
        assert len(here.book.outcomes) == 100
        assert len(here.book.writes) < 10


async def test_what_another_has_recorded_is_not_delivered() -> None:
    async with stage(StandInBook(committed=2)) as here:
        here.partition.add([came(0, "d-0"), came(1, "d-1"), came(2, "d-2")])
        await here.recorded(3)
        assert here.desk.sink.delivered == ["d-2"]
        assert here.book.outcomes == [("d-2", "delivered")]


async def test_a_partition_that_has_nothing_for_this_sink_is_never_opened() -> None:
    async with stage() as here:
        here.partition.add([came(number, "d", sink="other") for number in range(10)])
        await here.recorded(10)
        assert (here.book.opened, here.book.writes) == (0, [])
        assert here.partition.bookmark == 10


async def test_what_nobody_can_read_is_a_dead_letter_and_the_next_is_delivered() -> None:
    async with stage() as here:
        here.partition.add([Came(b"{", 0), came(1, "d-1")])
        await here.recorded(2)
        assert [letter.value for letter in here.book.letters] == [b"{"]
        assert here.book.outcomes == [("d-1", "delivered")]


async def test_what_failed_is_recorded_and_a_dead_letter() -> None:
    async with stage() as here:
        here.desk.sink.answers["d-0"] = [Refused("answers 400", 400)]
        record = came(0, "d-0")
        here.partition.add([record, came(1, "d-1")])
        await here.recorded(2)
        assert here.book.outcomes == [("d-0", "failed"), ("d-1", "delivered")]
        (letter,) = here.book.letters
        assert (letter.key, letter.value, letter.partition) == (record.key, record.value, 0)
        assert dict(letter.headers)["nps-reason"] == b"not delivered"
        assert dict(letter.headers)["__connect.errors.exception.message"] == b"answers 400"


async def test_what_expired_is_recorded_and_no_dead_letter() -> None:
    async with stage() as here:
        here.partition.add([came(0, "d-0", expires_at=format_time(NOW))])
        await here.recorded(1)
        assert here.book.outcomes == [("d-0", "expired")]
        assert here.book.letters == []


async def test_of_what_is_told_again_the_last_is_enough() -> None:
    async with stage() as here:
        here.desk.sink.down = BUSY
        here.partition.add([came(0, "d-0")])
        await until(lambda: here.desk.sink.attempts)
        later = [came(number, f"d-{number}", refresh=True) for number in range(1, 6)]
        other = came(6, "e-1", refresh=True, dedup_key="acme|another")
        here.partition.add([*later, other])
        await asyncio.sleep(0)
        here.desk.sink.down = None
        await here.recorded(7)
        assert here.desk.sink.delivered == ["d-0", "d-5", "e-1"]
        assert [name for name, outcome in here.book.outcomes if outcome == "delivered"] == ["d-0", "d-5", "e-1"]
        assert here.desk.counted("superseded") == 4
        assert here.desk.sample("npstream_notify_waiting") == 0


async def test_what_is_news_is_never_superseded() -> None:
    async with stage() as here:
        here.partition.add([came(0, "d-0"), came(1, "d-1"), came(2, "d-2", refresh=True), came(3, "d-3")])
        await here.recorded(4)
        assert here.desk.sink.delivered == ["d-0", "d-1", "d-3"]


async def test_at_the_end_what_is_under_way_is_waited_for_and_recorded() -> None:
    async with stage() as here:
        here.desk.sink.let_go = asyncio.Event()
        here.partition.add([came(0, "d-0"), came(1, "d-1"), came(2, "e-0", account="e")])
        await until(lambda: here.desk.sink.under_way == 2)
        closing = asyncio.create_task(here.close(grace_s=10.0))
        await asyncio.sleep(0)
        here.desk.sink.let_go.set()
        await asyncio.wait_for(closing, 10)
        assert sorted(here.desk.sink.delivered) == ["d-0", "e-0"]
        assert here.book.writes[-1][1] == 1  # d-1 has not begun, so e-0 will be delivered again, with its id
        assert here.book.outcomes == [("d-0", "delivered")]
        assert here.book.closed == 1


async def test_an_end_does_not_wait_for_a_sink_that_is_away() -> None:
    async with stage() as here:
        here.desk.draw = 1.0
        here.desk.sink.down = BUSY
        here.partition.add([came(number, f"d-{number}", account=f"a{number}") for number in range(20)])
        await until(lambda: not here.desk.gate.is_up)
        await asyncio.wait_for(here.close(grace_s=10.0), 5)
        assert not [outcome for _, outcome in here.book.outcomes if outcome != "retrying"]
        assert here.desk.sample("npstream_notify_waiting") == 0


async def test_an_end_cuts_short_what_does_not_end() -> None:
    async with stage() as here:
        here.desk.sink.let_go = asyncio.Event()
        here.partition.add([came(0, "d-0")])
        await until(lambda: here.desk.sink.under_way)
        await asyncio.wait_for(here.close(grace_s=0.01), 5)
        assert here.book.writes == []


async def test_a_fault_in_a_delivery_ends_the_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage() as here:

        async def broken(*given: object) -> None:
            raise RuntimeError("a defect")

        monkeypatch.setattr(here.desk.delivering, "deliver", broken)
        here.partition.add([came(0, "d-0")])
        with pytest.raises(RuntimeError, match="a defect"):
            await here.recorded(1)
        here.book.closed += 1


ALERTS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["here", "here", "other"]), st.integers(0, 3), st.booleans()), max_size=40
)


@given(alerts=ALERTS, sizes=st.lists(st.integers(1, 10), min_size=1, max_size=10), committed=st.integers(0, 5))
def test_every_alert_has_one_end_whatever_the_sink_does(
    alerts: list[tuple[str, str, int, bool]], sizes: list[int], committed: int
) -> None:
    """However records come and whatever fails: each of ours is recorded once, in its account's order; offsets never go back."""

    async def play() -> None:
        async with stage(StandInBook(committed=committed)) as here:
            records = []
            for offset, (account, sink, failures, refused) in enumerate(alerts):
                here.desk.sink.answers[f"d-{offset}"] = [
                    *[BUSY] * failures,
                    *([Refused("answers 400", 400)] if refused else []),
                ]
                records.append(came(offset, f"d-{offset}", sink=sink, account=account))
            rest, turn = records, 0
            while rest:
                size = sizes[turn % len(sizes)]
                here.partition.add(rest[:size])
                rest, turn = rest[size:], turn + 1
                await asyncio.sleep(0)
            await here.recorded(len(records))
            ours = [(offset, *one) for offset, one in enumerate(alerts) if one[1] == "here" and offset >= committed]
            if not any(one[1] == "here" for one in alerts):
                ours = []
            ended = [(name, outcome) for name, outcome in here.book.outcomes if outcome != "retrying"]
            assert sorted(ended) == sorted((f"d-{one[0]}", "failed" if one[4] else "delivered") for one in ours)
            for account in "abc":
                mine = [f"d-{one[0]}" for one in ours if one[1] == account and not one[4]]
                assert [name for name in here.desk.sink.delivered if name in mine] == mine
            offsets = [upto for _, upto in here.book.writes]
            assert offsets == sorted(offsets)

    asyncio.run(play())


# --- the lane ---


@dataclass
class StandInConsumer:
    """Gives what it has, and writes down what is asked of it."""

    shares: list[dict[TopicPartition, list[Came]]] = field(default_factory=list)
    commits: list[dict[TopicPartition, int]] = field(default_factory=list)
    paused: list[TopicPartition] = field(default_factory=list)
    resumed: list[TopicPartition] = field(default_factory=list)
    refuses: Exception | None = None

    async def getmany(self, timeout_ms: int) -> dict[TopicPartition, list[Came]]:
        await asyncio.sleep(0.001)
        return self.shares.pop(0) if self.shares else {}

    def pause(self, where: TopicPartition) -> None:
        self.paused.append(where)

    def resume(self, where: TopicPartition) -> None:
        self.resumed.append(where)

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.commits.append(offsets)


class Whole:
    """A lane with its stand-ins."""

    def __init__(self, **settings: Any) -> None:
        self.desk = Desk(**settings)
        self.consumer = StandInConsumer()
        self.books: dict[TopicPartition, StandInBook] = {}
        self.stop = asyncio.Event()
        self.lane = Lane("here", self.consumer, self.partition_of)

    def partition_of(self, where: TopicPartition) -> Partition:
        self.books[where] = StandInBook()
        return Partition(self.desk.delivering, alerts_to("here"), self.books[where], self.desk.metrics)


@asynccontextmanager
async def whole(**settings: Any) -> AsyncIterator[Whole]:
    made = Whole(**settings)
    running = asyncio.create_task(made.lane.run(made.stop))
    try:
        yield made
    finally:
        made.stop.set()
        await asyncio.wait_for(running, 20)


def elsewhere(partition: int) -> TopicPartition:
    return TopicPartition(topics.ALERTS, partition)


async def test_partitions_are_delivered_side_by_side() -> None:
    async with whole() as here:
        here.desk.sink.let_go = asyncio.Event()
        here.consumer.shares.append({elsewhere(number): [came(0, f"d-{number}")] for number in range(4)})
        await until(lambda: here.desk.sink.under_way == 4)
        here.desk.sink.let_go.set()
        await until(lambda: all(book.outcomes for book in here.books.values()))
    assert all(book.closed for book in here.books.values())


async def test_what_was_passed_over_is_told_to_the_group_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_module, "BOOKMARK_S", 0.0)
    async with whole() as here:
        here.consumer.shares.append({HERE: [came(number, "d", sink="other") for number in range(7)]})
        await until(lambda: here.consumer.commits)
        assert here.consumer.commits == [{HERE: 7}]
        here.consumer.shares.append({HERE: [came(7, "d-7")]})
        await until(lambda: here.books[HERE].writes)
    assert here.consumer.commits == [{HERE: 7}]  # and what is recorded is in the transaction


async def test_it_does_no_harm_when_the_group_does_not_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_module, "BOOKMARK_S", 0.0)
    async with whole() as here:
        here.consumer.refuses = CommitFailedError()
        here.consumer.shares.append({HERE: [came(0, "d", sink="other")]})
        here.consumer.shares.append({HERE: [came(1, "d-1")]})
        await until(lambda: here.books.get(HERE) and here.books[HERE].writes)


async def test_no_more_is_read_than_can_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition_module, "MOST", 10)
    async with whole() as here:
        here.desk.sink.let_go = asyncio.Event()
        here.consumer.shares.append({HERE: [came(number, f"d-{number}") for number in range(12)]})
        await until(lambda: here.consumer.paused)
        here.desk.sink.let_go.set()
        await until(lambda: here.consumer.resumed)
    assert (here.consumer.paused, here.consumer.resumed) == ([HERE], [HERE])


async def test_a_partition_that_goes_to_another_is_let_go_of_and_begins_anew_when_it_comes_back() -> None:
    async with whole() as here:
        here.consumer.shares.append({HERE: [came(0, "d-0")]})
        await until(lambda: here.books.get(HERE) and here.books[HERE].writes)
        first = here.books[HERE]
        await here.lane.revoked([HERE, elsewhere(1)])
        assert first.closed == 1
        here.consumer.shares.append({HERE: [came(1, "d-1")]})
        await until(lambda: here.books[HERE] is not first and here.books[HERE].writes)


async def test_what_the_broker_refuses_for_good_ends_the_lane() -> None:
    here = Whole()

    def refusing(where: TopicPartition) -> Partition:
        partition = here.partition_of(where)

        async def refuse(*given: object) -> None:
            raise UserError("this user may not write to nps.deliveries")

        here.books[where].write = refuse  # type: ignore[method-assign]
        return partition

    lane = Lane("here", here.consumer, refusing)
    here.consumer.shares.append({HERE: [came(0, "d-0")]})
    with pytest.raises(UserError, match=r"may not write to nps\.deliveries"):
        await asyncio.wait_for(lane.run(here.stop), 20)
