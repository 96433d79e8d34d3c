"""Whether the unit care has let go of somebody who was erased: it does so when the erasure comes to it, a little after scoring.

Two things tell. No record that is alive may name the respondent any more in what care writes for good: cases, preferences, its
own changelog. And whichever of its agents reads `nps.erasures` must be past the entry: the changelog has their positions. An
agent that has never read an erasure has none, and then the first alone tells.

Where care never ran, there is nothing that names anybody, and nothing to wait for.
"""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from npstream.reading import Reader
from npstream.traces import Respondent, Traces
from schemas.topics import CASES, ERASURES, PREFERENCES
from streams.changelog import POSITION, SEPARATOR, ChangelogUnreadable, Position
from streams.processor import Record
from streams.task_name import changelog_topic

UNIT: Final = "care"
END: Final = SEPARATOR + ERASURES.encode()
"""What the key of a position in nps.erasures ends with."""


class Place(NamedTuple):
    """Where an entry of the list stands in nps.erasures."""

    partition: int
    offset: int


def care_topics(app_id: str) -> tuple[str, ...]:
    """What the unit care writes and compaction keeps, as far as it names respondents."""
    return (CASES, PREFERENCES, changelog_topic(app_id, UNIT))


class CareTraces:
    """Takes the records of `care_topics`, each topic in parts as it grows, and tells whether care has let go."""

    def __init__(self, respondent: Respondent) -> None:
        self._respondent = respondent
        self._traces: dict[str, Traces] = {}
        self._positions: dict[tuple[int, bytes], int] = {}
        """Of each partition and agent, the next offset that it reads of nps.erasures."""

    def take(self, records: Iterable[Record]) -> None:
        """Go on to the next records; those of a partition come in order."""
        for record in records:
            self._traces.setdefault(record.topic, Traces()).add(record, self._respondent.named_in(record))
            if record.key is not None and record.key.startswith(POSITION) and record.key.endswith(END):
                self._position(record.partition, record.key, record.value)

    def let_go(self, entries: Iterable[Place]) -> bool:
        """Whether nothing is left, and all agents that read erasures are past these entries."""
        agents = {agent for _, agent in self._positions}
        behind = any(self._positions.get((place.partition, agent), 0) <= place.offset for place in entries for agent in agents)
        return not behind and not any(traces.alive for traces in self._traces.values())

    def _position(self, partition: int, agent: bytes, value: bytes | None) -> None:
        with contextlib.suppress(ChangelogUnreadable):  # a worker refuses such a changelog, and says so
            self._positions[partition, agent] = Position.decode(value or b"").next


class CareWatch:
    """Looks again each time it is asked, at what came since the last look."""

    def __init__(self, reader: Reader, topics: Sequence[str], respondent: Respondent) -> None:
        self._reader = reader
        self._topics = topics
        self._traces = CareTraces(respondent)
        self._read: dict[str, Mapping[int, int]] = {}

    async def let_go(self, entries: Iterable[Place]) -> bool:
        """Whether care has let go by now. Raises BrokerUnreachable."""
        for topic in self._topics:
            ends = await self._reader.ends(topic)
            async for records in self._reader.to_end(topic, dict(self._read.get(topic, {})), ends):
                self._traces.take(records)
            self._read[topic] = ends
        return self._traces.let_go(entries)
