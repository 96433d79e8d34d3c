"""A record on its way into Kafka, before anybody has judged it."""

from typing import NamedTuple

from streams.processor import Headers

SOURCE_HEADER = "nps-source"
"""Names the vendor whose payload it is; without it the intake goes by the shape."""
ACCOUNT_HEADER = "nps-account"
"""Names the account for payloads that name none."""


class RawRecord(NamedTuple):
    """Key, value and headers as they are sent; the timestamp in ms UTC, None for the time of sending."""

    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp: int | None = None
