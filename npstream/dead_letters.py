"""Dead letters as a person chooses among them: what each says of itself, and how it goes back to where it came from."""

import re
from dataclasses import dataclass
from typing import Final

from agents.intake import ACCOUNT_HEADER
from npstream.failures import UserError
from npstream.raw_record import RawRecord
from npstream.record_view import error_header, text_header
from schemas.dead_letters import REASON_HEADER, Reason, original_headers
from schemas.topics import ALERTS, DEAD_LETTERS, OUTREACH, RAW, RESPONSES
from streams.processor import Record

REPLAYED_HEADER: Final = "nps-replayed"
"""Marks a record that was a dead letter before."""
SOURCES: Final = (RAW, RESPONSES, ALERTS, OUTREACH)
"""Topics that dead letters come from. A letter that names another one is not sent anywhere."""
_POSITION: Final = re.compile(r"(?:(?P<topic>[A-Za-z0-9._-]+)-)?(?P<partition>\d{1,9})-(?P<offset>\d{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a record is."""

    topic: str
    partition: int
    offset: int

    @classmethod
    def parse(cls, text: str) -> "Position":
        """TOPIC-PARTITION-OFFSET; without a topic it is a dead letter. Raises UserError."""
        match = _POSITION.fullmatch(text)
        if match is None:
            raise UserError(f"{text!r} is no position: TOPIC-PARTITION-OFFSET, such as {DEAD_LETTERS}-3-42, or 3-42 for short")
        return cls(match["topic"] or DEAD_LETTERS, int(match["partition"]), int(match["offset"]))


def reason_of(letter: Record) -> str:
    """The reason code; empty for what carries none."""
    return text_header(letter.headers, REASON_HEADER)


def source_of(letter: Record) -> str:
    """The topic that it came from; empty for what carries none."""
    return error_header(letter, "topic")


def parse_reason(text: str) -> str:
    """A reason code as people write it: `no_account` and `no-account` are `no account`. Raises UserError."""
    code = re.sub(r"[\s_-]+", " ", text.strip().lower())
    if code not in tuple(Reason):
        raise UserError(f"{text!r} is no reason; reasons are {', '.join(Reason)}")
    return code


def sent_back(letter: Record, account: str | None) -> RawRecord:
    """The record as it came, to be sent again: without the error headers, marked as replayed, with `account` for those that
    name none.

    It keeps its timestamp, which is its version: sent with the time of the replay, it would count as newer than corrections
    that came meanwhile. Only what was refused for being too far in the future arrives anew, since against its old arrival it
    always would be.
    """
    replaced = {REPLAYED_HEADER} if account is None else {REPLAYED_HEADER, ACCOUNT_HEADER}
    headers = [(name, value) for name, value in original_headers(letter.headers) if name not in replaced]
    headers.append((REPLAYED_HEADER, b"1"))
    if account is not None:
        headers.append((ACCOUNT_HEADER, account.encode()))
    return RawRecord(letter.key, letter.value, headers, None if reason_of(letter) == Reason.FUTURE else letter.timestamp)
