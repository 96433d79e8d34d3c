"""Runs the fetcher: its clients, its metrics, and its end."""

import asyncio
import logging
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack
from functools import partial

import aiohttp
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry

from npstream.failures import UserError
from npstream.fetching.fetcher import Fetcher
from npstream.fetching.metrics import FetchMetrics
from npstream.fetching.vendor_api import Access, VendorApi
from npstream.lost_broker import lost_broker
from npstream.metrics_port import metrics_served
from npstream.reading import TIMEOUT_S, require_topics
from npstream.sending import Sender
from npstream.settings import Settings
from schemas import topics
from schemas.vendors import qualtrics, surveymonkey

logger = logging.getLogger(__name__)

MAX_POLL_MS = 600_000
"""How long a share may take before the group takes its partitions away: its calls at the lowest rate, and their repeats."""
FORCED_END_S = 10.0
"""After a request to end: calls that are still under way are given up."""


def accesses(settings: Settings) -> Iterator[Access]:
    """The vendors whose tokens are set. Raises UserError for one that is set in part."""
    if settings.surveymonkey_token:
        headers = {"Authorization": f"Bearer {settings.surveymonkey_token}"}
        yield _access(surveymonkey.NAME, settings.surveymonkey_url, headers, settings)
    if settings.qualtrics_token:
        yield _access(qualtrics.NAME, settings.qualtrics_url, {"X-API-TOKEN": settings.qualtrics_token}, settings)


def _access(vendor: str, url: str, headers: dict[str, str], settings: Settings) -> Access:
    if not url.startswith(("https://", "http://")):
        raise UserError(f"{vendor}_url is {url!r}: write scheme and host, such as https://api.example.com")
    return Access(vendor, url.rstrip("/"), headers, f"{vendor}_token", settings.fetch_per_minute)


async def run_fetch(settings: Settings) -> None:
    """Fetch until SIGTERM or Ctrl-C. Raises UserError, also for a port that is taken and where no token is set."""
    found = list(accesses(settings))
    if not found:
        raise UserError("no vendor's token is set: set surveymonkey_token, or qualtrics_token and qualtrics_url")
    await require_topics(settings.connection(), [topics.INCOMPLETE, topics.RAW, topics.DEAD_LETTERS])
    registry = CollectorRegistry()
    metrics = FetchMetrics(registry)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        port = stack.enter_context(metrics_served(settings.http_host, settings.fetch_http_port, registry, "fetch_http_port"))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        raw = await stack.enter_async_context(Sender(settings.connection(), topics.RAW))
        dead = await stack.enter_async_context(Sender(settings.connection(), topics.DEAD_LETTERS))
        consumer = await _consumer(settings)
        stack.push_async_callback(consumer.stop)
        apis = {one.vendor: VendorApi(session, one, partial(metrics.called, one.vendor)) for one in found}
        logger.info("fetching from %s; metrics at port %d", ", ".join(apis), port)
        await _run(Fetcher(consumer, raw, dead, apis, metrics), stop)


async def _run(fetcher: Fetcher, stop: asyncio.Event) -> None:
    """Until it has ended by itself after a request to, or until that has lasted too long: what was not committed is fetched
    again."""
    running = asyncio.create_task(fetcher.run(stop))
    asked = asyncio.create_task(stop.wait())
    await asyncio.wait({running, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if not running.done():
        await asyncio.wait({running}, timeout=FORCED_END_S)
    if not running.done():
        running.cancel()
        await asyncio.wait({running})
        return
    running.result()


async def _consumer(settings: Settings) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(
        topics.INCOMPLETE,
        group_id=f"{settings.app_id}-fetch",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_poll_interval_ms=MAX_POLL_MS,
        **settings.connection().aiokafka,
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await consumer.start()
    except (TimeoutError, KafkaError, OSError) as error:
        await consumer.stop()
        raise lost_broker(settings.connection(), TIMEOUT_S) from error
    return consumer
