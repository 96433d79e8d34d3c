"""`python -m bench.capacity`: how many partitions, processes and brokers a load needs, and what breaks first. Pure arithmetic.

What a response and a respondent cost is measured (`python -m bench`, `python -m bench.scale_out`, and the benchmark of state);
what a machine gives and how much of it may be used is assumed. All of it is named here, so that docs/capacity.md is remade when
a figure changes.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from bench.document import write_into
from npstream.settings import AGENTS
from schemas.topics import TOPICS

MARKER: Final = "capacity"
"""Of the place in the document."""
HOPS = 3
"""Agents that a response goes through: the directory works when facts of accounts change."""
COPIES: Final = 3
"""Of each record in production: min.insync.replicas 2 and a broker that may be down."""
BUSY: Final = 0.5
"""Share of a core that is used: the other half catches up after a hand-over, and takes a lost worker's share."""
LEAST_PARTITIONS: Final = 12
"""The default: fewer leave no room."""
PARTITIONS_PER_PROCESS: Final = 2
"""At least: so that one process more or less moves work in halves of a share, and two hot partitions can be parted."""
PROCESS_MB: Final = 350
"""Of a process before any state: the interpreter, clients and batches, freed memory that is kept."""
MOST_PROCESS_GB: Final = 8.0
"""Of a process with its state: what a core of an ordinary machine has beside it."""
BROKER_CORES: Final = 16
"""Of one broker."""
BROKER_REPLICAS: Final = 4_000
"""Partition copies that one broker is commonly given; each is open files, and time at a restart."""
BROKER_DISK_TB: Final = 10.0
"""Of one broker, of which half is used."""
BROKER_DISK_MB_S: Final = 500.0
"""Sequential writing of one broker's disks, of which half is used."""
RAW_DAYS, RESPONSES_DAYS, EVENTS_DAYS = 14, 800, 30
"""Retention of nps.responses.raw, of nps.responses, and of what comes of them (schemas/topics.py)."""
ANSWERS_A_YEAR: Final = 4
"""Of a respondent: what the figures of state are measured with. So a billion respondents are 127 responses/s in the mean, and
the rates below are peaks: campaigns, and counting anew."""
DAYS_A_YEAR: Final = 365
SESSION_S: Final = 10.0
"""After so long a worker that died is missed (the setting session_timeout_ms): a restore that takes no longer than that at most
doubles the pause."""


@dataclass(frozen=True)
class Costs:
    """What was measured. The order is that of the table."""

    worker_us: float
    """µs of a worker's core for each response, all agents"""
    scoring_us: float
    """µs of it that are scoring's: one partition is one task, and a task is serial"""
    broker_us: float
    """µs of a broker's core for each response, all agents, one copy"""
    source_bytes: float
    """bytes of a response in nps.responses.raw, and about as many in nps.responses"""
    event_bytes: float
    """bytes of events, cells and rows for each response, before compaction"""
    changelog_bytes: float
    """bytes in the changelogs for each response, before compaction"""
    respondent_bytes: float
    """bytes of memory for each respondent with a year of history, its share of account and segments included"""
    respondent_records: float
    """changelog records that a restore reads for each respondent, before compaction"""
    restore_rate: float
    """changelog records/s that one process restores"""
    transaction_s: float
    """s that a task's transaction takes"""
    task_sockets: float
    """sockets of each task on a cluster of one broker"""


MEASURED: Final = Costs(
    worker_us=39.6,
    scoring_us=29.3,
    broker_us=7.6,
    source_bytes=250,
    event_bytes=105,  # in zstd (docs/decisions/0012-compression.md)
    changelog_bytes=172,
    respondent_bytes=1_499,
    respondent_records=8.5,
    restore_rate=267_000,
    transaction_s=0.03,
    task_sockets=2.0,
)
"""The newest figures; docs/capacity.md says which program gives each."""


class Load(NamedTuple):
    """What is asked for."""

    rate: float
    """Responses/s, at the peak."""
    respondents: float

    def __str__(self) -> str:
        return f"{_short(self.rate)}/s, {_short(self.respondents)} respondents"


STEPS: Final = (Load(1e3, 1e6), Load(1e5, 1e8), Load(1e6, 1e9), Load(1e3, 1e9))
"""Each step a hundred or ten times the one before; and the last one's respondents at the first one's rate."""


