"""`python -m bench.latency`: how long a response takes from being produced to its detractor event being read, committed.

One worker with default settings and all agents, transactions on, 4 partitions. A figure counts only if every output equals a
recount of what was sent.
"""

import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import click
from confluent_kafka import KafkaException
from rich.console import Console

from bench import machine, sections
from bench.broker import JVM_OPTIONS
from bench.checking import Checked
from bench.document import write_into
from bench.filling import fill
from bench.measurement import RunFailed, time_limit_s, wait
from bench.npstream_outputs import comparisons
from bench.one_worker import OneWorker, create_topics, environment, worker
from bench.reading import NotRead, read
from bench.sections import Table
from bench.stream import MOST, answers, first_day, raw_record
from bench.timed_records import HEADERS, Part, Produced, Seen, consume, ends, produce
from bench.truth import DETRACTOR, Truth, category_of
from bench.watching import Look, total
from npstream.settings import AGENTS, Settings
from npstream.settings_sources import SettingsError
from schemas import topics
from tests.endurance.pacing import Pace
from tests.kafka.broker import KafkaBroker, KafkaUnavailable

RATES = (1_000.0, 10_000.0)
SHARE = 0.5
"""Of the sustainable rate, for the last load."""
SECONDS, QUICK_SECONDS = 60.0, 2.0
CALIBRATION, QUICK_CALIBRATION = 400_000, 5_000
"""Responses from which the sustainable rate is measured: some 20 seconds' work."""
DISCARDED_S, QUICK_DISCARDED_S = 5.0, 0.5
"""What is due in the first seconds of a load is not counted: the worker and the clients get used to it."""
POLL_S = 0.2
WIDTH = 150
"""Characters of a line where there is no terminal that has its own."""
SECTION = "latency"
STAGES = ("fetch", "process", "transaction")


