"""`python -m bench.disk_store`: what state on disk costs beside state in memory, and what it saves when a worker starts again.

Each round runs the same scoring worker with either store, in turn, on one Kafka, and compares all outputs with a recount. Then
the worker is started again: without a disk it must read everything; with one first what lies there, then nothing of it.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import click
from rich import box
from rich.console import Console
from rich.table import Table

from bench import machine
from bench.inputs import PARTITIONS
from bench.measurement import TIMEOUT_S, Ground, Measurement, RunFailed, wait
from bench.npstream_line import STOP_TIMEOUT_S, NpstreamLine, scoring_line
from bench.processes import Usage, peak_rss_mb
from bench.stream import MOST, first_day
from bench.watching import FAST_S, Watch, total
from npstream.broker import HOST
from npstream.child import Child
from npstream.settings import Settings
from tests.kafka.broker import KafkaBroker, KafkaUnavailable

RESPONSES = 400_000
ROUNDS = 3
WIDTH = 140
"""Characters of a line where there is no terminal that has its own."""
BEGIN, END = "<!-- disk store: begin -->", "<!-- disk store: end -->"
"""What lies between them in a document is replaced."""
RUN_COLUMNS = ("State in", "Responses/s", "CPU µs each", "broker µs each", "peak MB", "MB on disk")
START_COLUMNS = ("Started again", "records read", "s a task", "records/s", "peak MB")
Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Start:
    """A worker that was started again, until all its tasks ran."""

    records: float
    """Changelog records that it read."""
    seconds: float
    """From the assignment to a running task: the mean of all tasks, which open at the same time."""
    peak_mb: float


@dataclass(frozen=True)
class StoreLine(NpstreamLine):
    """A scoring worker with its state in memory, or in a folder; started again before its topics are gone."""

    folder: Path | None = None
    starts: dict[str, list[Start]] = field(default_factory=dict)
    """By what was there at the start; in the order of the rounds."""
    on_disk_mb: list[float] = field(default_factory=list)

    def _measure(self, ground: Ground, settings: Settings, environment: Mapping[str, str]) -> Measurement:
        measurement = super()._measure(ground, settings, environment)
        if self.folder is None:
            self._start("in memory, which has nothing", settings, environment, ground)
        else:
            self.on_disk_mb.append(sum(file.stat().st_blocks * 512 for file in self.folder.rglob("*")) / 2**20)
            self._start("on disk, with what was left there", settings, environment, ground)
            shutil.rmtree(self.folder)
            self._start("on disk, with an empty folder", settings, environment, ground)
            shutil.rmtree(self.folder)
        return measurement

    def _start(self, title: str, settings: Settings, environment: Mapping[str, str], ground: Ground) -> None:
        worker = Child([sys.executable, "-m", "npstream", "worker"], ground.folder / f"{settings.app_id}.log", environment)
        try:
            url = f"http://{HOST}:{settings.http_port}"
            watch = Watch(url, self.agents[0], lambda: worker.alive, lambda: Usage.now(worker.pid, None))

            def runs() -> bool:
                if not worker.alive:
                    raise RunFailed(f"{title}: the worker ended; its log ends:\n{worker.tail()}")
                look = watch.look()
                return look is not None and look.running == PARTITIONS

            wait(runs, f"{PARTITIONS} tasks run, {title}", TIMEOUT_S, FAST_S)
            look = watch.look()
            if look is None:
                raise RunFailed(f"{title}: the worker does not answer any more")
            seconds = total(look.samples, "npstream_restore_seconds_sum") / PARTITIONS
            records = total(look.samples, "npstream_restored_records_total")
            self.starts.setdefault(title, []).append(Start(records, seconds, peak_rss_mb(worker.pid)))
            worker.stop(STOP_TIMEOUT_S)
        finally:
            worker.kill()


@click.command()
@click.option("--responses", type=click.IntRange(1, MOST), default=RESPONSES, show_default=True, help="Of each run.")
@click.option(
    "--rounds", type=click.IntRange(1), default=ROUNDS, show_default=True, help="How often each store is run, in turn."
)
@click.option("--memory-bytes", type=int, help="Of caches and write buffers (setting state_memory_bytes).")
@click.option(
    "--state-folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="A folder on the disk to be measured; the folder for temporary files unless given.",
)
@click.option(
    "--markdown", type=click.Path(path_type=Path, dir_okay=False), help="Write the tables into this document, at their place."
)
def main(responses: int, rounds: int, memory_bytes: int | None, state_folder: Path | None, markdown: Path | None) -> None:
    """Responses/s, memory and restores of a scoring worker with state on disk, beside one with state in memory.

    Exit code 1 if any output differs from the recount of what was sent.
    """
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    try:
        with (
            KafkaBroker() as kafka,
            tempfile.TemporaryDirectory(prefix="npstream-bench-") as logs,
            tempfile.TemporaryDirectory(prefix="npstream-bench-state-", dir=state_folder) as state,
        ):
            ground = Ground(kafka.bootstrap, kafka.pid, Path(logs), first_day(responses, int(time.time() * 1000)))
            described = machine.describe(own_broker=True)
            lines = [_line("memory", responses, None, None), _line("disk", responses, Path(state) / "state", memory_bytes)]
            measured = _run(lines, rounds, ground, console)
            machine.finish(described)
    except (RunFailed, KafkaUnavailable) as error:
        console.print(f"FAIL {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    tables = [(RUN_COLUMNS, _run_rows(lines, measured)), (START_COLUMNS, _start_rows(lines))]
    for columns, rows in tables:
        console.print(_table(columns, rows))
    failures = [failure for runs in measured.values() for run in runs for failure in run.failures]
    for failure in failures:
        console.print(f"FAIL {failure}", style="bold red", markup=False, highlight=False, soft_wrap=True)
    if markdown is not None and not failures:
        _write(markdown, tables, {"Responses": f"{responses:,}, {rounds} rounds, medians", **described})
    sys.exit(1 if failures else 0)


def _line(store: str, responses: int, folder: Path | None, memory_bytes: int | None) -> StoreLine:
    plain = scoring_line(responses)
    tuning = {"state_store": store} | ({} if folder is None else {"state_folder": str(folder)})
    if folder is not None and memory_bytes is not None:
        tuning["state_memory_bytes"] = str(memory_bytes)
    return StoreLine(store, store, plain.agents, plain.source, plain.encode, responses, plain.headers, tuning, folder=folder)


def _run(lines: Sequence[StoreLine], rounds: int, ground: Ground, console: Console) -> dict[str, list[Measurement]]:
    """All lines in turn, each round beginning with the other one."""
    measured: dict[str, list[Measurement]] = {line.name: [] for line in lines}
    for number in range(rounds):
        for index, line in enumerate(lines if number % 2 == 0 else lines[::-1]):
            run = line.run(ground, number * len(lines) + index)
            measured[line.name].append(run)
            verdict = "FAIL" if run.failures else "equal to the recount"
            console.print(
                f"round {number + 1}, state in {line.title}: {run.responses:,} responses in {run.seconds:.2f} s, "
                f"{run.rate:,.0f}/s: {verdict}",
                highlight=False,
            )
    return measured


def _run_rows(lines: Sequence[StoreLine], measured: Mapping[str, Sequence[Measurement]]) -> Rows:
    rows = []
    for line in lines:
        runs = measured[line.name]

        def of(figure: Callable[[Measurement], float | None], form: str, runs: Sequence[Measurement] = runs) -> str:
            found = [value for run in runs if (value := figure(run)) is not None]
            return format(median(found), form) if found else "?"

        rows.append(
            (
                line.title,
                of(lambda run: run.rate, ",.0f"),
                of(lambda run: run.cpu_s * 1e6 / run.responses, ".1f"),
                of(lambda run: None if run.broker_cpu_s is None else run.broker_cpu_s * 1e6 / run.responses, ".1f"),
                of(lambda run: run.peak_rss_mb, ".0f"),
                f"{median(line.on_disk_mb):.0f}" if line.on_disk_mb else "",
            )
        )
    return rows


def _start_rows(lines: Sequence[StoreLine]) -> Rows:
    rows = []
    for title, starts in (pair for line in lines for pair in line.starts.items()):
        seconds, records = median(start.seconds for start in starts), median(start.records for start in starts)
        rate = f"{records / seconds:,.0f}" if records else ""
        rows.append((title, f"{records:,.0f}", f"{seconds:.2f}", rate, f"{median(start.peak_mb for start in starts):.0f}"))
    return rows


def _table(columns: Sequence[str], rows: Rows) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def _write(file: Path, tables: Sequence[tuple[Sequence[str], Rows]], described: Mapping[str, str]) -> None:
    """Replace the figures in a document that has a place for them. Raises ValueError for one that has none."""
    text = file.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise ValueError(f"{file} has no place for the figures: {BEGIN} and {END}")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    figures = "\n".join(_markdown(tables, described))
    file.write_text(f"{before}{BEGIN}\n{figures}\n{END}{after}", encoding="utf-8")


def _markdown(tables: Sequence[tuple[Sequence[str], Rows]], described: Mapping[str, str]) -> Iterator[str]:
    for columns, rows in tables:
        yield f"| {' | '.join(columns)} |"
        yield f"|---{'|---:' * (len(columns) - 1)}|"
        for row in rows:
            yield f"| {' | '.join(row)} |"
        yield ""
    for name, value in described.items():
        yield f"- {name}: {value}"


if __name__ == "__main__":
    main()
