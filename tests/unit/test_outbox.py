"""The writers alone, on the model's producer: what goes where, in which order, in how many record batches, and which failure is
which."""

import asyncio
import gc
import random
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import errors

from streams.broker import BatchTooLarge, BrokerAway, Denied, Fenced, WriteFailed, Written
from streams.closing import CLOSE_TIMEOUT_S
from streams.outbox import PlainWriter, TransactionalWriter, failure
from streams.partitioner import partition_of
from streams.processor import Headers, Outgoing
from tests.model.clock import run
from tests.model.cluster import Cluster
from tests.model.crashes import away, refused
from tests.model.faults import Faults
from tests.model.log import Stored
from tests.model.producer import ModelProducer

TIMEOUT_S = 15.0
CHANGES = [(b"a", b"1"), (b"b", None)]


class Desk:
    """A cluster, and writers for partition 1 of the changelog."""

    def __init__(self) -> None:
        self.cluster = Cluster({"out": 4, "one": 1, "changelog": 2})
        self.faults = Faults()

    def transactional(self, batch_bytes: int = 900 << 10) -> TransactionalWriter:
        epoch = self.cluster.initialise("id")
        return TransactionalWriter(
            ModelProducer(self.cluster, self.faults, "id", epoch, batch_bytes), "changelog", 1, TIMEOUT_S
        )

    def plain(self, batch_bytes: int = 900 << 10) -> PlainWriter:
        return PlainWriter(ModelProducer(self.cluster, self.faults, None, -1, batch_bytes), "changelog", 1, TIMEOUT_S)

    def values(self, topic: str) -> list[bytes | None]:
        return [record.value for record in self.cluster.read(topic)]


def event(
    key: bytes | None = b"k",
    value: bytes | None = b"v",
    route: bytes | int | None = None,
    headers: Headers = (),
    topic: str = "out",
) -> Outgoing:
    return Outgoing(topic, key, value, 1_700_000_000_123, headers, route)


async def write(
    writer: TransactionalWriter | PlainWriter, events: Sequence[Outgoing], changes: Sequence[tuple[bytes, bytes | None]]
) -> Written:
    """All of it, as one draft."""
    draft = writer.draft()
    for one in events:
        draft.send(*one)
    for change in changes:
        draft.change(*change)
    return await writer.write(draft)


# What goes where.


@pytest.mark.parametrize(
    ("key", "route", "partition"),
    [
        (b"acme", None, partition_of(b"acme", 4)),
        (b"acme", b"plan=pro", partition_of(b"plan=pro", 4)),
        (b"acme", 3, 3),
        (b"acme", 7, 3),
        (None, None, 1),  # the task's own
        (None, b"acme", partition_of(b"acme", 4)),
    ],
)
@pytest.mark.parametrize("kind", ["transactional", "plain"])
def test_the_route_picks_the_partition_or_else_the_key_does(
    kind: str, key: bytes | None, route: bytes | int | None, partition: int
) -> None:
    async def scenario(desk: Desk) -> Stored:
        await write(getattr(desk, kind)(), [event(key, route=route)], CHANGES)
        (record,) = desk.cluster.read("out")
        return record

    assert run(scenario(Desk())).partition == partition


def test_a_record_arrives_as_it_was_sent() -> None:
    headers: list[tuple[str, bytes]] = [("twice", b"1"), ("twice", b"2"), ("empty", b"")]

    async def scenario(desk: Desk) -> list[Stored]:
        events = [event(b"k", b"v", 0, headers), event(b"k", None, 0), event(None, b"v", 0, tuple(headers))]
        await write(desk.transactional(), events, CHANGES)
        return desk.cluster.read("out")

    full, tombstone, keyless = run(scenario(Desk()))
    assert (full.key, full.value, full.timestamp, list(full.headers)) == (b"k", b"v", 1_700_000_000_123, headers)
    assert (tombstone.value, list(tombstone.headers)) == (None, [])
    assert (keyless.key, list(keyless.headers)) == (None, headers)


@pytest.mark.parametrize("batch_bytes", [100, 500, 900 << 10])
def test_order_within_a_partition_is_the_order_of_sending_however_many_record_batches_it_takes(batch_bytes: int) -> None:
    async def scenario(desk: Desk) -> None:
        events = [event(b"k%d" % (i % 7), b"%d" % i) for i in range(60)]
        changes = [(b"c%d" % i, b"x" * 20) for i in range(40)]
        await write(desk.transactional(batch_bytes), events, changes)
        for log in desk.cluster.topics["out"]:
            sent = [int(record.value or b"") for record in log.committed(0, log.ends.high)]
            assert sent == sorted(sent)
        assert len(desk.cluster.read("out")) == 60
        assert [record.key for record in desk.cluster.read("changelog")] == [key for key, _ in changes]

    run(scenario(Desk()))


