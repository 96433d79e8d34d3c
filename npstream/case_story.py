"""Everything that the topics tell of one case: what happened, whom it was told to, what was written to the respondent. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from msgspec import UNSET

from npstream.case_book import document, read_as
from schemas import topics
from schemas.alerts import Alert, Delivery
from schemas.cases import Case, CaseEvent
from schemas.outreach import Outreach
from streams.processor import Record

TOPICS: Final = (topics.CASE_EVENTS, topics.ALERTS, topics.OUTREACH, topics.DELIVERIES)
"""What a story is read from, in this order: deliveries are told apart by what was to be delivered. All are keyed by account."""


@dataclass
class Told:
    """One delivery: to which sink, what, and its attempts in order."""

    delivery_id: str
    sink: str
    alert: Alert | None = None
    """None where retention has taken it."""
    attempts: list[Delivery] = field(default_factory=list)


@dataclass
class Story:
    """Takes records of `TOPICS`, topic by topic, those of the account's partition in order, and keeps what is of the case."""

    case: Case
    events: list[CaseEvent] = field(default_factory=list)
    outreach: list[Outreach] = field(default_factory=list)
    told: dict[str, Told] = field(default_factory=dict)
    """By delivery_id, in the order in which they were decided."""
    sending: dict[str, list[Delivery]] = field(default_factory=dict)
    """Attempts to send a message, by outreach_id."""
    unread: list[str] = field(default_factory=list)
    """Topics that are not there, or not for this user's eyes."""

    def take(self, records: Iterable[Record]) -> None:
        """Take records in; what is no value of the published types is left out."""
        for record in records:
            match record.topic:
                case topics.CASE_EVENTS:
                    self._event(read_as(CaseEvent, record.value))
                case topics.ALERTS:
                    self._alert(read_as(Alert, record.value))
                case topics.OUTREACH:
                    self._outreach(read_as(Outreach, record.value))
                case topics.DELIVERIES:
                    self._delivery(read_as(Delivery, record.value))

    def as_json(self, now: int) -> dict[str, Any]:
        """As one document, at `now` in ms UTC."""
        return {
            "case": document(self.case, now),
            "events": msgspec.to_builtins(self.events),
            "deliveries": [
                {
                    "delivery_id": told.delivery_id,
                    "sink": told.sink,
                    "alert": msgspec.to_builtins(told.alert),
                    "attempts": msgspec.to_builtins(told.attempts),
                }
                for told in self.told.values()
            ],
            "outreach": [
                {
                    "message": msgspec.to_builtins(message),
                    "attempts": msgspec.to_builtins(self.sending.get(message.outreach_id, [])),
                }
                for message in self.outreach
            ],
            "not_readable": self.unread,
        }

    def _event(self, event: CaseEvent | None) -> None:
        if event is not None and self._is_it(event.account_id, event.case_id):
            self.events.append(event)

    def _alert(self, alert: Alert | None) -> None:
        if alert is not None and any(self._is_it(alert.account_id, item.case_id) for item in alert.items):
            self.told[alert.delivery_id] = Told(alert.delivery_id, alert.sink, alert)

    def _outreach(self, message: Outreach | None) -> None:
        if message is not None and self._is_it(message.account_id, message.case_id):
            self.outreach.append(message)

    def _delivery(self, delivery: Delivery | None) -> None:
        if delivery is None or delivery.account_id != self.case.account_id:
            return
        if any(message.outreach_id == delivery.delivery_id for message in self.outreach):
            self.sending.setdefault(delivery.delivery_id, []).append(delivery)
        elif delivery.delivery_id in self.told or self.case.case_id in (() if delivery.keys is UNSET else delivery.keys):
            told = self.told.setdefault(delivery.delivery_id, Told(delivery.delivery_id, delivery.sink))
            told.attempts.append(delivery)

    def _is_it(self, account_id: str, case_id: Any) -> bool:
        return (account_id, case_id) == (self.case.account_id, self.case.case_id)
