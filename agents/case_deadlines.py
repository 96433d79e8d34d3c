"""What passing time does to a case: due times pass, it is escalated, it expires, and one day it is kept no longer.

Each happens once, since what has happened is in the case. Whoever does something to a case brings it up to date first, so it
does not matter whether a tick came before.
"""

from agents.case_journal import Journal
from agents.case_kept import NEVER, KeptCase
from agents.case_rules import CasesSettings
from agents.case_states import Move, State
from schemas.cases import Due
from streams.processor import DAY_MS, Outbox

FIRST_RESPONSE: Due = "first_response"
RESOLUTION: Due = "resolution"


class Deadlines:
    """The due times of cases; all times in ms."""

    __slots__ = ("_journal", "_outbox", "_settings")

    def __init__(self, settings: CasesSettings, journal: Journal, outbox: Outbox) -> None:
        self._settings = settings
        self._journal = journal
        self._outbox = outbox

    def begin(self, case: KeptCase, now: int) -> None:
        """A case begins, or begins anew: nothing has been done yet, and nothing missed."""
        case.begun_at = case.touched_at = now
        case.acknowledged_at = case.first_response_at = case.snoozed_until = case.closed_at = case.escalates_at = NEVER
        case.breached, case.escalated = (), 0
        case.root_cause = None
        case.first_response_due, case.resolution_due = self._settings.due_times(case.severity, case.account, now)

    def tighten(self, case: KeptCase, now: int) -> None:
        """The respondent said something more: nothing is due later than if the case began now."""
        first_response, resolution = self._settings.due_times(case.severity, case.account, now)
        if self._awaits(case, FIRST_RESPONSE):
            case.first_response_due = min(case.first_response_due, first_response)
        if self._awaits(case, RESOLUTION):
            case.resolution_due = min(case.resolution_due, resolution)

    def snooze(self, case: KeptCase, until: int) -> None:
        """Nothing is due, and nobody else is told, before a time."""
        case.snoozed_until = until
        if self._awaits(case, FIRST_RESPONSE):
            case.first_response_due = max(case.first_response_due, until)
        if self._awaits(case, RESOLUTION):
            case.resolution_due = max(case.resolution_due, until)
        if case.escalates_at != NEVER:
            case.escalates_at = max(case.escalates_at, until)

    def responded(self, case: KeptCase, now: int) -> None:
        """Somebody spoke to the customer."""
        if case.first_response_at != NEVER:
            return
        case.first_response_at = now
        if case.escalates_for == FIRST_RESPONSE:
            case.escalates_at = NEVER
        self._outbox.observe("case_first_response_seconds", case.severity, value=(now - case.begun_at) / 1000)

    def close(self, case: KeptCase, move: Move, now: int) -> None:
        """The case is closed."""
        case.state = State(case.state).after(move).text
        case.closed_at = now
        case.escalates_at = NEVER
        self._outbox.count("cases_closed", _CLOSED[move])

    def next_of(self, case: KeptCase) -> int:
        """When something is due next for a case: open, or closed and to be forgotten one day."""
        if not case.is_open:
            return case.closed_at + self._settings.keep_days * DAY_MS
        times = [self._expires_at(case)]
        if self._awaits(case, FIRST_RESPONSE):
            times.append(case.first_response_due)
        if self._awaits(case, RESOLUTION):
            times.append(case.resolution_due)
        if case.escalates_at != NEVER:
            times.append(case.escalates_at)
        return min(times)

    def catch_up(self, case: KeptCase, now: int) -> None:
        """All that is due for an open case by now, in the order in which it became due."""
        while case.is_open and (due := self.next_of(case)) <= now:
            if self._awaits(case, FIRST_RESPONSE) and case.first_response_due == due:
                self._breach(case, FIRST_RESPONSE, now)
            elif self._awaits(case, RESOLUTION) and case.resolution_due == due:
                self._breach(case, RESOLUTION, now)
            elif case.escalates_at == due:
                self._escalate(case, now)
            else:
                self.close(case, Move.EXPIRE, now)
                self._journal.tell(case, "expired", now)

    def _awaits(self, case: KeptCase, due: Due) -> bool:
        """Whether a due time can still pass."""
        return due not in case.breached and (due == RESOLUTION or case.first_response_at == NEVER)

    def _breach(self, case: KeptCase, due: Due, now: int) -> None:
        case.breached = (*case.breached, due)
        self._outbox.count("case_breaches", due, case.severity)
        self._journal.tell(case, "breached", now, due=due)
        case.escalates_for = due
        self._escalate(case, now)

    def _escalate(self, case: KeptCase, now: int) -> None:
        """The case becomes the next one's in the chain, if there is one; and after some time the one's after that."""
        chain = self._settings.escalation
        case.escalates_at = NEVER
        if case.escalated >= len(chain):
            return
        case.owner, case.held = chain[case.escalated], True
        case.escalated += 1
        if case.escalated < len(chain):
            case.escalates_at = self._settings.next_step(case.account, now)
        self._outbox.count("case_escalations")
        self._journal.tell(case, "escalated", now, due=case.escalates_for)

    def _expires_at(self, case: KeptCase) -> int:
        return case.touched_at + self._settings.expire_days * DAY_MS


_CLOSED = {Move.RESOLVE: "resolved", Move.EXPIRE: "expired", Move.WITHDRAW: "withdrawn", Move.RECOVER: "recovered"}
