"""Payloads of ids alone: completed from their vendor's API, in shares that are sent before they are committed."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiokafka import TopicPartition
from prometheus_client import CollectorRegistry

from npstream.failures import UserError
from npstream.fetching import fetcher, vendor_api
from npstream.fetching.fetcher import Fetcher
from npstream.fetching.metrics import FetchMetrics
from npstream.fetching.vendor_api import Access, VendorApi
from npstream.raw_record import RawRecord
from schemas import topics
from tests.vendor_stand_in import TOKEN, StandIn, stand_in

HERE = TopicPartition(topics.INCOMPLETE, 0)
NOW = 1_772_357_400_000
WEBHOOK = {
    "event_type": "response_completed",
    "object_type": "response",
    "object_id": "7001",
    "event_datetime": "2026-03-01T09:30:00+00:00",
    "resources": {"respondent_id": "7001", "survey_id": "501", "collector_id": "9"},
}
RESPONSE_PATH, SURVEY_PATH = "/v3/surveys/501/responses/7001/details", "/v3/surveys/501/details"


@dataclass(frozen=True)
class Came:
    """A record of the topic."""

    value: bytes
    offset: int = 0
    headers: Sequence[tuple[str, bytes]] = (("nps-source", b"surveymonkey"), ("nps-account", b"acme"))
    key: bytes | None = b"any"
    timestamp: int = NOW
    topic: str = topics.INCOMPLETE
    partition: int = 0


@dataclass
class Consumer:
    """Gives shares, and writes down what is asked of it; asks to stop when there is no more."""

    shares: list[list[Came]]
    stop: asyncio.Event
    asked: list[tuple[str, int]] = field(default_factory=list)

    async def getmany(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Came]]:
        if not self.shares:
            self.stop.set()
            return {}
        return {HERE: self.shares.pop(0)}

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        self.asked.append(("commit", offsets[HERE]))

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.asked.append(("seek", offset))


@dataclass
class Sends:
    """Where records go."""

    asked: list[tuple[str, int]]
    sent: list[RawRecord] = field(default_factory=list)

    async def send(self, record: RawRecord) -> None:
        self.sent.append(record)

    async def flush(self) -> None:
        self.asked.append(("flush", len(self.sent)))


@dataclass
class World:
    """A fetcher between a topic and a vendor."""

    server: StandIn
    session: aiohttp.ClientSession
    raw: list[RawRecord] = field(default_factory=list)
    dead: list[RawRecord] = field(default_factory=list)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    async def fetch(self, *shares: list[Came], token: str = TOKEN) -> list[tuple[str, int]]:
        """Run it over these shares; what was asked of its clients, in order."""
        stop = asyncio.Event()
        consumer = Consumer(list(shares), stop)
        raw, dead = Sends(consumer.asked, self.raw), Sends(consumer.asked, self.dead)
        access = Access("surveymonkey", self.server.url, {"Authorization": f"Bearer {token}"}, "surveymonkey_token", 6_000)
        apis = {"surveymonkey": VendorApi(self.session, access, lambda status: None)}
        fetching = Fetcher(consumer, raw, dead, apis, FetchMetrics(self.registry))  # type: ignore[arg-type]
        await asyncio.wait_for(fetching.run(stop), 20)
        return consumer.asked


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    async with stand_in() as server, aiohttp.ClientSession() as session:
        server.answers |= {RESPONSE_PATH: {"id": "7001"}, SURVEY_PATH: {"id": "501"}}
        yield World(server, session)


def reason(letter: RawRecord) -> str:
    return dict(letter.headers)["nps-reason"].decode()


async def test_a_payload_comes_back_with_all_of_it_under_its_key_time_and_headers() -> None:
    async with world() as here:
        came = Came(json.dumps(WEBHOOK).encode())
        await here.fetch([came])
        (sent,) = here.raw
        assert json.loads(sent.value or b"") == {"event": WEBHOOK, "response": {"id": "7001"}, "survey": {"id": "501"}}
        assert (sent.key, sent.timestamp, list(sent.headers)) == (came.key, came.timestamp, list(came.headers))
        assert here.dead == []


async def test_offsets_are_committed_only_when_all_is_acknowledged() -> None:
    async with world() as here:
        asked = await here.fetch([Came(json.dumps(WEBHOOK).encode(), offset) for offset in (4, 5, 6)])
        assert asked == [("flush", 3), ("flush", 0), ("commit", 7)]


async def test_a_share_whose_vendor_is_away_is_read_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor_api, "ASK_AGAIN_S", 0.05)
    monkeypatch.setattr(fetcher, "PAUSE_S", 0.05)
    async with world() as here:
        share = [Came(json.dumps(WEBHOOK).encode(), 4)]
        here.server.refusals.extend([(503, {"Retry-After": "1"})] * 2)  # the second one comes after the bound
        asked = await here.fetch(share, share)
        assert asked == [("seek", 4), ("flush", 1), ("flush", 0), ("commit", 5)]
        assert len(here.raw) == 1
        assert here.registry.get_sample_value("npstream_fetch_waiting", {"source": "surveymonkey"}) == 0


@pytest.mark.parametrize(
    ("came", "told"),
    [
        (Came(b"{"), "not json"),
        (Came(b"{}"), "not a response"),
        (Came(json.dumps(WEBHOOK).encode(), headers=[("nps-source", b"nobody")]), "unknown vendor"),
        (Came(json.dumps(WEBHOOK).encode(), headers=[]), "unknown vendor"),
        (Came(json.dumps({"event": WEBHOOK, "response": {}, "survey": {}}).encode()), "no score"),
        (Came(b'{"Topic": "b.surveyengine.completedResponse.SV_1", "MSG": {"SurveyID": "SV_1", "ResponseID": "R_1"}}',
              headers=[("nps-source", b"qualtrics")]), "not fetched"),
    ],
)  # fmt: skip
async def test_what_cannot_be_fetched_is_a_dead_letter_and_the_next_one_is_completed(came: Came, told: str) -> None:
    async with world() as here:
        asked = await here.fetch([came, Came(json.dumps(WEBHOOK).encode(), 1)])
        (letter,) = here.dead
        assert reason(letter) == told
        assert letter.value == came.value
        assert len(here.raw) == 1
        assert asked[-1] == ("commit", 2)


async def test_what_the_vendor_does_not_have_is_a_dead_letter() -> None:
    async with world() as here:
        del here.server.answers[RESPONSE_PATH]
        await here.fetch([Came(json.dumps(WEBHOOK).encode())])
        assert [reason(letter) for letter in here.dead] == ["not fetched"]
        labels = {"source": "surveymonkey", "outcome": "dead letter"}
        assert here.registry.get_sample_value("npstream_fetch_records_total", labels) == 1


async def test_a_token_that_is_refused_ends_it_and_nothing_is_committed() -> None:
    async with world() as here:
        with pytest.raises(UserError, match="surveymonkey_token"):
            await here.fetch([Came(json.dumps(WEBHOOK).encode())], token="wrong")
        assert here.raw == here.dead == []


def test_its_metrics_are_documented_as_they_are_declared() -> None:
    registry = CollectorRegistry()
    FetchMetrics(registry)
    declared = {family.name + ("_total" if family.type == "counter" else "") for family in registry.collect()}
    text = (Path(__file__).parents[2] / "docs" / "fetching.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(npstream_fetch_\w+)` \|", text, re.MULTILINE)) == declared
