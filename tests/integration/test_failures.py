"""What happens when: bad input, dead and stopped workers, a broker that is away, bursts, ends. All of it on a real Kafka.

| it meets | tests |
|---|---|
| no JSON, a wrong type, a missing field, an unknown vendor, 10 MB of nesting | `test_what_cannot_be_used_...`, \
`test_a_large_record_...`, `test_exactly_once.py`; each reason in `tests/unit/test_intake.py`, `test_validation.py` |
| a crash, kill -9, power loss of a worker | `test_exactly_once.py` |
| a zombie, paused past its session | `test_a_zombie_...` |
| a broker that is away | `test_a_broker_that_is_killed_...` |
| a transaction that fails | `test_a_transaction_that_takes_too_long_...` |
| a source or changelog recreated, truncated, deleted or grown in partitions | `test_refusals.py` |
| wrong settings, a missing topic, wrong partition counts, a port that is taken | `test_refusals.py` |
| no permission | `test_permissions.py` |
| a hot account, a burst | `test_a_hot_account_...` |
| SIGTERM | `test_a_worker_that_is_asked_to_end_...` |
| nothing at all | `test_an_empty_system_...` |
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from npstream.access import ACCESS
from npstream.recount.reading import format_time
from schemas import topics
from tests.conftest import Broker
from tests.integration.comparing import settled
from tests.integration.topics_reading import Read, last_values, read
from tests.integration.traffic import BAD_RAW, Traffic
from tests.integration.workers import PARTITIONS, Worker, Workers, until
from tests.integration.world import Sending, World
from tests.kafka.broker import QUICK_RESTART, KafkaBroker

pytestmark = pytest.mark.kafka

SLOW = {"batch_max_bytes": 16_384}
"""Transactions of some fifty records: so that there is time to do something to a worker in the middle of its work."""
SWEEP_MS = 500
"""How often the broker looks for transactions that take too long, in the tests of that; its default is 10 s."""
NOTICED_TIMEOUT_S = 30.0
"""Until somebody notices what happened to somebody else: a session of 6 s, and a busy machine."""
MB = 1 << 20
HOT_RESPONSES = 20_000
HOT_COMMENT = "It is what it is. " * 300
"""5 KB: the burst is 110 MB, several times what a worker may grow by."""
HOT_BYTES = 50 * MB
"""By how much a worker may grow: 1 MB of inbox, what clients have fetched and are sending, and the state."""
BURST_TIMEOUT_S = 120.0
"""A burst takes some seconds."""


@pytest.fixture(scope="module")
def fragile() -> Iterator[KafkaBroker]:
    """A broker to be killed; it comes back quickly and ends long transactions quickly."""
    settings = QUICK_RESTART | {"transaction.abort.timed.out.transaction.cleanup.interval.ms": str(SWEEP_MS)}
    with KafkaBroker(settings) as broker:
        yield broker


SOURCES = {source for access in ACCESS.values() for source in access.reads}
"""Of all agents."""


def response(number: int, account: str = "acme", score: int = 9, **more: object) -> bytes:
    """A canonical response of this moment."""
    now = format_time(int(time.time() * 1000))
    body = {"response_id": f"r-{number}", "account_id": account, "score": score, "responded_at": now, **more}
    return json.dumps(body).encode()


def pause_in_transaction(world: World, worker: Worker) -> None:
    """Stop a worker while one of its transactions is open; it must be the only one that has work."""
    deadline = time.monotonic() + NOTICED_TIMEOUT_S
    while time.monotonic() < deadline:
        worker.pause()
        if world.open_transactions() and world.open_transactions():
            return
        worker.resume()
        time.sleep(0.01)
    raise AssertionError(f"worker {worker.name} has not been in a transaction for {NOTICED_TIMEOUT_S:g} s")


def scored_ids(records: list[Read]) -> list[str]:
    """Ids of scored responses."""
    return [json.loads(record.value or b"{}")["response_id"] for record in records if record.topic == topics.SCORED]


def test_what_cannot_be_used_becomes_a_dead_letter_and_the_next_record_is_scored(
    kafka: Broker, app_id: str, tmp_path: Path
) -> None:
    world = World(kafka.bootstrap, app_id)
    sending = []
    for number, (value, _, headers) in enumerate(BAD_RAW):
        sending.append(
            Sending(topics.RAW, value, b"key \xff", headers=(*headers, ("twice", b"1"), ("twice", b"2")), partition=0)
        )
        sending.append(Sending(topics.RAW, response(number), partition=0))
    with Workers(kafka.bootstrap, app_id, tmp_path, agents="intake,scoring") as workers:
        worker = workers.start()
        world.send(sending)
        worker.wait_ready()
        world.wait_processed("intake", "scoring")
        metrics = worker.metrics()
    outcome = settled(world)
    assert scored_ids(outcome.by_topic[topics.SCORED]) == [f"r-{number}" for number in range(len(BAD_RAW))]
    bad = {(0, 2 * number): reason for number, (_, reason, _) in enumerate(BAD_RAW)}
    assert outcome.dead_letter_differences(bad) == []
    reasons = [reason for _, reason, _ in BAD_RAW]
    counted = {name[1]: value for name, value in metrics.items() if name[0] == "npstream_dead_letters_total"}
    assert counted == {reason: reasons.count(reason) for reason in reasons}


LARGEST = MB - 100
"""Bytes of the largest value that Kafka takes by default: a batch of one record is a little smaller than 1 MB."""


@pytest.mark.parametrize(
    ("size", "limit"),
    [
        pytest.param(LARGEST, None, id="the largest record that Kafka takes by default"),
        pytest.param(10 * MB, 12 * MB, id="ten megabytes, where the topics are set to take them"),
    ],
)
def test_a_large_record_that_cannot_be_used_becomes_a_dead_letter_and_the_next_one_is_scored(
    kafka: Broker, app_id: str, tmp_path: Path, size: int, limit: int | None
) -> None:
    entries = {"max.message.bytes": str(limit)} if limit else {}
    world = World(kafka.bootstrap, app_id, configs={topics.RAW: entries, topics.DEAD_LETTERS: entries})
    nested = b"[" * size
    with Workers(kafka.bootstrap, app_id, tmp_path, agents="intake,scoring") as workers:
        workers.start().wait_ready()
        world.send([Sending(topics.RAW, nested, partition=1), Sending(topics.RAW, response(1), partition=1)])
        world.wait_processed("intake", "scoring", timeout_s=60)
    outcome = settled(world)
    assert scored_ids(outcome.by_topic[topics.SCORED]) == ["r-1"]
    (letter,) = outcome.by_topic[topics.DEAD_LETTERS]
    assert (letter.value == nested, letter.header("nps-reason")) == (True, "too deep")


def test_a_zombie_that_was_stopped_past_its_session_writes_nothing_twice(kafka: Broker, app_id: str, tmp_path: Path) -> None:
    world = World(kafka.bootstrap, app_id)
    traffic = Traffic(2, int(time.time() * 1000) - 8_000, PARTITIONS, 8_000)
    with Workers(kafka.bootstrap, app_id, tmp_path) as workers:
        zombie = workers.start(**SLOW).wait_ready()
        pid = zombie.pid
        world.send(traffic.take(6_000))
        pause_in_transaction(world, zombie)
        heir = workers.start().wait_ready()
        assert heir.assigned["scoring"] == list(range(PARTITIONS))
        world.send(traffic.take(1_000))
        zombie.resume()
        world.send(traffic.take(1_000))
        zombie.wait_ready()
        world.wait_processed()
        assert zombie.alive
        assert zombie.pid == pid
        assert zombie.metrics()["npstream_transactions_total", "fenced", "scoring"] > 0
    assert settled(world).differences() == []


def test_a_transaction_that_takes_too_long_is_ended_by_the_broker_and_done_again_by_the_worker(
    fragile: KafkaBroker, app_id: str, tmp_path: Path
) -> None:
    world = World(fragile.bootstrap, app_id)
    traffic = Traffic(3, int(time.time() * 1000) - 6_000, PARTITIONS, 6_000)
    # A session that outlasts the stop: it is the transaction alone that fails.
    with Workers(fragile.bootstrap, app_id, tmp_path, transaction_timeout_ms=1000, session_timeout_ms=30_000) as workers:
        worker = workers.start(**SLOW).wait_ready()
        rebalances, opened = worker.total("npstream_rebalances"), worker.total("npstream_restore_seconds_count")
        world.send(traffic.take(6_000))
        pause_in_transaction(world, worker)
        until(lambda: not world.open_transactions(), "the broker ends the transaction", NOTICED_TIMEOUT_S)
        worker.resume()
        world.wait_processed()
        assert worker.total("npstream_restore_seconds_count") > opened
        assert worker.total("npstream_rebalances") == rebalances
        assert worker.problems == []
    assert settled(world).differences() == []


def test_a_broker_that_is_killed_is_waited_for_and_nothing_is_lost_or_doubled(
    fragile: KafkaBroker, app_id: str, tmp_path: Path
) -> None:
    world = World(fragile.bootstrap, app_id)
    traffic = Traffic(4, int(time.time() * 1000) - 10_000, PARTITIONS, 10_000)
    with Workers(fragile.bootstrap, app_id, tmp_path) as workers:
        worker = workers.start(**SLOW).wait_ready()
        pid = worker.pid
        world.send(traffic.take(10_000))
        until(lambda: sum(world.ends(topics.SCORED).values()) > 500, "some are scored", NOTICED_TIMEOUT_S)
        fragile.kill()
        worker.wait_not_ready("does not answer")
        assert worker.get("/live")[0] == 200
        fragile.restart()
        worker.wait_ready()
        world.wait_processed()
        assert (worker.alive, worker.pid) == (True, pid)
    assert settled(world).differences() == []


def test_of_a_hot_account_all_is_counted_and_memory_stays_bounded(kafka: Broker, app_id: str, tmp_path: Path) -> None:
    world = World(kafka.bootstrap, app_id)
    start = int(time.time() * 1000) - HOT_RESPONSES
    burst = [
        Sending(topics.RESPONSES, response(n, score=n % 11, comment=HOT_COMMENT, respondent_id=f"u-{n}"), b"acme", start + n)
        for n in range(HOT_RESPONSES)
    ]
    with Workers(kafka.bootstrap, app_id, tmp_path, agents="scoring", inbox_max_bytes=MB) as workers:
        worker = workers.start().wait_ready()
        resident = [worker.total("process_resident_memory_bytes")]
        world.send(burst)

        def done() -> bool:
            resident.append(worker.total("process_resident_memory_bytes"))
            return world.processed("scoring")

        until(done, "the burst is scored", BURST_TIMEOUT_S)
    assert max(resident) - resident[0] < HOT_BYTES
    scores = [n % 11 for n in range(HOT_RESPONSES)]
    rows = last_values(read(kafka.bootstrap, topics.ACCOUNT_ROLLUPS))
    counted = json.loads(rows[b"acme"])["windows"]["7d"]
    for kind in ("responses", "respondents"):
        assert counted[kind]["detractors"] == sum(score <= 6 for score in scores)
        assert counted[kind]["passives"] == sum(score in (7, 8) for score in scores)
        assert counted[kind]["promoters"] == sum(score >= 9 for score in scores)
    assert len(read(kafka.bootstrap, topics.SCORED)) == HOT_RESPONSES


def test_a_worker_that_is_asked_to_end_ends_in_order_and_the_next_one_goes_on(
    kafka: Broker, app_id: str, tmp_path: Path
) -> None:
    world = World(kafka.bootstrap, app_id)
    traffic = Traffic(5, int(time.time() * 1000) - 12_000, PARTITIONS, 12_000)
    with Workers(kafka.bootstrap, app_id, tmp_path) as workers:
        first = workers.start(**SLOW).wait_ready()
        world.send(traffic.take(12_000))
        until(lambda: sum(world.ends(topics.SCORED).values()) > 500, "some are scored", NOTICED_TIMEOUT_S)
        assert first.terminate() == 0
        assert sum(world.ends(topics.SCORED).values()) < 9_000, "it was asked after the work was done"
        assert not world.open_transactions()
        assert first.logged("stopped")
        second = workers.start().wait_ready()  # nobody waits for the session of the first, which has left its groups
        world.wait_processed()
        assert second.terminate() == 0
    assert settled(world).differences() == []


def test_an_empty_system_is_ready_and_writes_nothing(kafka: Broker, app_id: str, tmp_path: Path) -> None:
    world = World(kafka.bootstrap, app_id)
    with Workers(kafka.bootstrap, app_id, tmp_path) as workers:
        worker = workers.start().wait_ready()

        def lags() -> list[float]:
            return [value for name, value in worker.metrics().items() if name[0] == "npstream_lag_records"]

        until(lambda: lags() == [0.0] * len(SOURCES) * PARTITIONS, "no lag in any partition of any source", NOTICED_TIMEOUT_S)
        assert worker.terminate() == 0
    assert read(kafka.bootstrap, *(topic.name for topic in world.plan if not topic.changelog)) == []