class Percentiles(NamedTuple):
    """Of latencies, in ms, the nearest rank."""

    responses: int
    p50: float
    p90: float
    p99: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Percentiles":
        """Raises ValueError without values."""
        if not values:
            raise ValueError("nothing has come: there is no latency")
        ranked = sorted(values)
        p50, p90, p99 = (ranked[min(len(ranked) - 1, len(ranked) * percent // 100)] for percent in (50, 90, 99))
        return cls(len(ranked), p50, p90, p99, ranked[-1])


@dataclass(frozen=True)
class Load:
    """What one rate came to."""

    name: str
    per_second: float
    produced: Produced
    whole: Percentiles
    """From being due to the detractor event."""
    first_hop: Percentiles
    """From being due to the canonical response, of the same responses."""
    second_hop: Percentiles
    """From there to the detractor event."""
    stages: Mapping[str, Mapping[str, float]]
    """What the worker's metrics say, by agent: records a batch, and ms of each stage of a batch, on average."""


@click.command()
@click.option("--seconds", type=click.FloatRange(min=1), help=f"How long each load lasts; {SECONDS:g} unless given.")
@click.option("--rates", help=f"Loads in responses/s, with commas; {','.join(f'{rate:g}' for rate in RATES)} unless given.")
@click.option("--calibrate", type=click.IntRange(1000), help=f"Responses for the sustainable rate; {CALIBRATION} unless given.")
@click.option("--set", "tuning", multiple=True, metavar="NAME=VALUE", help="A setting of the worker, for trying out.")
@click.option("--quick", is_flag=True, help=f"{QUICK_SECONDS:g} s at {RATES[0]:g}/s alone: whether it works.")
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write all figures here.")
@click.option(
    "--markdown", type=click.Path(path_type=Path, dir_okay=False), help="Write the tables into this document, at their place."
)
def main(
    seconds: float | None,
    rates: str | None,
    calibrate: int | None,
    tuning: tuple[str, ...],
    quick: bool,
    json_file: Path | None,
    markdown: Path | None,
) -> None:
    """Latency from a raw response to its committed detractor event, at several rates.

    Exit code 1 if any output differs from the recount of what was sent.
    """
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    asked = tuple(float(rate) for rate in rates.split(",")) if rates else RATES[:1] if quick else RATES
    described = machine.describe(own_broker=True)
    try:
        with (
            KafkaBroker(jvm_options=JVM_OPTIONS) as kafka,
            tempfile.TemporaryDirectory(prefix="npstream-bench-") as folder,
        ):
            run = _Run(
                kafka,
                Path(folder),
                dict(_pair(text) for text in tuning),
                seconds or (QUICK_SECONDS if quick else SECONDS),
                QUICK_DISCARDED_S if quick else DISCARDED_S,
                console,
            )
            run.measure(asked, calibrate or (QUICK_CALIBRATION if quick else CALIBRATION), None if quick else SHARE)
    except (RunFailed, KafkaUnavailable, KafkaException, SettingsError, NotRead) as error:
        console.print(f"FAIL {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    machine.finish(described)
    tables = [_latencies(run), _stages(run)]
    for table in tables:
        console.print(table.for_terminal())
    for failure in run.failures:
        console.print(f"FAIL {failure}", style="bold red", markup=False, highlight=False, soft_wrap=True)
    if json_file is not None:
        json_file.write_text(json.dumps({"machine": described, **run.as_json()}, indent=2) + "\n", encoding="utf-8")
    if markdown is not None and not run.failures:
        parts = [table.for_document() for table in tables]
        write_into(markdown, SECTION, "\n\n".join([*parts, sections.described(described)]))
    sys.exit(1 if run.failures else 0)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--set {text}: write NAME=VALUE")
    return name, value


class _Run:
    """All loads, one after the other, on one worker."""

    def __init__(
        self,
        kafka: KafkaBroker,
        folder: Path,
        tuning: Mapping[str, str],
        seconds: float,
        discarded_s: float,
        console: Console,
    ) -> None:
        self._kafka = kafka
        self._folder = folder
        self._tuning = tuning
        self._seconds = seconds
        self._discarded_s = discarded_s
        self._console = console
        self._sent = 0
        self._day = first_day(MOST, int(time.time() * 1000))
        self.sustainable = 0.0
        self.loads: list[Load] = []
        self.failures: list[str] = []

    def measure(self, rates: Sequence[float], calibration: int, share: float | None) -> None:
        """The sustainable rate, then all loads, then hold everything against the recount. Raises RunFailed, KafkaException."""
        environ = environment(self._kafka.bootstrap, "bench-latency", self._tuning)
        settings = Settings.load(environ=environ)
        create_topics(settings)
        with worker(settings, environ, self._kafka.pid, self._folder) as one:
            one.wait_ready()
            self.sustainable = self._calibrate(one, calibration)
            self._console.print(f"sustainable: {self.sustainable:,.0f} responses/s", highlight=False)
            for rate in rates:
                self._load(one, f"{rate:,.0f}/s", rate)
            if share is not None:
                self._load(one, f"{share:.0%} of the sustainable rate", round(self.sustainable * share, -1))
            self._settle(one)
        truth = Truth(islice(answers(MOST, self._day), self._sent))
        checked = Checked(list(comparisons(settings, truth, lambda topic: read(self._kafka.bootstrap, topic))))
        self.failures += checked.failures

    def _calibrate(self, one: OneWorker, responses: int) -> float:
        """The rate at which the worker works a backlog off while nobody produces; a third of it goes before, unmeasured."""
        warm = responses // 3
        self._fill(warm)
        self._wait(one, warm)
        self._fill(responses - warm)
        began, first = time.monotonic(), one.look().responses
        self._wait(one, responses)
        return (responses - first) / (time.monotonic() - began)

    def _fill(self, responses: int) -> None:
        stream = islice(answers(MOST, self._day), self._sent, self._sent + responses)
        fill(self._kafka.bootstrap, topics.RAW, stream, raw_record, dict(HEADERS))
        self._sent += responses

    def _wait(self, one: OneWorker, responses: int) -> None:
        wait(lambda: one.look().responses >= responses, f"{responses:,} responses scored", time_limit_s(responses), POLL_S)

    def _settle(self, one: OneWorker) -> None:
        """All is scored, and rollups have nothing left to add up."""
        self._wait(one, self._sent)
        cells: list[float] = []

        def quiet() -> bool:
            look = one.look()
            cells.append(look.cells)
            return not look.lag and cells[-10:] == [look.cells] * 10

        wait(quiet, "rollups have taken in all cells", time_limit_s(self._sent), POLL_S)

    def _load(self, one: OneWorker, name: str, per_second: float) -> None:
        """One rate for a while."""
        self._settle(one)
        pace = Pace(per_second, self._seconds)
        if self._sent + pace.total > MOST:
            raise RunFailed(f"{name} for {self._seconds:g} s: more than {MOST:,} responses in all cannot be recounted")
        part = Part(self._sent, pace, MOST, self._day)
        stream = islice(answers(MOST, self._day), part.first, part.first + pace.total)
        wanted = {
            topics.RESPONSES: pace.total,
            topics.DETRACTORS: sum(category_of(answer.score) == DETRACTOR for answer in stream),
        }
        bootstrap, before = self._kafka.bootstrap, one.look()
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
            consuming = processes.submit(consume, bootstrap, ends(bootstrap, *wanted), wanted)
            produced = processes.submit(produce, bootstrap, part).result()
            seen = consuming.result()
        self._sent += pace.total
        for topic, count in wanted.items():
            if len(seen[topic].ids) != count:
                self.failures.append(f"{name}: {len(seen[topic].ids):,} of {count:,} records of {topic} came")
        load = _load(name, per_second, produced, seen, self._discarded_s, before, one.look())
        self.loads.append(load)
        self._console.print(
            f"{name}: p50 {load.whole.p50:.0f} ms, p99 {load.whole.p99:.0f}, most {load.whole.most:.0f}", highlight=False
        )

    def as_json(self) -> dict[str, Any]:
        """All figures: rates in responses/s, latencies in ms."""
        return {
            "sustainable": self.sustainable,
            "seconds": self._seconds,
            "loads": [
                {
                    "name": load.name,
                    "per_second": load.per_second,
                    "produced": load.produced._asdict(),
                    "whole": load.whole._asdict(),
                    "first_hop": load.first_hop._asdict(),
                    "second_hop": load.second_hop._asdict(),
                    "stages": load.stages,
                }
                for load in self.loads
            ],
            "failures": self.failures,
        }


def _load(
    name: str,
    per_second: float,
    produced: Produced,
    seen: Mapping[str, Seen],
    discarded_s: float,
    before: Look,
    after: Look,
) -> Load:
    responses, detractors = seen[topics.RESPONSES], seen[topics.DETRACTORS]
    counted_ms = min(detractors.due, default=0) + discarded_s * 1000
    came = dict(zip(responses.ids, responses.came, strict=True))
    hops = [
        (came[response_id] - due, at - came[response_id])
        for response_id, due, at in zip(detractors.ids, detractors.due, detractors.came, strict=True)
        if due >= counted_ms and response_id in came
    ]
    return Load(
        name,
        per_second,
        produced,
        Percentiles.of(detractors.latencies(counted_ms)),
        Percentiles.of([first for first, _ in hops]),
        Percentiles.of([second for _, second in hops]),
        _worked(before.samples, after.samples),
    )


def _worked(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Means of the batches between two looks."""

    def more(name: str, **labels: str) -> float:
        return total(after, name, **labels) - total(before, name, **labels)

    found = {}
    for unit in AGENTS:
        batches = more("npstream_batch_records_count", unit=unit)
        if not batches:
            continue
        found[unit] = {"batches": batches, "records": more("npstream_batch_records_sum", unit=unit) / batches}
        for stage in STAGES:
            count = more("npstream_batch_stage_seconds_count", unit=unit, stage=stage)
            found[unit][stage] = more("npstream_batch_stage_seconds_sum", unit=unit, stage=stage) / max(1, count) * 1000
    return found


def _latencies(run: _Run) -> Table:
    heads = (
        "Load",
        "responses/s",
        "detractors",
        "p50 ms",
        "p90",
        "p99",
        "most",
        "first hop p50",
        "p99",
        "second p50",
        "p99",
        "producer late",
    )
    rows = [
        [
            load.name,
            f"{load.per_second:,.0f}",
            f"{load.whole.responses:,}",
            *(f"{ms:.0f}" for ms in load.whole[1:]),
            *(f"{ms:.0f}" for hop in (load.first_hop, load.second_hop) for ms in (hop.p50, hop.p99)),
            f"{load.produced.latest_ms:.0f}",
        ]
        for load in run.loads
    ]
    return Table(f"From produced to committed detractor; sustainable: {run.sustainable:,.0f} responses/s", heads, rows)


def _stages(run: _Run) -> Table:
    heads = ("Load", "agent", "batches/s", "records a batch", *(f"{stage} ms" for stage in STAGES))
    rows = [
        [
            load.name,
            unit,
            f"{stages['batches'] * load.per_second / load.produced.sent:,.0f}",
            f"{stages['records']:,.1f}",
            *(f"{stages[stage]:.1f}" for stage in STAGES),
        ]
        for load in run.loads
        for unit, stages in load.stages.items()
    ]
    return Table("What the worker says of its batches, on average", heads, rows, 2)


if __name__ == "__main__":
    main()
