"""Carries out commands: each record of `nps.case.commands` is applied, a repeat, or refused with an answer; one of them, once.

A record at another partition than its account's is sent home first, and answered there. A repeat is known by its command_id,
as one of the last that were carried out on the case.
"""

import hashlib
from typing import Final

from agents.case_commands import Refused, read_command, refused
from agents.case_desk import Desk
from agents.case_kept import NEVER, KeptCase, given
from agents.case_states import IllegalMove, Move, State
from agents.strays import STRAY_HEADER, is_marked
from schemas import topics
from schemas.cases import CaseCommand, What
from schemas.times import parse_time
from streams.processor import DAY_MS, Record, partition_of
from streams.processor import State as TaskState

REMEMBERED_COMMANDS: Final = 20
"""Of a case: whoever sends one again does so within seconds, or replays a topic of which hardly anything is about one case."""
COMMAND_BYTES: Final = 8
"""Of the hash by which one is remembered."""

_WHAT: Final[dict[Move, What]] = {
    Move.ACKNOWLEDGE: "acknowledged",
    Move.ASSIGN: "assigned",
    Move.CONTACT: "contacted",
    Move.RESOLVE: "resolved",
    Move.REOPEN: "reopened",
    Move.SNOOZE: "snoozed",
}


class Actions:
    """Takes the commands of one batch."""

    __slots__ = ("_desk", "_state")

    def __init__(self, desk: Desk, state: TaskState) -> None:
        self._desk = desk
        self._state = state

    def take(self, record: Record, now: int) -> None:
        """One record of nps.case.commands, at `now` in ms."""
        desk = self._desk
        try:
            command = read_command(record.value)
            if self._goes_home(record, command):
                return
            outcome = "applied" if self._carry_out(command, now) else "repeated"
            desk.outbox.count("case_commands", command.command, outcome)
        except Refused as error:
            desk.journal.refuse(record, error, now)
            desk.outbox.count("case_commands", error.label, "rejected")

    def _goes_home(self, record: Record, command: CaseCommand) -> bool:
        """Whether a record belongs to another partition, and was sent there. Raises Refused for one that was sent before."""
        home = command.account_id.encode()
        if partition_of(home, self._state.partitions) == self._state.partition:
            return False
        if is_marked(record):
            message = f"partition {record.partition} is not the account's, and it was sent home before: send it anew"
            raise refused(command, "stray", message)
        headers = [*record.headers, (STRAY_HEADER, b"1")]
        self._desk.outbox.send(topics.CASE_COMMANDS, home, record.value, record.timestamp, headers)
        self._desk.outbox.count("strays")
        return True

    def _carry_out(self, command: CaseCommand, now: int) -> bool:
        """Whether it did anything; False for a repeat. Raises Refused."""
        desk, name = self._desk, _hash(command.command_id)
        case = desk.store.case(command.account_id.encode(), command.case_id)
        if case is not None and name in case.commands:
            return False
        case = desk.take(command.account_id, command.case_id, now)
        if case is None:
            raise refused(
                command, "no such case", "the account has no case of this id, or has it no more: npstream cases lists all"
            )
        move = Move(command.command)
        try:
            state = State(case.state).after(move)
        except IllegalMove:
            raise refused(command, "not allowed", _why_not(case, move), case.state) from None
        if move is Move.REOPEN:
            self._check_reopening(case, command)
        elif move is Move.SNOOZE:
            self._check_snooze(case, command, now)
        self._apply(case, command, move, state, now)
        case.commands = [*case.commands, name][-REMEMBERED_COMMANDS:]
        case.note = given(command.note) or case.note
        desk.journal.tell(case, _WHAT[move], now, command.by, command.command_id, note=given(command.note))
        return True

    def _apply(self, case: KeptCase, command: CaseCommand, move: Move, state: State, now: int) -> None:
        desk = self._desk
        case.touched_at = now
        if move is Move.RESOLVE:
            case.root_cause = given(command.root_cause)
            desk.deadlines.close(case, move, now)
            desk.outbox.observe("case_resolution_seconds", case.severity, value=(now - case.begun_at) / 1000)
            return
        case.state = state.text
        if move is Move.ASSIGN:
            case.owner, case.held = given(command.owner), True
        elif move is Move.SNOOZE:
            desk.deadlines.snooze(case, parse_time(command.until))
        elif move is Move.REOPEN:
            desk.follow(case, desk.store.account(case.account_id.encode()))
            desk.deadlines.begin(case, now)
        else:
            if case.acknowledged_at == NEVER:
                case.acknowledged_at = now
            if case.owner is None:
                case.owner, case.held = command.by, True
            if move is Move.CONTACT:
                desk.deadlines.responded(case, now)

    def _check_reopening(self, case: KeptCase, command: CaseCommand) -> None:
        """A respondent has one open case at most, so it is the last one that goes on."""
        last = self._desk.store.last(case.subject)
        if last is not None and last.case_id != case.case_id:
            message = f"the respondent has a later case, {last.case_id}: go on with that one"
            raise refused(command, "not allowed", message, case.state)

    def _check_snooze(self, case: KeptCase, command: CaseCommand, now: int) -> None:
        days = self._desk.settings.expire_days
        if not now < parse_time(command.until) <= now + days * DAY_MS:
            message = f"until: {command.until} is not within the next {days} days: give a time that is"
            raise refused(command, "not allowed", message, case.state)


def _why_not(case: KeptCase, move: Move) -> str:
    """What stands against a move, and what to do."""
    a_case = f"{'an' if case.state[0] in 'ae' else 'a'} {case.state} case"
    if move is Move.REOPEN:
        if case.is_open:
            return f"{a_case} is open: there is nothing to reopen"
        return f"{a_case} cannot be reopened, since what it was about was taken back: a new response opens another"
    if case.is_open:
        return f"{a_case} is acknowledged already: there is nothing to do"
    if State(case.state).allows(Move.REOPEN):
        return f"{a_case} cannot be {_WHAT[move]}: reopen it first"
    return f"{a_case} cannot be {_WHAT[move]}, since what it was about was taken back: a new response opens another"


def _hash(command_id: str) -> bytes:
    return hashlib.sha256(command_id.encode()).digest()[:COMMAND_BYTES]
