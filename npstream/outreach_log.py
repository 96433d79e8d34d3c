"""What `nps.outreach` has on record, for people to look at."""

import heapq
from typing import NamedTuple

import msgspec

from npstream.reading import Reader
from schemas.outreach import Outreach
from schemas.topics import OUTREACH
from streams.connection import Connection
from streams.processor import Record

_decode = msgspec.json.Decoder(Outreach).decode


class Entry(NamedTuple):
    """One record, as old as it is first."""

    age: tuple[int, int, int]
    told: Outreach


async def entries(connection: Connection, count: int, account_id: str | None, status: str | None) -> list[Entry]:
    """The newest `count` records, oldest first; of an account or of a status alone if these are not None. Raises UserError if
    the topic is missing, and BrokerUnreachable."""
    newest: list[Entry] = []
    async with Reader(connection, [OUTREACH]) as reader:
        async for records in reader.to_end(OUTREACH):
            found = [entry for entry in map(entry_of, records) if entry is not None and _wanted(entry, account_id, status)]
            newest = heapq.nlargest(count, newest + found, key=lambda entry: entry.age)
    return sorted(newest, key=lambda entry: entry.age)


def entry_of(record: Record) -> Entry | None:
    """A record as an entry; None for what is none."""
    try:
        return Entry((record.timestamp, record.partition, record.offset), _decode(record.value or b""))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _wanted(entry: Entry, account_id: str | None, status: str | None) -> bool:
    told = entry.told
    return (account_id is None or told.account_id == account_id) and (status is None or told.status == status)
