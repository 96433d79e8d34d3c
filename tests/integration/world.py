"""A broker with npstream's topics, empty at first: what is sent to them, and whether workers are done with it."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from npstream.admin import connect
from npstream.settings import Settings
from npstream.topic_plan import planned_topics
from schemas import topics
from tests.integration.topics_reading import ends, has_unread
from tests.integration.workers import PARTITIONS, until
from tests.kafka.topics import TopicAdmin

SEND_TIMEOUT_S = 60.0
"""Bound of sending; 100,000 records take two seconds."""
ANSWER_TIMEOUT_S = 20.0
"""An administrator's request takes milliseconds; the rest is for a busy machine."""
PROCESSED_TIMEOUT_S = 150.0
"""Bound of waiting for workers, below the time-out of a test."""
POLL_S = 0.3
"""Pause between two looks at all topics, each of which takes a while itself."""
MOVING = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.UNKNOWN_LEADER_EPOCH, KafkaError.FENCED_LEADER_EPOCH)
"""Answers about a partition that has just been made: ask again."""
QUIET = 2
"""A level of syslog: what is worse than an error."""
QUEUED = 50_000
"""Records that wait in the producer before it is asked to send some."""

SOURCES = (("intake", topics.RAW), ("scoring", topics.RESPONSES), ("rollups", topics.CELLS))
"""Agents and what they read, in the order of the flow."""


class Sending(NamedTuple):
    """One record on its way. Without a partition it goes where murmur2 of its key says."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    timestamp: int = 0
    """In ms, UTC; 0 is now."""
    partition: int | None = None
    headers: Sequence[tuple[str, bytes]] = ()


class World:
    """The topics of one application. It takes those of any other on the same broker away, since their names are fixed."""

    def __init__(
        self,
        bootstrap: str,
        app_id: str,
        transactional: bool = True,
        partitions: int = PARTITIONS,
        configs: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """`configs` are further entries of topics' configurations."""
        self.bootstrap = bootstrap
        self.app_id = app_id
        self.transactional = transactional
        self.plan = [
            replace(topic, config={**topic.config, **(configs or {}).get(topic.name, {})})
            for topic in planned_topics(Settings(bootstrap=bootstrap, app_id=app_id, partitions=partitions))
        ]
        self.delete("nps.")
        self.create()

    def delete(self, prefix: str) -> None:
        """Remove all topics whose names begin so."""
        topics = TopicAdmin(self.bootstrap)
        if names := [name for name in topics.names() if name.startswith(prefix)]:
            topics.delete(*names)
        # Anew, since a client remembers topics that are gone; and quiet: some tests kill the broker, and it would tell of that.
        self.admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": QUIET})

    def create(self) -> None:
        """Make the topics that are missing."""

        async def create() -> None:
            async with connect(Settings(bootstrap=self.bootstrap).connection()) as admin:
                await admin.create(self.plan)

        asyncio.run(create())

    def changelog(self, agent: str) -> str:
        """The name of an agent's changelog."""
        return f"{self.app_id}-{agent}-changelog"

    def send(self, records: Iterable[Sending], transactional_id: str | None = None, commit: bool = True) -> None:
        """Send all, as fast as the broker takes them; with a transactional id in one transaction, aborted unless `commit`."""
        options = {"transactional.id": transactional_id} if transactional_id else {"acks": "all"}
        producer = Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "partitioner": "murmur2_random",
                "linger.ms": 5,
                "message.max.bytes": 20_000_000,
                "queue.buffering.max.messages": 2 * QUEUED,
                "queue.buffering.max.kbytes": 1 << 20,
                **options,
            }
        )
        failed: list[str] = []

        def delivered(error: object, message: object) -> None:
            if error is not None:
                failed.append(str(error))

        if transactional_id:
            producer.init_transactions(SEND_TIMEOUT_S)
            producer.begin_transaction()
        for record in records:
            if len(producer) >= QUEUED:
                producer.poll(0.01)
            where = {} if record.partition is None else {"partition": record.partition}
            producer.produce(
                record.topic,
                record.value,
                record.key,
                timestamp=record.timestamp,
                headers=list(record.headers),
                on_delivery=delivered,
                **where,
            )
        left = producer.flush(SEND_TIMEOUT_S)
        if left or failed:
            raise AssertionError(f"{left} records were not sent, {len(failed)} were refused: {failed[:3]}")
        if transactional_id:
            if commit:
                producer.commit_transaction(SEND_TIMEOUT_S)
            else:
                producer.abort_transaction(SEND_TIMEOUT_S)

    def processed(self, *agents: str) -> bool:
        """Whether the agents (without names: all) have nothing left to do, and all of it can be read."""
        chosen = [source for source in SOURCES if not agents or source[0] in agents]
        # Twice, since records that scoring sends home come to a partition that may have been looked at before.
        for agent, topic in chosen * 2:
            if self.open_transactions() or has_unread(self.bootstrap, topic, agent, self.changelog(agent)):
                return False
        return not self.open_transactions()

    def wait_processed_partition(self, agent: str, topic: str, partition: int) -> None:
        """Return when an agent has nothing left to do in one partition. Raises AssertionError."""

        def done() -> bool:
            return not (self.open_transactions() or has_unread(self.bootstrap, topic, agent, self.changelog(agent), partition))

        until(done, f"{topic}-{partition} processed by {agent}", PROCESSED_TIMEOUT_S, POLL_S)

    def open_transactions(self) -> bool:
        """Whether anything written is neither committed nor aborted yet."""
        if not self.transactional:
            return False
        names = [topic.name for topic in self.plan]
        return self.ends(*names) != self.ends(*names, committed=False)

    def ends(self, *names: str, committed: bool = True) -> dict[tuple[str, int], int]:
        """Of each partition the last stable offset, or with `committed` False the log end. Not for the embedded broker."""
        found: dict[tuple[str, int], int] = {}

        def answered() -> bool:
            try:
                found.update(ends(self.admin, names, committed))
            except KafkaException as error:
                if error.args[0].code() not in MOVING:
                    raise
            return bool(found)

        until(answered, f"all partitions of {names} are led", ANSWER_TIMEOUT_S, POLL_S)
        return found

    def wait_processed(self, *agents: str, timeout_s: float = PROCESSED_TIMEOUT_S) -> None:
        """Return when the agents (without names: all) have nothing left to do. Raises AssertionError."""
        until(lambda: self.processed(*agents), f"everything processed by {agents or 'all agents'}", timeout_s, POLL_S)
