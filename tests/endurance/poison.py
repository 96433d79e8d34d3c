"""One account and one respondent with everything: their responses among ordinary traffic on the same partition, whose latency
must be what it is beside as many responses of a thousand accounts."""

import time
from dataclasses import dataclass
from functools import partial
from typing import Final

from confluent_kafka import Message
from rich.console import Console

from bench.reading import read
from schemas.codec import loads
from tests.endurance.checking import differences
from tests.endurance.latency import Latency, Phase, Tail
from tests.endurance.numbered import Numbered
from tests.endurance.overload import ACCOUNTS, PLACES
from tests.endurance.pacing import Pace
from tests.endurance.report import Report
from tests.endurance.sending import Flow, Sender
from tests.endurance.stage import Stage, home_accounts, stage, sustainable
from tests.integration.workers import until

PARTITION: Final = 1
"""Where everything of this test has its home."""
OTHERS: Final = 500.0
"""Responses/s of the ordinary traffic that shares the partition, all the time."""
SHARE: Final = 0.25
"""Of the sustainable rate of all four partitions, at which the responses come: a partition's even share of it."""
QUIET_S: Final = 10.0
"""Before, between and after."""
SLOWEST: Final = 2.0
"""Times as long as beside ordinary responses that the others may wait beside the poison, at p50 and p99."""
WAIT_S: Final = 600.0
"""Bound of waiting for what was sent: many times what it takes."""


@dataclass
class Stretch:
    """Some time of the run: what came beside the others, and how long these took."""

    name: str
    latency: Latency
    beside: int
    """Responses beside the others."""
    sent_s: float
    """So long it took to send all."""
    behind_s: float
    """So long after that all was scored."""

    @property
    def per_second(self) -> float:
        """At which all was scored."""
        return (self.latency.count + self.beside) / (self.sent_s + self.behind_s)


def run(responses: int, seed: int, calibration: int, command: str, console: Console) -> Report:
    """The others alone; beside as many ordinary responses; alone; beside the poison at the same pace; alone."""
    report = Report(f"A poison account with {responses:,} responses of one respondent", command)
    everywhere = Numbered("c", home_accounts(ACCOUNTS), PLACES, seed=seed)
    others, ordinary = (Numbered(name, home_accounts(ACCOUNTS, PARTITION), PLACES, seed=seed) for name in ("o", "r"))
    poison = Numbered("p", home_accounts(1, PARTITION, "poison"), 1, answers=10 * responses, seed=seed)
    with stage() as on:
        rate = sustainable(on, everywhere, 0, calibration).per_second
        paced = Pace(rate * SHARE, responses / (rate * SHARE))
        report.notes.append(
            f"Sustainable, one worker with all agents: {rate:,.0f} responses/s. The rest is in one of four partitions: others, "
            f"{OTHERS:,.0f}/s, and beside them {responses:,} responses at {rate * SHARE:,.0f}/s."
        )
        sender, sent, stretches = on.sender(), 0, []
        with Tail(on.world.bootstrap, _stream) as tail:
            for name, beside in (
                ("alone, before", None),
                ("beside ordinary responses", Flow(ordinary, paced)),
                ("alone, between", None),
                ("beside the poison", Flow(poison, paced)),
                ("alone, after", None),
            ):
                steady = Flow(others, Pace(OTHERS, paced.seconds if beside else QUIET_S), sent)
                stretches.append(_stretch(name, on, sender, tail, steady, beside))
                sent = steady.next
                console.print(f"{name}: {stretches[-1].latency}, {stretches[-1].per_second:,.0f}/s", highlight=False)
        on.world.wait_processed()
        streams = {everywhere: calibration, others: sent, ordinary: responses, poison: responses}
        report.hold_exact(differences(partial(read, on.world.bootstrap), streams))
    _judge(report, {one.name: one for one in stretches})
    return report


def _stream(message: Message) -> str:
    """Which stream a scored response is of."""
    prefix: str = loads(message.value())["response_id"][0]
    return prefix


def _stretch(name: str, on: Stage, sender: Sender, tail: Tail, steady: Flow, beside: Flow | None) -> Stretch:
    before, first_ms = tail.seen, int(time.time() * 1000)
    sent_s = sender.run(steady, *([beside] if beside else []))
    last_ms, began = int(time.time() * 1000), time.monotonic()
    count = beside.sent if beside else 0
    until(lambda: tail.seen >= before + steady.sent + count, f"{name}: all scored", WAIT_S)
    behind_s = time.monotonic() - began
    return Stretch(name, tail.latency(Phase(first_ms, last_ms), steady.source.prefix), count, sent_s, behind_s)


def _judge(report: Report, by_name: dict[str, Stretch]) -> None:
    ordinary, poison = by_name["beside ordinary responses"], by_name["beside the poison"]
    for figure in ("p50", "p99"):
        times = getattr(poison.latency, figure) / getattr(ordinary.latency, figure)
        what = f"the others' {figure} beside the poison, to beside ordinary responses"
        report.hold(what, f"{times:.2f}", f"at most {SLOWEST:g}", times <= SLOWEST)
    share = poison.per_second / ordinary.per_second
    report.hold("throughput, to that of ordinary responses", f"{share:.2f}", f"at least {1 / SLOWEST:g}", share >= 1 / SLOWEST)
    rows = [
        [
            one.name,
            f"{one.latency.count:,}",
            str(one.latency),
            f"{one.beside:,}",
            f"{one.per_second:,.0f}",
            f"{one.behind_s:.2f}",
        ]
        for one in by_name.values()
    ]
    report.tables.append(
        (("the others", "responses", "p50 / p99", "beside them", "responses/s in all", "s behind at the end"), rows)
    )
