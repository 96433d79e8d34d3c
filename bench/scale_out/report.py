"""Shows what was measured: tables on the terminal, and the same in a document."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich import box
from rich.console import Console
from rich.table import Table

from bench.scale_out.at_rest import AtRest
from bench.scale_out.fusing import Fusing
from bench.scale_out.hand_over import HandOver
from bench.scale_out.throughput import Throughput

MILLION = 1_000_000
DISTURBED = 0.1
"""Share of the machine that others may take before a row is marked with an asterisk."""


@dataclass
class Results:
    """All that was measured, in the order in which to show it."""

    machine: dict[str, str]
    throughput: list[Throughput] = field(default_factory=list)
    hand_overs: list[HandOver] = field(default_factory=list)
    at_rest: list[AtRest] = field(default_factory=list)
    fusing: list[Fusing] = field(default_factory=list)

    @property
    def failures(self) -> list[str]:
        """What differed from the recount."""
        found = [
            f"{one.load.title}, {one.load.processes} processes: {text}" for one in self.throughput for text in one.failures
        ]
        return found + [f"{'fused' if one.fused else 'apart'}: {text}" for one in self.fusing for text in one.failures]


@dataclass
class Section:
    """One table and what is said below it."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: list[str] = field(default_factory=list)

    def shown(self) -> Table:
        """For a terminal."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=self.title, caption="\n".join(self.notes) or None)
        for number, column in enumerate(self.columns):
            table.add_column(column, justify="right" if number else "left", no_wrap=True)
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """For a document."""
        lines = [f"**{self.title}**", "", f"| {' | '.join(self.columns)} |", f"|---{'|---:' * (len(self.columns) - 1)}|"]
        lines += [f"| {' | '.join(row)} |" for row in self.rows]
        return "\n".join([*lines, *([""] if self.notes else []), *self.notes])


def sections(results: Results, cores: int) -> list[Section]:
    """Those that were measured."""
    found = [
        _throughput(results.throughput, cores),
        _hand_overs(results.hand_overs),
        _at_rest(results.at_rest),
        _fusing(results.fusing),
    ]
    return [section for section in found if section.rows]


def show(results: Results, console: Console, cores: int) -> None:
    """Print all of it."""
    for section in sections(results, cores):
        console.print(section.shown())
    for failure in results.failures:
        console.print(f"FAIL {failure}", style="bold red", markup=False, highlight=False, soft_wrap=True)


def markdown(results: Results, cores: int) -> str:
    """All of it, and the machine."""
    parts = [section.markdown() for section in sections(results, cores)]
    return "\n\n".join([*parts, "\n".join(f"- {name}: {value}" for name, value in results.machine.items())])


def _throughput(measured: Sequence[Throughput], cores: int) -> Section:
    rows = [
        (
            one.load.title,
            str(one.load.processes),
            str(one.load.partitions),
            f"{one.rate:,.0f}{'*' * (one.others_cpu_s > DISTURBED * one.seconds * cores)}",
            f"{one.each(one.cpu_s * 1e6):.1f}",
            f"{one.each(one.broker_cpu_s * 1e6):.1f}",
            str(one.footprint.sockets),
            f"{one.footprint.peak_mb:.0f}",
            f"{one.each(one.changelog_bytes):.0f}",
            f"{one.each(one.stored_bytes):.0f}",
        )
        for one in measured
    ]
    most = max((one.load.processes for one in measured), default=1)
    notes = [
        f"Each row is {one.load.responses:,} responses, equal to the recount. The changelog is scoring's; all logs are those "
        "of everything but the source, for one copy and before any compaction."
        for one in measured[:1]
    ]
    if most + 1 > cores:
        notes.append(
            f"Cores: {cores}, of which the broker needs its share. More processes than the rest wait for each other: of them "
            "only the cost of a response tells anything."
        )
    if any("*" in row[3] for row in rows):
        notes.append("\\*: others took more than a tenth of the machine meanwhile.")
    columns = (
        "Agents", "processes", "partitions", "responses/s", "worker µs each", "broker µs each", "sockets", "peak MB",
        "changelog B each", "all logs B each",
    )  # fmt: skip
    return Section("More processes and partitions", columns, rows, notes)


def _hand_overs(measured: Sequence[HandOver]) -> Section:
    rows = [
        (
            f"a worker {one.event}",
            f"{one.responses:,}",
            f"{one.state_keys:,.0f}",
            f"{one.state_mb:.0f}",
            f"{one.kept_s:.1f}",
            f"{one.moved_s:.1f}",
            f"{one.restored:,.0f}",
            f"{one.restore_rate:,.0f}" if one.event == "joins" else "",
        )
        for one in measured
    ]
    notes = []
    joined = [one for one in measured if one.event == "joins"]
    if joined:
        largest = max(joined, key=lambda one: one.responses)
        seconds = MILLION * largest.per_respondent / largest.restore_rate
        notes.append(
            f"Of the largest, a restore reads {largest.per_respondent:.1f} records for each respondent, so one process "
            f"restores {MILLION:,} respondents in {seconds:.0f} s. That a member comes or goes is noticed with the next "
            "heartbeat (3 s)."
        )
    columns = (
        "Event", "responses", "state keys", "state MB", "kept, s", "moved, s", "records restored", "restored/s",
    )  # fmt: skip
    return Section(
        "Hand-over of scoring: how long 2 partitions stand still that are kept, and 2 that move", columns, rows, notes
    )


def _at_rest(measured: Sequence[AtRest]) -> Section:
    rows = [
        (
            str(one.processes),
            str(one.partitions),
            str(one.tasks),
            f"{one.ready_s:.1f}",
            str(one.worker.sockets),
            f"{one.worker.rss_mb:.0f}",
            f"{one.worker_cpu:.1%}",
            str(one.broker_sockets),
            f"{one.broker_files:,}",
            f"{one.broker_cpu:.1%}",
        )
        for one in measured
    ]
    columns = (
        "Processes", "partitions", "tasks", "ready after s", "sockets", "MB", "CPU", "broker's sockets", "broker's open files",
        "broker's CPU",
    )  # fmt: skip
    return Section("At rest: all agents, no traffic; CPU is of one core", columns, rows)


def _fusing(measured: Sequence[Fusing]) -> Section:
    rows = [
        (
            "one unit" if one.fused else "four units",
            f"{one.records / one.seconds:,.0f}",
            f"{one.cpu_s / one.records * 1e6:.1f}",
            f"{one.broker_cpu_s / one.records * 1e6:.1f}",
            f"{one.transactions:,.0f}",
            f"{one.stored_bytes / one.records:.0f}",
            str(one.footprint.sockets),
            f"{one.footprint.peak_mb:.0f}",
            f"{one.rest_cpu:.1%}",
            f"{one.broker_rest_cpu:.1%}",
        )
        for one in measured
    ]
    notes = [f"{one.partitions} partitions, {one.records:,} records, events as recounted." for one in measured[:1]]
    columns = (
        "Hosted in", "records/s", "worker µs each", "broker µs each", "transactions", "logs B each", "sockets", "peak MB",
        "CPU at rest", "broker's at rest",
    )  # fmt: skip
    return Section("Four processors keyed by account, apart or fused; CPU at rest is of one core", columns, rows, notes)
