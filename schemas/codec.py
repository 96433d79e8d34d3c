"""JSON in and out. What cannot be read is an `Unusable` with its reason, whatever the bytes: nothing else is raised."""

from typing import Any, Final

import orjson

from schemas.dead_letters import Reason, Unusable

MAX_RECORD_BYTES: Final = 16 * 1024 * 1024
"""Longest text that is parsed. Kafka's own bound for a record is 1 MB unless raised; parsed JSON takes ten times its text
in memory and more, so a broker with a greater bound must not decide what a worker needs."""

DEPTH_ERROR: Final = "depth limit"
"""What orjson's message for text nested deeper than 1,024 levels contains: it has one exception class for all errors."""


def loads(data: bytes) -> Any:
    """Read one JSON text.

    Raises `Unusable`, a ValueError, with reason `not json`, `too deep` or `too large` and the position in the message.
    NaN, infinities, numbers beyond a double, lone surrogates and a byte order mark are not JSON. Integers beyond 64 bits
    become floats. Of two members with one name the last one counts.
    """
    if len(data) > MAX_RECORD_BYTES:
        raise Unusable(Reason.TOO_LARGE, f"{len(data)} bytes: at most {MAX_RECORD_BYTES} are read")
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        reason = Reason.TOO_DEEP if DEPTH_ERROR in error.msg else Reason.NOT_JSON
        raise Unusable(reason, str(error)) from error


def dumps(value: Any) -> bytes:
    """Write compact JSON in UTF-8: members keep their order. Raises TypeError for what JSON has no form for."""
    return orjson.dumps(value)
