"""From a survey platform's payload on the command line to the tables of accounts and segments, on either broker."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from npstream.broker import EmbeddedBroker
from schemas import topics
from tests.conftest import Broker
from tests.integration.comparing import settled
from tests.integration.topics_reading import Read, last_values, read
from tests.integration.traffic import Traffic
from tests.integration.workers import PARTITIONS, Worker, Workers, command
from tests.integration.world import World
from tests.payloads import payload


@pytest.fixture
def world(broker: Broker, app_id: str) -> World:
    return World(broker.bootstrap, app_id, transactional=not isinstance(broker, EmbeddedBroker))


@pytest.fixture
def worker(world: World, tmp_path: Path) -> Iterator[Worker]:
    with Workers(world.bootstrap, world.app_id, tmp_path) as workers:
        yield workers.start().wait_ready()


def delighted(name: str, response_id: str, hours_ago: int = 1) -> Any:
    """A payload of Delighted, as if it had come now."""
    body = payload(name)
    body["event_data"] |= dict.fromkeys(("created_at", "updated_at"), int(time.time()) - 3600 * hours_ago)
    body["event_data"]["id"] = response_id
    return body


def typeform(name: str, response_id: str) -> Any:
    """A payload of Typeform, as if it had come now."""
    body = payload(name)
    body["form_response"] |= {"token": response_id, "submitted_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
    return body


class Shell:
    """The command line, with files to send."""

    def __init__(self, world: World, folder: Path) -> None:
        self._world = world
        self._folder = folder

    def __call__(self, *arguments: str) -> str:
        """Run a command that must succeed; what it prints."""
        done = command(self._world.bootstrap, self._world.app_id, *arguments)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def produce(self, body: Any, *flags: str) -> None:
        """Send one payload from a file."""
        file = self._folder / "payload.json"
        file.write_text(json.dumps(body), encoding="utf-8")
        assert self("produce", *flags, str(file)).startswith("sent 1 record to nps.responses.raw in ")


@pytest.fixture
def shell(world: World, tmp_path: Path) -> Shell:
    return Shell(world, tmp_path)


def scored(world: World) -> dict[str, dict[str, Any]]:
    """Scored responses by id; each must be there once."""
    bodies = [json.loads(record.value or b"null") for record in read(world.bootstrap, topics.SCORED)]
    by_id = {body["response_id"]: body for body in bodies}
    assert len(by_id) == len(bodies)
    return by_id


def letters(world: World) -> list[Read]:
    return read(world.bootstrap, topics.DEAD_LETTERS)


def test_payloads_of_survey_platforms_are_scored_and_what_lacks_an_account_is_scored_once_it_has_one(
    world: World, worker: Worker, shell: Shell
) -> None:
    shell.produce(delighted("delighted_created", "d-1"))
    shell.produce(typeform("typeform", "t-1"))
    shell.produce(delighted("delighted_no_account", "d-2"), "--account", "acme")
    shell.produce(typeform("typeform_anonymous", "t-2"), "--account", "acme", "--source", "typeform")
    shell.produce(delighted("delighted_no_account", "d-3"))
    shell.produce(typeform("typeform_anonymous", "t-3"))
    world.wait_processed()

    of = scored(world)
    assert sorted(of) == ["d-1", "d-2", "t-1", "t-2"]
    told = {name: (body["account_id"], body["source"], body["score"], body["category"]) for name, body in of.items()}
    assert told == {
        "d-1": ("globex", "delighted", 6, "detractor"),
        "t-1": ("globex", "typeform", 9, "promoter"),
        "d-2": ("acme", "delighted", 10, "promoter"),
        "t-2": ("acme", "typeform", 6, "detractor"),
    }
    assert [letter.header("nps-reason") for letter in letters(world)] == ["no account"] * 2
    assert worker.metrics()["npstream_dead_letters_total", "no account"] == 2

    assert "sent 2 dead letters, with account initech" in shell("dlq", "replay", "-y", "--account", "initech")
    world.wait_processed()
    of = scored(world)
    assert (of["d-3"]["account_id"], of["t-3"]["account_id"]) == ("initech", "initech")
    assert len(of) == 6
    assert "nothing to replay" in shell("dlq", "replay", "-y", "--account", "initech")
    assert len(letters(world)) == 2

    outcome = settled(world)
    assert outcome.differences() == []
    accounts = last_values(outcome.by_topic[topics.ACCOUNT_ROLLUPS])
    assert sorted(accounts) == [b"acme", b"globex", b"initech"]
    (enterprise,) = [row for key, row in last_values(outcome.by_topic[topics.SEGMENT_ROLLUPS]).items() if b"enterprise" in key]
    assert json.loads(enterprise)["windows"]["7d"]["respondents"]["detractors"] == 1


def test_a_response_that_a_platform_sends_again_is_counted_once_and_its_correction_instead(
    world: World, worker: Worker, shell: Shell
) -> None:
    first = delighted("delighted_created", "d-1", hours_ago=2)
    shell.produce(first)
    shell.produce(first)
    corrected = delighted("delighted_created", "d-1")
    corrected["event_data"] |= {"score": 9, "created_at": first["event_data"]["created_at"]}
    shell.produce(corrected)
    world.wait_processed()
    changes = [json.loads(record.value or b"null")["change"] for record in read(world.bootstrap, topics.SCORED)]
    assert changes == ["new", "correction"]
    metrics = worker.metrics()
    counted = [metrics[f"npstream_{name}_total",] for name in ("duplicates", "corrections", "retractions")]
    assert counted == [1, 1, 0]
    outcome = settled(world)
    assert outcome.differences() == []
    (row,) = last_values(outcome.by_topic[topics.ACCOUNT_ROLLUPS]).values()
    assert json.loads(row)["windows"]["90d"]["responses"]["nps"] == 100.0


def test_what_comes_of_some_thousand_records_is_what_the_recount_says(world: World, worker: Worker) -> None:
    count = 4_000
    traffic = Traffic(6, int(time.time() * 1000) - count, PARTITIONS, count)
    world.send(traffic.take(count))
    world.wait_processed()
    outcome = settled(world)
    assert outcome.differences() == []
    assert outcome.intake_differences(traffic) == []
    assert sum(map(len, outcome.by_topic.values())) > 2 * count
