"""One npstream worker, everything on, as a user runs it: `npstream worker` with default settings."""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bench.checking import Checked
from bench.filling import fill
from bench.measurement import Ground, Measurement, RunFailed, time_limit_s
from bench.npstream_outputs import comparisons
from bench.processes import Usage, peak_rss_mb
from bench.reading import read
from bench.stream import Answer, answers, canonical_record, raw_record
from bench.truth import Truth
from bench.watching import Look, Watch, total
from npstream.admin import connect
from npstream.broker import HOST, free_port
from npstream.child import Child
from npstream.settings import AGENTS, Settings
from npstream.topic_plan import planned_topics
from schemas import topics
from tests.kafka.topics import TopicAdmin

PARTITIONS = 4
"""Of every topic of every line."""
STOP_TIMEOUT_S = 30.0
"""A worker ends within seconds when asked."""


@dataclass(frozen=True)
class NpstreamLine:
    """A worker with some agents, from the records of one topic to the outputs of all of them."""

    name: str
    title: str
    agents: tuple[str, ...]
    source: str
    encode: Callable[[Answer], bytes]
    responses: int
    headers: Mapping[str, bytes] = field(default_factory=dict)
    """Of every source record."""
    tuning: Mapping[str, str] = field(default_factory=dict)
    """Settings other than the defaults, to see what they bring."""

    def run(self, ground: Ground, number: int) -> Measurement:
        """See `bench.measurement.Line`."""
        environment = self._environment(ground.bootstrap, f"bench-{number}")
        settings = Settings.load(environ=environment)
        asyncio.run(_create(settings))
        try:
            fill(ground.bootstrap, self.source, answers(self.responses, ground.day), self.encode, self.headers)
            measurement = self._measure(ground, settings, environment)
            truth = Truth(answers(self.responses, ground.day))
            checked = Checked(list(comparisons(settings, truth, lambda topic: read(ground.bootstrap, topic))))
            measurement.records = checked.records
            measurement.failures += checked.failures
        finally:
            TopicAdmin(ground.bootstrap).delete(*(topic.name for topic in planned_topics(settings)))
        return measurement

    def _measure(self, ground: Ground, settings: Settings, environment: Mapping[str, str]) -> Measurement:
        log = ground.folder / f"{settings.app_id}.log"
        worker = Child([sys.executable, "-m", "npstream", "worker"], log, environment)
        try:
            watch = Watch(
                f"http://{HOST}:{settings.http_port}",
                self.agents[0],
                lambda: worker.alive,
                lambda: Usage.now(worker.pid, ground.broker_pid),
            )
            before, done = watch.until_processed(self.responses, "rollups" in self.agents, time_limit_s(self.responses))
            peak = peak_rss_mb(worker.pid)
            worker.stop(STOP_TIMEOUT_S)
        except RunFailed as error:
            raise RunFailed(f"{self.name}: {error}; its log ends:\n{worker.tail()}") from error
        finally:
            worker.kill()
        measurement = Measurement.between(self.name, self.responses, before.usage, done.usage, peak)
        measurement.details = _details(done)
        if worker.process.returncode != 0:
            measurement.failures.append(f"the worker ended with {worker.process.returncode}: {worker.tail()}")
        return measurement

    def _environment(self, bootstrap: str, app_id: str) -> dict[str, str]:
        """This process's environment, with no other settings than these."""
        foreign = {name: value for name, value in os.environ.items() if not name.startswith("NPSTREAM_")}
        own = {
            **self.tuning,
            "bootstrap": bootstrap,
            "app_id": app_id,
            "agents": ",".join(self.agents),
            "partitions": str(PARTITIONS),
            "http_host": HOST,
            "http_port": str(free_port()),
        }
        return foreign | {f"NPSTREAM_{name.upper()}": value for name, value in own.items()}


def scoring_line(responses: int, tuning: Mapping[str, str] | None = None) -> NpstreamLine:
    """The work that the peers do, and all that npstream does beyond it."""
    return NpstreamLine(
        "scoring",
        "npstream, scoring",
        ("scoring",),
        topics.RESPONSES,
        canonical_record,
        responses,
        tuning=tuning or {},
    )


def whole_line(responses: int, tuning: Mapping[str, str] | None = None) -> NpstreamLine:
    """From raw responses to the tables of segments, three hops, in one process."""
    return NpstreamLine(
        "whole",
        "npstream, all agents",
        AGENTS,
        topics.RAW,
        raw_record,
        responses,
        headers={"nps-source": b"canonical"},
        tuning=tuning or {},
    )


def _details(look: Look) -> dict[str, float]:
    """What a worker's metrics say of its batches, by unit. Seconds are added up over its tasks, whose waits overlap."""
    details = {}
    for unit in AGENTS:
        batches = total(look.samples, "npstream_batch_records_count", unit=unit)
        if not batches:
            continue
        details[f"{unit}_batches"] = batches
        details[f"{unit}_records_per_batch"] = round(total(look.samples, "npstream_batch_records_sum", unit=unit) / batches)
        for stage in ("process", "transaction"):
            seconds = total(look.samples, "npstream_batch_stage_seconds_sum", unit=unit, stage=stage)
            details[f"{unit}_{stage}_s"] = round(seconds, 2)
    return details


async def _create(settings: Settings) -> None:
    async with connect(settings.connection()) as admin:
        await admin.create(planned_topics(settings))
