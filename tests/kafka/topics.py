"""Makes and removes topics of a broker, and returns only when clients see the change."""

import time
from collections.abc import Callable, Mapping

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic, TopicMetadata

from schemas import topics

VISIBLE_TIMEOUT_S = 20.0
"""Metadata reaches a single node within milliseconds; the rest is for a busy machine."""
POLL_S = 0.02
"""Pause between two looks at the metadata."""


class TopicAdmin:
    """Topics of the broker at `bootstrap`. Every call blocks until its effect is visible; broker errors are raised."""

    def __init__(self, bootstrap: str) -> None:
        # librdkafka would complain on standard error about a broker that a test has stopped.
        self._client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})

    def create(self, *names: str, partitions: int = 4, config: Mapping[str, str] | None = None) -> None:
        """Make topics with the same number of partitions and configuration."""
        self._make([NewTopic(name, partitions, 1, config=dict(config or {})) for name in names])

    def create_all(self, partitions: int = 4) -> None:
        """Make every topic of the table in `schemas.topics`, with its configuration, all with `partitions`."""
        self._make([NewTopic(topic.name, partitions, 1, config=topic.config) for topic in topics.TOPICS])

    def delete(self, *names: str) -> None:
        """Remove topics with all their records."""
        if not names:
            return
        for done in self._client.delete_topics(list(names)).values():
            done.result(VISIBLE_TIMEOUT_S)
        self._wait(lambda known: not known.keys() & set(names), f"the topics {names} are still there")

    def wipe(self) -> None:
        """Remove all topics but the broker's own."""
        self.delete(*(name for name in self.names() if not name.startswith("__")))

    def names(self) -> list[str]:
        """All topics, in order."""
        return sorted(self._client.list_topics(timeout=VISIBLE_TIMEOUT_S).topics)

    def _make(self, new: list[NewTopic]) -> None:
        for done in self._client.create_topics(new).values():
            done.result(VISIBLE_TIMEOUT_S)

        def have_leaders(known: dict[str, TopicMetadata]) -> bool:
            return all(
                topic.topic in known
                and len(known[topic.topic].partitions) == topic.num_partitions
                and all(partition.leader >= 0 for partition in known[topic.topic].partitions.values())
                for topic in new
            )

        self._wait(have_leaders, f"the topics {[topic.topic for topic in new]} have no leaders")

    def _wait(self, reached: Callable[[dict[str, TopicMetadata]], bool], otherwise: str) -> None:
        deadline = time.monotonic() + VISIBLE_TIMEOUT_S
        while not reached(self._client.list_topics(timeout=VISIBLE_TIMEOUT_S).topics):
            if time.monotonic() > deadline:
                raise KafkaException(f"{otherwise} after {VISIBLE_TIMEOUT_S:g} s")
            time.sleep(POLL_S)
