"""One npstream worker, everything on, as a user runs it: `npstream worker` with default settings."""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.checking import Checked
from bench.inputs import COUNTING, PARTITIONS
from bench.machine import ROOT
from bench.measurement import Ground, Measurement, RunFailed, as_variables, time_limit_s, without_settings
from bench.npstream_outputs import comparisons
from bench.process_tree import Footprint, tree, usage
from bench.reading import read
from bench.stream import Answer, canonical_record, raw_record
from bench.watching import Look, Watch, total
from npstream.admin import connect
from npstream.broker import HOST, free_port
from npstream.child import Child
from npstream.memory import no_collections
from npstream.settings import AGENTS, Settings
from npstream.topic_plan import planned_topics
from schemas import topics
from tests.kafka.topics import TopicAdmin

COMPILED = ROOT / ".compiled"
"""Where `make compiled` puts it."""
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
    packages: Path | None = None
    """Where npstream is taken from; None: from where this is."""

    def run(self, ground: Ground, number: int) -> Measurement:
        """See `bench.measurement.Line`."""
        environment = self._environment(ground.bootstrap, f"bench-{number}")
        settings = Settings.load(environ=environment)
        admin = TopicAdmin(ground.bootstrap)
        written = {topic.name for topic in planned_topics(settings)}
        if ground.inputs.holds(self.source, self.responses, self.encode, self.headers):
            written.remove(self.source)
        _clear(ground, admin, written)
        asyncio.run(_create(settings))
        try:
            ground.inputs.fill(self.source, self.responses, self.encode, self.headers)
            measurement = self._measure(ground, settings, environment)
            truth = ground.inputs.truth(self.responses)
            with no_collections():
                checked = Checked(list(comparisons(settings, truth, lambda topic: read(ground.bootstrap, topic))))
            measurement.records = checked.records
            measurement.failures += checked.failures
        finally:
            _clear(ground, admin, written - {self.source})
        return measurement

    def _measure(self, ground: Ground, settings: Settings, environment: Mapping[str, str]) -> Measurement:
        log = ground.folder / f"{settings.app_id}.log"
        worker = Child([sys.executable, "-P", "-m", "npstream", "worker"], log, environment)
        try:
            watch = Watch(
                f"http://{HOST}:{settings.http_port}",
                self.agents[0],
                lambda: worker.alive,
                lambda: usage(worker.pid, ground.broker_pid),
            )
            before, done = watch.until_processed(self.responses, "rollups" in self.agents, time_limit_s(self.responses))
            peak = Footprint.of(tree(worker.pid)).peak_mb
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
        own = {
            **self.tuning,
            "bootstrap": bootstrap,
            "app_id": app_id,
            "agents": ",".join(self.agents),
            "partitions": str(PARTITIONS),
            "http_host": HOST,
            "http_port": str(free_port()),
        }
        # Safe, or the processes of a worker would find the sources in this folder first.
        path = {} if self.packages is None else {"PYTHONPATH": str(self.packages), "PYTHONSAFEPATH": "1"}
        return without_settings(os.environ) | as_variables(own) | path


def scoring_line(responses: int, tuning: Mapping[str, str] | None = None, processes: int = 1) -> NpstreamLine:
    """The work that the peers do, and all that npstream does beyond it."""
    name, title, tuning = _in_processes("scoring", "npstream, scoring", tuning, processes)
    return NpstreamLine(name, title, ("scoring",), topics.RESPONSES, canonical_record, responses, tuning=tuning)


def compiled_line(responses: int, tuning: Mapping[str, str] | None = None, processes: int = 1) -> NpstreamLine:
    """The same with the hot path compiled (deploy/compile.py)."""
    line = scoring_line(responses, tuning, processes)
    name = line.name.replace("scoring", "scoring-compiled")
    return replace(line, name=name, title=f"{line.title}, compiled", packages=COMPILED)


def whole_line(responses: int, tuning: Mapping[str, str] | None = None, processes: int = 1) -> NpstreamLine:
    """From raw responses to the tables of segments, three hops. Without care, which acts on what comes of it."""
    name, title, tuning = _in_processes("whole", "npstream, all agents", tuning, processes)
    headers = {"nps-source": b"canonical"}
    return NpstreamLine(name, title, COUNTING, topics.RAW, raw_record, responses, headers, tuning)


def _in_processes(
    name: str, title: str, tuning: Mapping[str, str] | None, processes: int
) -> tuple[str, str, Mapping[str, str]]:
    """Name, title and settings of a line whose worker runs in several processes."""
    if processes == 1:
        return name, title, tuning or {}
    return f"{name}-{processes}", f"{title}, {processes} processes", {**(tuning or {}), "processes": str(processes)}


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


def _clear(ground: Ground, admin: TopicAdmin, names: AbstractSet[str]) -> None:
    """Delete what is there of these topics: one that a line writes may be another's source."""
    admin.delete(*(names & set(admin.names())))
    ground.inputs.forget(*names)


async def _create(settings: Settings) -> None:
    async with connect(settings.connection()) as admin:
        await admin.create(planned_topics(settings))
