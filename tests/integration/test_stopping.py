"""A worker that is asked to end does so within seconds, in whatever state it and its broker are."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from npstream.ending import LAST_RESORT_S
from tests.chaos.kafka import BadlyTreatedKafka
from tests.integration.workers import Workers, until
from tests.integration.world import World

pytestmark = pytest.mark.kafka

UP_WITHIN_S = 30.0
"""A worker serves its health a second after its start; the rest is for a busy machine."""


def test_a_broker_that_answers_nobody_keeps_no_worker_from_ending(app_id: str, tmp_path: Path) -> None:
    with BadlyTreatedKafka(disk=False) as kafka:
        World(kafka.broker.bootstrap, app_id)
        with Workers(kafka.bootstrap, app_id, tmp_path) as workers:
            # At work, about to join its groups, and just connecting.
            workers.start().wait_ready()
            for _ in range(2):
                newest = workers.start()
                until(partial(newest.logged, "metrics, /live"), "it serves its health", UP_WITHIN_S)
            kafka.network.silence()
            with ThreadPoolExecutor() as pool:
                codes = list(pool.map(lambda worker: worker.terminate(LAST_RESORT_S + UP_WITHIN_S), workers.all))
        assert codes == [0, 0, 0]
