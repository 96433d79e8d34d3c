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
from tests.payloads import NAMES, raw

pytestmark = pytest.mark.kafka

PLANTED = ("planted-account", "planted-respondent@people.example", "planted-response", "planted words of a customer")


def planted(**changes: Any) -> bytes:
    account, respondent, response, comment = PLANTED
    body = {"account_id": account, "respondent_id": respondent, "response_id": response, "comment": comment}
    return json.dumps(body | {"score": 1, "responded_at": int(time.time() * 1000)} | changes).encode()


def everywhere(document: Any) -> Any:
    """The document with planted words in place of each text: what a vendor says of a person, wherever it says it."""
    if isinstance(document, dict):
        return {name: everywhere(value) for name, value in document.items()}
    if isinstance(document, list):
        return [everywhere(value) for value in document]
    return PLANTED[-1] if isinstance(document, str) else document


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
        planted(comment=comment * 4_000),
        planted(account_id=account * 100),
        planted(account_id=account + "\0\ud800"),
        planted(comment=comment.encode("utf-16").decode("latin-1")),
        planted(segments={f"s{number}": respondent for number in range(30)}),
        f'{{"{comment}": "{respondent}'.encode(),
        *(raw(name) for name in NAMES),
        *(json.dumps(everywhere(json.loads(raw(name)))).encode() for name in NAMES),
    ]
    headers = [("nps-account", account.encode()), ("traceparent", comment.encode()), (respondent, b"\xff" + comment.encode())]
    cells = [f"0|{account}|{comment}={respondent}|2026-03-01", f"0|{account}|plan={respondent * 100}|respondents", comment]
    world = World(kafka.bootstrap, app_id)
    with Workers(kafka.bootstrap, app_id, tmp_path) as workers:
        worker = workers.start().wait_ready()
        for topic in (topics.RAW, topics.RESPONSES):
            world.send(
                Sending(topic, value, key, partition=partition, headers=[("nps-source", source), *headers])
                for value in values
                for key, partition in ((account.encode(), None), (respondent.encode(), 0))
                for source in (b"canonical", comment.encode())
            )
        world.send(Sending(topics.CELLS, value, cell.encode()) for cell in cells for value in (planted(), b"{}", None))
        world.wait_processed()
        status, metrics = worker.get("/metrics")
        said = worker.get("/ready")[1] + worker.get("/live")[1]
        assert worker.terminate() == 0
        again = workers.start(log_format="json").wait_ready()  # which restores all of it
        metrics += again.get("/metrics")[1]
        assert again.terminate() == 0
        said += worker.log + again.log
    assert status == 200
    assert len(read(kafka.bootstrap, topics.DEAD_LETTERS)) > len(values)
    assert len(read(kafka.bootstrap, topics.DETRACTORS)) >= 1
    for planted_text in (*PLANTED, "people.example", "words of a customer"):
        assert planted_text not in said
        assert planted_text not in metrics
