"""First touch: a message to each detractor within minutes, unless a person was faster or there is a reason against it.

A case that is opened, or reopened by what its respondent says, plans a message: after a delay, and within the hours at which
customers are written to. When it is due it is decided on (`agents.outreach_rules`), and what was decided is on record in
`nps.outreach`: the message, or why there is none. A mail system sends it, or `npstream notify` does.

What joins an open case plans none: its respondent has had a message or a reason why not, and the next word must be a person's.
Nor does a case that somebody reopens by hand: the customer has said nothing that could be answered.

After an outage messages may be long overdue before what happened meanwhile has been read. So a message that is found overdue
for more than two minutes is put off once, for as long again.

An erased respondent's plan, cool-down and preference go, and a list of hashes keeps out what is still on its way, or is
replayed.

Keys of the state: of plans in `agents.outreach_plans`, of what was sent in `agents.outreach_counts`, of preferences in
`agents.outreach_preferences`, of the erased in `agents.outreach_erased`. Respondents are in keys by their hash alone.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from agents.announcements import traceparent
from agents.burying import bury
from agents.outreach_counts import SentCounts, forget_sent
from agents.outreach_erased import ErasedList
from agents.outreach_events import begins, brief, outreach_id, read_event
from agents.outreach_plans import Plan, Plans
from agents.outreach_preferences import Preferences
from agents.outreach_rules import Circumstances, FirstTouchSettings, reply_address, suppression
from schemas import topics
from schemas.cases import Case, CaseEvent
from schemas.cloudevents import OUTREACH, SOURCE, event_headers
from schemas.dead_letters import Unusable
from schemas.erasures import respondent_hash
from schemas.outreach import Outreach, Suppression
from schemas.times import format_time, parse_time
from streams.processor import Outbox, Record, State, StreamTime

SHARE: Final = 200
"""Messages that are decided on in one tick: to write one takes some 0.1 ms."""
OVERDUE_MS: Final = 120_000
"""A task that runs looks every second, and all messages of a morning take some seconds: what is later is so by an outage."""

_encode = msgspec.json.Encoder().encode


class FirstTouch:
    """The processor between `nps.case.events` and `nps.outreach`."""

    name = "outreach"
    sources = (topics.CASE_EVENTS, topics.PREFERENCES, topics.ERASURES)
    leading = (topics.PREFERENCES, topics.ERASURES)
    patient = True
    """A person may have answered during an outage."""

    def __init__(self, settings: FirstTouchSettings | None) -> None:
        """Without settings nobody is written to; preferences and erasures are taken in all the same, and what was planned when
        there were some is kept."""
        self._settings = settings

    def process(self, batch: Sequence[Record], state: State, now: StreamTime, outbox: Outbox) -> None:
        """Take over the records in order."""
        settings, plans, erased = self._settings, Plans(state), ErasedList(state)
        preferences = Preferences(state, erased, outbox)
        for record in batch:
            if record.topic == topics.CASE_EVENTS:
                if settings is None:
                    continue
                try:
                    event = read_event(record, state)
                    _happened(record, event, plans, erased, settings, now.at(record.timestamp), outbox)
                except Unusable as error:
                    bury(record, "validate", error, outbox)
            elif record.topic == topics.PREFERENCES:
                preferences.take(record)
            elif (whose := erased.take(record)) is not None:
                plans.remove(whose)
                forget_sent(whose, state)
                preferences.forget(whose, record.timestamp)

    def tick(self, now: int, state: State, outbox: Outbox) -> None:
        """Decide on what is due, and let go of what is over."""
        settings = self._settings
        if settings is None:
            return
        plans, counts = Plans(state), SentCounts(state, now)
        preferences = Preferences(state, ErasedList(state), outbox)
        due, more = plans.due(now, SHARE)
        for whose, plan in due.items():
            facts = _circumstances(whose, plan, preferences, counts, settings, state)
            if now - plan.due > OVERDUE_MS and not plan.waited and now + 2 * OVERDUE_MS < facts.expires_at:
                plan.waited = True
                plans.put(whose, plan, now + OVERDUE_MS)
                continue
            reason = suppression(facts, settings, now)
            opening = settings.hours.next(now, _zone_of(plan.case)) if reason is None else now
            if opening > now:
                plan.waited = False
                plans.put(whose, plan, opening)
                continue
            plans.remove(whose)
            if reason is None:
                counts.add(whose, plan.case.account_id)
                _send(plan, settings, now, outbox)
            else:
                _suppress(plan, reason, now, now, outbox)
        if counts.sweep(settings.cooldown_ms) or more:
            outbox.more = True


def _happened(
    record: Record,
    event: CaseEvent,
    plans: Plans,
    erased: ErasedList,
    settings: FirstTouchSettings,
    now: int,
    outbox: Outbox,
) -> None:
    """Something happened to a case, at `now` in ms."""
    case = event.case
    if case.respondent_id is UNSET:
        return
    whose = bytes.fromhex(respondent_hash(case.account_id, case.respondent_id))
    plan = plans.get(whose)
    if plan is not None and plan.case.case_id == case.case_id:
        if case.revision >= plan.case.revision:
            plan.case = brief(case)
            plans.update(whose, plan)
        return
    if not begins(event) or erased.has(whose):
        return
    if plan is not None:
        # At most one case of a respondent is open: the other one has come to its end.
        _suppress(plan, "closed", now, record.timestamp, outbox)
    at = max(0, min(parse_time(event.at), record.timestamp))  # what has lain unread happens now, and is no news all the same
    due = settings.hours.next(at + settings.delay_ms, _zone_of(case))
    trace = traceparent(record.headers)
    planned = Plan(outreach_id(event), brief(case), at, due, traceparent=None if trace is None else trace[1])
    plans.put(whose, planned, due)


def _circumstances(
    whose: bytes, plan: Plan, preferences: Preferences, counts: SentCounts, settings: FirstTouchSettings, state: State
) -> Circumstances:
    case = plan.case
    return Circumstances(
        answered=_answered(plan),
        case_state=case.state,
        opted_out=preferences.opted_out(whose),
        address=_text(case.respondent_id),
        last_sent_at=counts.last_sent(whose),
        expires_at=settings.expires(plan.first_due),
        sent_to_account=counts.to_account(case.account_id),
        sent_by_partition=counts.of_all(),
        partitions=state.partitions,
    )


def _send(plan: Plan, settings: FirstTouchSettings, now: int, outbox: Outbox) -> None:
    message = settings.render(plan.case, now)
    if message.failed:
        outbox.count("outreach_template_errors", message.failed)
    told = _told(plan, now, "send")
    told.to = plan.case.respondent_id
    if reply_to := reply_address(plan.case, settings.reply_to):
        told.reply_to = reply_to
    told.locale, told.template, told.subject, told.text = message.locale, message.template, message.subject, message.text
    told.expires_at = format_time(settings.expires(plan.first_due))
    _announce(plan, told, now, now, outbox)
    outbox.count("outreach", "sent")
    outbox.observe("outreach_delay_seconds", value=max(0, now - plan.at) / 1000)


def _answered(plan: Plan) -> bool:
    """Whether a person spoke to the customer since what the message is to answer."""
    case = plan.case
    return case.state == "contacted" or (case.first_response_at is not UNSET and parse_time(case.first_response_at) >= plan.at)


def _zone_of(case: Case) -> str | None:
    return None if case.account is UNSET or case.account.time_zone is UNSET else case.account.time_zone


def _text(given: str | UnsetType) -> str:
    return "" if given is UNSET else given


def _suppress(plan: Plan, reason: Suppression, now: int, timestamp: int, outbox: Outbox) -> None:
    told = _told(plan, now, "suppressed")
    told.reason = reason
    _announce(plan, told, now, timestamp, outbox)
    outbox.count("outreach", reason)


def _told(plan: Plan, now: int, status: Literal["send", "suppressed"]) -> Outreach:
    return Outreach(
        outreach_id=plan.outreach_id,
        account_id=plan.case.account_id,
        case_id=plan.case.case_id,
        respondent_id=_text(plan.case.respondent_id),
        status=status,
        created_at=format_time(now),
    )


def _announce(plan: Plan, told: Outreach, now: int, timestamp: int, outbox: Outbox) -> None:
    headers = event_headers(OUTREACH, SOURCE, plan.outreach_id, now, plan.traceparent)
    outbox.send(topics.OUTREACH, told.account_id.encode(), _encode(told), timestamp, headers)
