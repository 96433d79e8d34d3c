"""Ten times what a worker can do, for a minute: its memory stays under a bound that was said beforehand, nothing is lost, and
the backlog is worked off."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from rich.console import Console

from bench.reading import read
from npstream.settings import AGENTS, Settings
from tests.endurance.bound import KEY_BYTES, MB, Bound
from tests.endurance.checking import differences
from tests.endurance.numbered import ACCOUNTS, PLACES, Numbered
from tests.endurance.pacing import Pace
from tests.endurance.report import Report
from tests.endurance.sampling import Sample, Sampler, rows
from tests.endurance.sending import Flow
from tests.endurance.stage import Stage, Sustainable, home_accounts, stage, sustainable
from tests.integration.workers import PARTITIONS, until

CALIBRATION: Final = 400_000
"""Responses from which the sustainable rate is measured: some 20 seconds' work."""
SAMPLE_S: Final = 1.0
AS_MANY: Final = 0.95
"""Of the overload that was asked for, the least that the producer must have reached for the run to prove anything."""
SLOWEST: Final = 3.0
"""How many times the work may take that it would take at the sustainable rate: on a machine that others use, and with histories
that have grown longer than when it was measured."""
HANDLES_MORE: Final = 5
"""File handles that may come and go: connections of those who ask for metrics, and one to the broker that is made anew."""


@dataclass(frozen=True)
class Overload:
    """What is asked for."""

    times: float
    """The sustainable rate."""
    seconds: float
    compression: str
    """The producer's codec."""
    settings: Mapping[str, int]
    """The worker's that are not the defaults."""


def run(asked: Overload, seed: int, calibration: int, command: str, console: Console) -> Report:
    """Measure, overload, watch until the backlog is gone, and check everything."""
    report = Report(f"Overload, {asked.times:g} times the sustainable rate for {asked.seconds:g} s", command)
    source = Numbered("r", home_accounts(ACCOUNTS), PLACES, seed=seed)
    with stage(asked.settings) as on:
        bound = Bound(len(AGENTS), PARTITIONS, Settings(**asked.settings).inbox_max_bytes, int(on.base_mb * MB))
        rate = sustainable(on, source, 0, calibration)
        console.print(
            f"sustainable: {rate.per_second:,.0f} responses/s; bound: {bound.fixed_bytes / MB:,.0f} MB beside the state",
            highlight=False,
        )
        flow = Flow(source, Pace(rate.per_second * asked.times, asked.seconds), calibration)
        sender = on.sender(asked.compression)
        with Sampler(on.worker, SAMPLE_S, lambda: flow.sent, lambda one: _say(console, one)) as sampler:
            took = sender.run(flow)
            backlog_s = sampler.now
            on.wait_settled(calibration + flow.sent)
            until(lambda: sampler.samples[-1].at > backlog_s and not sampler.samples[-1].lag_records, "no lag", 60.0)
            drained_s = sampler.now
        on.world.wait_processed()
        console.print("all processed; reading everything back", highlight=False)
        began = time.monotonic()
        found = differences(partial(read, on.world.bootstrap), {source: calibration + flow.sent})
        console.print(f"read in {time.monotonic() - began:.0f} s", highlight=False)
        _judge(report, on, bound, rate, flow, took, drained_s, sampler.samples, asked.times)
        report.hold_exact(found)
    return report


def _say(console: Console, one: Sample) -> None:
    if int(one.at) % 10 == 0:
        console.print(
            f"{one.at:6.0f} s: sent {one.sent:,}, accepted {one.responses:,.0f}, lag {one.lag_records:,.0f} records "
            f"{one.lag_s:.1f} s, {one.rss_mb:,.0f} MB, {one.fds} file handles",
            highlight=False,
        )


def _judge(
    report: Report,
    on: Stage,
    bound: Bound,
    rate: Sustainable,
    flow: Flow,
    took: float,
    drained_s: float,
    samples: list[Sample],
    times: float,
) -> None:
    reached = flow.sent / took / rate.per_second
    report.notes += [
        f"Sustainable, one worker with all agents: {rate.per_second:,.0f} responses/s, from a backlog of {rate.responses:,} "
        f"that it worked off in {rate.seconds:.1f} s while nobody produced. Sent: {flow.sent:,} in {took:.1f} s.",
        f"Bound of memory, said beforehand: {on.base_mb:,.0f} MB at the start + {bound.waiting_bytes / MB:,.0f} for records "
        f"that wait ({bound.agents} agents x {bound.partitions} partitions) + 256 in which batches work = "
        f"{bound.fixed_bytes / MB:,.0f} MB, and the state: its bytes, and {KEY_BYTES} a key.",
    ]
    report.hold("overload", f"{reached:.1f} times", f"{times * AS_MANY:.1f} times", reached >= times * AS_MANY)
    worst = max(samples, key=lambda one: one.rss_mb * MB - bound.with_state(one.state_keys, one.state_bytes))
    most = bound.with_state(worst.state_keys, worst.state_bytes) / MB
    report.hold("memory, where nearest to the bound", f"{worst.rss_mb:,.0f} MB", f"{most:,.0f} MB", worst.rss_mb < most)
    first, last = samples[0], samples[-1]
    fds = max(one.fds for one in samples)
    report.hold(
        "file handles",
        f"{fds} at most, {last.fds} at the end",
        f"{first.fds} + {HANDLES_MORE}",
        fds <= first.fds + HANDLES_MORE,
    )
    # A look that is answered late finds what has come since: the rate during the overload is from what was accepted.
    within = flow.sent / rate.per_second * SLOWEST
    report.hold("lag drained after", f"{drained_s:.0f} s", f"{within:.0f} s", drained_s < within and not last.lag_records)
    report.tables.append(rows(samples))
    report.plot("lag", [one.lag_records for one in samples], "records")
    report.plot("lag", [one.lag_s for one in samples], "s")
    report.plot("memory", [one.rss_mb for one in samples], "MB")
    report.plot("bytes of the state", [one.state_bytes / MB for one in samples], "MB")
