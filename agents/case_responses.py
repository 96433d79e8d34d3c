"""What respondents say, and what becomes of their cases.

| the respondent | has an open case | has one that was resolved not long ago | has neither |
|---|---|---|---|
| is a detractor | it joins | it is reopened | a case is opened |
| takes a response back | it goes, and with the last one the case | nothing | nothing |
| recovers | it is resolved | it is credited | nothing, but for a case that expired not long ago |

What is read of somebody who was erased before changes nothing (`agents.lately_erased`).

A response's events have growing revisions (`agents.acceptance`), so one with no greater revision than what a case knows was
told before, and changes nothing: that is how a replay wakes nobody, however it comes.

Detractors and recoveries are two topics, of which either may be read first. A recovery that has no case waits for one, and a
detractor of before a recovery reopens nothing.
"""

import hashlib
from bisect import insort
from typing import Final

from agents.case_desk import Desk
from agents.case_kept import (
    CUT,
    MOST_COMMENT_CHARS,
    MOST_RESPONSES,
    MOST_TOLD,
    NEVER,
    SEVERITIES,
    KeptCase,
    KeptRecovery,
    KeptResponse,
    given,
)
from agents.case_keys import subject
from agents.case_sources import Recovered
from agents.case_states import Move, State
from agents.case_store import Last
from schemas.events import Detractor
from streams.processor import DAY_MS

CASE_ID_DIGITS: Final = 16
"""Of a hash: of a million cases two have the same with a probability of one in thirty million, and even those only matter
within one account."""
WAIT_MS: Final = DAY_MS
"""How long a recovery waits for its case: both are in one transaction of scoring, or the case comes first, so only a backlog of
one of the topics keeps it waiting, and that is read by then."""
LOOK_BACK: Final = 5
"""Cases of a respondent, the latest ones, in which an event is looked for that was told before."""


