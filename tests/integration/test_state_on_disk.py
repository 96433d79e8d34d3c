"""Workers with state on disk, on a real Kafka: killed, continued from what the disk has, damaged; always equal to a recount."""

import time
from pathlib import Path

import pytest

from schemas import topics
from tests.conftest import Broker
from tests.integration.comparing import settled
from tests.integration.test_exactly_once import scored_so_far, until_scored
from tests.integration.traffic import Traffic
from tests.integration.workers import PARTITIONS, Workers, command
from tests.integration.world import World

pytestmark = pytest.mark.kafka

RECORDS = 10_000
"""Enough for a worker to be killed among them, on a machine that is busy or not."""
RESTORED = "npstream_restored_records_total"
FEW = 0.1
"""Share of what a whole restore reads: what was committed between the kill and the disk's last step, and claims."""


@pytest.mark.timeout(240)
def test_a_killed_worker_goes_on_from_its_disk_and_one_with_a_damaged_disk_restores_it(
    kafka: Broker, app_id: str, tmp_path: Path
) -> None:
    world = World(kafka.bootstrap, app_id)
    traffic = Traffic(1, int(time.time() * 1000) - RECORDS, PARTITIONS, RECORDS)
    folder = tmp_path / "state"
    with Workers(kafka.bootstrap, app_id, tmp_path, state_store="disk", state_folder=folder) as workers:
        victim = workers.start().wait_ready()
        world.send(traffic.take(RECORDS // 2))
        until_scored(world, RECORDS // 10)
        victim.kill()
        assert scored_so_far(world) < RECORDS // 2, "it was killed after the work was done"

        # The next one begins where that one was.
        again = workers.start().wait_ready()
        continued, kept = again.total(RESTORED), again.total("npstream_state_keys")
        world.send(traffic.take(RECORDS - RECORDS // 2))
        world.wait_processed()
        assert again.terminate() == 0
        assert not again.logged("dropped")

        # Files are lost: one line for each, and the changelog gives back what was there.
        for file in folder.glob(f"{app_id}-scoring-*/*.sst"):
            file.unlink()
        mended = workers.start().wait_ready()
        restored = mended.total(RESTORED)
        assert len(mended.logged("its copy on disk is dropped, and restored from the changelog")) == PARTITIONS
        world.wait_processed()
        assert mended.terminate() == 0

    outcome = settled(world)
    assert outcome.differences() == []
    assert outcome.intake_differences(traffic) == []
    assert len(outcome.by_topic[topics.SCORED]) > RECORDS // 4
    assert kept > RECORDS // 10
    assert restored > RECORDS // 2
    assert continued < FEW * restored


def test_a_folder_that_cannot_be_used_ends_the_worker_in_one_line(kafka: Broker, app_id: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ended = command(
        kafka.bootstrap, app_id, "worker", settings={"state_store": "disk", "state_folder": tmp_path / "file" / "state"}
    )
    assert ended.returncode == 1
    (line,) = [line for line in ended.stderr.splitlines() if line.strip()]
    assert "state_folder" in line
    assert "Not a directory: give the right to write, or choose another" in line
