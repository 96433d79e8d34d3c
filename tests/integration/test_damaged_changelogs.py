"""Whatever happens to a changelog, each partition concerned is refused in one line, the others go on, nothing is half loaded,
and after what the line says to do every output equals the recount."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, ResourceType

from schemas import topics
from streams.changelog import META_KEY, position_key, state_prefix
from tests.conftest import Broker
from tests.integration.refusing import MANY, QUICK, Scene
from tests.integration.workers import PARTITIONS, READY_TIMEOUT_S, until
from tests.integration.world import ANSWER_TIMEOUT_S
from tests.kafka.commands import run

pytestmark = pytest.mark.kafka


def rewrite_meta(scene: Scene, partition: int, **fields: object) -> None:
    meta = orjson.loads(scene.entries(partition)[META_KEY])
    scene.write(partition, META_KEY, orjson.dumps(meta | fields))


def behead(scene: Scene, partition: int, left: int) -> None:
    """Somebody makes a deleting topic of it, and deletes all records but the last ones."""
    clean_up(scene, "delete")
    delete_records(scene, partition, scene.ends()[scene.changelog, partition] - left)
    clean_up(scene, "compact")


def clean_up(scene: Scene, policy: str) -> None:
    entry = ConfigEntry("cleanup.policy", policy, incremental_operation=AlterConfigOpType.SET)
    (done,) = scene.world.admin.incremental_alter_configs(
        [ConfigResource(ResourceType.TOPIC, scene.changelog, incremental_configs=[entry])]
    ).values()
    done.result(ANSWER_TIMEOUT_S)


def delete_records(scene: Scene, partition: int, before: int) -> None:
    (done,) = scene.world.admin.delete_records([TopicPartition(scene.changelog, partition, before)]).values()
    done.result(ANSWER_TIMEOUT_S)


def hang(scene: Scene, partition: int) -> None:
    """Somebody begins a transaction, and dies."""
    stranger = Producer(
        {"bootstrap.servers": scene.world.bootstrap, "transactional.id": "a-stranger", "transaction.timeout.ms": 900_000}
    )
    stranger.init_transactions(ANSWER_TIMEOUT_S)
    stranger.begin_transaction()
    stranger.produce(scene.changelog, b"x", state_prefix("scoring") + b"Astranger", partition=partition)
    assert stranger.flush(ANSWER_TIMEOUT_S) == 0


@dataclass(frozen=True)
class Damage:
    """What somebody does to a partition of the changelog, and what the refusal says of it."""

    do: Callable[[Scene, int], None]
    said: str


ANEW = "restore it, or start anew: npstream rebuild --agent scoring"
NEWER = f"run the version that wrote it, or {ANEW}"
DAMAGES = {
    "a newer format": Damage(
        lambda scene, partition: rewrite_meta(scene, partition, format=2), rf"the changelog has format 2, .*; {NEWER}"
    ),
    "state of a newer version": Damage(
        lambda scene, partition: scene.write(partition, state_prefix("scoring") + b"Ax", b"\x03x"),
        rf"state of processor 'scoring' in version 3, this worker reads versions up to 2: a newer version .*; {NEWER}",
    ),
    "a record of somebody else": Damage(
        lambda scene, partition: scene.write(partition, b"hello", b"world"),
        rf"holds a record of kind b'h', which this version does not know; {NEWER}",
    ),
    "a position of another agent": Damage(
        lambda scene, partition: scene.write(partition, position_key("intake", topics.RAW), b"1 0 0"),
        rf"holds a position of processor 'intake', which this unit does not run; {NEWER}",
    ),
    "a meta record of somebody else": Damage(
        lambda scene, partition: scene.write(partition, META_KEY, b"{}"),
        rf"the meta record, 2 bytes, is none: the changelog is not one of ours; {NEWER}",
    ),
    "its beginning deleted": Damage(
        lambda scene, partition: behead(scene, partition, left=3),
        "holds records but no meta record: it was truncated, or is not ours; restore it, or start anew: npstream rebuild",
    ),
    "all of it deleted": Damage(
        lambda scene, partition: behead(scene, partition, left=0),
        r"is empty here, but group \S+ has committed offset 2 of nps.responses-\d: the state was lost; restore it",
    ),
    "a transaction that never ends": Damage(
        hang,
        r"a transaction hangs in \S+: it began at offset \d+, and has not ended after 3 s; end it with `.*`, then restart",
    ),
}


def test_each_damage_is_refused_and_repaired(kafka: Broker, app_id: str, tmp_path: Path) -> None:
    scene = Scene(kafka.bootstrap, app_id, tmp_path, MANY)
    *damaged, hanging = range(len(DAMAGES))
    unharmed = hanging + 1
    scene.score(scene.to_all("a", "b"))
    with pytest.raises(KafkaException) as refused:  # Kafka itself deletes nothing of a compacted topic
        delete_records(scene, hanging, 1)
    assert refused.value.args[0].code() == KafkaError.POLICY_VIOLATION
    for partition, damage in enumerate(DAMAGES.values()):
        damage.do(scene, partition)
    scene.world.send(scene.to_all("c"))
    before = scene.ends(*damaged, hanging)
    with scene.workers(**QUICK) as workers:
        worker = workers.start()
        until(lambda: scene.counted()[unharmed] == 3, "the others go on", READY_TIMEOUT_S)
        said = scene.refused(worker, *damaged, hanging)
        assert worker.terminate() == 0
        for partition, damage in enumerate(DAMAGES.values()):
            assert re.search(damage.said, said[partition]), said[partition]
        assert scene.ends(*damaged, hanging) == before
        assert scene.counted() == dict.fromkeys((*damaged, hanging), 2) | {unharmed: 3}

        (abort,) = re.findall(r"`(.*?)`", said[hanging])
        run(abort, scene.world.bootstrap)
        worker = workers.start()
        until(lambda: scene.counted()[hanging] == 3, "the one whose transaction was ended goes on", READY_TIMEOUT_S)
        assert set(scene.refused(worker, *damaged)) == set(damaged)
        assert worker.terminate() == 0

    scene.rebuilt(said[damaged[0]])
    assert scene.counted() == dict.fromkeys(scene.partitions, 3)
    assert scene.differences() == []


def test_a_changelog_that_is_deleted_is_missed_by_who_runs_and_by_who_starts(
    kafka: Broker, app_id: str, tmp_path: Path
) -> None:
    scene = Scene(kafka.bootstrap, app_id, tmp_path)
    scene.world.send(scene.to(0, "a"))
    with scene.workers(**QUICK) as workers:
        worker = workers.start().wait_ready()
        scene.world.wait_processed("scoring")
        scene.delete(scene.changelog)
        scene.world.send(scene.to(0, "b"))
        worker.wait_not_ready("does not exist")
        (line,) = scene.refused(worker, 0).values()
        assert line == f"scoring-0: changelog {scene.changelog} does not exist: {ANEW}"
        done = scene.command("rebuild", "--agent", "scoring", "--yes")
        assert done.returncode == 1
        assert re.search(r"has 1 member on \S+: end its workers first; nothing was changed", done.stderr)
        assert worker.terminate() == 0

        worker = workers.start()
        assert worker.ended() == 1
        (missing,) = worker.log.splitlines()[1:]
        assert missing == f"npstream: {scene.changelog}: is missing; npstream topics create"
        scene.npstream("topics", "create")
        (grown,) = scene.world.admin.create_partitions([NewPartitions(scene.changelog, PARTITIONS + 1)]).values()
        grown.result(ANSWER_TIMEOUT_S)
        worker = workers.start()
        assert worker.ended() == 1
        (line,) = worker.log.splitlines()[1:]
    assert line == (
        f"npstream: {scene.changelog}: has {PARTITIONS + 1} partitions, {PARTITIONS} are needed, the same for all topics; "
        "start its agent anew: npstream rebuild --agent scoring"
    )
    scene.rebuilt(line)
    assert scene.counted() == {0: 2}
    assert scene.differences() == []
