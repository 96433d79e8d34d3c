"""One vendor's API over HTTP: asked at a bounded rate, again where that may help, and never longer than a record may wait."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import stamina
from aiolimiter import AsyncLimiter

from npstream.failures import UserError
from schemas.codec import loads
from schemas.dead_letters import Unusable
from schemas.vendors.requests import Request

ANSWER_S: Final = 15.0
"""How long one call may take: vendors answer within a second or two, or not at all."""
ASK_AGAIN_S: Final = 60.0
"""How long a record is asked for again before it is put back: less than a consumer may stay away from its group."""
LONGEST_PAUSE_S: Final = 20.0
"""Between two calls; also where the vendor asks for a longer one."""
SURVEY_S: Final = 600.0
"""How long what is known of a survey is used again: its questions change rarely, and each call counts against a quota."""
MOST_BYTES: Final = 8 << 20
"""Of an answer: a survey of a hundred pages has less."""
MINUTE_S: Final = 60.0

OK: Final = 200
GONE: Final = (404, 410)
REFUSED: Final = (401, 403)
BUSY: Final = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Access:
    """Where a vendor's API is, and what opens it."""

    vendor: str
    url: str
    """Scheme and host, without a path."""
    headers: dict[str, str] = field(repr=False)
    """With the secret."""
    setting: str
    """The setting that holds it, for the message."""
    per_minute: int


class Gone(Exception):
    """The vendor has no such response any more."""


class Away(Exception):
    """The vendor does not answer, or asks to wait: later may help. `pause_s` is what it asks for, if it does."""

    def __init__(self, reason: str, pause_s: float | None = None) -> None:
        super().__init__(reason)
        self.pause_s = pause_s


class VendorApi:
    """Asks one vendor."""

    def __init__(self, session: aiohttp.ClientSession, access: Access, called: Callable[[str], None]) -> None:
        """`called` is told the outcome of each call: its status, or "no answer"."""
        self.vendor = access.vendor
        self._session = session
        self._access = access
        self._called = called
        self._limiter = AsyncLimiter(access.per_minute, MINUTE_S)
        self._surveys: dict[str, tuple[float, Any]] = {}

    async def ask(self, request: Request) -> Any:
        """The answer to a request, as JSON. Raises `Gone`, `Away` when asking again has not helped, and UserError where the
        vendor refuses our secret."""
        kept = self._surveys.get(request.path) if request.of_survey else None
        if kept is not None and time.monotonic() < kept[0]:
            return kept[1]
        async for attempt in stamina.retry_context(
            on=_pause, attempts=None, timeout=ASK_AGAIN_S, wait_initial=0.5, wait_max=LONGEST_PAUSE_S, wait_jitter=0.5
        ):
            with attempt:
                answer = await self._call(request)
        if request.of_survey:
            self._forget_old()
            self._surveys[request.path] = (time.monotonic() + SURVEY_S, answer)
        return answer

    async def _call(self, request: Request) -> Any:
        async with self._limiter:
            try:
                async with asyncio.timeout(ANSWER_S):
                    return await self._answer(request)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                self._called("no answer")
                raise Away(f"{self.vendor} does not answer ({type(error).__name__})") from error

    async def _answer(self, request: Request) -> Any:
        async with self._session.request(
            request.method, self._access.url + request.path, headers=self._access.headers, allow_redirects=False
        ) as response:
            self._called(str(response.status))
            if response.status in BUSY:
                raise Away(f"{self.vendor} answers {response.status}", _seconds(response.headers.get("Retry-After")))
            if response.status in GONE:
                raise Gone(f"{self.vendor} has none at {request.path} ({response.status})")
            if response.status in REFUSED:
                raise UserError(
                    f"{self.vendor} refuses our token ({response.status} at {request.path}): check the setting "
                    f"{self._access.setting}, and what the token may read"
                )
            if response.status != OK:
                raise Gone(f"{self.vendor} answers {response.status} at {request.path}")
            body = await self._body(response, request)
            try:
                return loads(body)
            except Unusable as error:
                raise Away(f"{self.vendor} answers with no JSON at {request.path}: {error}") from error

    async def _body(self, response: aiohttp.ClientResponse, request: Request) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > MOST_BYTES:
                raise Gone(f"{self.vendor} answers with more than {MOST_BYTES} bytes at {request.path}")
        return bytes(body)

    def _forget_old(self) -> None:
        now = time.monotonic()
        self._surveys = {path: kept for path, kept in self._surveys.items() if kept[0] > now}


def _pause(error: Exception) -> bool | float:
    """Whether to ask again, or after how many seconds."""
    if not isinstance(error, Away):
        return False
    return True if error.pause_s is None else min(error.pause_s, LONGEST_PAUSE_S)


def _seconds(retry_after: str | None) -> float | None:
    return float(retry_after) if retry_after is not None and retry_after.isdecimal() else None
