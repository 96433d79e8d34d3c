"""What a run demands once its faults are over, as tests/chaos/__init__.py numbers it."""

import json
from functools import partial
from typing import Any, Final

from confluent_kafka.admin import NewPartitions

from schemas import topics
from tests.chaos.play import Play
from tests.integration.comparing import Outcome
from tests.integration.traffic import Traffic
from tests.integration.workers import PARTITIONS, Worker, Workers, command, until
from tests.integration.world import ANSWER_TIMEOUT_S, World

PROCESSED_WITHIN_S: Final = 180.0
"""The faults are over: what has waited is processed. Back-offs of 10 s, a session, and the records of half a minute."""
READY_WITHIN_S: Final = 60.0
"""After that every partition is open."""
VERIFY_TIMEOUT_S: Final = 600.0
"""A response takes a quarter of a millisecond; the rest is for a busy machine."""


def overcome(play: Play, world: World) -> None:
    """2.: all is processed, and nothing is stuck. Raises AssertionError."""
    try:
        world.wait_processed(timeout_s=PROCESSED_WITHIN_S)  # with no transaction left open
    except AssertionError as error:
        raise AssertionError(f"{error}; {_standing(play, world)}") from error
    for name, worker in play.living.items():
        worker.wait_ready(READY_WITHIN_S)
        until(partial(_has_no_lag, worker), f"{name} without lag, which it measures every 2 s", READY_WITHIN_S)


def _has_no_lag(worker: Worker) -> bool:
    return not _lags(worker)


def _lags(worker: Worker) -> dict[tuple[str, ...], float]:
    """What its partitions have still to do, as it says."""
    return {key: lag for key, lag in worker.metrics().items() if key[0] == "npstream_lag_records" and lag}


def _standing(play: Play, world: World) -> str:
    """Where a run stands that does not get on."""
    names = [topic.name for topic in world.plan]
    stable, written = world.ends(*names), world.ends(*names, committed=False)
    behind = {f"{topic}-{partition}": (end, written[topic, partition]) for (topic, partition), end in stable.items()}
    held = {where: ends for where, ends in behind.items() if ends[0] != ends[1]}
    lags = {name: _lags(worker) for name, worker in play.living.items()}
    said = {name: worker.problems for name, worker in play.living.items()}
    return f"workers say {said}; lags {lags}; stable and written ends of partitions with an open transaction {held}"


def ended(play: Play) -> list[str]:
    """3.: whoever is asked to end exits with 0."""
    codes = play.exits | {name: worker.terminate() for name, worker in play.living.items()}
    return [f"{name} ended with {code}, not with 0" for name, code in codes.items() if code != 0]


def recounted(world: World) -> tuple[dict[str, Any], list[str]]:
    """1.: what `npstream verify` says of scoring and rollups, and the differences in it."""
    ran = command(world.bootstrap, world.app_id, "verify", "--json", timeout_s=VERIFY_TIMEOUT_S)
    if ran.returncode not in (0, 1) or not ran.stdout:
        raise AssertionError(f"npstream verify ended with {ran.returncode}: {ran.stderr}")
    document = json.loads(ran.stdout)
    wrong = [f"{d['where']}, {d['topic']}: {d['text']}" for d in document["differences"]]
    wrong += [f"not proved: {what}: {why}" for what, why in document["unproved"].items()]
    if (ran.returncode == 1) != bool(document["differences"]):
        wrong.append(f"npstream verify found {len(document['differences'])} differences and ended with {ran.returncode}")
    return document, wrong


def taken_in(world: World, traffic: Traffic) -> list[str]:
    """1.: intake has made of each raw record what the traffic says, once."""
    outcome = Outcome(world, PARTITIONS, outputs=[topics.DEAD_LETTERS])
    return outcome.intake_differences(traffic, of_responses=False)


def grown(world: World, workers: Workers) -> list[str]:
    """4.: with one partition more, a worker refuses in one line, and nothing is written."""
    names = [topic.name for topic in world.plan]
    before = world.ends(*names, committed=False)
    (done,) = world.admin.create_partitions([NewPartitions(topics.RESPONSES, PARTITIONS + 1)]).values()
    done.result(ANSWER_TIMEOUT_S)
    worker = workers.start()
    code, lines = worker.ended(), worker.logged("npstream: ")
    wanted = f"npstream: {topics.RESPONSES}: has {PARTITIONS + 1} partitions, {PARTITIONS} are needed"
    wrong = [] if code == 1 else [f"with a partition more a worker ends with {code}, not with 1"]
    if len(lines) != 1 or not lines[0].startswith(wanted):
        wrong.append(f"with a partition more a worker says {lines}")
    after = world.ends(*names, committed=False)
    written = {where for where, end in before.items() if after[where] != end}
    return [*wrong, *(f"with a partition more something was written to {where}" for where in sorted(written))]
