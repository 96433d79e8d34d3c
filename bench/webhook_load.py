"""Webhooks as fast as a gateway takes them: connections that are kept, each sending its next one when the last is answered.
Runs in a process of its own, so that what sending costs is not the gateway's."""

import asyncio
import base64
import hmac
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from npstream.broker import HOST
from schemas.codec import dumps

SECRET = "bench-secret"
ANSWER_TIMEOUT_S = 60.0
"""Bound of one answer; the gateway's own bound is shorter."""


class Sent(NamedTuple):
    """What came of it."""

    seconds: float
    """From the first request to the last answer."""
    statuses: dict[int, int]
    latencies_ms: list[float]
    """Of the accepted ones, sorted."""


def body(number: int) -> bytes:
    """A Typeform webhook with a score and a comment, of some 700 bytes; the platform's own have the questions as well."""
    return dumps(
        {
            "event_id": f"event-{number}",
            "event_type": "form_response",
            "form_response": {
                "form_id": "bench1",
                "token": f"token-{number}",
                "landed_at": "2026-02-14T11:03:40Z",
                "submitted_at": "2026-02-14T11:05:09Z",
                "hidden": {"account_id": f"acct-{number % 1000}", "user_id": f"u-{number % 100_000}", "plan": "team"},
                "answers": [
                    {"type": "number", "number": number % 11, "field": {"id": "fNps", "type": "nps", "ref": "recommend"}},
                    {
                        "type": "text",
                        "text": "Setup took a week, and then the export was slow. " * 4,
                        "field": {"id": "fWhy", "type": "long_text", "ref": "why"},
                    },
                ],
            },
        }
    )


def request(number: int) -> bytes:
    """The whole request, signed as Typeform signs."""
    payload = body(number)
    signature = base64.b64encode(hmac.digest(SECRET.encode(), payload, "sha256")).decode()
    head = (
        f"POST /webhooks/typeform HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
        f"Typeform-Signature: sha256={signature}\r\nContent-Length: {len(payload)}\r\n\r\n"
    )
    return head.encode() + payload


def load(port: int, first: int, webhooks: int, connections: int) -> Sent:
    """Send so many, numbered from `first`."""
    requests = [request(number) for number in range(first, first + webhooks)]
    return asyncio.run(_load(port, requests, connections))


async def _load(port: int, requests: Sequence[bytes], connections: int) -> Sent:
    waiting = iter(requests)
    statuses: dict[int, int] = {}
    latencies: list[float] = []
    streams = [await asyncio.open_connection(HOST, port) for _ in range(connections)]
    began = time.perf_counter()
    await asyncio.gather(*(_one(reader, writer, waiting, statuses, latencies) for reader, writer in streams))
    seconds = time.perf_counter() - began
    for _, writer in streams:
        writer.close()
    return Sent(seconds, statuses, sorted(latencies))


async def _one(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    waiting: Iterator[bytes],
    statuses: dict[int, int],
    latencies: list[float],
) -> None:
    for one in waiting:
        began = time.perf_counter()
        writer.write(one)
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(_length(head))
        status = int(head[9:12])
        statuses[status] = statuses.get(status, 0) + 1
        if status == 200:
            latencies.append((time.perf_counter() - began) * 1000)


def _length(head: bytes) -> int:
    lines = head.lower().split(b"\r\n")
    return next(int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:"))
