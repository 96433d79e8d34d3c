"""`python -m tests.closing COMMAND`: prints its verdict; exit code 1 if something does not hold."""

import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from bench import machine
from bench.document import write_into
from bench.latency import Percentiles
from bench.reading import NotRead, read
from schemas import topics
from tests.closing.stage import SINK, Stage, stage
from tests.endurance.pacing import Pace
from tests.endurance.report import Report
from tests.endurance.sending import Flow, NotSent, Sender
from tests.integration.workers import until
from tests.kafka.broker import KafkaUnavailable

WIDTH: Final = 150
"""Characters of a line where there is no terminal that has its own."""
SCORES: Final = (9, 3, 7, 10, 9, 0, 8, 10, 9, 5)
"""In turn: three of ten are detractors."""
DETRACTOR: Final = 6
COMMENT: Final = "great product but the export is slow"
LATEST_MS: Final = 2_000.0
"""From a detractor's response to its delivered alert."""
DELIVERED_TIMEOUT_S: Final = 600.0
"""Bound of waiting for what was sent; how long it may take is for the command to judge."""
POLL_S: Final = 0.2
UNDER_WAY: Final = 1_000
"""Deliveries that two kills of the notifier may repeat: it has 500 of a partition under way at most."""

APART: Final = """
[alerts]
[[alerts.routes]]
name = "all"
sinks = ["receiver"]
kinds = ["case"]
what = ["opened"]
group_wait_s = 0
group_interval_s = 0
"""
"""Each alert a delivery of its own."""
GROUPED: Final = APART.replace(
    "group_wait_s = 0\ngroup_interval_s = 0", "group_wait_s = 1\ngroup_interval_s = 2\nmax_items = 50"
)
"""One delivery of an account every two seconds. It names as many as an account has here: of more it would give the number."""


@dataclass(frozen=True)
class Responses:
    """Responses by number, each of another respondent."""

    accounts: int
    scores: tuple[int, ...] = SCORES

    def record(self, number: int, responded_at: bytes) -> tuple[bytes, bytes]:
        """Key and value of a canonical response."""
        account = b"acct-%d" % (number % self.accounts)
        value = (
            b'{"response_id":"r-%d","account_id":"%b","respondent_id":"u-%d@acme.example","score":%d,'
            b'"responded_at":"%b","comment":"%b"}'
            % (number, account, number, self.scores[number % len(self.scores)], responded_at, COMMENT.encode())
        )
        return account, value

    def detractors(self, first: int, count: int) -> int:
        """How many of a stretch are."""
        return sum(self.scores[number % len(self.scores)] <= DETRACTOR for number in range(first, first + count))


@click.group()
def main() -> None:
    """From a detractor's response to a delivered alert."""


@main.command("latency")
@click.option("--rate", default=1000.0, show_default=True, help="Responses/s.")
@click.option("--seconds", default=60.0, show_default=True)
@click.option("--accounts", default=1000, show_default=True)
@click.option("--set", "tuning", multiple=True, metavar="NAME=VALUE", help="A setting of the worker, for trying out.")
@click.option("--markdown", type=click.Path(path_type=Path, dir_okay=False), help="Write the section into this document.")
def latency_command(rate: float, seconds: float, accounts: int, tuning: tuple[str, ...], markdown: Path | None) -> None:
    """How long it takes, at a steady rate."""
    _run("latency", lambda: latency(rate, seconds, accounts, dict(one.split("=", 1) for one in tuning)), markdown)


@main.command("kills")
@click.option("--alerts", default=10_000, show_default=True)
@click.option("--rate", default=400.0, show_default=True, help="Alerts/s.")
@click.option("--grouped", is_flag=True, help="Several alerts of an account in one delivery.")
@click.option("--markdown", type=click.Path(path_type=Path, dir_okay=False), help="Write the section into this document.")
def kills_command(alerts: int, rate: float, grouped: bool, markdown: Path | None) -> None:
    """kill -9 of the notifier, of the worker, and of both, in the middle."""
    _run("kills grouped" if grouped else "kills", lambda: kills(alerts, rate, grouped), markdown)


