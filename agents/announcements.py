"""The events that scoring sends: their fields, their headers, their ids.

The id of an event is a hash of the account, the response, its version and its content, and the kind of the event: so the same
record has the same events whenever it is scored, and a consumer that has seen an id has seen the event.
"""

from typing import Any

from agents.categories import CATEGORIES, CATEGORY_OF, SEVERITY_OF, direction
from agents.history import Entry
from agents.responses import by_dimension
from agents.versions import Known
from schemas import topics
from schemas.cloudevents import CATEGORY_CHANGE, DETRACTOR, PROMOTER, SCORED, SOURCE, TRACEPARENT, event_headers
from schemas.codec import dumps
from schemas.times import format_time
from streams.processor import Outbox, Record


class Announcements:
    """Sends the events that one record brings. All are of one account and one response."""

    __slots__ = ("_account", "_changes", "_happened", "_id", "_key", "_outbox", "_response", "_timestamp", "_traceparent")

    def __init__(
        self, outbox: Outbox, record: Record, account: str, key: bytes, response: str, digest: bytes, happened: int
    ) -> None:
        """`digest`: the hash of the record's content; `happened`: the time of the events, in ms."""
        self._outbox = outbox
        self._timestamp = record.timestamp
        self._account = account
        self._key = key
        self._response = response
        self._id = digest.hex()
        self._happened = happened
        self._changes = 0
        self._traceparent: bytes | None = None
        for name, value in record.headers:
            if name == TRACEPARENT:
                self._traceparent = value

    def scored(self, body: dict[str, Any], of: Known | None, before: int | None, change: str, as_of: str) -> None:
        """The record as accepted, and what it changed. `of` is the response that it tells of, as it counts or counted, if one
        is known; `before` a score."""
        if of is not None and of.live:
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
            "account_id": self._account,
            "respondent_id": respondent,
            "response_id": self._response,
            "from": CATEGORIES[was],
            "to": None,
            "previous_score": before.score,
            "cause": cause,
            "changed_at": format_time(self._happened),
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
        self._send(topics.CHANGES, CATEGORY_CHANGE, "change" if not self._changes else f"change-{self._changes}", event)
        self._changes += 1

    def detractor(self, of: Known, comment: str, consecutive: int, account_nps: float | None, withdrawn: bool = False) -> None:
        """A detractor appeared, came back, said more, or was withdrawn; `of` says what it was then, and how many events told of
        it before."""
        severity = SEVERITY_OF[of.score]
        event: dict[str, Any] = {"account_id": self._account, "response_id": self._response}
        if of.respondent_id is not None:
            event["respondent_id"] = of.respondent_id
        event["score"] = of.score
        event["severity"] = severity
        if comment:
            event["comment"] = comment
        event["revision"] = of.events
        event["consecutive"] = consecutive
        self._finish(event, of, account_nps)
        if withdrawn:
            event["withdrawn"] = True
        else:
            self._outbox.count("detractors", severity)
        self._send(topics.DETRACTORS, DETRACTOR, "detractor", event)

    def promoter(self, of: Known, comment: str, consecutive: int, first: bool, account_nps: float | None) -> None:
        """A promoter appeared or came again."""
        event: dict[str, Any] = {"account_id": self._account, "response_id": self._response}
        if of.respondent_id is not None:
            event["respondent_id"] = of.respondent_id
        event["score"] = of.score
        if comment:
            event["comment"] = comment
        event["revision"] = 0
        event["consecutive"] = consecutive
        self._finish(event, of, account_nps)
        if first:
            event["first"] = True
        self._outbox.count("promoters")
        self._send(topics.PROMOTERS, PROMOTER, "promoter", event)

    def _finish(self, event: dict[str, Any], of: Known, account_nps: float | None) -> None:
        event["responded_at"] = format_time(of.responded_at)
        if of.segments:
            event["segments"] = by_dimension(of.segments)
        if account_nps is not None:
            event["account_nps"] = account_nps

    def _send(self, topic: str, event_type: str, name: str, event: dict[str, Any]) -> None:
        headers = event_headers(event_type, SOURCE, f"{self._id}-{name}", self._happened, self._traceparent)
        self._outbox.send(topic, self._key, dumps(event), self._timestamp, headers)
