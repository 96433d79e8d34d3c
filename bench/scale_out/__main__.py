"""`python -m bench.scale_out`: what more processes, more partitions and fewer units bring and cost, and how long a hand-over
takes. On a Kafka of its own; everything that was written is held against a recount."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

from bench import machine
from bench.__main__ import WIDTH
from bench.broker import JVM_OPTIONS
from bench.document import write_into
from bench.inputs import COUNTING
from bench.measurement import Ground, RunFailed
from bench.scale_out import at_rest, fusing, hand_over, report, throughput
from bench.scale_out.report import Results
from bench.scale_out.stage import Stage
from bench.scale_out.throughput import Load
from bench.stream import MOST, first_day
from tests.kafka.broker import KafkaBroker, KafkaUnavailable

MARKER = "scale-out"
"""Of the place in the document."""
BROKER = {"group.initial.rebalance.delay.ms": "3000"}
"""Kafka's default, which tests do not use: all processes of a command are in a group before it hands out partitions."""
RESPONSES, QUICK_RESPONSES = 200_000, 20_000
"""Of each run: some seconds of work."""
STATES, QUICK_STATES = (100_000, 400_000), (10_000, 20_000)
"""Responses whose state is handed over: of 100,000 respondents, one each and four each."""
REST_S, QUICK_REST_S = 6.0, 3.0
"""How long something is looked at that does nothing: heartbeats come every 3 s."""
PARTS = ("throughput", "hand-over", "at-rest", "fusing")
MANY = 64
"""Partitions at which what each costs shows."""


@click.command()
@click.option("--quick", is_flag=True, help="Small: whether it works, too short for a figure.")
@click.option("--parts", default=",".join(PARTS), show_default=True, help="Which to measure.")
@click.option("--responses", type=click.IntRange(1, MOST), help=f"Of each run; {RESPONSES} unless given.")
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write all figures here.")
@click.option(
    "--markdown", type=click.Path(path_type=Path, dir_okay=False), help="Write the tables into this document, at their place."
)
def main(quick: bool, parts: str, responses: int | None, json_file: Path | None, markdown: Path | None) -> None:
    """Processes, partitions, hand-over, and fused units. Exit code 1 if anything differs from the recount."""
    chosen = [part.strip() for part in parts.split(",")]
    if not set(chosen) <= set(PARTS):
        raise click.UsageError(f"--parts {parts}: there are {', '.join(PARTS)}")
    responses = responses or (QUICK_RESPONSES if quick else RESPONSES)
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    results = Results(machine.describe(own_broker=True))
    cores = len(os.sched_getaffinity(0))
    try:
        with _stage(max(responses, *STATES)) as stage:
            for part in chosen:
                MEASURES[part](stage, results, quick, responses, console)
    except (RunFailed, KafkaUnavailable) as error:
        console.print(f"FAIL {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    machine.finish(results.machine)
    report.show(results, console, cores)
    if json_file is not None:
        json_file.write_text(json.dumps(asdict(results), indent=2) + "\n", encoding="utf-8")
    if markdown is not None and not results.failures:
        write_into(markdown, MARKER, report.markdown(results, cores))
    sys.exit(1 if results.failures else 0)


@contextmanager
def _stage(most_responses: int) -> Iterator[Stage]:
    day = first_day(most_responses, int(time.time() * 1000))
    with KafkaBroker(BROKER, JVM_OPTIONS) as kafka, tempfile.TemporaryDirectory(prefix="npstream-scale-out-") as folder:
        yield Stage(Ground(kafka.bootstrap, kafka.pid, Path(folder), day), kafka.log.parent / "data")


def _loads(responses: int, quick: bool) -> list[Load]:
    """A broker that has just started is still compiling itself, so the first run is there to be forgotten."""
    scoring = ("scoring",)
    if quick:
        return [Load(scoring, processes, 4, responses) for processes in (1, 2)] + [Load(COUNTING, 2, 4, responses)]
    return [
        *(Load(scoring, processes, partitions, responses) for processes in (1, 2, 4) for partitions in (4, 16, MANY)),
        *(Load(COUNTING, processes, 16, responses) for processes in (1, 2, 4)),
    ]


def _throughput(stage: Stage, results: Results, quick: bool, responses: int, console: Console) -> None:
    loads = _loads(responses, quick)
    if not quick:
        console.print("warming the broker up", highlight=False)
        throughput.measure(stage, loads[0])
    for load in loads:
        found = throughput.measure(stage, load)
        results.throughput.append(found)
        _say(console, f"{load.title}, {load.processes} processes, {load.partitions} partitions: {found.rate:,.0f}/s")


def _hand_over(stage: Stage, results: Results, quick: bool, responses: int, console: Console) -> None:
    for size in QUICK_STATES if quick else STATES:
        results.hand_overs += hand_over.measure(stage, size)
        _say(console, f"hand-over of the state of {size:,} responses: moved in {results.hand_overs[-2].moved_s:.1f} s")


def _at_rest(stage: Stage, results: Results, quick: bool, responses: int, console: Console) -> None:
    for processes, partitions in ((1, 4), (1, MANY)) if quick else ((1, 4), (1, 16), (1, MANY), (2, MANY)):
        found = at_rest.measure(stage, processes, partitions, QUICK_REST_S if quick else REST_S)
        results.at_rest.append(found)
        _say(console, f"at rest, {processes} processes, {partitions} partitions: {found.worker.sockets} sockets")


def _fusing(stage: Stage, results: Results, quick: bool, responses: int, console: Console) -> None:
    for fused in (False, True):
        found = fusing.measure(stage, fused, MANY, responses, QUICK_REST_S if quick else REST_S)
        results.fusing.append(found)
        _say(console, f"{'fused' if fused else 'apart'}: {found.records / found.seconds:,.0f} records/s")


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False)


MEASURES: dict[str, Callable[[Stage, Results, bool, int, Console], None]] = {
    "throughput": _throughput,
    "hand-over": _hand_over,
    "at-rest": _at_rest,
    "fusing": _fusing,
}

if __name__ == "__main__":
    main()
