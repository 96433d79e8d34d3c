"""How long responses take from being produced to being scored, as a consumer of committed records sees it."""

import threading
import time
from array import array
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, NamedTuple, Self

from confluent_kafka import Consumer, Message, TopicPartition

from schemas import topics
from tests.integration.workers import until

ANSWER_TIMEOUT_S: Final = 20.0
"""A request takes milliseconds; the rest is for a busy machine."""
POLL_S: Final = 0.1


class Latency(NamedTuple):
    """Of some responses, in ms."""

    count: int
    p50: float
    p99: float

    def __str__(self) -> str:
        return f"{self.p50:,.0f} / {self.p99:,.0f} ms"


def latency(values: Sequence[float]) -> Latency:
    """Median and 99th percentile, the nearest rank. Raises ValueError without values."""
    if not values:
        raise ValueError("no response was scored: there is no latency")
    ranked = sorted(values)
    return Latency(len(ranked), ranked[(len(ranked) - 1) // 2], ranked[min(len(ranked) - 1, len(ranked) * 99 // 100)])


@dataclass(frozen=True)
class Phase:
    """Some time of a run."""

    first_ms: int
    last_ms: int


class Tail:
    """Reads nps.responses.scored from its present end on, in a thread, and notes each record's age when it comes."""

    def __init__(self, bootstrap: str, group: Callable[[Message], Hashable] = lambda message: None) -> None:
        """`group` says among which others a record's latency is to be counted; it is called in the thread."""
        self.seen = 0
        self._bootstrap = bootstrap
        self._group = group
        self._found: dict[Hashable, tuple[array[int], array[float]]] = defaultdict(lambda: (array("q"), array("d")))
        self._ready = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tail", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        until(self._ready.is_set, "the tail reads", ANSWER_TIMEOUT_S)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def latency(self, phase: Phase, group: Hashable = None) -> Latency:
        """Of what was produced during a phase. Raises ValueError if nothing was, or has come."""
        sent, took = self._found[group]
        return latency([ms for at, ms in zip(sent, took, strict=False) if phase.first_ms <= at < phase.last_ms])

    def _run(self) -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": "tail",  # never joined, but the client asks for a name
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 10,
            }
        )
        try:
            partitions = consumer.list_topics(topics.SCORED, ANSWER_TIMEOUT_S).topics[topics.SCORED].partitions
            ends = [
                consumer.get_watermark_offsets(TopicPartition(topics.SCORED, number), ANSWER_TIMEOUT_S)[1]
                for number in partitions
            ]
            consumer.assign([TopicPartition(topics.SCORED, number, end) for number, end in zip(partitions, ends, strict=True)])
            self._ready.set()
            while not self._stop.is_set():
                message = consumer.poll(POLL_S)
                if message is not None and message.error() is None:
                    self._note(message)
        finally:
            consumer.close()

    def _note(self, message: Message) -> None:
        produced = message.timestamp()[1]
        sent, took = self._found[self._group(message)]
        sent.append(produced)
        took.append(time.time() * 1000 - produced)
        self.seen += 1