def test_the_changelog_goes_to_the_tasks_partition_and_a_deletion_is_a_tombstone() -> None:
    async def scenario(desk: Desk) -> None:
        await write(desk.transactional(), (), CHANGES)
        assert [(r.partition, r.key, r.value) for r in desk.cluster.read("changelog")] == [(1, b"a", b"1"), (1, b"b", None)]

    run(scenario(Desk()))


@pytest.mark.parametrize("batch_bytes", [100, 900 << 10])
@pytest.mark.parametrize("kind", ["transactional", "plain"])
def test_the_changelogs_end_is_known_after_each_write(kind: str, batch_bytes: int) -> None:
    async def scenario(desk: Desk) -> None:
        writer = getattr(desk, kind)(batch_bytes)
        for count in (1, 4, 2):
            events = [event(b"%d" % i) for i in range(count * 3)]
            changes = [(b"%d" % i, b"x") for i in range(count)]
            written: Written = await write(writer, events, changes)
            assert written.changelog_end == desk.cluster.log("changelog", 1).ends.high

    run(scenario(Desk()))


@pytest.mark.parametrize("kind", ["transactional", "plain"])
def test_events_alone_leave_the_changelogs_end_unknown(kind: str) -> None:
    async def scenario(desk: Desk) -> None:
        written: Written = await write(getattr(desk, kind)(), [event()], ())
        assert written.changelog_end is None
        assert desk.values("out") == [b"v"]

    run(scenario(Desk()))


@pytest.mark.parametrize("kind", ["transactional", "plain"])
def test_a_record_that_only_fits_compressed_is_compressed_and_arrives_as_it_was(kind: str) -> None:
    headers = [("nps-reason", b"too large")]

    async def scenario(desk: Desk) -> None:
        value = b"{" * (5 << 20)
        await write(getattr(desk, kind)(), [event(b"a", b"small", 0), event(b"b", value, 0, headers), event(b"c", b"s", 0)], ())
        small, large, last = desk.cluster.read("out")
        assert (large.key, large.value, list(large.headers), large.timestamp) == (b"b", value, headers, small.timestamp)
        assert (small.value, last.value) == (b"small", b"s")

    run(scenario(Desk()))


# All or nothing.


@pytest.mark.parametrize("error", [away, refused])
@pytest.mark.parametrize(
    "point",
    [f"{when} claim {step}" for step in ("begin", "produce 1", "produce 2", "produce 3") for when in ("before", "after")]
    + ["before claim commit"],
)
def test_a_write_that_fails_before_the_commit_commits_nothing(point: str, error: type[Exception]) -> None:
    async def scenario(desk: Desk) -> None:
        writer = desk.transactional()
        desk.faults.plan(point, error(point))
        with pytest.raises(BrokerAway if error is away else WriteFailed):
            await write(writer, [event(b"a"), event(topic="one")], CHANGES)
        await writer.discard()
        desk.cluster.initialise("id")
        assert desk.values("out") == desk.values("one") == desk.values("changelog") == []

    run(scenario(Desk()))


def test_a_record_that_the_broker_refuses_takes_its_batch_with_it() -> None:
    async def scenario(desk: Desk) -> None:
        writer = desk.transactional()
        with pytest.raises(WriteFailed, match="produce to out: MessageSizeTooLargeError") as refusal:
            await write(writer, [event(topic="one"), event(value=random.Random(1).randbytes(1_100_000))], CHANGES)
        assert not isinstance(refusal.value, BrokerAway)
        desk.cluster.initialise("id")
        assert desk.values("out") == desk.values("one") == desk.values("changelog") == []

    run(scenario(Desk()))


def test_a_fenced_writer_says_so_at_its_first_produce_or_at_its_commit() -> None:
    async def scenario(desk: Desk) -> None:
        old = desk.transactional()
        await write(old, [event(value=b"old")], CHANGES)
        new = desk.transactional()
        with pytest.raises(Fenced):
            await write(old, [event(value=b"too late")], CHANGES)
        desk.faults.plan("before claim commit", lambda: desk.cluster.time_out("id"))
        with pytest.raises(Fenced):
            await write(new, [event(value=b"too slow")], CHANGES)
        assert desk.values("out") == [b"old"]

    run(scenario(Desk()))


@pytest.mark.parametrize("kind", ["transactional", "plain"])
def test_a_broker_that_does_not_answer_is_away_after_the_time_out(kind: str) -> None:
    async def scenario(desk: Desk) -> None:
        desk.faults.plan("before claim produce 2", None)
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(BrokerAway):
            await write(getattr(desk, kind)(), [event()], CHANGES)
        assert loop.time() - began == pytest.approx(TIMEOUT_S)

    run(scenario(Desk()))


def test_a_writer_that_failed_is_of_no_more_use() -> None:
    async def scenario(desk: Desk) -> None:
        writer = desk.transactional()
        desk.faults.plan("after claim produce 1", refused("batch"))
        for _ in range(3):
            with pytest.raises(WriteFailed):
                await write(writer, [event()], CHANGES)
        desk.cluster.initialise("id")
        assert desk.values("out") == []

    run(scenario(Desk()))


