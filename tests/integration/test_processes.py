"""`npstream worker --processes N`: several workers under one command, which is told what to do, and speaks for all."""

import os
import re
import signal
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from npstream.broker import HOST, free_port
from npstream.processes import SILENT_S
from npstream.settings import AGENTS
from schemas import topics
from tests.conftest import Broker
from tests.integration.test_listening import listening
from tests.integration.test_verify import verify
from tests.integration.traffic import Traffic
from tests.integration.workers import PARTITIONS, Worker, Workers, until
from tests.integration.world import World

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks /proc who lives")

RECORDS = 20_000
"""So many that a process can be killed in the middle of them."""
UP_WITHIN_S = 60.0
"""A process starts within two seconds; the rest is for a busy machine."""


def pids(worker: Worker) -> dict[int, int]:
    """By the number of each process, what it was started as last."""
    return {int(number): int(pid) for number, pid in re.findall(r"process (\d+) is pid (\d+)", worker.log)}


def gone(pid: int) -> bool:
    """Whether a process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def assigned(worker: Worker) -> dict[str, dict[str, list[int]]]:
    """By agent and process, the partitions that it was assigned last."""
    found: dict[str, dict[str, list[int]]] = {}
    for process, agent, numbers in re.findall(r"\[(\d+)\] (\w+): assigned partitions \[([\d, ]*)\]", worker.log):
        found.setdefault(agent, {})[process] = [int(number) for number in numbers.split(",") if number.strip()]
    return found


def waiting(workers: Workers) -> Worker:
    """A worker of two processes, both of which wait for a broker that is not there."""
    worker = workers.start(processes=2)
    until(lambda: len(worker.problems or ()) == 2 and all("waiting for the broker" in p for p in worker.problems or ()),
          "both wait for the broker", UP_WITHIN_S)  # fmt: skip
    return worker


@pytest.fixture
def nobody(tmp_path: Path) -> Workers:
    """Workers for a broker that is not there."""
    return Workers(f"{HOST}:{free_port()}", "npstream-processes", tmp_path)


@pytest.mark.kafka
def test_two_processes_share_the_work_of_all_agents_and_one_that_is_killed_loses_nothing(
    kafka: Broker, app_id: str, tmp_path: Path
) -> None:
    world = World(kafka.bootstrap, app_id)
    traffic = Traffic(11, int(time.time() * 1000) - RECORDS, PARTITIONS, RECORDS)
    with Workers(kafka.bootstrap, app_id, tmp_path) as workers:
        worker = workers.start(processes=2).wait_ready()
        shares = assigned(worker)
        assert {agent: sorted(map(len, shares[agent].values())) for agent in AGENTS} == {agent: [2, 2] for agent in AGENTS}

        world.send(traffic.take(RECORDS // 2))
        until(lambda: sum(world.ends(topics.SCORED).values()) > RECORDS // 10, "some are scored", UP_WITHIN_S)
        victim = pids(worker)[1]
        os.kill(victim, signal.SIGKILL)
        assert sum(world.ends(topics.SCORED).values()) < RECORDS // 2, "it was killed after the work was done"
        until(lambda: pids(worker)[1] != victim, "the killed one is started again", UP_WITHIN_S)
        world.send(traffic.take(RECORDS - RECORDS // 2))
        world.wait_processed()
        worker.wait_ready()
        assert worker.logged("process 1 ended by SIGKILL; it is started again in 1 s")
        assert {process for name, *labels in worker.metrics() if name == "npstream_tasks" for process in labels[1:2]} == {
            "1",
            "2",
        }
        assert worker.total("npstream_tasks") == len(AGENTS) * PARTITIONS

        processes = pids(worker).values()
        assert worker.terminate() == 0
        assert all(gone(pid) for pid in processes)
    code, document, errors = verify(world)
    assert (code, document["differences"], errors) == (0, [], "")


@pytest.mark.kafka
def test_what_keeps_all_from_starting_is_said_once_with_the_exit_code_of_one(
    kafka: Broker, app_id: str, tmp_path: Path
) -> None:
    World(kafka.bootstrap, app_id)
    with Workers(kafka.bootstrap, f"{app_id}-other", tmp_path, agents="scoring") as workers:
        worker = workers.start(processes=2)
        assert worker.ended() == 1
        assert worker.surprise == ""
        (line,) = worker.logged("npstream: ")
        assert re.search(rf"npstream: {app_id}-other-scoring-changelog: .+; .*npstream topics create", line)
        assert all(gone(pid) for pid in pids(worker).values())


def test_processes_whose_parent_is_killed_end_by_themselves(nobody: Workers) -> None:
    with nobody as workers:
        worker = waiting(workers)
        worker.kill()
        for pid in pids(worker).values():
            until(partial(gone, pid), f"process {pid} ends", UP_WITHIN_S)
        assert len(worker.logged("the process that started this one is gone: ending")) == 2


def test_one_that_stands_still_is_named_at_the_one_port_there_is(nobody: Workers) -> None:
    with nobody as workers:
        worker = waiting(workers)
        assert [listening(pid) for pid in (worker.pid, *pids(worker).values())] == [[HOST], [], []]
        os.kill(pids(worker)[2], signal.SIGSTOP)
        worker.wait_not_ready("process 2: has not answered for", SILENT_S + UP_WITHIN_S)
        assert worker.get("/live")[0] == 200
        os.kill(pids(worker)[2], signal.SIGCONT)
        worker.wait_not_ready("process 2: waiting for the broker")
        assert worker.terminate() == 0
        assert not worker.logged("was killed")


def test_a_port_that_is_taken_is_said_in_one_line_before_anything_is_started(nobody: Workers) -> None:
    with nobody as workers:
        port = free_port()
        first = workers.start(http_port=port)
        until(lambda: first.logged(f"on http://{HOST}:{port}"), "the first has the port", UP_WITHIN_S)
        second = workers.start(processes=2, http_port=port)
        assert second.ended() == 2
        assert second.log.count("\n") == 1
        assert f"npstream: cannot serve metrics on {HOST}:{port}: " in second.log
