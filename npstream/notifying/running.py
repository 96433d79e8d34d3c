"""Runs the lanes: their clients, their metrics, and their end."""

import asyncio
import logging
import signal
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry

from npstream.admin import connect
from npstream.care.sinks import AnyTable
from npstream.ending import LAST_RESORT_S, end_within
from npstream.lost_broker import lost_broker
from npstream.metrics_port import metrics_served
from npstream.notifying.book import Book, PlainBook, TransactionalBook
from npstream.notifying.delivering import Delivering
from npstream.notifying.gate import Gate
from npstream.notifying.lane import Lane
from npstream.notifying.metrics import NotifyMetrics
from npstream.notifying.orders import Reading, alerts_to, outreach
from npstream.notifying.partition import Partition
from npstream.notifying.sinks.registry import sink_of
from npstream.reading import TIMEOUT_S, require_topics
from npstream.settings import Settings
from schemas import topics
from streams.closing import close

logger = logging.getLogger(__name__)

FETCH_BYTES: Final = 256 * 1024
"""Of a partition, read at a time: what a lane has no room for is read again."""
STAY_AWAY_MS: Final = 300_000
"""How long a lane may not read: it always does, every POLL_MS."""
MOST_NAMES: Final = 100
"""Unknown sinks that are logged: names are anything."""
FORCED_END_S: Final = 8.0
"""After a request to end: what is still under way then is given up, and delivered again at the next start."""


@dataclass(frozen=True)
class Planned:
    """A lane that is to run."""

    sink: str
    topic: str
    group: str
    reading: Reading


def planned(
    settings: Settings, sinks: Mapping[str, AnyTable], first_touch: str | None, metrics: NotifyMetrics
) -> list[Planned]:
    """A lane for each sink, and one for first messages if there is a sink that sends them."""
    told: set[str] = set()

    def elsewhere(name: str) -> None:
        if name in sinks:
            return
        metrics.unaddressed()
        if name not in told and len(told) < MOST_NAMES:
            told.add(name)
            logger.warning("alerts are for a sink %r, which the care file does not name: nobody delivers them", name[:60])

    lanes = []
    for number, name in enumerate(sinks):
        # The first lane looks after what is nobody's.
        reading = alerts_to(name, elsewhere, buries=True) if number == 0 else alerts_to(name)
        lanes.append(Planned(name, topics.ALERTS, f"{settings.app_id}-notify-{name}", reading))
    if first_touch is not None:
        lanes.append(Planned(first_touch, topics.OUTREACH, f"{settings.app_id}-outreach-{first_touch}", outreach))
    return lanes


async def run_notify(settings: Settings, sinks: Mapping[str, AnyTable], first_touch: str | None, folder: Path) -> None:
    """Deliver until SIGTERM or Ctrl-C. `sinks`: their secrets are texts; `folder`: where files lie that they name. Raises
    UserError, also for a port that is taken."""
    connection = settings.connection()
    needed = [topics.ALERTS, topics.DELIVERIES, topics.DEAD_LETTERS, *([topics.OUTREACH] if first_touch else [])]
    await require_topics(connection, needed)
    async with connect(connection) as admin:
        transactional = (await admin.cluster()).transactional
    registry = CollectorRegistry()
    metrics = NotifyMetrics(registry)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _stop, stop)
    async with AsyncExitStack() as stack:
        port = stack.enter_context(metrics_served(settings.http_host, settings.notify_http_port, registry, "notify_http_port"))
        session = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
        deliverings = {name: _delivering(name, table, session, folder, metrics) for name, table in sinks.items()}
        lanes = []
        for plan in planned(settings, sinks, first_touch, metrics):
            lane, consumer = _lane(settings, plan, deliverings[plan.sink], metrics, transactional)
            stack.push_async_callback(_left, consumer)
            await _started(settings, consumer)
            lanes.append(lane)
        logger.info("delivering to %s; metrics at port %d", ", ".join(sinks), port)
        if not transactional:
            logger.info("this broker has no transactions: after a crash a delivery may be recorded twice")
        await _run(lanes, stop)
    logger.info("stopped")


def _stop(stop: asyncio.Event) -> None:
    stop.set()
    end_within(LAST_RESORT_S, code=0)


def _delivering(name: str, table: AnyTable, session: aiohttp.ClientSession, folder: Path, metrics: NotifyMetrics) -> Delivering:
    metrics.known(name)
    return Delivering(
        sink_of(name, table, session, folder),
        Gate(name, metrics),
        metrics,
        at_once=table.at_once,
        timeout_s=table.timeout_s,
        give_up_after_s=table.give_up_after_s,
    )


class _Handover(ConsumerRebalanceListener):  # type: ignore[misc]
    """Tells a lane which partitions go to another notifier."""

    def __init__(self) -> None:
        self.lane: Lane | None = None

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """See aiokafka; the group waits for it."""
        if self.lane is not None:
            await self.lane.revoked(revoked)

    def on_partitions_assigned(self, assigned: Any) -> None:
        """Partitions are opened when they bring something to deliver."""


def _lane(
    settings: Settings, plan: Planned, delivering: Delivering, metrics: NotifyMetrics, transactional: bool
) -> tuple[Lane, Any]:
    """A lane and its consumer, which is to be started."""
    consumer = AIOKafkaConsumer(
        group_id=plan.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_poll_interval_ms=STAY_AWAY_MS,
        session_timeout_ms=settings.session_timeout_ms,
        heartbeat_interval_ms=settings.heartbeat_ms,
        max_partition_fetch_bytes=FETCH_BYTES,
        **settings.connection().aiokafka,
    )

    def partition_of(where: TopicPartition) -> Partition:
        book: Book
        if transactional:
            book = TransactionalBook(settings.connection(), plan.group, where, consumer.committed)
        else:
            book = PlainBook(settings.connection(), plan.group, where, consumer)
        return Partition(delivering, plan.reading, book, metrics)

    handover = _Handover()
    handover.lane = Lane(plan.group, consumer, partition_of)
    consumer.subscribe([plan.topic], listener=handover)
    return handover.lane, consumer


async def _started(settings: Settings, consumer: Any) -> None:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await consumer.start()
    except (TimeoutError, KafkaError, OSError) as error:
        raise lost_broker(settings.connection(), TIMEOUT_S) from error


async def _left(consumer: Any) -> None:
    """Leave the group, however the broker is."""
    await close(consumer.stop, consumer._client.close)


async def _run(lanes: list[Lane], stop: asyncio.Event) -> None:
    """Until all have ended after a request to; what ends one of them ends all."""
    running = [asyncio.create_task(lane.run(stop)) for lane in lanes]
    asked = asyncio.create_task(stop.wait())
    await asyncio.wait({*running, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    stop.set()
    await asyncio.wait(running, timeout=FORCED_END_S)
    for one in running:
        one.cancel()
    await asyncio.wait(running)
    for one in running:
        if not one.cancelled():
            one.result()
