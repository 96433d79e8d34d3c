"""What a worker takes of the machine and how far it is, again and again, in a thread beside what happens to it."""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from npstream.settings import AGENTS
from tests.endurance.bound import MB
from tests.integration.workers import Worker

ROWS: Final = 12
"""Moments in a table."""


@dataclass(frozen=True)
class Sample:
    """One moment."""

    at: float
    """Seconds since the sampler began."""
    sent: int
    """Records sent by then."""
    rss_mb: float
    fds: int
    sockets: int
    threads: int
    lag_records: float
    """Of all sources; as measured within the last two seconds."""
    lag_s: float
    """Of the source that is furthest behind."""
    responses: float
    """Accepted so far."""
    state_keys: float
    state_bytes: float
    records: dict[str, float]
    """Taken in so far, by agent."""
    batches: dict[str, float]
    """Committed so far, by agent."""
    delays: tuple[float, float]
    """Sum in seconds and number of the scoring batches' delays, from the arrival of the oldest record to the commit."""
    load: float
    """Of the machine, over a minute."""

    def as_json(self) -> dict[str, Any]:
        """Its figures by name."""
        return asdict(self)


def sample(worker: Worker, at: float, sent: int) -> Sample | None:
    """Look once; None while it does not answer."""
    metrics = worker.metrics()
    if not metrics:
        return None
    named: dict[str, dict[tuple[str, ...], float]] = {}
    for (name, *labels), value in metrics.items():
        named.setdefault(name.removeprefix("npstream_"), {})[tuple(labels)] = value
    rss_mb, threads = _status(worker.pid)
    links = _links(worker.pid)
    return Sample(
        at=round(at, 3),
        sent=sent,
        rss_mb=round(rss_mb, 1),
        fds=len(links),
        sockets=sum(link.startswith("socket:") for link in links),
        threads=threads,
        lag_records=sum(named.get("lag_records", {}).values()),
        lag_s=max(named.get("lag_seconds", {}).values(), default=0.0),
        responses=sum(named.get("responses_total", {}).values()),
        state_keys=sum(named.get("state_keys", {}).values()),
        state_bytes=sum(named.get("state_bytes", {}).values()),
        records={unit: named["batch_records_sum"].get((unit,), 0.0) for unit in AGENTS if "batch_records_sum" in named},
        batches={unit: named["batch_records_count"].get((unit,), 0.0) for unit in AGENTS if "batch_records_count" in named},
        delays=(
            named.get("end_to_end_seconds_sum", {}).get(("scoring",), 0.0),
            named.get("end_to_end_seconds_count", {}).get(("scoring",), 0.0),
        ),
        load=os.getloadavg()[0],
    )


def rss_mb(pid: int) -> float:
    """Resident memory of a process in MB."""
    return _status(pid)[0]


def _status(pid: int) -> tuple[float, int]:
    """Resident MB, and threads."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    values = {name: value.split()[0] for name, _, value in (line.partition(":") for line in lines) if value.split()}
    return int(values["VmRSS"]) / 1024, int(values["Threads"])


def _links(pid: int) -> list[str]:
    """Where the open file handles lead."""
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(str(link.readlink()))
        except FileNotFoundError:
            continue  # closed meanwhile
    return found


class Sampler:
    """Takes a sample every `interval_s` while it is open."""

    def __init__(self, worker: Worker, interval_s: float, sent: Callable[[], int], seen: Callable[[Sample], None]) -> None:
        """`seen` is called with each sample, in the sampler's thread."""
        self.samples: list[Sample] = []
        self.unanswered = 0
        """Looks at which the worker did not answer."""
        self._worker = worker
        self._interval_s = interval_s
        self._sent = sent
        self._seen = seen
        self._began = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    @property
    def now(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while self._worker.alive:
            one = sample(self._worker, self.now, self._sent())
            if one is None:
                self.unanswered += 1
            else:
                self.samples.append(one)
                self._seen(one)
            if self._stop.wait(self._interval_s):
                return


def rows(samples: list[Sample]) -> tuple[tuple[str, ...], list[list[str]]]:
    """Heads, and rows of evenly spread moments; batch sizes are the means since the moment before."""
    places = sorted({round(index * (len(samples) - 1) / (ROWS - 1)) for index in range(ROWS)})
    found = []
    for before, place in zip([0, *places], places, strict=False):
        one, earlier = samples[place], samples[before]
        sizes = [
            (one.records[unit] - earlier.records[unit]) / max(1, one.batches[unit] - earlier.batches[unit]) for unit in AGENTS
        ]
        found.append(
            [
                f"{one.at:.0f}",
                f"{one.sent:,}",
                f"{one.responses:,.0f}",
                f"{one.lag_records:,.0f}",
                f"{one.lag_s:.1f}",
                f"{one.rss_mb:,.0f}",
                f"{one.state_bytes / MB:,.0f}",
                str(one.fds),
                " / ".join(f"{size:,.0f}" for size in sizes),
            ]
        )
    heads = ("s", "sent", "accepted", "lag", "lag s", "MB", "state MB", "handles", "records a batch")
    return heads, found
