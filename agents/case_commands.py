"""Reads what somebody wants to do about a case: strict, since anybody may write to the topic, and with an answer to whoever
wrote something else. What is null or empty is as good as absent, unknown fields are ignored."""

from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET

from agents.case_states import COMMANDS
from schemas.cases import CaseCommand, CaseState
from schemas.codec import loads
from schemas.dead_letters import Unusable
from schemas.events import MAX_ID_CHARS
from schemas.times import normal_time

Reason = Literal["bad command", "no such case", "not allowed", "stray"]

NEEDED: Final = {"assign": "owner", "resolve": "root_cause", "snooze": "until"}
"""What a command must say besides."""
MOST_COMMAND_CHARS: Final = 100
"""Of what stands in place of a command, in an answer."""
UNKNOWN_COMMAND: Final = "unknown"
"""Its metric label."""

_NAMES: Final = frozenset(move.value for move in COMMANDS)
_FIELDS: Final = frozenset(CaseCommand.__struct_fields__)


class Refused(Exception):
    """A command changes nothing. The message says why, and what to do; the ids are those that could be read."""

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        command_id: str | None = None,
        account_id: str | None = None,
        case_id: str | None = None,
        command: str | None = None,
        state: CaseState | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.command_id = command_id
        self.account_id = account_id
        self.case_id = case_id
        self.command = command
        self.state = state

    @property
    def label(self) -> str:
        """The command as a metric label."""
        return self.command if self.command is not None and self.command in _NAMES else UNKNOWN_COMMAND


def refused(command: CaseCommand, reason: Reason, message: str, state: CaseState | None = None) -> Refused:
    """A command that could be read changes nothing."""
    return Refused(
        reason,
        message,
        command_id=command.command_id,
        account_id=command.account_id,
        case_id=command.case_id,
        command=command.command,
        state=state,
    )


def read_command(value: bytes | None) -> CaseCommand:
    """The command in a record's value. Raises Refused, with the name of the faulty field."""
    if value is None:
        raise Refused("bad command", "the record has no value: send a command as JSON")
    try:
        fields = loads(value)
    except Unusable as error:
        raise Refused("bad command", f"no JSON: {error}") from error
    if type(fields) is not dict:
        raise Refused("bad command", "no JSON object: send one with command_id, account_id, case_id, command and by")
    said = {name: fields[name] for name in _FIELDS & fields.keys() if fields[name] is not None and fields[name] != ""}
    if type(said.get("command")) is str and said["command"] not in _NAMES:
        raise _bad(said, f"command: none of {', '.join(move.value for move in COMMANDS)}")
    try:
        if "until" in said:
            said["until"] = normal_time(said["until"])
        command = msgspec.convert(said, CaseCommand)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        place = where.strip("`").removeprefix("$.")
        raise _bad(said, f"{place}: {what.lower()}" if place else what.lower()) from None
    except ValueError as error:
        raise _bad(said, f"until: {error}") from None
    needed = NEEDED.get(command.command)
    if needed is not None and getattr(command, needed) is UNSET:
        raise _bad(said, f"{needed}: missing, and {command.command} needs it")
    return command


def _bad(said: dict[str, Any], message: str) -> Refused:
    command = said.get("command")
    return Refused(
        "bad command",
        message,
        command_id=_id(said.get("command_id")),
        account_id=_id(said.get("account_id")),
        case_id=_id(said.get("case_id")),
        command=command[:MOST_COMMAND_CHARS] if type(command) is str else None,
    )


def _id(value: Any) -> str | None:
    return value if type(value) is str and 0 < len(value) <= MAX_ID_CHARS else None
