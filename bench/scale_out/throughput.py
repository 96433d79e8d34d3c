"""Responses/s and what each costs, by processes and partitions: one `npstream worker --processes N`, everything checked."""

from dataclasses import dataclass, field

from bench.checking import Checked
from bench.filling import fill
from bench.measurement import time_limit_s
from bench.npstream_outputs import comparisons
from bench.process_tree import Footprint
from bench.reading import read
from bench.scale_out.stage import Stage, environment, topics_of, worker
from bench.stream import answers, canonical_record, raw_record
from bench.truth import Truth
from npstream.settings import AGENTS, Settings
from schemas import topics
from streams.task_name import changelog_topic


@dataclass(frozen=True)
class Load:
    """What is measured once."""

    agents: tuple[str, ...]
    processes: int
    partitions: int
    responses: int

    @property
    def title(self) -> str:
        """Which agents."""
        return "all agents" if self.agents == AGENTS else ", ".join(self.agents)


@dataclass
class Throughput:
    """Of one load, from the first response to the last."""

    load: Load
    seconds: float
    cpu_s: float
    broker_cpu_s: float
    others_cpu_s: float
    footprint: Footprint
    """Of the worker with all its processes, when it was done."""
    stored_bytes: int
    """In the logs of all topics but the source, before any compaction."""
    changelog_bytes: int
    """Of scoring's changelog alone."""
    failures: list[str] = field(default_factory=list)
    """What differs from the recount; a figure counts only without."""

    @property
    def rate(self) -> float:
        """Responses/s."""
        return self.load.responses / self.seconds

    def each(self, amount: float) -> float:
        """An amount for each response; of s in µs with `amount * 1e6`."""
        return amount / self.load.responses


def measure(stage: Stage, load: Load) -> Throughput:
    """Fill the source, then start the worker, and check all that it wrote. Raises RunFailed."""
    app_id = stage.app_id()
    environ = environment(stage, app_id, agents=",".join(load.agents), partitions=load.partitions, processes=load.processes)
    settings = Settings.load(environ=environ)
    raw = "intake" in load.agents
    source, encode = (topics.RAW, raw_record) if raw else (topics.RESPONSES, canonical_record)
    with topics_of(stage, settings):
        headers = {"nps-source": b"canonical"} if raw else {}
        fill(stage.ground.bootstrap, source, answers(load.responses, stage.ground.day), encode, headers)
        before = stage.stored_bytes()
        with worker(stage, app_id, environ, load.agents[0]) as command:
            began, done = command.watch.until_processed(load.responses, "rollups" in load.agents, time_limit_s(load.responses))
            footprint = command.footprint()
            command.stop()
        stored = stage.stored_bytes() - before
        checked = Checked(
            list(
                comparisons(
                    settings,
                    Truth(answers(load.responses, stage.ground.day)),
                    lambda topic: read(stage.ground.bootstrap, topic),
                )
            )
        )
    own = {topic.name for topic in topics.TOPICS} | {changelog_topic(app_id, agent) for agent in load.agents}
    return Throughput(
        load,
        done.usage.at - began.usage.at,
        done.usage.worker - began.usage.worker,
        (done.usage.broker or 0.0) - (began.usage.broker or 0.0),
        max(0.0, done.usage.others - began.usage.others),
        footprint,
        sum(size for topic, size in stored.items() if topic in own),
        stored[changelog_topic(app_id, "scoring")],
        checked.failures,
    )
