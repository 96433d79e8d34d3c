"""From a survey platform's payload on the command line to the tables of accounts and segments, on either broker."""

import json
import time
import uuid
from collections.abc import Iterator, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from npstream.broker import EmbeddedBroker
from schemas import topics
from tests.conftest import Broker
from tests.integration.comparing import settled
from tests.integration.topics_reading import last_values, read
from tests.integration.traffic import Traffic
from tests.integration.workers import EMBEDDED, PARTITIONS, Worker, Workers, command
from tests.integration.world import World
from tests.payloads import payload


@pytest.fixture(scope="module")
def world(broker: Broker) -> World:
    """One for all tests of a broker: they look at accounts of their own."""
    return World(broker.bootstrap, f"test-{uuid.uuid4().hex[:12]}", transactional=not isinstance(broker, EmbeddedBroker))


@pytest.fixture(scope="module")
def worker(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    settings = {} if world.transactional else EMBEDDED
    with Workers(world.bootstrap, world.app_id, tmp_path_factory.mktemp("logs"), **settings) as workers:
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

    def produce(self, *bodies: Any, flags: Sequence[str] = ()) -> None:
        """Send payloads, each from a file, in order."""
        files = [self._folder / f"payload-{number}.json" for number in range(len(bodies))]
        for file, body in zip(files, bodies, strict=True):
            file.write_text(json.dumps(body), encoding="utf-8")
        assert f"sent {len(bodies)} records to nps.responses.raw in " in self("produce", *flags, *map(str, files))


@pytest.fixture
def shell(world: World, tmp_path: Path) -> Shell:
    return Shell(world, tmp_path)


def scored(world: World, prefix: str) -> list[dict[str, Any]]:
    """Scored responses whose ids begin so, by id and in order."""
    bodies = [json.loads(record.value or b"null") for record in read(world.bootstrap, topics.SCORED)]
    return sorted((body for body in bodies if body["response_id"].startswith(prefix)), key=lambda body: body["response_id"])


def dead(world: World) -> list[str]:
    """The reasons of the dead letters."""
    return [letter.header("nps-reason") for letter in read(world.bootstrap, topics.DEAD_LETTERS)]


def test_payloads_of_survey_platforms_are_scored_and_what_lacks_an_account_is_scored_once_it_has_one(
    world: World, worker: Worker, shell: Shell
) -> None:
    shell.produce(
        delighted("delighted_created", "pay-1"),
        typeform("typeform", "pay-2"),
        delighted("delighted_no_account", "pay-5"),
        typeform("typeform_anonymous", "pay-6"),
    )
    shell.produce(
        delighted("delighted_no_account", "pay-3"), typeform("typeform_anonymous", "pay-4"), flags=["--account", "acme"]
    )
    world.wait_processed()
    told = [(body["account_id"], body["source"], body["score"], body["category"]) for body in scored(world, "pay-")]
    assert told == [
        ("globex", "delighted", 6, "detractor"),
        ("globex", "typeform", 9, "promoter"),
        ("acme", "delighted", 10, "promoter"),
        ("acme", "typeform", 6, "detractor"),
    ]
    assert dead(world) == ["no account"] * 2
    assert worker.metrics()["npstream_dead_letters_total", "no account"] == 2

    assert "sent 2 dead letters, with account initech" in shell("dlq", "replay", "-y", "--account", "initech")
    world.wait_processed()
    told = [(body["account_id"], body["source"], body["score"], body["category"]) for body in scored(world, "pay-")]
    assert told[4:] == [("initech", "delighted", 10, "promoter"), ("initech", "typeform", 6, "detractor")]
    assert "nothing to replay" in shell("dlq", "replay", "-y", "--account", "initech")
    assert dead(world) == ["no account"] * 2

    outcome = settled(world)
    assert outcome.differences() == []
    assert {b"acme", b"globex", b"initech"} <= last_values(outcome.by_topic[topics.ACCOUNT_ROLLUPS]).keys()
    enterprise = json.loads(last_values(outcome.by_topic[topics.SEGMENT_ROLLUPS])[b"plan=enterprise"])
    assert enterprise["windows"]["7d"]["respondents"]["detractors"] == 1


def test_a_response_that_a_platform_sends_again_is_counted_once_and_its_correction_instead(
    world: World, worker: Worker, shell: Shell
) -> None:
    names = ("duplicates", "corrections", "retractions")
    before = worker.metrics()
    first = delighted("delighted_created", "again-1", hours_ago=2)
    first["event_data"]["person_properties"]["Account ID"] = "umbrella"
    corrected = deepcopy(first)
    corrected["event_data"] |= {"score": 9, "updated_at": first["event_data"]["updated_at"] + 60}
    shell.produce(first, first, corrected)
    world.wait_processed()
    assert [body["change"] for body in scored(world, "again-")] == ["new", "correction"]
    after = worker.metrics()
    assert [after[f"npstream_{name}_total",] - before[f"npstream_{name}_total",] for name in names] == [1, 1, 0]
    outcome = settled(world)
    assert outcome.differences() == []
    row = json.loads(last_values(outcome.by_topic[topics.ACCOUNT_ROLLUPS])[b"umbrella"])
    assert row["windows"]["90d"]["responses"]["nps"] == 100.0


def test_what_comes_of_some_thousand_records_is_what_the_recount_says(world: World, worker: Worker) -> None:
    count = 4_000
    traffic = Traffic(6, int(time.time() * 1000), PARTITIONS, count)  # later than all that the other tests have sent
    raw_before = len(read(world.bootstrap, topics.RAW))
    world.send(traffic.take(count))
    world.wait_processed()
    outcome = settled(world)
    assert outcome.differences() == []
    assert len(outcome.by_topic[topics.RAW]) == raw_before + len(traffic.expected) + len(traffic.refused)
    assert outcome.intake_differences(traffic) == []
