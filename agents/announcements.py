"""The events that scoring sends: their fields, their headers, their ids.

The id of an event is a hash of the account, the response, its version and its content, and the kind of the event: so the same
record has the same events whenever it is scored, and a consumer that has seen an id has seen the event.
"""

from typing import Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from agents.accounts import Account
from agents.categories import CATEGORIES, CATEGORY_OF, SEVERITY_OF, direction
from agents.history import Entry
from agents.responses import Given, Pairs, by_dimension
from schemas import topics
from schemas.cloudevents import CATEGORY_CHANGE, DETRACTOR, PROMOTER, SCORED, SOURCE, TRACEPARENT, event_headers
from schemas.events import CategoryChange, Detractor, Promoter, Scored
from streams.processor import Headers, Outbox, Record

Change = Literal["new", "correction", "retraction", "late", "expired"]
Cause = Literal["response", "correction", "retraction"]

_HEADERS: Final = {kind: event_headers(kind, SOURCE, "", 0) for kind in (SCORED, CATEGORY_CHANGE, DETRACTOR, PROMOTER)}
"""Of each type of events; only the id and the time are put in for each event, since this is done thrice for a response."""
_NAMES: Final = [name for name, _ in _HEADERS[SCORED]]
_ID: Final = _NAMES.index("ce_id")
_TIME: Final = _NAMES.index("ce_time")

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
        self._id = digest.hex()
        self._happened = happened
        self._time = ("ce_time", happened.encode())
        self._changes = 0
        self._traceparent = traceparent(record.headers) if record.headers else None

    def scored(self, given: Given, pairs: Pairs, category: int | None, before: int | None, change: Change, as_of: str) -> None:
        """The record as accepted, with the segments and the category that its response counts in, or counted in, and what it
        changed; `before` is a score."""
        event = Scored(
            response_id=given.response_id,
            account_id=given.account_id,
            score=given.score,
            responded_at=given.responded_at,  # type: ignore[arg-type]  # the times are text by now
            respondent_id=given.respondent_id,
            updated_at=given.updated_at,  # type: ignore[arg-type]
            comment=given.comment,
            segments=by_dimension(pairs) if pairs else UNSET,
            survey_id=given.survey_id,
            source=given.source,
            channel=given.channel,
            locale=given.locale,
            category=UNSET if category is None else CATEGORIES[category],
            previous_category=UNSET if before is None else CATEGORIES[CATEGORY_OF[before]],
            previous_score=UNSET if before is None else before,
            as_of=as_of,
            change=change,
        )
        self._send(topics.SCORED, SCORED, "-scored", _encode(event))

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
        )
        if after is not None:
            now = CATEGORY_OF[after.score]
            event.to, event.score, event.direction = CATEGORIES[now], after.score, direction(was, now)
        self._outbox.count("category_changes", event.before, event.to or "none")
        # A correction that moves a response to another respondent can change the category of both.
        name = f"-change-{self._changes}" if self._changes else "-change"
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
            segments=by_dimension(pairs) if pairs else UNSET,
            account_nps=UNSET if account_nps is None else account_nps,
            withdrawn=withdrawn,
        )
        if withdrawn is UNSET:
            self._outbox.count("detractors", severity)
        self._send(topics.DETRACTORS, DETRACTOR, "-detractor", _encode(event))

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
        )
        self._outbox.count("promoters")
        self._send(topics.PROMOTERS, PROMOTER, "-promoter", _encode(event))

    def _send(self, topic: str, event_type: str, name: str, value: bytes) -> None:
        headers = _HEADERS[event_type].copy()
        headers[_ID] = ("ce_id", (self._id + name).encode())
        headers[_TIME] = self._time
        if self._traceparent is not None:
            headers.append(self._traceparent)
        self._outbox.send(topic, self._account.name, value, self._timestamp, headers)


def traceparent(headers: Headers) -> tuple[str, bytes] | None:
    """The trace context among a record's headers; the last one counts."""
    found = None
    for header in headers:
        if header[0] == TRACEPARENT:
            found = header
    return found