class Responses:
    """Brings what respondents say to their cases."""

    __slots__ = ("_desk",)

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def detractor(self, event: Detractor, said_at: int, now: int) -> None:
        """One detractor event, said at a time and told at another, both in ms."""
        respondent_id = given(event.respondent_id)
        whose = subject(event.account_id, respondent_id, event.response_id)
        case, last = self._desk.last(event.account_id, whose, now)
        if case is None and self._desk.store.was_erased(event.account_id.encode(), whose):
            return
        if self._was_told(case, event):
            return
        if case is not None and _is_over(case, event, said_at):
            return
        if event.withdrawn is True:
            if case is not None and case.is_open:
                self._take_back(case, event, now)
        elif case is not None and case.is_open:
            self._join(case, event, said_at, now)
        elif not self._desk.settings.is_old(said_at, now):
            if case is not None and self._returns(case, now):
                self._reopen(case, event, said_at, now)
            else:
                self._open(whose, last, respondent_id, event, said_at, now)

    def recovery(self, recovered: Recovered, now: int) -> None:
        """A respondent recovered, which is told at `now` in ms."""
        desk = self._desk
        whose = subject(recovered.account_id, recovered.respondent_id, "")
        recovery = KeptRecovery(recovered.response_id, recovered.to, recovered.score, recovered.at)
        case, _ = desk.last(recovered.account_id, whose, now)
        if case is not None and (case.recovered == recovery or self._credit(case, recovery, now)):
            return
        account = recovered.account_id.encode()
        if case is None and desk.store.was_erased(account, whose):
            return
        if (case is None or not case.is_open) and not desk.settings.is_old(recovered.at, now):
            desk.store.wait(account, whose, recovery, now + WAIT_MS)

    def _credit(self, case: KeptCase, recovery: KeptRecovery, now: int) -> bool:
        """Whether a recovery is one from what a case is about; then the case has it."""
        desk = self._desk
        if case.recovered is not None or not State(case.state).allows(Move.RECOVER) or recovery.at < case.responses[-1].at:
            return False
        if not case.is_open and now - case.closed_at > desk.settings.recovery_days * DAY_MS:
            return False
        desk.outbox.count("recoveries", case.severity, "open" if case.is_open else "closed")
        case.recovered = recovery
        if case.is_open:
            desk.deadlines.close(case, Move.RECOVER, now)
        desk.journal.tell(case, "recovered", now)
        return True

    def _credit_waiting(self, case: KeptCase, now: int) -> None:
        """A case has begun: has its respondent recovered already?"""
        recovery = self._desk.store.wait_no_more(case.account_id.encode(), case.subject)
        if recovery is not None:
            self._credit(case, recovery, now)

    def _was_told(self, case: KeptCase | None, event: Detractor) -> bool:
        account = event.account_id.encode()
        for _ in range(LOOK_BACK):
            if case is None:
                return False
            told = case.told.get(event.response_id)
            if told is not None:
                return event.revision <= told
            case = None if case.earlier is None else self._desk.store.case(account, case.earlier)
        return False

    def _open(
        self, whose: bytes, last: Last | None, respondent_id: str | None, event: Detractor, said_at: int, now: int
    ) -> None:
        desk, number = self._desk, 1 if last is None else last.number + 1
        case = KeptCase(
            account_id=event.account_id,
            case_id=case_id(whose, event.response_id, number),
            respondent_id=respondent_id,
            subject=whose,
            earlier=None if last is None else last.case_id,
            opened_at=now,
            begun_at=now,
        )
        desk.follow(case, desk.store.account(event.account_id.encode()))
        self._put(case, event, said_at)
        self._judge(case, now)
        desk.deadlines.begin(case, now)
        desk.store.begin(case, number)
        desk.outbox.count("cases_opened", case.severity)
        desk.journal.tell(case, "opened", now)
        self._credit_waiting(case, now)

    def _join(self, case: KeptCase, event: Detractor, said_at: int, now: int) -> None:
        """A repeat never makes a case less severe, a correction may; due times only get earlier. Either wakes a snoozed one."""
        before, is_new = case.severity, case.response(event.response_id) is None
        self._put(case, event, said_at)
        self._judge(case, now)
        if is_new:
            case.severity = min(case.severity, before, key=SEVERITIES.index)
        case.touched_at = now
        case.recovered, case.snoozed_until = None, NEVER
        self._desk.deadlines.tighten(case, now)
        self._desk.journal.tell(case, "joined", now)

    def _returns(self, case: KeptCase, now: int) -> bool:
        """Whether a closed case is reopened by what its respondent says now."""
        return State(case.state).allows(Move.RETURN) and now - case.closed_at <= self._desk.settings.reopen_days * DAY_MS

    def _reopen(self, case: KeptCase, event: Detractor, said_at: int, now: int) -> None:
        desk = self._desk
        case.state = State(case.state).after(Move.RETURN).text
        case.recovered = None
        desk.follow(case, desk.store.account(case.account_id.encode()))
        self._put(case, event, said_at)
        self._judge(case, now)
        desk.deadlines.begin(case, now)
        desk.journal.tell(case, "reopened", now)
        self._credit_waiting(case, now)

    def _take_back(self, case: KeptCase, event: Detractor, now: int) -> None:
        desk, response = self._desk, case.response(event.response_id)
        if response is None:
            return
        case.consecutive, case.account_nps = event.consecutive, given(event.account_nps)
        _remember(case, event)
        if len(case.responses) > 1:
            case.responses.remove(response)
            self._judge(case, now)
            desk.journal.tell(case, "changed", now)
            return
        # What it was about stays to be seen, but for the words that were taken back.
        case.responses = [KeptResponse(response.at, response.response_id, response.score)]
        desk.deadlines.close(case, Move.WITHDRAW, now)
        desk.journal.tell(case, "withdrawn", now)

    def _put(self, case: KeptCase, event: Detractor, said_at: int) -> None:
        """A response among those of its case, and what its event tells besides."""
        response = KeptResponse(said_at, event.response_id, event.score)
        comment = given(event.comment)
        case.locale = given(event.locale) or case.locale
        if comment is not None:
            found = self._desk.settings.analyse(comment, case.locale)
            is_long = len(comment) > MOST_COMMENT_CHARS
            response.comment = comment[: MOST_COMMENT_CHARS - len(CUT)] + CUT if is_long else comment
            response.themes, response.sentiment = found.themes, found.sentiment
        before = case.response(event.response_id)
        if before is not None:
            case.responses.remove(before)
        insort(case.responses, response, key=_order)
        del case.responses[:-MOST_RESPONSES]
        _remember(case, event)
        case.consecutive = event.consecutive
        case.segments = given(event.segments) or case.segments
        case.account_nps = given(event.account_nps)

    def _judge(self, case: KeptCase, now: int) -> None:
        scores = [response.score for response in case.responses]
        case.severity = self._desk.settings.severity(scores, case.consecutive, case.account, now)


def _is_over(case: KeptCase, event: Detractor, said_at: int) -> bool:
    """Whether the respondent has recovered from what an event tells: unless it tells that the recovery was none."""
    recovery = case.recovered
    if case.is_open or recovery is None:
        return False
    return said_at <= recovery.at and event.response_id != recovery.response_id


def _remember(case: KeptCase, event: Detractor) -> None:
    """An event was told, as the last one of its response."""
    case.told.pop(event.response_id, None)
    case.told[event.response_id] = event.revision
    if len(case.told) > MOST_TOLD:
        del case.told[next(iter(case.told))]


def _order(response: KeptResponse) -> tuple[int, str]:
    return response.at, response.response_id


def case_id(whose: bytes, response_id: str, number: int) -> str:
    """Of the subject, the response that was the cause, and how many cases there were: so a repeat has the same."""
    return "c-" + hashlib.sha256(b"%d|%b|%b" % (number, whose, response_id.encode())).hexdigest()[:CASE_ID_DIGITS]