@dataclass(frozen=True)
class Plan:
    """What a load needs, and what comes of it. Each figure is a property that says how it is made."""

    load: Load
    costs: Costs

    @property
    def cores(self) -> float:
        """Of workers, busy all of the time."""
        return self.load.rate * self.costs.worker_us / 1e6

    @property
    def processes(self) -> int:
        """As many as the rate or the memory needs; two at least, so that one may be lost."""
        return max(2, math.ceil(self.cores / BUSY), math.ceil(self.state_gb / (MOST_PROCESS_GB - PROCESS_MB / 1024)))

    @property
    def partitions(self) -> int:
        """A power of two times 12: enough for the processes and the hottest agent."""
        least = max(PARTITIONS_PER_PROCESS * self.processes, self.load.rate * self.costs.scoring_us / 1e6 / BUSY)
        doublings = math.ceil(math.log2(least / LEAST_PARTITIONS))
        return LEAST_PARTITIONS << max(0, doublings)

    @property
    def producers(self) -> int:
        """Transactional ids: units times partitions."""
        return len(AGENTS) * self.partitions

    @property
    def state_gb(self) -> float:
        """Memory for all respondents."""
        return self.load.respondents * self.costs.respondent_bytes / 2**30

    @property
    def process_gb(self) -> float:
        """Memory of one process."""
        return PROCESS_MB / 1024 + self.state_gb / self.processes

    @property
    def brokers_by(self) -> dict[str, float]:
        """Brokers, by what they run out of."""
        written = self.load.rate * (2 * self.costs.source_bytes + self.costs.event_bytes + self.costs.changelog_bytes) * COPIES
        return {
            "cores": self.load.rate * self.costs.broker_us * COPIES / 1e6 / BUSY / BROKER_CORES,
            "disk writes": written / 2**20 / (BROKER_DISK_MB_S / 2),
            "disk space": self.stored_tb / (BROKER_DISK_TB / 2),
            "partition copies": self.replicas / BROKER_REPLICAS,
        }

    @property
    def brokers(self) -> int:
        """As many as the scarcest needs, three at least: each record has as many copies."""
        return max(COPIES, math.ceil(max(self.brokers_by.values())))

    @property
    def scarcest(self) -> str:
        """What decides the number of brokers."""
        return max(self.brokers_by, key=self.brokers_by.__getitem__) if self.brokers > COPIES else "copies"

    @property
    def replicas(self) -> int:
        """Copies of partitions of all topics and changelogs."""
        return (len(TOPICS) + len(AGENTS)) * self.partitions * COPIES

    @property
    def stored_tb(self) -> float:
        """What retention keeps, all copies: responses for 800 days, for the most part. Compacted topics are small beside it."""
        a_day = self.load.respondents * ANSWERS_A_YEAR / DAYS_A_YEAR * COPIES
        kept = self.costs.source_bytes * (RAW_DAYS + RESPONSES_DAYS) + self.costs.event_bytes * EVENTS_DAYS
        return a_day * kept / 2**40

    @property
    def sockets(self) -> float:
        """Of all processes: as measured for one broker, and one more for each further one, as it may lead an output."""
        return self.producers * (self.costs.task_sockets + self.brokers - 1)

    @property
    def transactions(self) -> float:
        """Each second, at most: a task begins the next when the last is done, and none without a record."""
        return HOPS * min(self.load.rate, self.partitions / self.costs.transaction_s)

    @property
    def lost_process_s(self) -> float:
        """Until the last partition of a lost process is restored: the others share it. The session time-out comes before."""
        records = self.load.respondents * self.costs.respondent_records / self.processes
        return records / self.costs.restore_rate / max(1, min(self.processes - 1, self.partitions // self.processes))

    @property
    def cold_start_s(self) -> float:
        """Until all is restored when all processes start together."""
        return self.load.respondents * self.costs.respondent_records / self.processes / self.costs.restore_rate


class Limit(NamedTuple):
    """Something that gives way, and from where on."""

    what: str
    figure: Callable[[Plan], float]
    bearable: float
    answer: str


LIMITS: Final = (
    Limit("processes, of a core each", lambda plan: plan.processes, 16, "more machines: they share through Kafka alone"),
    Limit("GB of memory in all", lambda plan: plan.process_gb * plan.processes, 256, "state on disk"),
    Limit(
        "s until a lost process is restored",
        lambda plan: plan.lost_process_s,
        60,
        "more partitions and processes; state on disk",
    ),
    Limit("s until all have started", lambda plan: plan.cold_start_s, 300, "the same"),
    Limit("transactional producers", lambda plan: plan.producers, 1_000, "agents scaled apart; units fused as agents come"),
    Limit("transactions/s", lambda plan: plan.transactions, 10_000, "more partitions of `__transaction_state`"),
    Limit("sockets of workers", lambda plan: plan.sockets, 10_000, "file limits of brokers and workers raised"),
    Limit("partition copies", lambda plan: plan.replicas, 4_000 * COPIES, "more brokers"),
    Limit("TB stored", lambda plan: plan.stored_tb, 30, "shorter retention of `nps.responses`, or tiered storage"),
)
"""In the order in which they are shown; bearable is what is ordinary for one group of machines and a small cluster."""


def broken(plan: Plan) -> list[tuple[Limit, float]]:
    """Each limit that a plan passes, with how many times, the worst first."""
    times = [(limit, limit.figure(plan) / limit.bearable) for limit in LIMITS]
    return sorted((found for found in times if found[1] > 1.0), key=lambda found: -found[1])


def _short(number: float) -> str:
    for size, name in ((1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if number >= size:
            return f"{number / size:g} {name}"
    return f"{number:g}"


ROWS: Final[Sequence[tuple[str, Callable[[Plan], str]]]] = (
    ("workers' cores, all busy", lambda plan: f"{plan.cores:,.2g}" if plan.cores < 10 else f"{plan.cores:,.0f}"),
    (f"processes, {BUSY:.0%} busy or {MOST_PROCESS_GB:g} GB", lambda plan: f"{plan.processes:,}"),
    ("partitions", lambda plan: f"{plan.partitions:,}"),
    ("memory of a process, GB", lambda plan: f"{plan.process_gb:.1f}"),
    (f"brokers of {BROKER_CORES} cores", lambda plan: f"{plan.brokers:,} ({plan.scarcest})"),
    ("storage for the retention, TB", lambda plan: f"{plan.stored_tb:,.1f}"),
    ("respondents a partition", lambda plan: f"{plan.load.respondents / plan.partitions:,.0f}"),
)


def unfelt_respondents(costs: Costs) -> float:
    """So many in a partition are restored within the session time-out."""
    return SESSION_S * costs.restore_rate / costs.respondent_records


def markdown(costs: Costs, steps: Sequence[Load] = STEPS) -> str:
    """The inputs, the plan of each step, and what breaks first there."""
    return "\n".join(_lines(costs, [Plan(load, costs) for load in steps]))


def _lines(costs: Costs, plans: Sequence[Plan]) -> Iterator[str]:
    yield from ("| measured | |", "|---|---:|")
    for field, meaning in zip(fields(costs), _meanings(), strict=True):
        yield f"| {meaning} | {getattr(costs, field.name):,g} |"
    yield from ("", f"A partition of {unfelt_respondents(costs):,.0f} respondents is restored within {SESSION_S:g} s.")
    yield from ("", f"| | {' | '.join(str(plan.load) for plan in plans)} |", f"|---|{'---:|' * len(plans)}")
    for title, figure in ROWS:
        yield f"| {title} | {' | '.join(figure(plan) for plan in plans)} |"
    yield from ("", f"| gives way | ordinary up to | {' | '.join(str(plan.load) for plan in plans)} | then |")
    yield f"|---|---:|{'---:|' * len(plans)}---|"
    for limit in LIMITS:
        yield f"| {limit.what} | {limit.bearable:,g} | {' | '.join(_pressed(limit, plan) for plan in plans)} | {limit.answer} |"
    firsts = [(plan, broken(plan)) for plan in plans]
    told = (f"at {plan.load}: {found[0][0].what if found else 'nothing'}" for plan, found in firsts)
    yield from ("", f"First to give way, by how far it is beyond the ordinary: {'; '.join(told)}.")


def _pressed(limit: Limit, plan: Plan) -> str:
    """The figure, in bold with how many times the ordinary it is where that is more than once."""
    figure = limit.figure(plan)
    return f"{figure:,.0f}" if figure <= limit.bearable else f"**{figure:,.0f}** ({figure / limit.bearable:.1f}x)"


def _meanings() -> list[str]:
    """What each cost is, from the text under it in this file: a dataclass does not keep it."""
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    names = [f"    {field.name}: float" for field in fields(Costs)]
    return [lines[lines.index(name) + 1].strip().strip('"') for name in names]


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    """An option for each cost."""
    for field, meaning in reversed(list(zip(fields(Costs), _meanings(), strict=True))):
        flag, value = f"--{field.name.replace('_', '-')}", getattr(MEASURED, field.name)
        function = click.option(flag, field.name, type=float, default=value, show_default=True, help=meaning)(function)
    return function


@click.command()
@_options
@click.option(
    "--markdown",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the tables into this document, at their place.",
)
def main(file: Path | None, **costs: float) -> None:
    """What each step of load needs, from what a response and a respondent cost."""
    text = markdown(replace(MEASURED, **costs))
    if file is None:
        click.echo(text)
    else:
        write_into(file, MARKER, text)


if __name__ == "__main__":
    main()
