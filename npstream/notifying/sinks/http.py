"""Sinks over HTTP: one POST a delivery, no redirects, and no more of the answer than is recorded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from npstream.notifying.answers import ERROR_CHARS, Away, Taken, judge
from npstream.notifying.orders import Order

READ_BYTES: Final = 4 * ERROR_CHARS
"""Of an answer: characters may take four bytes each."""
HIDDEN: Final = "***"


@dataclass(frozen=True, slots=True)
class Request:
    """What is posted."""

    url: str = field(repr=False)
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


Making = Callable[[Order, int], Request]
"""The request for an order; the time in ms. Raises Refused for what cannot be told to this sink."""


class HttpSink:
    """A sink that takes a POST."""

    def __init__(self, name: str, session: aiohttp.ClientSession, making: Making, secrets: Sequence[str] = ()) -> None:
        """`secrets`: what an answer may repeat and nobody may read."""
        self.name = name
        self._session = session
        self._making = making
        self._secrets = [secret for secret in secrets if secret]

    async def deliver(self, order: Order, now_ms: int) -> Taken:
        """See `npstream.notifying.delivering.Sink`."""
        request = self._making(order, now_ms)
        headers = {"Content-Type": "application/json", "User-Agent": "npstream", **request.headers}
        try:
            async with self._session.post(request.url, data=request.body, headers=headers, allow_redirects=False) as response:
                text = (await response.content.read(READ_BYTES)).decode(errors="replace")
                return judge(response.status, self._hidden(text), response.headers.get("Retry-After"), now_ms)
        except TimeoutError:
            raise
        except (aiohttp.ClientError, OSError) as error:
            # Its text may hold the address, which may be a secret.
            raise Away(f"does not answer ({type(error).__name__})", of_sink=True) from error

    def _hidden(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text
