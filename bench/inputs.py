"""Topics that hold the stream: each is filled once, and read by every line that has the same input."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from bench.filling import fill
from bench.stream import Answer, answers, plain_record
from bench.truth import Truth
from npstream.memory import freeze, no_collections
from tests.kafka.topics import TopicAdmin

PARTITIONS = 4
"""Of every topic of every line."""
COUNTING = ("intake", "directory", "scoring", "rollups")
"""The agents that count: all but those of care, which act on what comes of it."""

Encode = Callable[[Answer], bytes]


class Content(NamedTuple):
    """What a topic holds."""

    responses: int
    encode: Encode
    headers: tuple[tuple[str, bytes], ...]


@dataclass
class Inputs:
    """The stream on one broker, and what must come of it."""

    bootstrap: str
    day: int
    """First UTC day of the stream, since 1970-01-01."""
    _topics: dict[str, Content] = field(default_factory=dict)
    _truths: dict[int, Truth] = field(default_factory=dict)

    def plain(self, responses: int) -> str:
        """A topic with so many responses as the peers read them; its name."""
        topic = f"bench.responses.{responses}"
        if topic not in self._topics:
            TopicAdmin(self.bootstrap).create(topic, partitions=PARTITIONS)
        self.fill(topic, responses, plain_record)
        return topic

    def fill(self, topic: str, responses: int, encode: Encode, headers: Mapping[str, bytes] | None = None) -> None:
        """Fill a topic, which is empty, unless it holds the same already."""
        content = Content(responses, encode, tuple((headers or {}).items()))
        if self._topics.get(topic) != content:
            fill(self.bootstrap, topic, answers(responses, self.day), encode, headers)
            self._topics[topic] = content

    def holds(self, topic: str, responses: int, encode: Encode, headers: Mapping[str, bytes] | None = None) -> bool:
        """Whether the topic need not be filled."""
        return self._topics.get(topic) == Content(responses, encode, tuple((headers or {}).items()))

    def forget(self, *topics: str) -> None:
        """They were deleted."""
        for topic in topics:
            self._topics.pop(topic, None)

    def delete(self) -> None:
        """All topics that were filled."""
        TopicAdmin(self.bootstrap).delete(*self._topics)
        self._topics.clear()

    def truth(self, responses: int) -> Truth:
        """What must come of the first `responses`, recounted once."""
        if responses not in self._truths:
            with no_collections():
                self._truths[responses] = Truth(answers(responses, self.day))
            freeze()  # millions of objects, which the collector would walk again and again
        return self._truths[responses]
