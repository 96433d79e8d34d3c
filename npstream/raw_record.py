"""A record on its way into Kafka, before anybody has judged it."""

from typing import NamedTuple

from streams.processor import Headers


class RawRecord(NamedTuple):
    """Key, value and headers as they are sent; the timestamp in ms UTC, None for the time of sending."""

    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp: int | None = None
    partition: int | None = None
    """None: where the key leads."""
