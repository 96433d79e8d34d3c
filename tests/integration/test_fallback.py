"""Without transactions, on the embedded broker: at least once. No response is lost and tables are right, whatever happens to
workers; what is sent again after a crash is told by its id."""

import time
from pathlib import Path

import pytest

from npstream.broker import EmbeddedBroker
from schemas import topics
from tests.integration.comparing import settled
from tests.integration.topics_reading import read
from tests.integration.traffic import Traffic
from tests.integration.workers import EMBEDDED, PARTITIONS, Workers, command, until
from tests.integration.world import World

pytestmark = pytest.mark.embedded

RECORDS = 8_000
NOTICED_TIMEOUT_S = 60.0
"""A group of this broker takes half a session to form."""


@pytest.fixture
def world(embedded: EmbeddedBroker, app_id: str) -> World:
    return World(embedded.bootstrap, app_id, transactional=False)


def test_a_worker_that_was_told_to_use_transactions_refuses_the_broker(world: World) -> None:
    done = command(world.bootstrap, world.app_id, "worker", settings={"guarantee": "transactions"})
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if line.startswith("npstream: ")]
    assert said == [
        "npstream: the broker has no transactions, and the setting guarantee asks for them: use another broker, or auto"
    ]


def test_a_worker_that_is_killed_loses_nothing_and_what_comes_again_has_the_same_id(world: World, tmp_path: Path) -> None:
    traffic = Traffic(7, int(time.time() * 1000) - RECORDS, PARTITIONS, RECORDS)
    with Workers(world.bootstrap, world.app_id, tmp_path, **EMBEDDED) as workers:
        # Batches of a few records, so that it is still at work when it is killed.
        first = workers.start(batch_max_bytes=8_192).wait_ready()
        assert first.metrics()["npstream_exactly_once",] == 0
        assert len(first.logged("the broker has no transactions: at least once")) == 1
        world.send(traffic.take(RECORDS))
        until(lambda: first.total("npstream_responses_total") > RECORDS // 20, "some are scored", NOTICED_TIMEOUT_S, 0.01)
        first.kill()
        assert len(read(world.bootstrap, topics.SCORED)) < RECORDS // 2, "it was killed after the work was done"
        second = workers.start().wait_ready()
        world.wait_processed()
        assert second.terminate() == 0
        workers.start().wait_ready()  # the end of each log is where the second one left it
        assert world.processed()
    outcome = settled(world)
    outcome.drop_repeats()
    assert outcome.differences() == []
    assert outcome.intake_differences(traffic) == []
