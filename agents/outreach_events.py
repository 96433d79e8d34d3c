"""What a case event means for a first message: whether it asks for one, and what is kept of it until then."""

import hashlib
from typing import Final

import msgspec
from msgspec import UNSET

from agents.stored import storable
from schemas.cases import Case, CaseEvent
from schemas.dead_letters import Reason, Unusable
from schemas.times import parse_time
from streams.processor import Record, State, partition_of

COMMENT_CHARS: Final = 500
"""Of a comment that a template is given: enough to quote, and none fills the state."""
ID_BYTES: Final = 12
"""Of a message's id: so many that no two meet."""

_decode = msgspec.json.Decoder(CaseEvent).decode


def read_event(record: Record, state: State) -> CaseEvent:
    """The event that a record tells of. Raises `Unusable` for what is none, and for one that is not at home."""
    try:
        event = _decode(record.value or b"")
        for time in (event.at, event.case.first_response_at, event.case.first_response_due):
            if time is not UNSET:
                parse_time(time)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        raise Unusable(Reason.WRONG_TYPE, f"{where.strip('`').removeprefix('$.')}: {what.lower()}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unusable(Reason.NOT_JSON, "the record is no JSON") from None
    except ValueError as error:
        raise Unusable(Reason.BAD_TIME, str(error)) from None
    if not storable(event.case):
        raise Unusable(Reason.WRONG_TYPE, "case: a number in it has more than 64 bits")
    if partition_of(event.case.account_id.encode(), state.partitions) != state.partition:
        raise Unusable(Reason.STRAY, f"account_id: partition {record.partition} is not its home")
    return event


def begins(event: CaseEvent) -> bool:
    """Whether the respondent said something that a first message answers."""
    return event.event == "opened" or (event.event == "reopened" and event.by is UNSET)


def brief(case: Case) -> Case:
    """A case without what a message has no use for: it is kept for some minutes, and a comment may have 64 KB."""
    last = case.responses[-1]
    if last.comment is not UNSET:
        last = msgspec.structs.replace(last, comment=last.comment[:COMMENT_CHARS])
    return msgspec.structs.replace(case, responses=[last], note=UNSET)


def outreach_id(event: CaseEvent) -> str:
    """Follows from the event that it answers, so that a repeat has the same."""
    case = event.case
    cause = "\n".join((case.account_id, case.case_id, event.event, event.at, str(case.revision)))
    return "o-" + hashlib.sha256(cause.encode()).hexdigest()[: 2 * ID_BYTES]
