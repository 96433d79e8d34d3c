"""The events that scoring sends: their fields, their headers, their ids.

The id of an event is a hash of the account, the response, its version and its content, and the kind of the event: so the same
record has the same events whenever it is scored, and a consumer that has seen an id has seen the event.
"""

from functools import lru_cache
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from agents.accounts import Account
from agents.categories import CATEGORIES, CATEGORY_OF, SEVERITY_OF, direction
from agents.latest import Entry
from agents.responses import Given, Pairs, by_dimension
from schemas import topics
from schemas.cloudevents import CATEGORY_CHANGE, DETRACTOR, PROMOTER, SCORED, SOURCE, TRACEPARENT, TYPES, event_headers
from schemas.events import CategoryChange, Detractor, Promoter
from streams.processor import Headers, Outbox, Record

Change = Literal["new", "correction", "retraction", "late", "expired"]
Cause = Literal["response", "correction", "retraction"]

_VERSION, _, _, _SOURCE, _, _CONTENT = event_headers("", SOURCE, "", 0)
"""The headers that are those of every event."""
_TYPES: Final = {kind: ("ce_type", kind.encode()) for kind in TYPES}

REMEMBERED_OUTCOMES: Final = 4_096
"""A day has at most 3 categories times 12 scores before times 5 changes, and most of those never happen."""

_encode = msgspec.json.Encoder().encode


class Announcements:
    """Sends the events that a record brings. All of a record are of one account and one response."""

    __slots__ = ("_account", "_changes", "_happened", "_id", "_outbox", "_time", "_timestamp", "_traceparent")

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def begin(self, record: Record, account: Account, digest: bytes, happened: str) -> None:
        """Go on to a record. `digest`: the hash of its content; `happened`: the time of its events."""
        self._timestamp = record.timestamp
        self._account = account
        self._id = digest.hex().encode()
        self._happened = happened
        self._time = ("ce_time", happened.encode())
        self._changes = 0
        self._traceparent = traceparent(record.headers) if record.headers else None

    def scored(self, given: Given, pairs: Pairs, category: int | None, before: int | None, change: Change, as_of: str) -> None:
        """The record as accepted, with the segments and the category that its response counts in, or counted in, and what it
        changed; `before` is a score."""
        given.segments = by_dimension(pairs) if pairs else UNSET
        # A scored response is the response as given and at most five fields more, of which there are few combinations.
        self._send(topics.SCORED, SCORED, b"-scored", _encode(given)[:-1] + _outcome(category, before, change, as_of))

    def category_change(
        self, given: Given, pairs: Pairs, respondent_id: str, before: Entry, after: Entry | None, cause: Cause
    ) -> None:
        """A respondent's present was `before` and is `after`."""
        was = CATEGORY_OF[before.score]
        event = CategoryChange(
            account_id=given.account_id,
            respondent_id=respondent_id,
            response_id=given.response_id,
            before=CATEGORIES[was],
            to=None,
            previous_score=before.score,
            cause=cause,
            changed_at=self._happened,
            segments=by_dimension(pairs) if pairs else UNSET,
            account=self._brief(),
        )
        if after is not None:
            now = CATEGORY_OF[after.score]
            event.to, event.score, event.direction = CATEGORIES[now], after.score, direction(was, now)
        self._outbox.facts["category_changes", event.before, event.to or "none"] += 1
        # A correction that moves a response to another respondent can change the category of both.
        name = b"-change-%d" % self._changes if self._changes else b"-change"
        self._changes += 1
        self._send(topics.CHANGES, CATEGORY_CHANGE, name, _encode(event))

    def detractor(
        self,
        given: Given,
        pairs: Pairs,
        revision: int,
        consecutive: int,
        account_nps: float | None,
        withdrawn: Literal[True] | UnsetType = UNSET,
    ) -> None:
        """A detractor appeared, came back, said more, or was withdrawn."""
        score: int = given.score  # type: ignore[assignment]
        severity = SEVERITY_OF[score]
        event = Detractor(
            account_id=given.account_id,
            respondent_id=given.respondent_id,
            response_id=given.response_id,
            score=score,
            severity=severity,
            comment=given.comment,
            revision=revision,
            consecutive=consecutive,
            responded_at=given.responded_at,  # type: ignore[arg-type]
            locale=given.locale,
            segments=by_dimension(pairs) if pairs else UNSET,
            account_nps=UNSET if account_nps is None else account_nps,
            withdrawn=withdrawn,
            account=self._brief(),
        )
        if withdrawn is UNSET:
            self._outbox.facts["detractors", severity] += 1
        self._send(topics.DETRACTORS, DETRACTOR, b"-detractor", _encode(event))

    def promoter(self, given: Given, pairs: Pairs, consecutive: int, first: bool, account_nps: float | None) -> None:
        """A promoter appeared or came again."""
        event = Promoter(
            account_id=given.account_id,
            respondent_id=given.respondent_id,
            response_id=given.response_id,
            score=given.score,  # type: ignore[arg-type]
            comment=given.comment,
            revision=0,
            consecutive=consecutive,
            responded_at=given.responded_at,  # type: ignore[arg-type]
            segments=by_dimension(pairs) if pairs else UNSET,
            account_nps=UNSET if account_nps is None else account_nps,
            first=True if first else UNSET,
            account=self._brief(),
        )
        self._outbox.facts[("promoters",)] += 1
        self._send(topics.PROMOTERS, PROMOTER, b"-promoter", _encode(event))

    def _brief(self) -> Any:
        """What CRM facts tell of the account, as text already."""
        facts = self._account.facts
        return UNSET if facts is None or not facts.brief else Raw(facts.brief)

    def _send(self, topic: str, event_type: str, name: bytes, value: bytes) -> None:
        headers = [_VERSION, ("ce_id", self._id + name), _TYPES[event_type], _SOURCE, self._time, _CONTENT]
        if self._traceparent is not None:
            headers.append(self._traceparent)
        self._outbox.send(topic, self._account.name, value, self._timestamp, headers)


@lru_cache(maxsize=REMEMBERED_OUTCOMES)
def _outcome(category: int | None, before: int | None, change: Change, as_of: str) -> bytes:
    """The fields of `schemas.events.Scored` beyond those of the response, as the end of a JSON object."""
    fields: dict[str, Any] = {} if category is None else {"category": CATEGORIES[category]}
    if before is not None:
        fields |= {"previous_category": CATEGORIES[CATEGORY_OF[before]], "previous_score": before}
    return b"," + _encode(fields | {"as_of": as_of, "change": change})[1:]


def traceparent(headers: Headers) -> tuple[str, bytes] | None:
    """The trace context among a record's headers; the last one counts."""
    found = None
    for header in headers:
        if header[0] == TRACEPARENT:
            found = header
    return found