@main.command("outage")
@click.option("--seconds", default=120.0, show_default=True, help="How long the sink is down.")
@click.option("--rate", default=50.0, show_default=True, help="Alerts/s.")
@click.option("--markdown", type=click.Path(path_type=Path, dir_okay=False), help="Write the section into this document.")
def outage_command(seconds: float, rate: float, markdown: Path | None) -> None:
    """The sink is down for a while."""
    _run("outage", lambda: outage(seconds, rate), markdown)


def latency(rate: float, seconds: float, accounts: int, tuning: Mapping[str, str]) -> Report:
    """Load at a steady rate; what is told of its first seconds is not counted."""
    report = Report("From a response to a delivered alert", _typed())
    source, pace = Responses(accounts), Pace(rate, seconds)
    with stage(APART, tuning) as on:
        sender = Sender(on.bootstrap, topics.RAW)
        warm = int(rate * 5)
        sender.run(Flow(source, Pace(rate, 5.0)))
        on.wait_told(source.detractors(0, warm), DELIVERED_TIMEOUT_S)
        counted = len(on.received())
        took = sender.run(Flow(source, pace, warm))
        wanted = source.detractors(0, warm + pace.total)
        on.wait_told(wanted, DELIVERED_TIMEOUT_S)
        came = on.received()
    delays = [one.at_ms - item.starts_ms for one in came[counted:] for item in one.items]
    figures = Percentiles.of(delays)
    told = Counter(item.key for one in came for item in one.items)
    report.notes.append(
        f"{pace.total:,} responses in {took:.1f} s, {len(delays):,} detractors, {accounts:,} accounts; every alert a delivery "
        "of its own; a worker with all agents, 4 partitions, and npstream notify share the machine with Kafka"
    )
    report.hold("alerts delivered", f"{len(told):,}", f"{wanted:,}", len(told) == wanted)
    report.hold("delivered twice", f"{sum(count > 1 for count in told.values()):,}", "0", max(told.values()) == 1)
    report.hold(
        "ms from response to delivery, most", f"{figures.most:,.0f}", f"under {LATEST_MS:,.0f}", figures.most < LATEST_MS
    )
    report.tables.append((("p50 ms", "p90 ms", "p99 ms", "most"), [[f"{value:,.0f}" for value in figures[1:]]]))
    return report


def kills(alerts: int, rate: float, grouped: bool) -> Report:
    """Kills at a quarter, at half and at three quarters of what is delivered."""
    title = "Killed in the middle, alerts grouped" if grouped else "Killed in the middle"
    report = Report(title, _typed())
    source = Responses(200 if grouped else alerts, scores=(3,))
    with stage(GROUPED if grouped else APART) as on:

        def kill_notifier() -> None:
            on.notifier.signal(signal.SIGKILL)
            on.notifier.process.wait()
            on.start_notifier()

        def kill_worker() -> None:
            on.worker.kill()
            on.start_worker()

        sender, sent = Sender(on.bootstrap, topics.RAW), 0
        for number, kill in enumerate((kill_notifier, kill_worker, lambda: (kill_worker(), kill_notifier()))):
            part = alerts // 4
            sender.run(Flow(source, Pace(rate, part / rate), sent))
            sent += part
            # In the middle: not all of what was sent is told yet, and what is being told is under way.
            until(
                lambda least=sent - part // 2: on.told() >= least,
                f"half of part {number + 1} delivered",
                DELIVERED_TIMEOUT_S,
                POLL_S,
            )
            kill()
        sender.run(Flow(source, Pace(rate, (alerts - sent) / rate), sent))
        on.wait_told(alerts, DELIVERED_TIMEOUT_S)
        outcomes = _wait_recorded(on)
        came = on.received()
    deliveries: dict[str, set[str]] = {}
    for one in came:
        for item in one.items:
            deliveries.setdefault(item.key, set()).add(one.delivery_id)
    repeats = Counter(one.delivery_id for one in came)
    report.notes.append(
        f"{alerts:,} detractors at {rate:g}/s, kill -9 of npstream notify, of the worker, and of both at once while alerts "
        f"were under way; {len(repeats):,} deliveries"
    )
    report.hold("alerts delivered", f"{len(deliveries):,}", f"{alerts:,}", len(deliveries) == alerts)
    split = sum(len(ids) != 1 for ids in deliveries.values())
    report.hold("in more than one delivery", f"{split:,}", "0", split == 0)
    again = sum(count - 1 for count in repeats.values())
    report.hold(
        "came again with the webhook-id that the sink has seen",
        f"{again:,}",
        f"at most {UNDER_WAY:,}",
        again <= UNDER_WAY,
    )
    delivered = Counter(delivery_id for delivery_id, outcome in outcomes if outcome == "delivered")
    exact = set(delivered) == set(repeats) and max(delivered.values()) == 1
    report.hold("recorded as delivered, each once", f"{sum(delivered.values()):,}", f"{len(repeats):,}", exact)
    return report


