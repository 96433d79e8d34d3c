"""What people said, and who they are, reaches topics alone: no log at default levels and no metric, whatever is sent."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from schemas import topics
from tests.conftest import Broker
from tests.integration.topics_reading import read
from tests.integration.workers import Workers
from tests.integration.world import Sending, World

pytestmark = pytest.mark.kafka

PLANTED = ("planted-account", "planted-respondent@people.example", "planted-response", "planted words of a customer")


def planted(**changes: Any) -> bytes:
    account, respondent, response, comment = PLANTED
    body = {"account_id": account, "respondent_id": respondent, "response_id": response, "comment": comment}
    return json.dumps(body | {"score": 1, "responded_at": int(time.time() * 1000)} | changes).encode()


def test_ids_and_comments_reach_no_log_and_no_metric(kafka: Broker, app_id: str, tmp_path: Path) -> None:
    account, respondent, response, comment = PLANTED
    values = [
        planted(),
        planted(score=9, comment=None),
        planted(score=11),
        planted(score=[comment]),
        planted(responded_at=comment),
        planted(responded_at="2999-01-01T00:00:00Z"),
        planted(segments={comment: respondent}),
        planted(kind="retraction"),
        planted(kind=comment),
        planted(account_id={respondent: comment}),
        planted(response_id=response + "-2", source=respondent),
        f'{{"{comment}": "{respondent}'.encode(),
    ]
    world = World(kafka.bootstrap, app_id)
    with Workers(kafka.bootstrap, app_id, tmp_path) as workers:
        worker = workers.start().wait_ready()
        for topic in (topics.RAW, topics.RESPONSES):
            world.send(
                Sending(topic, value, key, partition=partition, headers=[("nps-source", source)])
                for value in values
                for key, partition in ((account.encode(), None), (respondent.encode(), 0))
                for source in (b"canonical", comment.encode())
            )
        world.wait_processed()
        status, metrics = worker.get("/metrics")
        ready = worker.get("/ready")[1]
        assert worker.terminate() == 0
    assert status == 200
    assert len(read(kafka.bootstrap, topics.DEAD_LETTERS)) > len(values)
    assert len(read(kafka.bootstrap, topics.DETRACTORS)) >= 1
    for planted_text in (*PLANTED, "people.example", "words of a customer"):
        assert planted_text not in worker.log
        assert planted_text not in metrics
        assert planted_text not in ready
