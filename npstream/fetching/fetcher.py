"""From `nps.responses.incomplete` back to `nps.responses.raw`: each payload of ids alone becomes one that has all of it.

A share of records goes through these steps:
1. Read. What is asked for; a record that asks for nothing is a dead letter.
2. Ask the vendor. What it does not have is a dead letter; while it is away the share waits, and nothing behind it is lost.
3. Send. The completed payloads, under the key, the time and the headers of what came, until Kafka has acknowledged all.
4. Commit the offsets of the share.
A crash between 3 and 4 sends a share again: intake and scoring see the same responses again, which are duplicates, and change
nothing.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from agents.intake import CONTENT_TYPE_HEADER, SOURCE_HEADER
from npstream.fetching.metrics import FetchMetrics
from npstream.fetching.vendor_api import Away, Gone, VendorApi
from npstream.raw_record import RawRecord
from npstream.sending import Sender
from schemas import forms, topics
from schemas.codec import dumps, loads
from schemas.dead_letters import Reason, Unusable, dead_letter_headers
from schemas.vendors import ADAPTERS
from schemas.vendors.adapter import Incomplete, SourceSettings
from schemas.vendors.requests import completed, requests_for

logger = logging.getLogger(__name__)

SHARE: Final = 100
"""Records taken at a time: so many are asked for again after a crash, at most."""
AT_ONCE: Final = 8
"""Calls under way: more would only wait for the rate."""
POLL_MS: Final = 500
PAUSE_S: Final = 30.0
"""Before a vendor that is away is asked again."""
STAGE: Final = "fetch"

Outcome = tuple[str, RawRecord]
"""Topic and record."""


class Fetcher:
    """Completes what arrives, until it is stopped."""

    def __init__(
        self, consumer: AIOKafkaConsumer, raw: Sender, dead: Sender, apis: Mapping[str, VendorApi], metrics: FetchMetrics
    ) -> None:
        self._consumer = consumer
        self._senders = {topics.RAW: raw, topics.DEAD_LETTERS: dead}
        self._apis = apis
        self._metrics = metrics
        self._at_once = asyncio.Semaphore(AT_ONCE)

    async def run(self, stop: asyncio.Event) -> None:
        """Raises UserError where a vendor refuses our secret or the broker is lost."""
        while not stop.is_set():
            found = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=SHARE)
            for partition, records in found.items():
                await self._share(partition, records, stop)

    async def _share(self, partition: TopicPartition, records: Sequence[Any], stop: asyncio.Event) -> None:
        # 1. Read, and 2. Ask.
        found = await asyncio.gather(*(self._outcome(record) for record in records), return_exceptions=True)
        errors = [one for one in found if isinstance(one, BaseException)]
        if errors and all(isinstance(error, Away) for error in errors):
            logger.warning("%s; %d payloads wait, asking again in %g s", errors[0], len(records), PAUSE_S)
            self._seek(partition, records[0].offset)
            await _until(stop, PAUSE_S)
            return
        for error in errors:
            if not isinstance(error, Away):
                raise error
        outcomes = [one for one in found if not isinstance(one, BaseException)]
        # 3. Send.
        for topic, made in outcomes:
            await self._senders[topic].send(made)
        for sender in self._senders.values():
            await sender.flush()
        # 4. Commit.
        try:
            await self._consumer.commit({partition: records[-1].offset + 1})
        except (CommitFailedError, IllegalStateError):
            logger.info("%s-%d went to another fetcher meanwhile: it asks again, which does no harm", *partition)

    def _seek(self, partition: TopicPartition, offset: int) -> None:
        try:
            self._consumer.seek(partition, offset)
        except (IllegalStateError, KafkaError):
            logger.info("%s-%d went to another fetcher meanwhile", *partition)

    async def _outcome(self, record: Any) -> Outcome:
        source = dict(record.headers).get(SOURCE_HEADER, b"").decode(errors="replace")
        try:
            value = await self._completed(source, record)
        except (Unusable, Gone) as error:
            reason = error.reason if isinstance(error, Unusable) else Reason.NOT_FETCHED
            headers = dead_letter_headers(record, STAGE, reason, error, str(error))
            self._metrics.ended(source, "dead letter")
            return topics.DEAD_LETTERS, RawRecord(record.key, record.value, headers, record.timestamp, record.partition)
        self._metrics.ended(source, "completed")
        headers = [(name, value) for name, value in record.headers if name != CONTENT_TYPE_HEADER]
        return topics.RAW, RawRecord(record.key, value, headers, record.timestamp)

    async def _completed(self, source: str, record: Any) -> bytes:
        payload, ids = _read(source, record)
        api = self._apis.get(source)
        if api is None:
            raise Unusable(Reason.NOT_FETCHED, f"no token of {source} is set: set {source}_token, and replay")
        requests = requests_for(source, ids)
        async with self._at_once:
            try:
                answers = {request.name: await api.ask(request) for request in requests}
            except Away:
                self._metrics.waits(source, True)
                raise
        self._metrics.waits(source, False)
        return dumps(completed(source, payload, answers))


async def _until(stop: asyncio.Event, seconds: float) -> None:
    """Wait, but no longer than until it is to stop."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


def _read(source: str, record: Any) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    """The payload of ids alone, and the ids. Raises `Unusable`."""
    adapter = ADAPTERS.get(source)
    if adapter is None:
        raise Unusable(Reason.UNKNOWN_VENDOR, f"{SOURCE_HEADER}: no adapter is named {source!r:.60}")
    form = forms.is_form(dict(record.headers).get(CONTENT_TYPE_HEADER, b"").decode(errors="replace"))
    payload = forms.loads_form(record.value or b"") if form else loads(record.value or b"")
    try:
        adapter.adapt(payload, SourceSettings())
    except Incomplete as incomplete:
        return payload, incomplete.ids
    raise Unusable(Reason.WRONG_TYPE, "the payload carries more than ids: nothing is to be fetched")
