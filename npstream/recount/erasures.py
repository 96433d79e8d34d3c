"""Erasures: what a respondent said counts no more, or without a name; what comes of the same respondent later is left out.

An erasure stands at a place of its partition's order: after all records before `position`, before all others. There

- every response that is the respondent's then is gone for good: nothing that comes under its response_id changes anything;
- with `remove` it no longer counts, with `keep` it counts as it was;
- whatever comes of the respondent later is left out, and so is what comes under a response_id that was first met in this way.

A respondent is known by a hash alone: SHA-256 of the length of the account_id (4 bytes, big-endian), the account_id and the
respondent_id, in UTF-8.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from npstream.recount.facts import Told
from npstream.recount.reading import Arrival, Refused, SourceRecord, home_of, read
from npstream.recount.versions import add, what_holds


@dataclass(frozen=True)
class Erasure:
    """One entry of the list of erased respondents."""

    account_id: str
    respondent_hash: str
    counts: str
    """keep or remove."""
    position: int
    """The first offset of the account's partition that was read after it."""
    erased_at: int = 0
    """What the clock of the partition showed then, or earlier; in ms, UTC."""


Erasures = Mapping[str, Sequence[Erasure]]
"""By account, the earliest first."""

Came = dict[str, dict[str, list[Arrival]]]
"""By account and response_id, what came."""


def by_account(erasures: Iterable[Erasure]) -> Erasures:
    found: dict[str, list[Erasure]] = {}
    for erasure in sorted(erasures, key=lambda one: one.position):
        found.setdefault(erasure.account_id, []).append(erasure)
    return found


def hash_of(arrival: Arrival) -> str | None:
    """Whose response it is; None of an anonymous one, and of a retraction."""
    if arrival.respondent_id is None:
        return None
    account = arrival.account_id.encode()
    return hashlib.sha256(len(account).to_bytes(4, "big") + account + arrival.respondent_id.encode()).hexdigest()


def what_came(records: Iterable[SourceRecord], partitions: int | None, erasures: Erasures, told: Told | None = None) -> Came:
    """All that came, at home, and that counts still or as it was."""
    came: Came = {}
    gone: set[tuple[str, str]] = set()
    coming = {account: list(own) for account, own in erasures.items()}
    erased: dict[str, set[str]] = {account: set() for account in erasures}
    for record in sorted(records, key=lambda record: record.offset) if erasures else records:
        arrival = read(record)
        if isinstance(arrival, Refused):
            continue
        if partitions is not None and record.partition != home_of(arrival.account_id, partitions):
            continue
        account, response = arrival.account_id, arrival.response_id
        while coming.get(account) and coming[account][0].position <= record.offset:
            erasure = coming[account].pop(0)
            erased[account].add(erasure.respondent_hash)
            _erase(erasure, came, gone)
        if (account, response) in gone:
            continue
        if account in erased and hash_of(arrival) in erased[account]:
            if response not in came.get(account, {}):
                gone.add((account, response))
            continue
        own = came.setdefault(account, {}).setdefault(response, [])
        add(own, arrival, None if told is None else told(record, arrival))
    for erasure in (one for own in coming.values() for one in own):
        _erase(erasure, came, gone)
    return came


def _erase(erasure: Erasure, came: Came, gone: set[tuple[str, str]]) -> None:
    own = came.get(erasure.account_id, {})
    for response, arrivals in list(own.items()):
        if hash_of(what_holds(arrivals)) == erasure.respondent_hash:
            gone.add((erasure.account_id, response))
            if erasure.counts == "remove":
                del own[response]
