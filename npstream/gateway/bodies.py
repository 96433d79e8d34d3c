"""Reading a body within bounds, and the cheap look at whether it is one."""

import asyncio
from collections.abc import Mapping
from typing import Final

from starlette.requests import ClientDisconnect, Request

from npstream.gateway.limits import Room
from npstream.gateway.refusals import Refused
from schemas import forms
from schemas.codec import loads
from schemas.dead_letters import Unusable

READ_TIMEOUT_S: Final = 20.0
"""A body of 1 MB takes a second on a slow line; who takes longer holds room that others need."""
LENGTH_DIGITS: Final = 18
"""Longer numbers are beyond 64 bits."""


async def read(request: Request, room: Room, most_bytes: int, timeout_s: float = READ_TIMEOUT_S) -> bytes:
    """The body as it came. Room for it is taken before it is there, where its length is declared.

    Raises Refused: 413 as soon as it is known to be too long, 503 without room, 408 if it takes too long, 400 if it ends early.
    """
    declared = request.headers.get("content-length", "")
    if len(declared) > LENGTH_DIGITS:
        raise _too_long(most_bytes)
    length = int(declared) if declared.isdecimal() else 0
    if length > most_bytes:
        raise _too_long(most_bytes)
    room.grow(length)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                size += len(chunk)
                if size > most_bytes:
                    raise _too_long(most_bytes)
                if size > length:
                    room.grow(size - length)
                    length = size
                chunks.append(chunk)
    except TimeoutError:
        raise Refused(408, f"the body did not arrive within {timeout_s:g} s") from None
    except ClientDisconnect:
        raise Refused(400, "the body did not arrive whole") from None
    return b"".join(chunks)


def _too_long(most_bytes: int) -> Refused:
    return Refused(413, f"the body is longer than {most_bytes} bytes, the most that is taken")


def is_form(headers: Mapping[str, str], body: bytes) -> bool:
    """Whether a body is form-encoded: its headers say so, and it does not begin like JSON. Clients such as curl call everything
    a form that they are not told more about."""
    return forms.is_form(headers.get("content-type", "")) and not _begins_like_json(body)


def check_readable(form: bool, body: bytes) -> None:
    """Whether intake can read it, with intake's own readers: some microseconds. Raises Refused with 422."""
    if not body:
        raise Refused(422, "the body is empty")
    try:
        if form:
            forms.loads_form(body)
        else:
            loads(body)
    except Unusable:
        raise Refused(422, "the body is neither JSON nor form-encoded") from None
    if not form and not _begins_like_json(body):
        raise Refused(422, "the body is neither a JSON object nor a list")


def _begins_like_json(body: bytes) -> bool:
    return body.lstrip(b" \t\r\n")[:1] in (b"{", b"[")
