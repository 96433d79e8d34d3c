"""Sends numbered records at their pace, cheaply: what a producer takes of the machine, the worker does not get."""

import time
from dataclasses import dataclass
from typing import Final, Protocol

from confluent_kafka import Producer

from schemas.times import format_time
from tests.endurance.pacing import Pace, all_at_once

CHUNK: Final = 2_000
"""Most records between two looks at the clock and at the other flows."""
IDLE_S: Final = 0.002
"""Pause when nothing is due."""
QUIET: Final = 2
"""A level of syslog, worse than an error: at the end of a command its broker goes first."""
FLUSH_TIMEOUT_S: Final = 60.0
"""What is queued is sent within a second or two."""


class Source(Protocol):
    """Makes records by their numbers."""

    def record(self, number: int, responded_at: bytes) -> tuple[bytes, bytes]:
        """Key and value."""


@dataclass
class Flow:
    """One source at one pace, from one number on."""

    source: Source
    pace: Pace
    first: int = 0
    sent: int = 0

    @property
    def next(self) -> int:
        """The number after the last one that was sent."""
        return self.first + self.sent


class NotSent(RuntimeError):
    """The broker did not take everything; the message says how much is left."""


class Sender:
    """One producer for one topic. It is idempotent: what it repeats is there once, so what comes twice is not its doing."""

    def __init__(self, bootstrap: str, topic: str, compression: str = "none") -> None:
        self._topic = topic
        self.sent = 0
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "linger.ms": 5,
                "compression.type": compression,
                "log_level": QUIET,
                "queue.buffering.max.messages": 1_000_000,
                "queue.buffering.max.kbytes": 1 << 20,
            }
        )

    def run(self, *flows: Flow) -> float:
        """Send all of them, each at its pace or as near as the machine comes to it; the seconds it took. Raises NotSent."""
        began = time.monotonic()
        while any(flow.sent < flow.pace.total for flow in flows):
            elapsed = time.monotonic() - began
            if not sum(self._send(flow, flow.pace.due(elapsed)) for flow in flows):
                time.sleep(IDLE_S)
            self._producer.poll(0)
        took = time.monotonic() - began
        self.flush()
        return took

    def at_once(self, source: Source, first: int, count: int) -> None:
        """Send so many as fast as the broker takes them. Raises NotSent."""
        self.run(Flow(source, all_at_once(count), first))

    def _send(self, flow: Flow, due: int) -> int:
        count = min(due - flow.sent, CHUNK)
        at = format_time(int(time.time() * 1000)).encode()
        record, produce, topic = flow.source.record, self._producer.produce, self._topic
        for number in range(flow.next, flow.next + count):
            key, value = record(number, at)
            while True:
                try:
                    produce(topic, value, key)
                    break
                except BufferError:
                    self._producer.poll(0.01)
        flow.sent += count
        self.sent += count
        return count

    def flush(self) -> None:
        """Return when the broker has everything. Raises NotSent."""
        if left := self._producer.flush(FLUSH_TIMEOUT_S):
            raise NotSent(f"{left:,} records were not taken within {FLUSH_TIMEOUT_S:g} s")