# Without transactions.


@pytest.mark.parametrize(
    "point", ["before claim produce 1", "after claim produce 1", "before claim produce 2", "after claim produce 2"]
)
def test_without_transactions_events_come_first_and_state_and_positions_all_at_once(point: str) -> None:
    async def scenario(desk: Desk) -> None:
        desk.faults.plan(point, refused("batch"))
        with pytest.raises(WriteFailed):
            await write(desk.plain(), [event()], CHANGES)
        events, changes = len(desk.values("out")), len(desk.values("changelog"))
        assert changes in (0, len(CHANGES))
        assert events >= bool(changes)

    run(scenario(Desk()))


def test_without_transactions_changes_that_take_two_record_batches_are_refused_before_anything_is_sent() -> None:
    async def scenario(desk: Desk) -> None:
        with pytest.raises(BatchTooLarge, match=r"50 changes take [0-9]+ record batches"):
            await write(desk.plain(200), [event()], [(b"%d" % i, b"x" * 20) for i in range(50)])
        assert desk.values("out") == desk.values("changelog") == []

    run(scenario(Desk()))


# Failures.


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.ProducerFenced(), Fenced),
        (errors.InvalidProducerEpoch(), Fenced),
        (errors.KafkaConnectionError(), BrokerAway),
        (errors.NodeNotReadyError(), BrokerAway),
        (errors.RequestTimedOutError(), BrokerAway),
        (errors.KafkaTimeoutError(), BrokerAway),
        (errors.LeaderNotAvailableError(), BrokerAway),
        (ConnectionResetError("peer"), BrokerAway),
        (TimeoutError(), BrokerAway),
        (errors.MessageSizeTooLargeError(), WriteFailed),
        (errors.InvalidTxnState(), WriteFailed),
        (errors.UnknownError(90), WriteFailed),
        (AssertionError("Invalid state transition"), WriteFailed),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_each_error_is_away_fenced_or_failed_and_says_what_was_tried(error: Exception, kind: type[Exception]) -> None:
    made = failure("produce to out", error)
    assert type(made) is kind
    assert str(made).startswith(f"produce to out: {type(error).__name__}")


@pytest.mark.parametrize(
    ("error", "operation", "lacking"),
    [
        (errors.TopicAuthorizationFailedError("out"), "Write", "Write on topic out"),
        (errors.TopicAuthorizationFailedError({"out", "also"}), "Write", "Write on topic also, out"),
        (errors.TopicAuthorizationFailedError("in"), "Read", "Read on topic in"),
        (errors.TopicAuthorizationFailedError("in"), "Describe", "Describe on topic in"),
        (errors.GroupAuthorizationFailedError("nps-scoring"), "Describe", "Read on group nps-scoring"),
        (errors.TransactionalIdAuthorizationFailed("nps-scoring-0"), "Write", "Write on transactional id nps-scoring-0"),
        (errors.TransactionalIdAuthorizationFailed(), "Write", "Write on transactional id (unnamed)"),
    ],
)
def test_what_is_forbidden_names_operation_and_resource(error: errors.KafkaError, operation: str, lacking: str) -> None:
    made = failure("whatever was tried", error, operation)
    assert type(made) is Denied
    assert str(made) == f"this user lacks {lacking}: allow it, and this goes on by itself"


# Discarding.


class Closing:
    """A producer that hangs, fails or ends when it is stopped."""

    def __init__(self, how: str) -> None:
        self.how = how
        self.client = self
        self.closed = False

    async def stop(self) -> None:
        if self.how == "hangs":
            await asyncio.Event().wait()
        if self.how == "fails":
            raise errors.KafkaError("while stopping")

    async def close(self) -> None:
        self.closed = True


def test_what_a_discarded_transaction_failed_of_is_logged_by_nobody() -> None:
    async def scenario() -> list[dict[str, object]]:
        surprises: list[dict[str, object]] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: surprises.append(context))
        producer: Any = Closing("ends")
        transaction, drain = loop.create_future(), loop.create_future()
        producer._txn_manager = SimpleNamespace(_transaction_waiter=transaction)
        producer._message_accumulator = SimpleNamespace(_batches={0: [SimpleNamespace(_drain_waiter=drain)]})
        for future in (transaction, drain):
            future.set_exception(errors.ProducerFenced())
        await TransactionalWriter(producer, "changelog", 1, TIMEOUT_S).discard()
        del producer, transaction, drain, future
        gc.collect()
        await asyncio.sleep(0)
        return surprises

    assert run(scenario()) == []


@pytest.mark.parametrize("how", ["ends", "fails", "hangs"])
def test_discarding_never_raises_and_never_waits_long(how: str) -> None:
    async def scenario() -> Sequence[object]:
        producer = Closing(how)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await TransactionalWriter(producer, "changelog", 1, TIMEOUT_S).discard()
        return producer.closed, loop.time() - began <= CLOSE_TIMEOUT_S

    assert run(scenario()) == (True, True)
