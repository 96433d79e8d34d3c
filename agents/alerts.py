"""Alerts: decides what is told to whom, of what happened to cases and to accounts. docs/alerts.md.

Routes say which sinks are told of what (`agents.routes`), groups when (`agents.alert_groups`), `agents.open_alerts` keeps what
sinks hold as open, and `agents.alert_desk` brings them together. `npstream notify` delivers what is sent.
"""

from collections.abc import Sequence
from typing import Final

from agents.alert_desk import AlertDesk
from agents.alert_items import News, account_news, case_news
from agents.alert_records import Cause
from agents.announcements import traceparent
from agents.forgetting import forgotten_in
from agents.routes import AlertsSettings
from schemas import topics
from schemas.dead_letters import Unusable
from streams.processor import Outbox, Record, State, StreamTime, partition_of

UNREADABLE: Final = "alerts_unreadable"
"""Counts records of our own topics that cannot be read, or that came to another partition than their account's."""


class Alerts:
    """The processor that decides who is told.

    Erasures lead, and do not move the clock: in a state that is made anew all of them come first.
    """

    name = "alerts"
    sources = (topics.CASE_EVENTS, topics.ACCOUNT_ALERTS, topics.ERASURES)
    leading = (topics.ERASURES,)
    patient = True
    """What is over by now may be unread after an outage."""

    def __init__(self, settings: AlertsSettings | None = None) -> None:
        self.settings = settings or AlertsSettings()

    def process(self, batch: Sequence[Record], state: State, now: StreamTime, outbox: Outbox) -> None:
        """Take in the records in order. Without routes there is nobody to tell, and nothing is kept of anybody else."""
        desk = AlertDesk(self.settings, state, outbox)
        for record in batch:
            if record.topic == topics.ERASURES:
                if (forgotten := forgotten_in(record, state)) is not None:
                    desk.forget(forgotten, Cause(now.ms, record.timestamp))
                continue
            if not self.settings.routes:
                continue
            at = now.at(record.timestamp)
            news = _news(record, state)
            if news is None:
                outbox.count(UNREADABLE)
                continue
            trace = traceparent(record.headers)
            desk.take(news, Cause(at, record.timestamp, None if trace is None else trace[1]))

    def tick(self, now: int, state: State, outbox: Outbox) -> None:
        """Groups that are due, open items that are to be told again or are over, and what need not be known any more."""
        AlertDesk(self.settings, state, outbox).pass_time(Cause(now, now))


def _news(record: Record, state: State) -> News | None:
    """What a record tells; None if nobody can tell, or if it is of another partition."""
    try:
        news = case_news(record.value) if record.topic == topics.CASE_EVENTS else account_news(record.value)
    except Unusable:
        return None
    at_home = partition_of(news.account_id.encode(), state.partitions) == state.partition
    return news if at_home else None
