"""What a worker refuses: to start where something must be changed first, and to open a task whose topics are not those that its
state was made from. Always one line that says what to do, never a traceback; whatever is not concerned goes on, nothing is half
loaded, and after what the line says to do every output equals the recount. Damaged changelogs: test_damaged_changelogs.py."""

import re
import socket
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import NewPartitions

from npstream.broker import HOST
from schemas import topics
from tests.conftest import Broker
from tests.integration.refusing import Scene
from tests.integration.topics_reading import read
from tests.integration.workers import PARTITIONS, READY_TIMEOUT_S, command, until
from tests.integration.world import ANSWER_TIMEOUT_S, World

pytestmark = pytest.mark.kafka


@pytest.fixture
def scene(kafka: Broker, app_id: str, tmp_path: Path) -> Scene:
    return Scene(kafka.bootstrap, app_id, tmp_path)


@pytest.fixture
def world(scene: Scene) -> World:
    return scene.world


def test_a_source_made_anew_is_refused_partition_by_partition(world: World, scene: Scene) -> None:
    scene.score([*scene.to(0, "a", "b", "c"), *scene.to(1, "a", "b"), *scene.to(2, "a")])
    scene.delete(topics.RESPONSES)
    world.create()
    world.send([*scene.to(0, "a"), *scene.to(1, "x", "y", "z"), *scene.to(3, "a")])
    before = scene.ends(0, 1, 2)
    with scene.workers() as workers:
        worker = workers.start()
        world.wait_processed_partition("scoring", topics.RESPONSES, 3)
        said = scene.refused(worker, 0, 1, 2)
        assert worker.terminate() == 0
    assert "nps.responses-0 ends at 1, the position says 3: the topic was recreated or truncated" in said[0]
    assert "nps.responses-1 holds another record at offset 1" in said[1]
    assert "nps.responses-2 ends at 0, the position says 1" in said[2]
    assert scene.ends(0, 1, 2) == before
    assert scene.counted() == {0: 3, 1: 2, 2: 1, 3: 1}
    since = scene.ends()
    scene.rebuilt(said[0])
    assert scene.differences(since) == []


def test_a_source_deleted_under_a_worker_is_missed_and_the_one_made_in_its_place_is_refused(world: World, scene: Scene) -> None:
    world.send(scene.to_all("a", "b"))
    with scene.workers() as workers:
        worker = workers.start().wait_ready()
        world.wait_processed("scoring", "rollups")
        before = scene.ends()
        scene.delete(topics.RESPONSES)
        assert worker.wait_not_ready("was deleted") == [
            "scoring: source topic nps.responses was deleted: restore it, or create it"
        ]
        late = workers.start()
        assert late.ended() == 1
        assert late.log.splitlines()[1:] == [f"npstream: {topics.RESPONSES}: is missing; npstream topics create"]
        scene.npstream("topics", "create")
        world.send([*scene.to_all("x", "y", "z"), *scene.to(0, "u")])
        said = scene.refused(worker, *scene.partitions)
        assert scene.ends() == before
        assert worker.terminate() == 0
    # As many records may be there by then as were in the old one.
    found = r"(ends at [01], the position says 2|holds another record at offset 1)"
    assert all(re.search(rf"nps\.responses-{partition} {found}", line) for partition, line in said.items())
    since = scene.ends()
    scene.rebuilt(said[0])
    assert scene.counted() == {0: 4, 1: 3, 2: 3, 3: 3}
    assert scene.differences(since) == []


def test_records_that_retention_deleted_before_they_were_read_are_gone_on_without_only_if_asked_for(
    world: World, scene: Scene
) -> None:
    scene.score([*scene.to(0, "a"), *scene.to(1, "a"), *scene.to(2, "a")])
    scored = read(world.bootstrap, topics.RESPONSES)
    world.send([*scene.to(0, "b", "c", "d"), *scene.to(1, "b"), *scene.to(2, "b", "c")])
    for done in world.admin.delete_records([TopicPartition(topics.RESPONSES, partition, 3) for partition in (0, 2)]).values():
        assert done.result(ANSWER_TIMEOUT_S).low_watermark == 3
    before = scene.ends(0, 2)
    with scene.workers() as workers:
        worker = workers.start()
        world.wait_processed_partition("scoring", topics.RESPONSES, 1)
        said = scene.refused(worker, 0, 2)
        assert all(
            re.search(r"deleted 2 offsets before .*; set accept_gaps to go on without them", line) for line in said.values()
        )
        assert scene.counted() == {0: 1, 1: 2, 2: 1}
        assert scene.ends(0, 2) == before
        assert worker.terminate() == 0
        worker = workers.start(accept_gaps="yes").wait_ready()
        world.wait_processed("scoring", "rollups")
        until(lambda: ("npstream_lag_records", "2", topics.RESPONSES) in worker.metrics(), "lag was measured", READY_TIMEOUT_S)
        assert worker.problems == []
        assert worker.total("npstream_gap_records_total") == 4
        assert not worker.logged("opening again")
    assert scene.counted() == {0: 2, 1: 2, 2: 1}
    assert scene.differences(gone=[record for record in scored if record.partition != 1]) == []


def test_a_source_grown_in_partitions_ends_the_worker_at_its_start(world: World, scene: Scene) -> None:
    (done,) = world.admin.create_partitions([NewPartitions(topics.RESPONSES, PARTITIONS + 1)]).values()
    done.result(ANSWER_TIMEOUT_S)
    with scene.workers() as workers:
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
