"""Do something about a case from outside: send a command, and wait for what the agent makes of it.

1. Find the ends of the answers: events and rejections. If the command_id is one that was sent before, the account's events are
   read first: if one has it, the command was carried out, the agent would not answer again, and nothing is sent. One that was
   rejected changed nothing, and may do so now.
2. Send the command to the account's partition of nps.case.commands.
3. Wait for the event or the rejection that has its command_id. Events and rejections that were there before cannot be it, so
   reading goes on where step 1 ended.
A crash after 2 loses nothing but the answer: the same command_id again finds it.
"""

import time
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Final, Self

import msgspec
from msgspec import UNSET

from npstream.case_book import read_as
from npstream.failures import UserError
from npstream.lines import printable
from npstream.raw_record import RawRecord
from npstream.reading import Reader, require_topics
from npstream.sending import Sender
from schemas.cases import CaseCommand, CaseEvent, CaseRejection
from schemas.topics import CASE_COMMANDS, CASE_EVENTS, CASE_REJECTIONS
from streams.connection import Connection
from streams.partitioner import partition_of
from streams.processor import Record

ANSWERS: Final = (CASE_EVENTS, CASE_REJECTIONS)
POLL_S: Final = 0.1
"""How long a look for the answer waits: a batch takes some 100 ms."""

Answer = CaseEvent | CaseRejection


class Commanding:
    """Steps 1 to 3 for one command.

    async with Commanding(connection, command) as commanding:
        answer = await commanding.answered_before(sent_before=False)
        if answer is None:
            await commanding.send()
            answer = await commanding.answer(timeout_s=15)

    Raises BrokerUnreachable, and UserError if a topic is missing.
    """

    def __init__(self, connection: Connection, command: CaseCommand) -> None:
        self.command = command
        self._connection = connection
        self._reader = Reader(connection, ANSWERS)

    async def __aenter__(self) -> Self:
        await self._reader.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._reader.__aexit__(kind, error, trace)

    async def answered_before(self, sent_before: bool) -> Answer | None:
        """Step 1; `sent_before`: the id may be that of an earlier command. Raises UserError if it is that of one about another
        case."""
        found = None
        for topic in ANSWERS:
            ends = await self._reader.ends(topic)
            home = partition_of(self.command.account_id.encode(), len(ends))
            look = sent_before and topic == CASE_EVENTS
            start = {p: 0 if look and p == home else end for p, end in ends.items()}
            async for records in self._reader.to_end(topic, start, ends):
                found = found or self._among(records)
        if found is not None and found.case_id not in (self.command.case_id, UNSET):
            own, other = printable(self.command.command_id), printable(str(found.case_id))
            raise UserError(f"the command_id {own} is that of a command about case {other}: give another")
        return found

    async def send(self) -> None:
        """Step 2; returns when all replicas have it."""
        key = self.command.account_id.encode()
        partitions = (await require_topics(self._connection, [CASE_COMMANDS]))[CASE_COMMANDS]
        async with Sender(self._connection, CASE_COMMANDS) as sender:
            await sender.send(RawRecord(key, msgspec.json.encode(self.command), partition=partition_of(key, partitions)))
            await sender.flush()

    async def answer(self, timeout_s: float) -> Answer | None:
        """Step 3; None if nobody answers within `timeout_s` seconds."""
        deadline = time.monotonic() + timeout_s
        async for records in self._reader.follow(POLL_S):
            found = self._among(records)
            if found is not None or time.monotonic() >= deadline:
                return found
        return None

    def _among(self, records: Iterable[Record]) -> Answer | None:
        """The answer to the command among these records."""
        for record in records:
            kind = CaseEvent if record.topic == CASE_EVENTS else CaseRejection
            answer: Answer | None = read_as(kind, record.value)
            if answer is not None and answer.command_id == self.command.command_id:
                return answer
        return None


def checked(**fields: Any) -> CaseCommand:
    """A command of these fields; None is left out. Raises UserError for one that nobody could carry out."""
    given = {name: value for name, value in fields.items() if value is not None}
    try:
        return msgspec.convert(given, CaseCommand)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        name = where.strip("`").removeprefix("$.")
        if not given.get(name, True):
            raise UserError(f"--{name.replace('_', '-')} is empty: give some text") from None
        raise UserError(f"{name or 'the command'}: {what[:1].lower()}{what[1:]}") from None
