"""Cases: whoever is a detractor has one, until somebody has resolved it, or it is over by itself.

`process` takes one record after the other: what respondents say, what somebody does about it, what is known of accounts, and
who is to be forgotten. `tick` works off what has become due. What a case is, and what it goes through: docs/cases.md. The rules
are in the modules beside this one: `case_states`, `case_rules`, `case_responses`, `case_actions`, `case_deadlines`.
"""

from collections.abc import Sequence

from agents.burying import bury
from agents.case_actions import Actions
from agents.case_desk import Desk
from agents.case_kept import KeptCase
from agents.case_keys import ERASED, WAITS, respondent, waiting_subject
from agents.case_responses import Responses
from agents.case_rules import CasesSettings
from agents.case_sources import read_change, read_detractor
from agents.case_spreading import learn, spread_more
from agents.forgetting import forgotten_in
from agents.stored import StateUnreadable
from schemas import topics
from schemas.dead_letters import Reason, Unusable
from streams.processor import Outbox, Record, State, StreamTime, partition_of


class Cases:
    """From detractors, category changes and commands to `nps.cases`, `nps.case.events` and `nps.case.rejections`.

    Facts and erasures do not move the clock, as in `agents.scoring`: in a state that is made anew they come first.
    """

    name = "cases"
    sources = (topics.DETRACTORS, topics.CHANGES, topics.CASE_COMMANDS, topics.ACCOUNTS, topics.ERASURES)
    leading = (topics.ACCOUNTS, topics.ERASURES)
    """Whose a case is, and how severe, is decided by facts when it is opened."""
    patient = True
    """What was done in time may be unread after an outage: it is no breach."""

    def __init__(self, settings: CasesSettings | None = None) -> None:
        self.settings = settings or CasesSettings()

    def process(self, batch: Sequence[Record], state: State, now: StreamTime, outbox: Outbox) -> None:
        """Take the records in, in order."""
        desk = Desk(self.settings, state, outbox)
        responses, actions = Responses(desk), Actions(desk, state)
        for record in batch:
            desk.journal.because_of(record)
            if record.topic == topics.ACCOUNTS:
                learn(record, desk, state, now.ms)
            elif record.topic == topics.ERASURES:
                _forget(record, desk, state)
            elif record.topic == topics.CASE_COMMANDS:
                actions.take(record, now.at(record.timestamp))
            else:
                _hear(record, responses, state, now.at(record.timestamp), outbox)
            desk.put_back()
        desk.store.show_gauges(outbox, if_changed=True)

    def tick(self, now: int, state: State, outbox: Outbox) -> None:
        """Work off what is due by `now`: a share of it."""
        desk = Desk(self.settings, state, outbox)
        desk.journal.because_of_time(now)
        left = self.settings.share
        left -= spread_more(desk, now, left)
        index, before = desk.store.index, None
        while (due := index.next_due(now)) is not None:
            if left <= 0:
                outbox.more = True
                break
            if due == before:
                raise StateUnreadable("what is due in the state is not due by what it is about")
            before = time, account, case_id = due
            left -= 1
            if case_id.startswith(WAITS):
                desk.store.wait_no_more(account, waiting_subject(case_id))
                continue
            if case_id.startswith(ERASED):
                desk.store.unmark(account, case_id, time)
                continue
            case = desk.take(account.decode(), case_id, now)
            if case is None:
                raise StateUnreadable("a case that is due is missing from the state")
            desk.put_back()
            if not case.is_open and desk.deadlines.next_of(case) <= now:
                _let_go(case, desk)
            elif case.alarm <= now:
                desk.rearm(case)
        outbox.more |= next(index.spreads(), None) is not None
        desk.store.show_gauges(outbox)


def _hear(record: Record, responses: Responses, state: State, now: int, outbox: Outbox) -> None:
    """An event of scoring; a faulty one is a dead letter."""
    try:
        if record.topic == topics.DETRACTORS:
            event, said_at = read_detractor(record.value)
            _check_home(event.account_id, record, state)
            responses.detractor(event, said_at, now)
        else:
            account_id, recovered = read_change(record.value)
            _check_home(account_id, record, state)
            if recovered is not None:
                responses.recovery(recovered, now)
    except Unusable as error:
        bury(record, "validate", error, outbox)


def _check_home(account_id: str, record: Record, state: State) -> None:
    if partition_of(account_id.encode(), state.partitions) != state.partition:
        raise Unusable(Reason.STRAY, f"account_id: partition {record.partition} is not its home")


def _forget(record: Record, desk: Desk, state: State) -> None:
    """Let go of the cases of whoever a record of nps.erasures names. No event tells of it: it would name them once more."""
    who = forgotten_in(record, state)
    if who is None:
        return
    account, subject = who.account_id.encode(), respondent(who.hashed)
    desk.store.mark_erased(account, subject, record.timestamp)
    desk.store.wait_no_more(account, subject)
    last = desk.store.last(subject)
    case = None if last is None else desk.store.case(account, last.case_id)
    if case is not None:
        _let_go(case, desk)


def _let_go(case: KeptCase, desk: Desk) -> None:
    """A case is kept no longer, nor are those of its subject before it."""
    for gone in desk.store.forget(case):
        desk.journal.forget(gone)
