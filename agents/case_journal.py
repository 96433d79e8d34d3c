"""Tells what happens to cases: `nps.case.events`, `nps.cases`, and the answers to commands that change nothing.

The id of an event is that of its case and the revision that it brought: there is one event for each revision. That of an answer
is a hash of where the command stands and of what it says.
"""

import hashlib
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw

from agents.announcements import traceparent
from agents.case_commands import Refused
from agents.case_kept import KeptCase, case_json
from schemas import topics
from schemas.cases import CaseEvent, CaseRejection, Due, What
from schemas.cloudevents import CASE_EVENT, CASE_REJECTION, SOURCE, event_headers
from schemas.times import format_time
from streams.processor import Outbox, Record

ID_BYTES: Final = 16
"""Of the hash that is the id of an answer."""

_json = msgspec.json.Encoder().encode


class Journal:
    """Sends what one batch or tick brings. `changed` has the cases that it has told of, until they are written."""

    __slots__ = ("_outbox", "_timestamp", "_traceparent", "changed")

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._timestamp = 0
        self._traceparent: bytes | None = None
        self.changed: dict[tuple[str, str], KeptCase] = {}

    def because_of(self, record: Record) -> None:
        """What is told next is because of this record."""
        found = traceparent(record.headers) if record.headers else None
        self._timestamp, self._traceparent = record.timestamp, None if found is None else found[1]

    def because_of_time(self, now: int) -> None:
        """What is told next is because it is so late, in ms."""
        self._timestamp, self._traceparent = now, None

    def tell(
        self,
        case: KeptCase,
        what: What,
        now: int,
        by: str | None = None,
        command_id: str | None = None,
        due: Due | None = None,
        note: str | None = None,
    ) -> None:
        """Something happened to a case, which is as it stands after it, at `now` in ms."""
        case.revision += 1
        case.updated_at = now
        self.changed[case.account_id, case.case_id] = case
        account, value = case.account_id.encode(), case_json(case)
        event = CaseEvent(
            account_id=case.account_id,
            case_id=case.case_id,
            event=what,
            at=format_time(now),
            by=UNSET if by is None else by,
            command_id=UNSET if command_id is None else command_id,
            due=UNSET if due is None else due,
            note=UNSET if note is None else note,
            case=Raw(value),  # type: ignore[arg-type]  # as text already
        )
        event_id = f"{case.case_id}-{case.revision}"
        headers = event_headers(CASE_EVENT, SOURCE, event_id, now, self._traceparent)
        self._outbox.send(topics.CASE_EVENTS, account, _json(event), self._timestamp, headers)
        self._outbox.send(topics.CASES, _key(case), value, self._timestamp, route=account)

    def forget(self, case: KeptCase) -> None:
        """A case is kept no longer."""
        self.changed.pop((case.account_id, case.case_id), None)
        self._outbox.send(topics.CASES, _key(case), None, self._timestamp, route=case.account_id.encode())

    def refuse(self, record: Record, refused: Refused, now: int) -> None:
        """A command changed nothing."""
        at = b"%d|%d|" % (record.partition, record.offset)
        event_id = hashlib.sha256(at + (record.value or b"")).hexdigest()[: 2 * ID_BYTES]
        rejection = CaseRejection(
            **_known(command_id=refused.command_id, account_id=refused.account_id, case_id=refused.case_id),
            **_known(command=refused.command, state=refused.state),
            reason=refused.reason,
            message=str(refused),
            partition=record.partition,
            offset=record.offset,
            rejected_at=format_time(now),
        )
        headers = event_headers(CASE_REJECTION, SOURCE, event_id, now, self._traceparent)
        # Where nobody can tell whose command it was, the answer is in the partition of the command.
        key = record.key if refused.account_id is None else refused.account_id.encode()
        route = record.partition if refused.account_id is None else None
        self._outbox.send(topics.CASE_REJECTIONS, key, _json(rejection), record.timestamp, headers, route)


def _known(**fields: str | None) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _key(case: KeptCase) -> bytes:
    return f"{case.account_id}|{case.case_id}".encode()
