"""What a worker refuses: to start where something must be changed first, and to open a task whose topics are not those that its
state was made from. Always one line that says what to do, never a traceback, and whatever is not concerned goes on."""

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import NewPartitions

from npstream import recount
from npstream.broker import HOST
from npstream.recount.reading import format_time
from schemas import topics
from tests.conftest import Broker
from tests.integration.topics_reading import last_values, read
from tests.integration.workers import PARTITIONS, READY_TIMEOUT_S, Worker, Workers, command, until
from tests.integration.world import ANSWER_TIMEOUT_S, Sending, World

pytestmark = pytest.mark.kafka

NAMES = {recount.home_of(f"account-{n}", PARTITIONS): f"account-{n}" for n in range(50)}
"""An account of each partition."""


def to(partition: int, *ids: str) -> list[Sending]:
    """Promoter responses of the partition's account."""
    now = format_time(int(time.time() * 1000))
    account = NAMES[partition]
    body = {"account_id": account, "score": 10, "responded_at": now}
    return [
        Sending(topics.RESPONSES, json.dumps({"response_id": one, **body}).encode(), account.encode(), partition=partition)
        for one in ids
    ]


@pytest.fixture
def world(kafka: Broker, app_id: str) -> World:
    return World(kafka.bootstrap, app_id)


@pytest.fixture
def start(world: World, tmp_path: Path) -> Callable[..., Workers]:
    """Workers that score, and nothing else."""
    return lambda **settings: Workers(world.bootstrap, world.app_id, tmp_path, agents="scoring", **settings)


def counted(world: World) -> dict[int, int]:
    """Responses in the tables of each partition's account."""
    rows = last_values(read(world.bootstrap, topics.ACCOUNT_ROLLUPS))
    totals = {key.decode(): json.loads(row)["windows"]["7d"]["responses"]["total"] for key, row in rows.items()}
    return {partition: totals[name] for partition, name in NAMES.items() if name in totals}


def score(world: World, start: Callable[..., Workers], records: list[Sending]) -> None:
    """Send records, let a worker score them, and end it."""
    world.send(records)
    with start() as workers:
        worker = workers.start().wait_ready()
        world.wait_processed("scoring")
        assert worker.terminate() == 0


def refusals(worker: Worker) -> dict[str, str]:
    """By task, the line of its refusal; each is logged once."""
    lines = [line.partition("refused: ")[2] for line in worker.logged("refused: ")]
    found = {line.partition(":")[0]: line for line in lines}
    assert len(found) == len(lines)
    return found


def test_a_source_made_anew_is_refused_partition_by_partition(world: World, start: Callable[..., Workers]) -> None:
    score(world, start, [*to(0, "a", "b", "c"), *to(1, "a", "b"), *to(2, "a")])
    world.delete(topics.RESPONSES)
    world.create()
    world.send([*to(0, "a"), *to(1, "x", "y", "z"), *to(3, "a")])
    with start() as workers:
        worker = workers.start()
        world.wait_processed_partition("scoring", topics.RESPONSES, 3)
        problems = worker.wait_not_ready("nps.responses-1 holds another record")
        refused = refusals(worker)
    assert sorted(refused) == ["scoring-0", "scoring-1", "scoring-2"]
    assert "nps.responses-0 ends at 1, the position says 3: the topic was recreated or truncated" in refused["scoring-0"]
    assert "nps.responses-1 holds another record at offset 1" in refused["scoring-1"]
    assert "nps.responses-2 ends at 0, the position says 1" in refused["scoring-2"]
    assert {line.partition(":")[0] for line in problems} == set(refused)
    assert counted(world) == {0: 3, 1: 2, 2: 1, 3: 1}


