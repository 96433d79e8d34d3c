"""Alerts to deliver, and stand-ins for what they are delivered to and recorded in."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from npstream.notifying.answers import Taken
from npstream.notifying.book import Entry
from npstream.notifying.delivering import Delivering
from npstream.notifying.gate import Gate
from npstream.notifying.metrics import NotifyMetrics
from npstream.notifying.orders import Order, alert_order
from schemas import topics
from schemas.alerts import Alert
from schemas.examples import EXAMPLES
from schemas.times import format_time

NOW = 1_772_443_800_500
"""2026-03-02T09:30:00.500Z: half a second after what the example tells."""
HOUR_MS = 3_600_000
WAIT_S = 20.0
"""What is waited for takes milliseconds; the rest is for a busy machine."""


def alert(**fields: Any) -> Alert:
    """The example of the contract, with other fields."""
    return msgspec.convert({**EXAMPLES["Alert"], **fields}, Alert)


def order(**fields: Any) -> Order:
    return alert_order(alert(**fields))


@dataclass(frozen=True)
class Came:
    """A record of a topic."""

    value: bytes | None
    offset: int = 0
    headers: Sequence[tuple[str, bytes]] = ()
    key: bytes | None = b"acme"
    timestamp: int = NOW
    topic: str = topics.ALERTS
    partition: int = 0


def came(offset: int, delivery_id: str, sink: str = "here", account: str = "acme", **fields: Any) -> Came:
    """An alert in nps.alerts."""
    given = {**EXAMPLES["Alert"], "delivery_id": delivery_id, "sink": sink, "account_id": account, **fields}
    if "expires_at" not in fields:
        given["expires_at"] = format_time(NOW + HOUR_MS)
    return Came(json.dumps(given).encode(), offset, key=account.encode())


class StandInSink:
    """Answers as it is told to: with what stands in `answers` for a delivery, then with 200."""

    name = "here"

    def __init__(self) -> None:
        self.answers: dict[str, list[Exception]] = {}
        self.down: Exception | None = None
        """What every attempt gets."""
        self.attempts: list[str] = []
        self.delivered: list[str] = []
        self.under_way = 0
        self.most_under_way = 0
        self.let_go: asyncio.Event | None = None
        """Attempts wait for it."""

    async def deliver(self, order: Order, now_ms: int) -> Taken:
        self.attempts.append(order.delivery_id)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(0)
            if self.let_go is not None:
                await self.let_go.wait()
            if self.down is not None:
                raise self.down
            if self.answers.get(order.delivery_id):
                raise self.answers[order.delivery_id].pop(0)
        finally:
            self.under_way -= 1
        self.delivered.append(order.delivery_id)
        return Taken(200)


@dataclass
class StandInBook:
    """Remembers what is written."""

    floor: int = 0
    committed: int = 0
    """What another has recorded before it was opened."""
    opened: int = 0
    closed: int = 0
    writes: list[tuple[list[dict[str, Any]], int]] = field(default_factory=list)
    letters: list[Any] = field(default_factory=list)
    let_go: asyncio.Event | None = None

    async def open(self) -> int:
        self.opened += 1
        self.floor = max(self.floor, self.committed)
        return self.floor

    async def write(self, entries: Sequence[Entry], upto: int) -> None:
        if self.let_go is not None:
            await self.let_go.wait()
        written = [entry.written for entry in entries]
        outcomes = [json.loads(record.value or b"") for topic, record in written if topic == topics.DELIVERIES]
        self.letters += [record for topic, record in written if topic == topics.DEAD_LETTERS]
        self.writes.append((outcomes, upto))
        self.floor = max(self.floor, upto)

    async def close(self) -> None:
        self.closed += 1

    @property
    def outcomes(self) -> list[tuple[str, str]]:
        """Delivery and outcome, as they were written."""
        return [(one["delivery_id"], one["outcome"]) for outcomes, _ in self.writes for one in outcomes]


class Desk:
    """A sink, its gate and what delivers to it, with pauses that take no time."""

    def __init__(self, at_once: int = 8, give_up_after_s: float = 3600.0, timeout_s: float = 5.0) -> None:
        self.registry = CollectorRegistry()
        self.metrics = NotifyMetrics(self.registry)
        self.metrics.known("here")
        self.sink = StandInSink()
        self.wall_ms = NOW
        self.draw = 0.0
        self.gate = Gate("here", self.metrics, draw=lambda: self.draw)
        self.delivering = Delivering(
            self.sink,
            self.gate,
            self.metrics,
            at_once=at_once,
            timeout_s=timeout_s,
            give_up_after_s=give_up_after_s,
            now_ms=lambda: self.wall_ms,
            draw=lambda: self.draw,
        )

    def sample(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, {"sink": "here", **labels})

    def counted(self, outcome: str) -> float | None:
        return self.sample("npstream_deliveries_total", outcome=outcome)


async def until(condition: Callable[[], object]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - conditions of many kinds, none of which tells
            await asyncio.sleep(0.001)
