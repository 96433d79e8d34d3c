"""Responses/s and what each costs, by processes and partitions: one `npstream worker --processes N`, everything checked."""

from dataclasses import dataclass, field

from bench.checking import Checked
from bench.filling import fill
from bench.inputs import COUNTING
from bench.measurement import time_limit_s, wait
from bench.npstream_outputs import comparisons
from bench.process_tree import Footprint
from bench.reading import read, settle
from bench.scale_out.stage import SESSION_MS, Command, Stage, environment, topics_of, worker
from bench.stream import answers, canonical_record, raw_record
from bench.truth import Truth
from bench.watching import FAST_S, QUIET_S, Look
from npstream.settings import Settings
from npstream.topic_plan import planned_topics
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
        return "all agents" if self.agents == COUNTING else ", ".join(self.agents)


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
    """One run, checked. Raises RunFailed.

    1. The worker starts on empty topics, until all of its tasks are open: what that costs is not what a response costs.
    2. It is held still while the source is filled.
    3. It goes on, until everything is committed.
    4. What it wrote is held against the recount.
    """
    app_id = stage.app_id()
    environ = environment(
        stage,
        app_id,
        agents=",".join(load.agents),
        partitions=load.partitions,
        processes=load.processes,
        session_timeout_ms=SESSION_MS,
    )
    settings = Settings.load(environ=environ)
    raw = "intake" in load.agents
    source, encode, headers = (
        (topics.RAW, raw_record, {"nps-source": b"canonical"}) if raw else (topics.RESPONSES, canonical_record, {})
    )
    own = {topic.name for topic in planned_topics(settings)} - {source}
    with topics_of(stage, settings):
        before = stage.stored_bytes()
        with worker(stage, app_id, environ, load.agents[0]) as command:
            command.wait_ready()
            with command.held():
                fill(stage.ground.bootstrap, source, answers(load.responses, stage.ground.day), encode, headers)
                began = command.usage()
            done = _last_look(command, load)
            footprint = command.footprint()
            command.stop()
        settle(stage.ground.bootstrap, own)
        stored = stage.stored_bytes() - before
        truth = Truth(answers(load.responses, stage.ground.day))
        checked = Checked(list(comparisons(settings, truth, lambda topic: read(stage.ground.bootstrap, topic))))
    return Throughput(
        load,
        done.usage.at - began.at,
        done.usage.worker - began.worker,
        (done.usage.broker or 0.0) - (began.broker or 0.0),
        max(0.0, done.usage.others - began.others),
        footprint,
        sum(size for topic, size in stored.items() if topic in own),
        stored[changelog_topic(app_id, "scoring")],
        checked.failures,
    )


def _last_look(command: Command, load: Load) -> Look:
    """The first one that counts everything; with rollups, all cells, which are done when none have come for a while."""
    done: list[Look] = []

    def over() -> bool:
        look = command.look()
        if look is None or look.responses < load.responses:
            return False
        if not done or look.cells != done[-1].cells:
            done.append(look)
        return "rollups" not in load.agents or (look.usage.at - done[-1].usage.at > QUIET_S and not look.lag)

    wait(over, f"{load.responses} responses processed", time_limit_s(load.responses), FAST_S)
    return done[-1]
