"""Why a record could not be used: the fixed reason codes, the exception that carries one, and the headers of a dead letter.

A dead letter keeps key, value and headers of the record as they came, byte for byte, and says in further headers where it
came from, at which stage it was given up, and why. The header names are those that Kafka Connect writes, so its tools
understand them.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

ERROR_PREFIX = "__connect.errors."
"""What the names of the error headers start with."""
REASON_HEADER = "nps-reason"
"""The header with the reason code: one of `Reason`."""

MESSAGE_BYTES = 1_000
"""Longest message in a header: it names a field and a value's beginning, the value itself is in the record."""

STAGES = ("decode", "adapt", "fetch", "validate", "score", "deliver")
"""Where a record can be given up, in the order in which it gets there."""


class Reason(StrEnum):
    """Why a record is a dead letter: a short code for headers, metric labels and alerts. A code keeps its meaning for ever."""

    EMPTY = "empty"
    NOT_JSON = "not json"
    TOO_DEEP = "too deep"
    TOO_LARGE = "too large"
    UNKNOWN_VENDOR = "unknown vendor"
    UNKNOWN_SHAPE = "unknown shape"
    NOT_A_RESPONSE = "not a response"
    NOT_NPS = "not nps"
    WRONG_TYPE = "wrong type"
    MISSING_FIELD = "missing field"
    BAD_ID = "bad id"
    NO_ACCOUNT = "no account"
    NO_SCORE = "no score"
    BAD_SCORE = "bad score"
    BAD_TIME = "bad time"
    BAD_SEGMENT = "bad segment"
    NOT_FETCHED = "not fetched"
    NOT_DELIVERED = "not delivered"
    FUTURE = "future"
    STRAY = "stray"
    FAULT = "fault"
    """An error of ours, not of the record: the exception class says which."""


class Unusable(ValueError):
    """A record that cannot be used; the message names the faulty field and says what was expected."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Source(Protocol):
    """What of a record its dead letter tells."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


def dead_letter_headers(
    record: Source, stage: str, reason: str, error: Exception | None, message: str
) -> list[tuple[str, bytes]]:
    """The record's own headers as they came, then where it came from and why it was given up.

    `stage` is one of `STAGES`, `reason` one of `Reason`; `error` is what was raised, if anything was (else the class name
    is that of `Unusable`). The message is cut at `MESSAGE_BYTES`.
    """
    kind = Unusable if error is None else type(error)
    return [
        *record.headers,
        (ERROR_PREFIX + "topic", record.topic.encode()),
        (ERROR_PREFIX + "partition", b"%d" % record.partition),
        (ERROR_PREFIX + "offset", b"%d" % record.offset),
        (ERROR_PREFIX + "stage", stage.encode()),
        (ERROR_PREFIX + "exception.class.name", f"{kind.__module__}.{kind.__qualname__}".encode()),
        (ERROR_PREFIX + "exception.message", _cut(message)),
        (REASON_HEADER, str(reason).encode()),
    ]


def original_headers(headers: Sequence[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """A dead letter's headers without what `dead_letter_headers` added: those to send it again with."""
    return [(name, value) for name, value in headers if name != REASON_HEADER and not name.startswith(ERROR_PREFIX)]


def _cut(message: str) -> bytes:
    """The message in UTF-8, without line ends, at most `MESSAGE_BYTES` long."""
    line = " ".join(message.split()).encode(errors="replace")
    if len(line) <= MESSAGE_BYTES:
        return line
    return line[: MESSAGE_BYTES - 3].decode(errors="ignore").encode() + b"..."
