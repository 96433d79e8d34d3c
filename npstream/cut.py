"""Read everything that a verification needs from a system that may be running: source, outputs, and a cut between them.

1. Note the end of the source: that is the cut.
2. Wait until scoring has passed it, as its changelog says; read the list of the erased; wait until rollups has passed the cells
   that came of both.
3. Read the outputs, to the end that they have then.
4. Read the source and the CRM facts to the end that they have now: whatever the outputs show has its cause in there. Read the
   list again: accounts that have another one by now cannot be proved.
"""

import asyncio
import time
from contextlib import suppress
from typing import Final

import orjson

from npstream.admin import connect
from npstream.failures import CheckFailed
from npstream.reading import Reader
from npstream.recount import Erasure, Erasures, erasures_by_account
from npstream.recount.reading import parse_time
from npstream.settings import Settings
from npstream.verification import OUTPUTS, Seen
from schemas import topics
from streams.changelog import Position, position_key
from streams.processor import Record
from streams.task_name import changelog_topic

POLL_S: Final = 0.2
"""Pause between two looks at positions: a batch takes some 100 ms."""
TAIL: Final = 500
"""Records at the end of a changelog in which a position is looked for first: each batch ends with its positions."""
WIDEN: Final = 10
"""By how much the look reaches further back where it found none."""


async def read_seen(settings: Settings, timeout_s: float) -> Seen:
    """Steps 1 to 4. Raises CheckFailed if the agents do not come to the cut within `timeout_s` seconds, UserError,
    BrokerUnreachable."""
    connection = settings.connection()
    names = {agent: changelog_topic(settings.app_id, agent) for agent in ("scoring", "rollups")}
    async with connect(connection) as admin:
        exactly_once = (await admin.cluster()).transactional
    wanted = [topics.RESPONSES, topics.ERASURES, topics.ACCOUNTS, topics.CELLS, *OUTPUTS, *names.values()]
    async with Reader(connection, wanted) as reader:
        # 1. The cut.
        cut = await reader.ends(topics.RESPONSES)
        # 2. Everybody has passed it.
        deadline = time.monotonic() + timeout_s
        await _passed(reader, "scoring", names["scoring"], topics.RESPONSES, cut, deadline, timeout_s)
        erasures = await erased(reader)
        cells = await reader.ends(topics.CELLS)
        await _passed(reader, "rollups", names["rollups"], topics.CELLS, cells, deadline, timeout_s)
        # 3. The outputs.
        starts: dict[tuple[str, int], int] = {}
        for topic in (topics.RESPONSES, topics.ACCOUNTS, *OUTPUTS):
            starts |= {(topic, partition): offset for partition, offset in (await reader.starts(topic)).items()}
        outputs = {topic: await _all(reader, topic) for topic in OUTPUTS}
        # 4. Their causes.
        source = await _all(reader, topics.RESPONSES)
        accounts = await _all(reader, topics.ACCOUNTS)
        later = await erased(reader)
    meanwhile = frozenset(account for account, own in later.items() if own != erasures.get(account))
    return Seen(source, outputs, cut, starts, int(time.time() * 1000), exactly_once, erasures, meanwhile, accounts)


async def erased(reader: Reader) -> Erasures:
    """The list of the erased as it stands now; what else has no place in it yet, or never will, is left out."""
    last = {(record.partition, record.key): record.value for record in await _all(reader, topics.ERASURES)}
    found = []
    for value in last.values():
        with suppress(ValueError, TypeError, KeyError):
            entry = orjson.loads(value or b"null")
            account_id, hashed, counts = entry["account_id"], entry["respondent_hash"], entry["counts"]
            found.append(Erasure(account_id, hashed, counts, entry["position"], parse_time(entry["erased_at"])))
    return erasures_by_account(found)


async def _all(reader: Reader, topic: str) -> list[Record]:
    records = [record async for chunk in reader.to_end(topic) for record in chunk]
    return sorted(records, key=lambda record: (record.partition, record.offset))


async def _passed(
    reader: Reader, agent: str, changelog: str, topic: str, cut: dict[int, int], deadline: float, timeout_s: float
) -> None:
    """Wait until no record before the cut lies behind the agent's positions; among the offsets are transaction markers too."""
    while True:
        unread = await _unread(reader, topic, await _positions(reader, changelog, position_key(agent, topic)), cut)
        if not unread:
            return
        if time.monotonic() > deadline:
            raise CheckFailed(
                f"{agent} has not come to the end of {topic} within {timeout_s:g} s, {unread} records are left: "
                "is a worker running? npstream top shows its lag; --timeout waits longer"
            )
        await asyncio.sleep(POLL_S)


async def _unread(reader: Reader, topic: str, positions: dict[int, int], cut: dict[int, int]) -> int:
    behind = {partition: positions.get(partition, 0) for partition in cut if positions.get(partition, 0) < cut[partition]}
    start = {partition: behind.get(partition, end) for partition, end in cut.items()}
    return sum([len(records) async for records in reader.to_end(topic, start, cut)]) if behind else 0


async def _positions(reader: Reader, changelog: str, key: bytes) -> dict[int, int]:
    """The last position that each partition of a changelog holds, looked for from its end."""
    ends, firsts = await reader.ends(changelog), await reader.starts(changelog)
    found: dict[int, int] = {}
    back = TAIL
    missing = set(ends)
    while missing:
        start = {
            partition: max(firsts[partition], end - back) if partition in missing else end for partition, end in ends.items()
        }
        async for records in reader.to_end(changelog, start, ends):
            found |= {r.partition: Position.decode(r.value).next for r in records if r.key == key and r.value is not None}
        missing = {partition for partition in missing if partition not in found and start[partition] > firsts[partition]}
        back *= WIDEN
    return found
