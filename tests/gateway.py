"""The gateway without a network: requests go straight into its ASGI application, and a stand-in for Kafka does as it is told.

desk = Desk([vendor("typeform", "secret")])
answer = await desk.post("/webhooks/typeform", body, {"typeform-signature": ...})
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from prometheus_client import CollectorRegistry

from npstream.gateway.app import Limits, create_app
from npstream.gateway.configuration import Credential, Rules, Vendor
from npstream.gateway.limits import InFlight
from npstream.gateway.metrics import GatewayMetrics
from npstream.gateway.signatures import SCHEMES, SHARED, USUAL
from npstream.gateway.sink import Away, TooLarge
from npstream.raw_record import RawRecord
from schemas.vendors import ADAPTERS

LIMITS = Limits(max_body_bytes=10_000, in_flight_bytes=100_000, rate_per_s=1000.0, burst=1000)
WAIT_S = 20.0
"""Bound of every wait: what is waited for takes milliseconds."""


class FakeKafka:
    """A `Sink` that acknowledges, unless it is told otherwise."""

    def __init__(self) -> None:
        self.records: list[RawRecord] = []
        self.raises: Exception | None = None
        self.away: str | None = None
        self.hangs = asyncio.Event()
        self.hangs.set()
        self.waiting = 0

    def problem(self) -> str | None:
        return self.away

    async def send(self, record: RawRecord) -> None:
        if self.raises is not None:
            raise self.raises
        self.waiting += 1
        await self.hangs.wait()
        self.waiting -= 1
        self.records.append(record)

    def refuse(self, error: Away | TooLarge | None) -> None:
        """From now on, or no longer."""
        self.raises = error

    def hang(self) -> None:
        """Acknowledge nothing until `release`."""
        self.hangs.clear()

    def release(self) -> None:
        """Acknowledge what waits."""
        self.hangs.set()


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    left_unread: bool
    """Whether there was more of the request's body than was asked for."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


def vendor(name: str, *secrets: str, account: str | None = None, **more: Any) -> Vendor:
    """A configured vendor with the scheme that is usual for it."""
    scheme = SCHEMES[USUAL.get(name, SHARED)]
    return Vendor(name, scheme, tuple(Credential(secret, account) for secret in secrets), account, **more)


@dataclass
class Desk:
    """An application with its stand-in for Kafka."""

    vendors: Iterable[Vendor] = ()
    tokens: tuple[Credential, ...] = ()
    limits: Limits = LIMITS
    kafka: FakeKafka = field(default_factory=FakeKafka)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.in_flight = InFlight(self.limits.in_flight_bytes)
        every = {name: Vendor(name) for name in ADAPTERS} | {one.name: one for one in self.vendors}
        metrics = GatewayMetrics(self.registry, self.in_flight)
        self.app = create_app(Rules(every, self.tokens), self.limits, self.kafka, metrics, self.in_flight)

    def value(self, name: str, **labels: str) -> float | None:
        """A metric's sample."""
        return self.registry.get_sample_value(f"npstream_gateway_{name}", labels)

    async def post(self, path: str, body: bytes | Iterable[bytes], headers: Mapping[str, str] | None = None) -> Answer:
        """Post a body, whose length is declared, or chunks, whose length is not."""
        if isinstance(body, bytes):
            return await self.call("POST", path, [body], {"content-length": str(len(body)), **(headers or {})})
        return await self.call("POST", path, body, headers)

    async def call(
        self, method: str, path: str, chunks: Iterable[bytes] = (), headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request, as a server makes it of what a client sent."""
        messages = _messages(chunks)
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return await anext(messages)

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        }  # fmt: skip
        async with asyncio.timeout(WAIT_S):
            await self.app(scope, receive, send)  # type: ignore[arg-type]
        start, *rest = sent
        return Answer(
            start["status"],
            {name.decode(): value.decode() for name, value in start["headers"]},
            b"".join(message.get("body", b"") for message in rest),
            left_unread=(await anext(messages))["type"] == "http.request",
        )


async def _messages(chunks: Iterable[bytes]) -> AsyncIterator[dict[str, Any]]:
    """What a server hands over: chunks with more to come, the end, and then that the client has gone."""
    for chunk in chunks:
        yield {"type": "http.request", "body": chunk, "more_body": True}
    yield {"type": "http.request", "body": b"", "more_body": False}
    while True:
        yield {"type": "http.disconnect"}


def limits(**changed: float) -> Limits:
    """Those of the tests, with others here and there."""
    return replace(LIMITS, **changed)


async def until_waiting(kafka: FakeKafka, requests: int) -> None:
    """Return once so many requests wait for Kafka."""
    async with asyncio.timeout(WAIT_S):
        while kafka.waiting < requests:  # noqa: ASYNC110 (nothing tells of it)
            await asyncio.sleep(0)
