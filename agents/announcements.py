"""The events that scoring sends: their fields, their headers, their ids.

The id of an event is a hash of the account, the response, its version and its content, and the kind of the event: so the same
record has the same events whenever it is scored, and a consumer that has seen an id has seen the event.
"""

from typing import Any, Final

from agents.categories import CATEGORIES, CATEGORY_OF, SEVERITY_OF, direction
from agents.history import Entry
from agents.ledger import Account
from agents.responses import by_dimension, text_of
from agents.versions import Known
from schemas import topics
from schemas.cloudevents import CATEGORY_CHANGE, DETRACTOR, PROMOTER, SCORED, SOURCE, TRACEPARENT, event_headers
from schemas.codec import dumps
from streams.processor import Outbox, Record

_HEADERS: Final = {kind: event_headers(kind, SOURCE, "", 0) for kind in (SCORED, CATEGORY_CHANGE, DETRACTOR, PROMOTER)}
"""Of each type of events; only the id and the time are put in for each event, since this is done thrice for a response."""
_NAMES: Final = [name for name, _ in _HEADERS[SCORED]]
_ID: Final = _NAMES.index("ce_id")
_TIME: Final = _NAMES.index("ce_time")


class Announcements:
    """Sends the events that a record brings. All of a record are of one account and one response."""

    __slots__ = ("_account", "_changes", "_happened", "_id", "_outbox", "_response", "_time", "_timestamp", "_traceparent")

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def begin(self, record: Record, account: Account, response_id: str, digest: bytes, happened: str) -> None:
        """Go on to a record. `digest`: the hash of its content; `happened`: the time of its events."""
        self._timestamp = record.timestamp
        self._account = account
        self._response = response_id
        self._id = digest.hex()
        self._happened = happened
        self._time = ("ce_time", happened.encode())
        self._changes = 0
        self._traceparent: tuple[str, bytes] | None = None
        for header in record.headers:
            if header[0] == TRACEPARENT:
                self._traceparent = header

    def scored(self, body: dict[str, Any], of: Known | None, before: int | None, change: str, as_of: str) -> None:
        """The record as accepted, and what it changed. `of` is the response that it tells of, as it counts or counted, if one
        is known; `before` a score."""
        if of is not None:
            if of.segments:
                body["segments"] = by_dimension(of.segments)
            body["category"] = CATEGORIES[CATEGORY_OF[of.score]]
        if before is not None:
            body["previous_category"] = CATEGORIES[CATEGORY_OF[before]]
            body["previous_score"] = before
        body["as_of"] = as_of
        body["change"] = change
        self._send(topics.SCORED, SCORED, "scored", body)

    def category_change(self, respondent: str, before: Entry, after: Entry | None, cause: str, of: Known) -> None:
        """A respondent's present was `before` and is `after`; `of` is the response of the record, as it counts or counted."""
        was = CATEGORY_OF[before.score]
        event: dict[str, Any] = {
            "account_id": self._account.account_id,
            "respondent_id": respondent,
            "response_id": self._response,
            "from": CATEGORIES[was],
            "to": None,
            "previous_score": before.score,
            "cause": cause,
            "changed_at": self._happened,
        }
        to = "none"
        if after is not None:
            now = CATEGORY_OF[after.score]
            event["to"] = to = CATEGORIES[now]
            event["score"] = after.score
            event["direction"] = direction(was, now)
        if of.segments:
            event["segments"] = by_dimension(of.segments)
        self._outbox.count("category_changes", CATEGORIES[was], to)
        # A correction that moves a response to another respondent can change the category of both.
        self._send(topics.CHANGES, CATEGORY_CHANGE, f"change-{self._changes}" if self._changes else "change", event)
        self._changes += 1

    def detractor(self, of: Known, comment: str, consecutive: int, account_nps: float | None, withdrawn: bool = False) -> None:
        """A detractor appeared, came back, said more, or was withdrawn; `of` says what it was then, and how many events told of
        it before."""
        event = self._about(of, comment, consecutive, account_nps)
        event["severity"] = severity = SEVERITY_OF[of.score]
        event["revision"] = of.events
        if withdrawn:
            event["withdrawn"] = True
        else:
            self._outbox.count("detractors", severity)
        self._send(topics.DETRACTORS, DETRACTOR, "detractor", event)

    def promoter(self, of: Known, comment: str, consecutive: int, first: bool, account_nps: float | None) -> None:
        """A promoter appeared or came again."""
        event = self._about(of, comment, consecutive, account_nps)
        event["revision"] = 0
        if first:
            event["first"] = True
        self._outbox.count("promoters")
        self._send(topics.PROMOTERS, PROMOTER, "promoter", event)

    def _about(self, of: Known, comment: str, consecutive: int, account_nps: float | None) -> dict[str, Any]:
        """What events of detractors and promoters have in common."""
        event: dict[str, Any] = {"account_id": self._account.account_id, "response_id": self._response}
        if of.respondent_id is not None:
            event["respondent_id"] = of.respondent_id
        event["score"] = of.score
        event["responded_at"] = text_of(of.responded_at)
        if comment:
            event["comment"] = comment
        if of.segments:
            event["segments"] = by_dimension(of.segments)
        event["consecutive"] = consecutive
        if account_nps is not None:
            event["account_nps"] = account_nps
        return event

    def _send(self, topic: str, event_type: str, name: str, event: dict[str, Any]) -> None:
        headers = _HEADERS[event_type].copy()
        headers[_ID] = ("ce_id", f"{self._id}-{name}".encode())
        headers[_TIME] = self._time
        if self._traceparent is not None:
            headers.append(self._traceparent)
        self._outbox.send(topic, self._account.name, dumps(event), self._timestamp, headers)