def test_records_that_retention_deleted_before_they_were_read_are_gone_on_without_only_if_asked_for(
    world: World, start: Callable[..., Workers]
) -> None:
    score(world, start, [*to(0, "a"), *to(1, "a"), *to(2, "a")])
    world.send([*to(0, "b", "c", "d"), *to(1, "b"), *to(2, "b", "c")])
    for done in world.admin.delete_records([TopicPartition(topics.RESPONSES, partition, 3) for partition in (0, 2)]).values():
        assert done.result(ANSWER_TIMEOUT_S).low_watermark == 3
    with start() as workers:
        worker = workers.start()
        worker.wait_not_ready("set accept_gaps to go on without them")
        world.wait_processed_partition("scoring", topics.RESPONSES, 1)
        until(lambda: sorted(refusals(worker)) == ["scoring-0", "scoring-2"], "both gaps are refused", READY_TIMEOUT_S)
        assert counted(world) == {0: 1, 1: 2, 2: 1}
        worker.terminate()
        worker = workers.start(accept_gaps="yes").wait_ready()
        world.wait_processed_partition("scoring", topics.RESPONSES, 0)
        until(lambda: ("npstream_lag_records", "2", topics.RESPONSES) in worker.metrics(), "lag was measured", READY_TIMEOUT_S)
        assert worker.problems == []
        assert worker.total("npstream_gap_records_total") == 4
        assert not worker.logged("opening again")
    assert counted(world) == {0: 2, 1: 2, 2: 1}


def test_a_lost_changelog_is_refused_where_something_was_counted(world: World, start: Callable[..., Workers]) -> None:
    score(world, start, to(0, "a", "b"))
    world.delete(world.changelog("scoring"))
    with start() as workers:
        worker = workers.start()
        assert worker.ended() == 1
        (line,) = worker.log.splitlines()[1:]
        assert line == f"npstream: {world.changelog('scoring')}: is missing; npstream topics create"
        world.create()
        world.send(to(1, "a"))
        worker = workers.start()
        worker.wait_not_ready("the state was lost")
        world.wait_processed_partition("scoring", topics.RESPONSES, 1)
        assert list(refusals(worker)) == ["scoring-0"]
    assert counted(world) == {0: 2, 1: 1}


def test_a_source_grown_in_partitions_ends_the_worker_at_its_start(world: World, start: Callable[..., Workers]) -> None:
    (done,) = world.admin.create_partitions([NewPartitions(topics.RESPONSES, PARTITIONS + 1)]).values()
    done.result(ANSWER_TIMEOUT_S)
    with start() as workers:
        worker = workers.start()
        assert worker.ended() == 1
        (line,) = worker.log.splitlines()[1:]
    assert line.startswith(f"npstream: {topics.RESPONSES}: has {PARTITIONS + 1} partitions, {PARTITIONS} are needed")


@pytest.mark.parametrize(
    ("settings", "code", "line"),
    [
        ({"session_timeout_ms": "soon"}, 2, "NPSTREAM_SESSION_TIMEOUT_MS is 'soon': it must be a whole number"),
        ({"heartbeat_ms": 5000}, 2, "heartbeat_ms 5000 is more than a third of session_timeout_ms 6000"),
        ({"partitons": 4}, 2, "did you mean"),
        ({"partitions": PARTITIONS + 1}, 1, f"set partitions = {PARTITIONS}"),
        ({"app_id": "nobody-made-its-changelogs"}, 1, "is missing; npstream topics create"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_must_be_changed_before_a_worker_can_start_is_said_in_one_line(
    world: World, settings: dict[str, object], code: int, line: str
) -> None:
    done = command(world.bootstrap, world.app_id, "worker", settings={"agents": "scoring", **settings})
    said = [one for one in done.stderr.splitlines() if one.startswith("npstream: ")]
    assert (done.returncode, len(said), "Traceback" in done.stderr) == (code, 1, False)
    assert line in said[0]


def test_a_second_worker_on_the_same_port_ends_with_a_line_that_names_the_setting(world: World) -> None:
    with socket.socket() as first:
        first.bind((HOST, 0))
        first.listen()
        port = first.getsockname()[1]
        done = command(world.bootstrap, world.app_id, "worker", settings={"http_port": port})
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"cannot serve metrics on {HOST}:{port}" in line
    assert "http_port" in line
