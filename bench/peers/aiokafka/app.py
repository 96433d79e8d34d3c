"""The peers' work by hand: aiokafka, orjson, uvloop, and a changelog that gets each changed key once a commit.

The strongest that such a loop was made: to write a changelog record for each update takes half of its speed, and Python's
collector, which walks all of the live state, 39 % of its time unless its threshold is raised.
"""

import asyncio
import gc
import time
from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

import orjson
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition

from bench.peers.telling import Work, tell

COMMIT_INTERVAL_S: Final = 1.0
KEPT_DAYS: Final = 90
DAY_S: Final = 86_400
POLL_MS: Final = 200
POLLED: Final = 5000
"""Records of one poll."""
FETCH_BYTES: Final = 4 << 20
PRODUCER_BATCH_BYTES: Final = 256 << 10
LINGER_MS: Final = 10
COLLECTOR: Final = (200_000, 50, 1000)
"""Thresholds: the state makes no cycles."""

Days = dict[str, list[int]]
"""Promoters, passives and detractors by UTC day."""


class Shard:
    """The state of one partition, and what of it was changed since the last commit."""

    def __init__(self) -> None:
        self.respondents: dict[str, list[Any]] = {}
        """Last category and score."""
        self.accounts: dict[str, Days] = {}
        self.changed_respondents: set[str] = set()
        self.changed_accounts: set[str] = set()


class Kept(NamedTuple):
    """The two changelogs."""

    respondents: str
    accounts: str


class Peer(ConsumerRebalanceListener):  # type: ignore[misc]
    """One consumer, one producer, the shards of the partitions that are assigned."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._changelogs = Kept(f"{work.group}-respondents-changelog", f"{work.group}-accounts-changelog")
        self._shards: dict[int, Shard] = {}
        self._offsets: dict[TopicPartition, int] = {}
        self._sent: list[asyncio.Future[Any]] = []
        self._processed = 0
        self._restored = asyncio.Event()
        """The consumer may hand out records before `on_partitions_assigned` has restored their state."""
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=work.bootstrap,
            group_id=work.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        self._producer = AIOKafkaProducer(
            bootstrap_servers=work.bootstrap, acks="all", linger_ms=LINGER_MS, max_batch_size=PRODUCER_BATCH_BYTES
        )

    async def run(self) -> None:
        """Until all responses are processed."""
        await self._producer.start()
        await self._consumer.start()
        self._consumer.subscribe([self._work.source], listener=self)
        committed = time.monotonic()
        while self._processed < self._work.responses:
            for partition, records in (await self._consumer.getmany(timeout_ms=POLL_MS, max_records=POLLED)).items():
                await self._restored.wait()
                shard = self._shards.get(partition.partition)
                if shard is not None:  # it may have been revoked meanwhile
                    await self._process(shard, records)
                    self._offsets[partition] = records[-1].offset + 1
            if time.monotonic() - committed >= COMMIT_INTERVAL_S:
                await self._commit()
                committed = time.monotonic()
        await self._commit()
        tell("ended")
        await self._consumer.stop()
        await self._producer.stop()

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Write what was not committed yet."""
        self._restored.clear()
        await self._commit()
        self._shards.clear()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Restore the state."""
        self._shards = {partition.partition: Shard() for partition in assigned}
        await self._restore()
        self._restored.set()

    async def _restore(self) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._work.bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            ends = await consumer.end_offsets([TopicPartition(topic, p) for topic in self._changelogs for p in self._shards])
            unread = {partition: end for partition, end in ends.items() if end}
            consumer.assign(list(unread))
            while unread:
                for partition, records in (await consumer.getmany(timeout_ms=POLL_MS)).items():
                    shard = self._shards[partition.partition]
                    rows: dict[str, Any] = (
                        shard.respondents if partition.topic == self._changelogs.respondents else shard.accounts
                    )
                    rows.update((record.key.decode(), orjson.loads(record.value)) for record in records)
                for partition in list(unread):
                    if await consumer.position(partition) >= unread[partition]:
                        del unread[partition]
        finally:
            await consumer.stop()

    async def _process(self, shard: Shard, records: Sequence[ConsumerRecord]) -> None:
        respondents, accounts = shard.respondents, shard.accounts
        send, sent, dumps = self._producer.send, self._sent.append, orjson.dumps
        for record in records:
            if not self._processed:
                tell("began")
            response = orjson.loads(record.value)
            score, respondent, account = response["score"], response["respondent_id"], response["account_id"]
            now = "detractor" if score <= 6 else "passive" if score <= 8 else "promoter"
            before = respondents.get(respondent)
            respondents[respondent] = [now, score]
            shard.changed_respondents.add(respondent)
            if before is not None and before[0] != now:
                change = {
                    "response_id": response["response_id"],
                    "respondent_id": respondent,
                    "account_id": account,
                    "segment": response["segment"],
                    "from": before[0],
                    "to": now,
                    "score": score,
                    "responded_at": response["responded_at"],
                }
                sent(await send(self._work.changes, dumps(change), key=account.encode()))
            days = accounts.get(account)
            if days is None:
                days = accounts[account] = {}
            day = str(response["responded_at"] // DAY_S)
            counts = days.get(day)
            if counts is None:
                counts = days[day] = [0, 0, 0]
                _forget_old(days)
            counts[0 if now == "promoter" else 1 if now == "passive" else 2] += 1
            shard.changed_accounts.add(account)
            if score <= 6:
                detractor = {
                    "response_id": response["response_id"],
                    "respondent_id": respondent,
                    "account_id": account,
                    "segment": response["segment"],
                    "score": score,
                    "comment": response["comment"],
                    "responded_at": response["responded_at"],
                }
                sent(await send(self._work.detractors, dumps(detractor), key=account.encode()))
            self._processed += 1

    async def _commit(self) -> None:
        """Changelogs, then offsets: after a crash between the two, records come again."""
        send, dumps = self._producer.send, orjson.dumps
        for number, shard in self._shards.items():
            for topic, changed, rows in (
                (self._changelogs.respondents, shard.changed_respondents, shard.respondents),
                (self._changelogs.accounts, shard.changed_accounts, shard.accounts),
            ):
                for key in changed:
                    self._sent.append(await send(topic, dumps(rows[key]), key=key.encode(), partition=number))
                changed.clear()
        await self._producer.flush()
        for sent in self._sent:
            sent.result()  # raises what went wrong
        self._sent.clear()
        if self._offsets:
            await self._consumer.commit(self._offsets)
            self._offsets = {}


def _forget_old(days: Days) -> None:
    oldest = max(map(int, days)) - KEPT_DAYS + 1
    for day in [day for day in days if int(day) < oldest]:
        del days[day]


async def _main() -> None:
    await Peer(Work.told()).run()


if __name__ == "__main__":
    gc.set_threshold(*COLLECTOR)
    uvloop.run(_main())
