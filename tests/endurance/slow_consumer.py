"""Consumers downstream that are slow, stand still, lag behind, or are held back by a transaction that hangs: the worker is as
fast as without them, and they get everything in the end."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from rich.console import Console

from bench.reading import read
from tests.endurance.checking import differences
from tests.endurance.downstream import HangingTransaction, Nobody, Situation, SlowReaders, read_after_all
from tests.endurance.latency import Latency, Phase, Tail
from tests.endurance.numbered import ACCOUNTS, PLACES, Numbered
from tests.endurance.pacing import Pace
from tests.endurance.report import Report
from tests.endurance.sending import Flow, Sender
from tests.endurance.stage import Stage, home_accounts, stage, sustainable
from tests.integration.workers import until

ROUNDS: Final = 3
"""Each situation in turn, so that none has the warmer broker or the shorter histories."""
STEADY_S: Final = 15.0
STEADY_SHARE: Final = 0.4
"""Of the sustainable rate, for latencies without queues."""
BACKLOG_S: Final = 8.0
"""At the sustainable rate, for the throughput."""
SLOWEST: Final = 0.75
"""The least share of the throughput without that must be left: on a shared machine two rounds of the same differ by a tenth."""
LATEST: Final = 2.0
"""Times the median latency without that it may be: what a slow reader blocked would wait for seconds."""
WAIT_S: Final = 60.0
"""Bound of waiting for what was sent at a rate that the worker keeps up with."""


@dataclass
class Round:
    """What was measured in one go."""

    situation: str
    latency: Latency
    per_second: float
    seen: str
    """What the readers had come to."""


def run(seed: int, calibration: int, command: str, console: Console) -> Report:
    """Rounds with and without, and what is left of throughput and latency."""
    report = Report("Slow consumers downstream", command)
    source = Numbered("r", home_accounts(ACCOUNTS), PLACES, seed=seed)
    with stage() as on, tempfile.TemporaryDirectory(prefix="npstream-readers-") as folder:
        rate = sustainable(on, source, 0, calibration).per_second
        report.notes.append(
            f"Sustainable, one worker with all agents: {rate:,.0f} responses/s. Each round: {STEADY_S:g} s at {STEADY_SHARE:g} "
            f"of it for the latency from produced to scored (p50 / p99), then a backlog of {rate * BACKLOG_S:,.0f}."
        )
        sender, rounds, sent = on.sender(), [], calibration
        makers: tuple[Callable[[Path], Situation], ...] = (
            lambda folder: Nobody(),
            lambda folder: SlowReaders(on, folder),
            lambda folder: HangingTransaction(on, folder),
        )
        for number, make in enumerate(makers * ROUNDS):
            own = Path(folder) / str(number)
            own.mkdir()
            measured, sent = _round(on, make(own), sender, source, sent, rate)
            console.print(
                f"{measured.situation}: {measured.per_second:,.0f}/s, {measured.latency}; {measured.seen}", highlight=False
            )
            rounds.append(measured)
        on.world.wait_processed()
        came, wanted = read_after_all(on, Path(folder))
        report.hold("detractors that a reader gets in the end", f"{came:,}", f"{wanted:,}", came == wanted)
        report.hold_exact(differences(partial(read, on.world.bootstrap), {source: sent}))
    _judge(report, rounds)
    return report


def _round(on: Stage, situation: Situation, sender: Sender, source: Numbered, sent: int, rate: float) -> tuple[Round, int]:
    """A steady while for the latency, a backlog for the throughput; what was measured, and the next number."""
    with situation, Tail(on.world.bootstrap) as tail:
        flow = Flow(source, Pace(rate * STEADY_SHARE, STEADY_S), sent)
        first_ms = int(time.time() * 1000)
        sender.run(flow)
        phase = Phase(first_ms, int(time.time() * 1000))
        until(lambda: tail.seen >= flow.sent, "all that was sent is scored", WAIT_S)
        began, behind = time.monotonic(), int(rate * BACKLOG_S)
        sender.at_once(source, flow.next, behind)
        on.wait_settled(flow.next + behind)
        per_second = behind / (time.monotonic() - began)
        return Round(situation.name, tail.latency(phase), per_second, situation.seen()), flow.next + behind


def _judge(report: Report, rounds: list[Round]) -> None:
    def mean(situation: str, figure: Callable[[Round], float]) -> float:
        values = [figure(one) for one in rounds if one.situation == situation]
        return sum(values) / len(values)

    def ratio(situation: str, figure: Callable[[Round], float]) -> float:
        return mean(situation, figure) / mean(Nobody.name, figure)

    for name in (SlowReaders.name, HangingTransaction.name):
        share = ratio(name, lambda one: one.per_second)
        report.hold(f"throughput with {name}, to without", f"{share:.2f}", f"at least {SLOWEST}", share >= SLOWEST)
        times = ratio(name, lambda one: one.latency.p50)
        report.hold(f"median latency with {name}, to without", f"{times:.2f}", f"at most {LATEST:g}", times <= LATEST)
    rows = [[one.situation, f"{one.per_second:,.0f}", str(one.latency), one.seen] for one in rounds]
    report.tables.append((("round", "responses/s", "latency", "the readers"), rows))
