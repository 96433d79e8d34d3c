"""Records that came to another partition than their account's: they are sent home, once."""

from typing import Final

from schemas.dead_letters import Reason, Unusable
from streams.processor import Record

STRAY_HEADER: Final = "nps-stray"
"""Marks a record that was sent home once."""


def is_marked(record: Record) -> bool:
    """Whether it was sent home before."""
    return any(name == STRAY_HEADER for name, _ in record.headers)


def never_home(record: Record) -> Unusable:
    """The error for one that was, and still is not there."""
    return Unusable(Reason.STRAY, f"account_id: partition {record.partition} is not its home, and it was sent home before")
