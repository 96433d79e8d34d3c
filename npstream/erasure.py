"""Erase a respondent from outside: ask the agents, wait for their answer, and prove by what the topics hold that it is so.

1. Which accounts? Those that the caller names, else those whose state, list, cases or preferences have the respondent.
2. Send a command for each into the account's partition of nps.erasures, under the key of the entry that is to take its place.
3. Wait for the entries: scoring writes each in one transaction with what it erases. Then wait until care has let go as well
   (npstream/care_traces.py).
4. Read every compacted topic back from its beginning, committed records only: none that is alive may name the respondent.
5. For all other topics, and for what compaction has not removed yet, tell by their configurations until when it may stay.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

import orjson

from npstream.admin import connect
from npstream.care_traces import CareWatch, Place, care_topics
from npstream.failures import CheckFailed
from npstream.raw_record import RawRecord
from npstream.reading import Reader
from npstream.sending import Sender
from npstream.settings import AGENTS, Settings
from npstream.topic_plan import PlannedTopic, planned_topics
from npstream.traces import Respondent, Traces
from schemas.topics import CASES, ERASURES, PREFERENCES
from streams.partitioner import partition_of
from streams.task_name import changelog_topic

POLL_S: Final = 0.2
"""Pause between two looks for an entry: a batch takes some 100 ms."""
FOR_EVER: Final = 2**62
"""A configuration of as many ms, or negative, is no bound."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the list says of the respondent of one account."""

    account_id: str
    counts: str
    erased_at: str


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What a compacted topic holds of the respondent."""

    topic: str
    alive: int
    superseded: int
    places: list[str]
    """Where the ones that are alive are."""
    until: int | None
    """By when the broker has to remove what is superseded, in ms UTC; None if nothing binds it, or it does not tell."""


@dataclass(frozen=True, slots=True)
class Retained:
    """A topic that the broker deletes by age."""

    topic: str
    until: int | None
    """Until when something may remain, in ms UTC; None: for ever, or the broker does not tell."""


@dataclass(slots=True)
class Proof:
    """How things stand."""

    entries: list[Entry] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Accounts that have no entry."""
    read_back: list[ReadBack] = field(default_factory=list)
    retained: list[Retained] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether the respondent is erased and nothing that is alive names them."""
        return not self.missing and not any(topic.alive for topic in self.read_back)


class Erasure:
    """Steps 1 to 5 for one respondent.

    async with Erasure(settings, "u-17@acme.example", ["acme"]) as erasure:
        await erasure.carry_out("keep", timeout_s=60)
        proof = await erasure.prove()

    Raises CheckFailed, UserError, BrokerUnreachable.
    """

    def __init__(self, settings: Settings, respondent_id: str, accounts: Sequence[str] = ()) -> None:
        self.accounts = sorted(set(accounts))
        self._respondent_id = respondent_id
        self._settings = settings
        self._connection = settings.connection()
        self._plan: list[PlannedTopic] = []
        self._configs: dict[str, dict[str, str] | None] = {}
        self._partitions = 0
        self._entries: dict[str, Entry] = {}
        self._places: dict[str, Place] = {}
        """Where the entries stand, by account."""
        self._reader: Reader

    async def __aenter__(self) -> Self:
        needed = {ERASURES, changelog_topic(self._settings.app_id, "scoring")}
        plan = planned_topics(self._settings.override(agents=AGENTS))
        async with connect(self._connection) as admin:
            found = await admin.topics([topic.name for topic in plan])
            # An agent that was never run has no changelog, and nothing in it.
            self._plan = [topic for topic in plan if found[topic.name].exists or topic.name in needed]
            self._configs = await admin.topic_configs([topic.name for topic in self._plan])
        self._partitions = found[ERASURES].partitions
        self._reader = Reader(self._connection, [topic.name for topic in self._compacted])
        await self._reader.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._reader.__aexit__(kind, error, trace)

    @property
    def listed(self) -> dict[str, Entry]:
        """The entries that were seen last, by account."""
        return {account: entry for account, entry in self._entries.items() if account in self.accounts}

    async def find(self) -> None:
        """Step 1, unless accounts were named; afterwards `accounts` has them, and `listed` who is erased already."""
        await self._look_up()
        if not self.accounts:
            known = set(self._entries)
            for topic in self._there(changelog_topic(self._settings.app_id, "scoring"), CASES, PREFERENCES):
                known |= (await self._traces(topic, Respondent(self._respondent_id))).accounts
            self.accounts = sorted(known)

    async def carry_out(self, counts: str, timeout_s: float) -> None:
        """Steps 2 and 3, in `timeout_s` seconds. Raises CheckFailed if entries do not come within them; what care has not let
        go of by then, the proof finds."""
        deadline = time.monotonic() + timeout_s
        asked = [account for account in self.accounts if account not in self._entries]
        if asked:
            # 2. Ask.
            await self._ask(asked, counts)
            # 3. Wait.
            await self._wait_for_entries(asked, deadline, timeout_s)
        watched = self._there(*care_topics(self._settings.app_id))
        watch = CareWatch(self._reader, watched, Respondent(self._respondent_id, frozenset(self.accounts)))
        while not await watch.let_go(self._places[account] for account in self.accounts):
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(POLL_S)

    async def _ask(self, asked: Sequence[str], counts: str) -> None:
        respondent = Respondent(self._respondent_id)
        async with Sender(self._connection, ERASURES) as sender:
            for account in asked:
                command = {"account_id": account, "respondent_id": self._respondent_id, "counts": counts}
                partition = partition_of(account.encode(), self._partitions)
                await sender.send(RawRecord(respondent.key_in(account), orjson.dumps(command), partition=partition))
            await sender.flush()

    async def _wait_for_entries(self, asked: Sequence[str], deadline: float, timeout_s: float) -> None:
        while True:
            await self._look_up()
            waiting = [account for account in asked if account not in self._entries]
            if not waiting:
                return
            if time.monotonic() > deadline:
                raise CheckFailed(
                    f"asked, but not erased within {timeout_s:g} s in {len(waiting)} of {len(asked)} accounts: is a worker "
                    "with the agent scoring running? The next one carries it out, and --check tells whether it has"
                )
            await asyncio.sleep(POLL_S)

    async def prove(self) -> Proof:
        """Steps 4 and 5."""
        await self._look_up()
        now = int(time.time() * 1000)
        respondent = Respondent(self._respondent_id, frozenset(self.accounts))
        proof = Proof(list(self.listed.values()), [account for account in self.accounts if account not in self._entries])
        # 4. What can be read back.
        for topic in self._compacted:
            traces = await self._traces(topic.name, respondent)
            places = [f"{topic.name}-{partition}-{offset}" for partition, offset in traces.places()]
            # Twice, since a tombstone may name them in its key, and goes with the compaction after the one that it causes.
            until = self._after(now, topic.name, *["max.compaction.lag.ms"] * 2, "delete.retention.ms")
            proof.read_back.append(ReadBack(topic.name, traces.alive, traces.superseded, places, until))
        # 5. What goes by itself. A segment is deleted as a whole, by its newest record.
        for topic in self._plan:
            if topic not in self._compacted:
                proof.retained.append(Retained(topic.name, self._after(now, topic.name, "retention.ms", "segment.ms")))
        return proof

    def _there(self, *names: str) -> list[str]:
        """Those of these topics that there are."""
        planned = {topic.name for topic in self._plan}
        return [name for name in names if name in planned]

    @property
    def _compacted(self) -> list[PlannedTopic]:
        return [topic for topic in self._plan if "compact" in topic.clean_up]

    async def _traces(self, topic: str, respondent: Respondent) -> Traces:
        traces = Traces()
        async for records in self._reader.to_end(topic):
            for record in records:
                traces.add(record, respondent.named_in(record))
        return traces

    async def _look_up(self) -> None:
        """The respondent's entries as the list has them now: the last value of a key at home."""
        respondent = Respondent(self._respondent_id)
        found: dict[str, Any] = {}
        places: dict[str, Place] = {}
        async for records in self._reader.to_end(ERASURES):
            for record in records:
                account = respondent.listed_in(record)
                if account is not None and record.partition == partition_of(account.encode(), self._partitions):
                    found[account] = orjson.loads(record.value or b"{}")
                    places[account] = Place(record.partition, record.offset)
        self._places = places
        self._entries = {a: Entry(a, str(e.get("counts")), str(e.get("erased_at"))) for a, e in sorted(found.items())}

    def _after(self, now: int, topic: str, *entries: str) -> int | None:
        config = self._configs.get(topic) or {}
        bounds = [int(config.get(entry, FOR_EVER)) for entry in entries]
        return None if any(not 0 <= bound < FOR_EVER for bound in bounds) else now + sum(bounds)
