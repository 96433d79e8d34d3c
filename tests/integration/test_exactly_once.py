"""The central promise on a real Kafka: whatever happens to workers, outputs and tables are those of a recount of what came.

NPSTREAM_TEST_RESPONSES sets how many records are sent, 100,000 by default; of each 100,000 one worker is killed and one joins.
"""

import os
import time
from pathlib import Path

import pytest

from npstream import recount
from schemas import topics
from tests.conftest import Broker
from tests.integration.comparing import settled
from tests.integration.topics_reading import read
from tests.integration.traffic import Traffic
from tests.integration.workers import PARTITIONS, Workers, until
from tests.integration.world import Sending, World

pytestmark = pytest.mark.kafka

RECORDS = int(os.environ.get("NPSTREAM_TEST_RESPONSES", "100000"))
ROUND = 100_000
"""Records for each worker that is killed."""
PROCESSED_TIMEOUT_S = 120 + RECORDS / 1000
"""Twenty times what it takes on a quiet machine with two cores."""


@pytest.mark.timeout(PROCESSED_TIMEOUT_S + 60)
def test_while_workers_are_killed_and_join_no_response_is_lost_or_counted_twice(
    kafka: Broker, app_id: str, tmp_path: Path
) -> None:
    world = World(kafka.bootstrap, app_id)
    traffic = Traffic(1, int(time.time() * 1000) - RECORDS, PARTITIONS, RECORDS)
    with Workers(kafka.bootstrap, app_id, tmp_path) as workers:
        living = [workers.start(), workers.start()]
        for worker in living:
            worker.wait_ready()
        sent = 0
        while sent < RECORDS:
            share = min(ROUND, RECORDS - sent)
            before = scored_so_far(world)
            world.send(traffic.take(share * 6 // 10))
            until_scored(world, before + share // 10)
            victim = living.pop(0)
            victim.kill()
            assert scored_so_far(world) < before + share * 6 // 10, "it was killed after the work was done"
            assert victim.assigned["scoring"]
            living.append(workers.start())
            world.send(traffic.take(share - share * 6 // 10))
            living[-1].wait_ready()
            sent += share
        world.wait_processed(timeout_s=PROCESSED_TIMEOUT_S)
        assert all(worker.alive for worker in living)
        assert living[-1].assigned["scoring"]
        outcome = settled(world)

    assert outcome.differences() == []
    assert outcome.intake_differences(traffic) == []
    came = [record for record in outcome.responses if not recount.is_marked(record)]
    assert len(came) == RECORDS - len(traffic.refused)
    assert len(outcome.by_topic[topics.SCORED]) > RECORDS // 2


def to_responses(traffic: Traffic) -> list[Sending]:
    """Those of the next 500 records that go straight to nps.responses, where intake sends, too."""
    return [record for record in traffic.take(500) if record.topic == topics.RESPONSES]


def scored_so_far(world: World) -> int:
    """Offsets of scored responses up to the stable end: records, and a few markers."""
    return sum(world.ends(topics.SCORED).values())


def until_scored(world: World, offsets: int) -> None:
    """Wait until so many offsets of scored responses are stable."""
    until(lambda: scored_so_far(world) > offsets, f"{offsets} offsets of scored responses", PROCESSED_TIMEOUT_S)


def test_an_aborted_transaction_of_intake_is_seen_by_nobody_downstream(kafka: Broker, app_id: str, tmp_path: Path) -> None:
    world = World(kafka.bootstrap, app_id)
    now = int(time.time() * 1000)
    with Workers(kafka.bootstrap, app_id, tmp_path, agents="scoring,rollups") as workers:
        workers.start().wait_ready()
        lost, kept = (to_responses(Traffic(seed, now + 1000 * seed, PARTITIONS, 500)) for seed in (0, 1))
        world.send(lost, transactional_id=f"{app_id}-intake-0", commit=False)
        world.send(kept, transactional_id=f"{app_id}-intake-0")
        world.wait_processed("scoring", "rollups")
    assert len(read(kafka.bootstrap, topics.RESPONSES, committed=False)) >= len(lost) + len(kept)
    outcome = settled(world)
    assert {record.timestamp for record in outcome.responses} == {record.timestamp for record in kept}
    assert outcome.differences() == []
    for topic in (topics.SCORED, topics.DETRACTORS, topics.PROMOTERS, topics.DEAD_LETTERS):
        assert {record.timestamp for record in outcome.by_topic[topic]} <= {record.timestamp for record in kept}
