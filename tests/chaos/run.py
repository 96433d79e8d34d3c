"""One seed, from a new broker to a verdict."""

import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from schemas import topics
from tests.chaos import judging
from tests.chaos.kafka import BadlyTreatedKafka
from tests.chaos.play import Play
from tests.chaos.producing import Producing
from tests.chaos.recovery import Recovery
from tests.chaos.schedule import Fault, Schedule
from tests.integration.traffic import Traffic
from tests.integration.workers import PARTITIONS, Workers
from tests.integration.world import World

SETTINGS: Final = {"session_timeout_ms": 10_000, "heartbeat_ms": 3000, "retry_max_s": 10}
"""The defaults: what a run shows is for who changes nothing."""


@dataclass(slots=True)
class Verdict:
    """What came of one seed. All durations are seconds."""

    seed: int
    faults: dict[str, int] = field(default_factory=dict)
    """By kind."""
    records: int = 0
    """Sent to nps.responses.raw and nps.responses."""
    responses: int = 0
    """In nps.responses in the end."""
    compared: dict[str, int] = field(default_factory=dict)
    """Records and rows that were held against the recount, by topic."""
    recoveries: list[Recovery] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """What was not as demanded: nothing."""
    seconds: float = 0.0
    load: float = 0.0
    """Of the machine in the last minute."""

    def as_json(self) -> dict[str, Any]:
        """For a file of results."""
        return asdict(self)


def run(schedule: Schedule, rate: float, tell: Callable[[str], None] = lambda line: None) -> Verdict:
    """Play a schedule at `rate` records a second, and judge. What is wrong is in the verdict; nothing is raised for it."""
    began = time.monotonic()
    verdict = Verdict(schedule.seed, dict(Counter(fault.name for fault in schedule.faults)))
    with tempfile.TemporaryDirectory(prefix="npstream-chaos-") as folder:
        try:
            _run(schedule, rate, Path(folder), verdict, tell)
        except AssertionError as error:
            verdict.wrong.append(str(error))
    verdict.seconds = time.monotonic() - began
    verdict.load = os.getloadavg()[0]
    return verdict


def _run(schedule: Schedule, rate: float, folder: Path, verdict: Verdict, tell: Callable[[str], None]) -> None:
    expected = int(schedule.ends_s * rate)
    traffic = Traffic(schedule.seed, int(time.time() * 1000) - expected, PARTITIONS, expected)
    with BadlyTreatedKafka(disk=Fault.DISK_FULL in schedule.faults) as kafka:
        world = World(kafka.broker.bootstrap, f"chaos-{schedule.seed}")
        with Workers(kafka.bootstrap, world.app_id, folder, **SETTINGS) as workers:
            play = Play(schedule, kafka, world, workers)
            with Producing(kafka.broker.bootstrap, traffic, rate) as producing:
                play.run(tell)
                tell("the faults are over")
                producing.end()
            verdict.records, verdict.recoveries = producing.sent, play.recoveries
            judging.overcome(play, world)
            tell("all is processed")
            document, wrong = judging.recounted(world)
            verdict.responses, verdict.compared = document["responses"], document["compared"]
            verdict.wrong += wrong
            verdict.wrong += judging.taken_in(world, traffic)
            tell("all is recounted")
            verdict.wrong += judging.ended(play)
            verdict.wrong += judging.grown(world, workers)
    if verdict.compared.get(topics.SCORED, 0) < verdict.records // 2:
        verdict.wrong.append(f"only {verdict.compared} of {verdict.records} records were compared: the run shows little")
