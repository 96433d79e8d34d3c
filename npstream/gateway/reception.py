"""What every request goes through, whoever sends: bounds before the body is read, Kafka's acknowledgement before the answer."""

import logging
import re
import time
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from agents.intake import ACCOUNT_HEADER, CONTENT_TYPE_HEADER, SOURCE_HEADER
from npstream.gateway import bodies
from npstream.gateway.limits import InFlight, Room
from npstream.gateway.metrics import GatewayMetrics
from npstream.gateway.refusals import Refused
from npstream.gateway.sink import Away, Sink, TooLarge
from npstream.raw_record import RawRecord
from schemas import forms
from schemas.cloudevents import TRACEPARENT
from streams.processor import Headers

logger = logging.getLogger(__name__)

AWAY_RETRY_S: Final = 5.0
"""When to come again while Kafka is away."""
NOTICE_S: Final = 10.0
"""How often one kind of refusal of a vendor is worth a line: a burst makes thousands a second."""
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, section 3.2. What does not look so is not passed on."""


class Reception:
    """The bounds and the way to Kafka that all endpoints share."""

    def __init__(
        self,
        sink: Sink,
        metrics: GatewayMetrics,
        in_flight: InFlight,
        max_body_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sink = sink
        self._metrics = metrics
        self._in_flight = in_flight
        self._max_body_bytes = max_body_bytes
        self._clock = clock
        self._noticed: dict[tuple[str, int], float] = {}

    async def answered(self, vendor: str, work: Callable[[Room], Awaitable[Response]]) -> Response:
        """What the work answers, or why it is refused; counted, and now and then logged. `vendor` is one of few names."""
        try:
            with self._in_flight.room() as room:
                response = await work(room)
        except Refused as refused:
            self._notice(vendor, refused)
            response = refused.response()
        self._metrics.answered(vendor, response.status_code)
        return response

    def check_open(self) -> None:
        """Raises Refused with 503 while Kafka is known to be away: before a body is read that could go nowhere."""
        problem = self._sink.problem()
        if problem is not None:
            raise Refused(503, "not ready: come again", retry_after_s=AWAY_RETRY_S)

    async def body(self, request: Request, room: Room) -> bytes:
        """The whole body. Raises Refused."""
        return await bodies.read(request, room, self._max_body_bytes)

    async def store(self, vendor: str, record: RawRecord) -> None:
        """Return once Kafka has acknowledged. Raises Refused with 503, or with 413 if the broker takes no such record."""
        began = self._clock()
        try:
            await self._sink.send(record)
        except Away:
            raise Refused(503, "not stored in time: send it again", retry_after_s=AWAY_RETRY_S) from None
        except TooLarge:
            raise Refused(413, "the body is longer than the broker takes") from None
        self._metrics.acknowledged(vendor, len(record.value or b""), self._clock() - began)

    def _notice(self, vendor: str, refused: Refused) -> None:
        now = self._clock()
        if now - self._noticed.get((vendor, refused.status), -NOTICE_S) >= NOTICE_S:
            self._noticed[vendor, refused.status] = now
            # The sentence about a faulty field shows the beginning of its value, which is a person's.
            why = refused.detail if refused.field is None else f"faulty: {refused.field}"
            logger.warning("%s: answered with %d, %s", vendor, refused.status, why)


def record_headers(request: Request, source: str, account: str | None, form: bool) -> Headers:
    """What a record says beside its value."""
    headers = [(SOURCE_HEADER, source.encode())]
    if account is not None:
        headers.append((ACCOUNT_HEADER, account.encode()))
    if form:
        headers.append((CONTENT_TYPE_HEADER, forms.CONTENT_TYPE.encode()))
    trace = request.headers.get(TRACEPARENT)
    if trace is not None and _TRACEPARENT.fullmatch(trace):
        headers.append((TRACEPARENT, trace.encode()))
    return headers
