"""CRM facts: what a response has from nps.accounts, for the dimensions that it does not name itself.

A response is counted with the facts that are known then. In which order the records of two topics were read stands in neither
of them, so a scored event is taken at its word for the segments it was counted in, within these bounds:

- its own segments are among them, and they are 20 at most;
- the others are those of one record of nps.accounts about the account, or of none, the first ones by dimension;
- a correction has them from the same record as the response that it corrects;
- what an event tells of the account is what one such record says.

The last three are known as long as compaction has taken nothing from the account's partition of nps.accounts.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from npstream.recount.expected import SentRecord
from npstream.recount.reading import MOST_SEGMENTS, Arrival, SourceRecord, home_of

Told = Callable[[SourceRecord, Arrival], Mapping[str, str] | None]
"""The segments that a record's response was counted in, as its scored event says; None if there is no such event."""


@dataclass(frozen=True)
class Fact:
    """What one record says of an account."""

    segments: Mapping[str, str]
    brief: Mapping[str, Any]
    """Name, owner, tier and value, where given."""


NOTHING = Fact({}, {})
"""What is known of an account before its first record, and after a tombstone."""


class Facts:
    """All that nps.accounts still has. A record counts as one that may have been used, whatever else is wrong with it."""

    def __init__(self, records: Iterable[SourceRecord], partitions: int, starts: Mapping[int, int]) -> None:
        """`starts`: the first offset of each partition. Records are in order within each partition."""
        self._partitions = partitions
        self._of: dict[str, list[Fact]] = defaultdict(list)
        self._gaps = {partition for partition, start in starts.items() if start > 0}
        following: dict[int, int] = defaultdict(int)
        for record in records:
            if record.offset != following[record.partition]:
                self._gaps.add(record.partition)
            following[record.partition] = record.offset + 1
            account = (record.key or b"").decode(errors="replace")
            if home_of(account, partitions) == record.partition:
                self._of[account].append(_fact(record.value))

    def of(self, account_id: str) -> Sequence[Fact] | None:
        """All that was ever said of an account, nothing included; None if some of it may be gone."""
        if home_of(account_id, self._partitions) in self._gaps:
            return None
        return [NOTHING, *self._of.get(account_id, ())]


def together(own: Mapping[str, str], facts: Mapping[str, str]) -> dict[str, str]:
    """The segments that a response counts in."""
    more = [dimension for dimension in sorted(facts) if dimension not in own]
    return {**own, **{dimension: facts[dimension] for dimension in more[: MOST_SEGMENTS - len(own)]}}


def told_by(scored: Iterable[SentRecord]) -> Told:
    """What scored events say. Of several about one record the last one counts that has its content: scoring may have been
    started anew."""
    found: dict[tuple[int, str, str], list[dict[str, Any]]] = defaultdict(list)
    for sent in scored:
        event = json.loads(sent.value or b"{}")
        if event.get("change") != "retraction":
            found[sent.timestamp, event["account_id"], event["response_id"]].append(event)

    def told(record: SourceRecord, arrival: Arrival) -> Mapping[str, str] | None:
        events = found.get((record.timestamp, arrival.account_id, arrival.response_id), [])
        if arrival.retraction or not events:
            return None
        alike = [one for one in events if (one.get("score"), one.get("comment")) == (arrival.score, arrival.comment)]
        segments = (alike or events)[-1].get("segments", {})
        return segments if isinstance(segments, dict) else {}

    return told


def _fact(value: bytes | None) -> Fact:
    try:
        body = json.loads(value or b"null")
    except (ValueError, RecursionError):
        return NOTHING
    if not isinstance(body, dict):
        return NOTHING
    given = body.get("segments")
    segments = {name: text for name, text in given.items() if text} if isinstance(given, dict) else {}
    return Fact(segments, {name: body[name] for name in ("name", "owner", "tier", "value") if body.get(name) not in (None, "")})
