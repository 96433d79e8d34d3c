"""`python -m bench.gateway`: signed webhooks per second that one gateway process accepts, each acknowledged by Kafka.

A figure counts only if the topic holds exactly what was accepted.
"""

import re
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from bench import machine
from bench.broker import broker
from bench.measurement import RunFailed, wait
from bench.one_worker import create_topics, environment
from bench.processes import cpu_seconds, peak_rss_mb
from bench.reading import read
from bench.webhook_load import SECRET, Sent, body, load
from npstream.child import Child
from npstream.settings import Settings
from schemas import topics
from tests.kafka.broker import KafkaUnavailable

WEBHOOKS = 60_000
WARM_UP = 0.1
"""Share of them that is sent before, and not counted: connections, batches and caches get into their stride."""
CONNECTIONS = 64
"""Webhooks under way at a time: what a platform sends in a burst."""
READY_TIMEOUT_S = 60.0
"""A gateway is ready within seconds."""
STOP_TIMEOUT_S = 30.0
POLL_S = 0.1
AIM = 3_000
"""Webhooks/s that one process shall take."""


@dataclass(frozen=True)
class Figure:
    """One round."""

    sent: Sent
    webhooks: int
    cpu_s: float
    """Of the gateway."""
    peak_rss_mb: float

    @property
    def rate(self) -> float:
        """Webhooks/s."""
        return self.webhooks / self.sent.seconds

    def __str__(self) -> str:
        each_us = self.cpu_s / self.webhooks * 1e6
        return (
            f"{self.rate:,.0f} webhooks/s acknowledged (aim {AIM:,}); p50 {self.percentile_ms(0.5):.1f} ms, "
            f"p99 {self.percentile_ms(0.99):.1f} ms; {each_us:.0f} µs of the gateway's processor each; "
            f"{self.peak_rss_mb:.0f} MB at most"
        )

    def percentile_ms(self, share: float) -> float:
        """The nearest rank."""
        latencies = self.sent.latencies_ms
        return latencies[min(len(latencies) - 1, int(share * len(latencies)))]


@click.command()
@click.option("--webhooks", type=click.IntRange(100), default=WEBHOOKS, show_default=True, help="Of each round.")
@click.option("--connections", type=click.IntRange(1), default=CONNECTIONS, show_default=True, help="Kept, and used at a time.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--bootstrap", metavar="HOST:PORT", help="A Kafka that runs already; by default one is started.")
def main(webhooks: int, connections: int, rounds: int, bootstrap: str | None) -> None:
    """Measure it, and say so. Exit code 1 if a round did not come to its end, or lost something."""
    out = Console(highlight=False, width=150)
    described = machine.describe(bootstrap is None)
    try:
        with broker(bootstrap) as (address, _), tempfile.TemporaryDirectory(prefix="npstream-bench-") as folder:
            figures = measure(address, Path(folder), webhooks, connections, rounds)
    except (RunFailed, KafkaUnavailable) as error:
        out.print(f"bench.gateway: {error}", style="bold red")
        sys.exit(1)
    machine.finish(described)
    for name, value in described.items():
        out.print(f"{name}: {value}")
    for number, figure in enumerate(figures, 1):
        out.print(f"round {number}: {figure}")


def measure(bootstrap: str, folder: Path, webhooks: int, connections: int, rounds: int) -> list[Figure]:
    """So many rounds on one gateway. Raises RunFailed."""
    tuning = {
        "gateway_port": "0",
        "gateway_secrets": f"typeform={SECRET}",
        "gateway_rate_per_s": "1000000",
        "gateway_burst": "1000000",
    }
    environ = environment(bootstrap, "bench-gateway", tuning)
    create_topics(Settings.load(environ=environ))
    gateway = Child([sys.executable, "-m", "npstream", "gateway"], folder / "gateway.log", environ)
    figures: list[Figure] = []
    try:
        wait(lambda: _ready(gateway), f"the gateway is ready; its log ends:\n{gateway.tail()}", READY_TIMEOUT_S, POLL_S)
        port = _port(gateway)
        first = 0
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            for count in [max(1, int(webhooks * WARM_UP)), *[webhooks] * rounds]:
                began = cpu_seconds(gateway.pid)
                sent: Sent = pool.submit(load, port, first, count, min(connections, count)).result()
                if sent.statuses != {200: count}:
                    raise RunFailed(f"of {count} webhooks not all were accepted: {sent.statuses}; the log:\n{gateway.tail()}")
                figures.append(Figure(sent, count, cpu_seconds(gateway.pid) - began, peak_rss_mb(gateway.pid)))
                first += count
        gateway.stop(STOP_TIMEOUT_S)
        if gateway.process.returncode != 0:
            raise RunFailed(f"the gateway ended with {gateway.process.returncode}; its log ends:\n{gateway.tail()}")
        _check(bootstrap, first)
    finally:
        gateway.kill()
    return figures[1:]


def _ready(gateway: Child) -> bool:
    if not gateway.alive:
        raise RunFailed(f"the gateway ended:\n{gateway.tail()}")
    return " answers" in gateway.log.read_text(encoding="utf-8")


def _port(gateway: Child) -> int:
    found: Any = re.search(r"webhooks on http://[\d.]+:(\d+)", gateway.log.read_text(encoding="utf-8"))
    return int(found[1])


def _check(bootstrap: str, count: int) -> None:
    """The topic holds each webhook once, byte for byte. Raises RunFailed."""
    stored = sorted(record.value or b"" for record in read(bootstrap, topics.RAW))
    if stored != sorted(map(body, range(count))):
        raise RunFailed(f"{topics.RAW} holds {len(stored)} records, and not the {count} webhooks that were accepted")


if __name__ == "__main__":
    main()
