"""One account and one respondent with everything: their responses among ordinary traffic on the same partition, whose latency
must be what it is beside as many responses of a thousand accounts."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Final

from confluent_kafka import Message
from rich.console import Console

from bench.reading import read
from schemas.codec import loads
from tests.endurance.checking import differences
from tests.endurance.latency import Latency, Phase, Tail
from tests.endurance.numbered import ACCOUNTS, PLACES, Numbered
from tests.endurance.pacing import Pace, all_at_once
from tests.endurance.report import Report
from tests.endurance.sending import Flow, Sender
from tests.endurance.stage import home_accounts, stage, sustainable
from tests.integration.workers import until

PARTITION: Final = 1
"""Where everything of this test has its home."""
OTHERS: Final = 500.0
"""Responses/s of the ordinary traffic that shares the partition, all the time."""
SHARE: Final = 0.25
"""Of the sustainable rate of all four partitions, at which the responses come: a partition's even share of it."""
QUIET_S: Final = 10.0
"""Alone; the least of any stretch."""
PARTS: Final = 4
"""Of the responses, each sent after as many ordinary ones: what the machine does meanwhile concerns both. The last part comes
at once, the others at their pace."""
AT_ONCE: Final = "at once"
SLOWEST: Final = 2.0
"""Times as long as beside ordinary responses that anything may take beside the poison, in the median of the parts."""
WAIT_S: Final = 600.0
"""Bound of waiting for what was sent: many times what it takes."""


@dataclass
class Stretch:
    """Some time of the run: what came beside the others, and how long these took."""

    name: str
    others: Latency
    beside: Latency | None
    """Of the responses that came beside the others."""

    @property
    def row(self) -> list[str]:
        """For a table."""
        beside = ["", ""] if self.beside is None else [f"{self.beside.count:,}", str(self.beside)]
        return [self.name, f"{self.others.count:,}", str(self.others), *beside]


def run(responses: int, seed: int, calibration: int, command: str, console: Console) -> Report:
    """The others alone; then in turn beside ordinary responses and beside the poison; then alone."""
    report = Report(f"A poison account with {responses:,} responses of one respondent", command)
    everywhere = Numbered("c", home_accounts(ACCOUNTS), PLACES, seed=seed)
    others, ordinary = (Numbered(name, home_accounts(ACCOUNTS, PARTITION), PLACES, seed=seed) for name in ("o", "r"))
    poison = Numbered("p", home_accounts(1, PARTITION, "poison"), 1, answers=10 * responses, seed=seed)
    with stage() as on:
        rate = sustainable(on, everywhere, 0, calibration).per_second
        report.notes.append(
            f"Sustainable, one worker with all agents: {rate:,.0f} responses/s. The rest is in one of four partitions: others, "
            f"{OTHERS:,.0f}/s, and beside them in {PARTS - 1} parts {rate * SHARE:,.0f}/s, and a last part at once. Latencies: "
            "from produced to scored, p50 / p99."
        )
        each = responses // PARTS
        paces = [("paced", Pace(rate * SHARE, each / (rate * SHARE)))] * (PARTS - 1) + [(AT_ONCE, all_at_once(each))]
        plan: list[tuple[str, Flow | None]] = [("alone", None)]
        for number, (how, pace) in enumerate(paces):
            plan += [
                (f"ordinary {how}", Flow(ordinary, pace, number * each)),
                (f"poison {how}", Flow(poison, pace, number * each)),
            ]
        plan.append(("alone", None))
        sender, stretches, sent = on.sender(), [], 0
        with Tail(on.world.bootstrap, _stream) as tail:
            for name, beside in plan:
                steady = Flow(others, Pace(OTHERS, max(QUIET_S, beside.pace.seconds if beside else 0)), sent)
                stretches.append(_stretch(name, sender, tail, steady, beside))
                sent = steady.next
                console.print(" | ".join(stretches[-1].row), highlight=False)
        on.world.wait_processed()
        streams = {everywhere: calibration, others: sent, ordinary: PARTS * each, poison: PARTS * each}
        report.hold_exact(differences(partial(read, on.world.bootstrap), streams))
    _judge(report, stretches)
    return report


def _stream(message: Message) -> str:
    """Which stream a scored response is of."""
    prefix: str = loads(message.value())["response_id"][0]
    return prefix


def _stretch(name: str, sender: Sender, tail: Tail, steady: Flow, beside: Flow | None) -> Stretch:
    flows = [steady, *([beside] if beside else [])]
    before, first_ms = tail.seen, int(time.time() * 1000)
    sender.run(*flows)
    phase = Phase(first_ms, int(time.time() * 1000) + 1)
    until(lambda: tail.seen >= before + sum(flow.sent for flow in flows), f"{name}: all scored", WAIT_S)
    own = tail.latency(phase, beside.source.prefix) if beside else None
    return Stretch(name, tail.latency(phase, steady.source.prefix), own)


def _judge(report: Report, stretches: list[Stretch]) -> None:
    def ratio(how: str, figure: Callable[[Stretch], float]) -> float:
        poison, ordinary = (
            median(figure(one) for one in stretches if one.name == f"{what} {how}") for what in ("poison", "ordinary")
        )
        return poison / ordinary

    for what, times in (
        ("the others' p50", ratio("paced", lambda one: one.others.p50)),
        ("the others' p99", ratio("paced", lambda one: one.others.p99)),
        ("the others' p99, all at once", ratio(AT_ONCE, lambda one: one.others.p99)),
        ("the time for a backlog of it", ratio(AT_ONCE, lambda one: one.beside.p99 if one.beside else 0.0)),
    ):
        report.hold(f"{what}, beside the poison to beside ordinary", f"{times:.2f}", f"at most {SLOWEST:g}", times <= SLOWEST)
    heads = ("the others", "responses", "latency", "beside them", "latency of these")
    report.tables.append((heads, [one.row for one in stretches]))
