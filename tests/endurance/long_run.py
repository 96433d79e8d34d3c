"""Half of what a worker can do, for half an hour, on a state that has a size: memory and file handles stay where they are, its
changelog rolls and is compacted, and a worker that restores from it goes on."""

import json
import time
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final

from rich.console import Console

from bench.reading import read
from npstream.settings import AGENTS
from tests.endurance.bound import MB
from tests.endurance.checking import population_differences
from tests.endurance.fitting import fit, settled
from tests.endurance.pacing import Pace
from tests.endurance.population import RESPONSES, Population
from tests.endurance.report import Report
from tests.endurance.sampling import Sample, Sampler, rows
from tests.endurance.sending import Flow
from tests.endurance.stage import APP_ID, Stage, stage, sustainable

SAMPLE_S: Final = 5.0
MOST_MB_PER_HOUR: Final = 30.0
"""Growth that is taken for none: at some thousand records a second, a leak of one or two bytes a record is more."""
NOISE_MB: Final = 8.0
"""By which memory may differ between two moments of a process that does not grow: what batches leave behind in pages."""
LATE_S: Final = 60.0
"""The most that a source may be behind at any look: half of a quiet minute's rate is all of a busy one's."""
PARTS: Final = 3
"""Of the run: file handles are compared between the first and the last."""
SEGMENT_BYTES: Final = 2 << 20
"""Of changelogs here, for segments to roll every few seconds; in production they have 64 MB."""
CHANGELOG: Final = {"segment.bytes": str(SEGMENT_BYTES), "min.cleanable.dirty.ratio": "0.1"}
AFTER_S: Final = 10.0
"""Traffic for the worker that has restored."""


def run(minutes: float, share: float, seed: int, calibration: int, file: Path | None, command: str, console: Console) -> Report:
    """Measure, go on for long, restart from the compacted changelogs, and check everything."""
    report = Report(f"A long run, {minutes:g} minutes at {share:g} of the sustainable rate", command)
    source = Population(seed)
    configs = {f"{APP_ID}-{unit}-changelog": CHANGELOG for unit in AGENTS}
    with stage(configs=configs) as on:
        rate = sustainable(on, source, 0, calibration).per_second
        on.wait_no_lag()
        flow = Flow(source, Pace(rate * share, minutes * 60), calibration)
        report.notes.append(
            f"Sustainable, one worker with all agents: {rate:,.0f} records/s. Sent: {flow.pace.total:,} records about "
            f"{RESPONSES:,} responses, at {flow.pace.per_second:,.0f}/s."
        )
        with Sampler(on.worker, SAMPLE_S, lambda: flow.sent, lambda one: _note(file, one, console)) as sampler:
            on.sender().run(flow)
        on.wait_settled(flow.next)
        on.world.wait_processed()
        written = sum(on.world.ends(on.world.changelog("scoring")).values())
        restored, opened_s = _restart(on)
        after = Flow(source, Pace(rate * share, AFTER_S), flow.next)
        on.sender().run(after)
        on.world.wait_processed()
        _judge_samples(report, sampler)
        rolled, cleaned = _segments(on)
        report.hold("scoring's changelog", f"{rolled} segments rolled, {cleaned} partitions compacted", "all 4", cleaned == 4)
        report.hold(
            "restored from it", f"{restored:,} of {written:,} records in {opened_s:.1f} s", "fewer", restored < written / 2
        )
        report.hold_exact(population_differences(partial(read, on.world.bootstrap), source, after.next))
    return report


def _note(file: Path | None, one: Sample, console: Console) -> None:
    if file is not None:
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(one.as_json()) + "\n")
    if int(one.at) % 60 < SAMPLE_S:
        console.print(
            f"{one.at:6.0f} s: sent {one.sent:,}, lag {one.lag_records:,.0f} records {one.lag_s:.1f} s, {one.rss_mb:,.1f} MB, "
            f"{one.fds} file handles, load {one.load:.1f}",
            highlight=False,
        )


def _restart(on: Stage) -> tuple[int, float]:
    """End the worker and start another: the records that scoring restored, and the seconds until it was ready."""
    code = on.worker.terminate()
    if code != 0:
        raise AssertionError(f"the worker ended with {code}")
    began = time.monotonic()
    on.worker = on.workers.start().wait_ready()
    opened_s = time.monotonic() - began
    return int(on.worker.metrics()["npstream_restored_records_total", "scoring"]), opened_s


def _segments(on: Stage) -> tuple[int, int]:
    """Of scoring's changelog: segments that are no longer written to, and partitions that the broker has compacted."""
    data, changelog = on.kafka.log.with_name("data"), on.world.changelog("scoring")
    rolled = sum(len(list(folder.glob("*.log"))) - 1 for folder in data.glob(f"{changelog}-*"))
    # A version, a count, and a line for each partition: topic, partition, offset up to which it is compacted.
    lines = [line.split() for line in (data / "cleaner-offset-checkpoint").read_text(encoding="utf-8").splitlines()]
    return rolled, sum(line[0] == changelog and int(line[2]) > 0 for line in lines if len(line) == 3)


def _judge_samples(report: Report, sampler: Sampler) -> None:
    samples = sampler.samples
    tail = settled([(one.at, one.rss_mb) for one in samples])
    line, hours = fit(tail), (tail[-1][0] - tail[0][0]) / 3600
    limit = NOISE_MB + MOST_MB_PER_HOUR * hours
    report.hold(
        "growth of memory, fitted to the last two thirds",
        f"{line.per_hour:+.1f} MB/h ({line.per_hour * hours:+.1f} MB in {hours * 60:.0f} min)",
        f"{MOST_MB_PER_HOUR:g} MB/h and {NOISE_MB:g} MB",
        line.per_hour * hours <= limit,
    )
    part = max(1, len(samples) // PARTS)
    for name in ("fds", "sockets", "threads"):
        # The least of a part: while it answers the sampler, a worker has a socket more.
        first, last = (min(getattr(one, name) for one in some) for some in (samples[:part], samples[-part:]))
        report.hold(name, f"{last} in the last third", f"{first}, as in the first", last <= first)
    behind = max(one.lag_s for one in samples)
    report.hold("lag at any look", f"{behind:.1f} s", f"{LATE_S:g} s", behind <= LATE_S)
    report.hold("looks that were not answered", str(sampler.unanswered), "0", not sampler.unanswered)
    report.tables.append(rows(samples))
    report.plot("memory", [one.rss_mb for one in samples], "MB")
    report.plot("bytes of the state", [one.state_bytes / MB for one in samples], "MB")
    report.plot("lag", [one.lag_s for one in samples], "s")
    report.plot("delay of scoring's batches", delays_ms(samples), "ms")
    report.plot("load of the machine", [one.load for one in samples], "")


def delays_ms(samples: list[Sample]) -> list[float]:
    """Between each two samples, how long the oldest record of a batch took from its arrival to scoring's commit, on average."""
    found = []
    for before, one in pairwise(samples):
        batches = one.delays[1] - before.delays[1]
        if batches:
            found.append((one.delays[0] - before.delays[0]) / batches * 1000)
    return found