def outage(seconds: float, rate: float) -> Report:
    """The receiver is killed, and comes back at the same port."""
    report = Report("The sink down", _typed())
    source = Responses(1000, scores=(3,))
    with stage(APART) as on:
        sender, before = Sender(on.bootstrap, topics.RAW), int(rate * 5)
        sender.run(Flow(source, Pace(rate, 5.0)))
        on.wait_told(before, DELIVERED_TIMEOUT_S)
        on.receiver.kill()
        sender.run(Flow(source, Pace(rate, seconds), before))
        wanted = before + round(rate * seconds)
        alive = on.notifier.alive
        on.start_receiver()
        back = time.monotonic()
        on.wait_told(wanted, DELIVERED_TIMEOUT_S)
        took = time.monotonic() - back
        came = on.received()
    told = Counter(item.key for one in came for item in one.items)
    report.notes.append(f"The receiver killed for {seconds:g} s, connections refused, while {rate:g} detractors/s came")
    report.hold("npstream notify goes on", "it does" if alive else "it ended", "it does", alive)
    report.hold("alerts delivered", f"{len(told):,}", f"{wanted:,}", len(told) == wanted)
    report.hold("delivered twice", f"{sum(count > 1 for count in told.values()):,}", "0", max(told.values()) == 1)
    report.hold("s until all were delivered, once it was back", f"{took:.1f}", f"{seconds:g}", took <= seconds)
    return report


def _wait_recorded(on: Stage) -> list[tuple[str, str]]:
    """Delivery and outcome of all records, once each delivery that came has one."""
    found: list[tuple[str, str]] = []

    def all_recorded() -> bool:
        records = [json.loads(record.value or b"{}") for record in read(on.bootstrap, topics.DELIVERIES)]
        found[:] = [(one["delivery_id"], one["outcome"]) for one in records if one["sink"] == SINK]
        done = {delivery_id for delivery_id, outcome in found if outcome == "delivered"}
        return done >= {one.delivery_id for one in on.received()}

    until(all_recorded, "every delivery recorded", DELIVERED_TIMEOUT_S, POLL_S)
    return found


def _run(section: str, command: Callable[[], Report], markdown: Path | None) -> None:
    """Run it, say what was found, and exit."""
    console, described = Console(), machine.describe(own_broker=True)
    if not console.is_terminal:
        console.width = WIDTH
    try:
        report = command()
    except (AssertionError, NotSent, NotRead, KafkaUnavailable) as error:
        console.print(f"FAIL {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    machine.finish(described)
    report.notes.append("; ".join(f"{name}: {value}" for name, value in described.items()))
    report.show(console)
    if markdown is not None and report.holds:
        write_into(markdown, f"closing the loop, {section}", report.markdown())
    sys.exit(0 if report.holds else 1)


def _typed() -> str:
    """The command line, without where the section is written."""
    words = iter(sys.argv[1:])
    return " ".join(("python -m tests.closing", *(word for word in words if word != "--markdown" or not next(words))))


if __name__ == "__main__":
    main()
