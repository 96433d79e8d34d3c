"""Which topics must be there, with how many partitions and which configuration: what `create` makes and `check` expects."""

from dataclasses import dataclass

from npstream.settings import Settings
from schemas.topics import COMPACTION_LAG_DAYS, DAY_S, TOPICS, CleanUp
from streams.disk import CONTINUED_MS
from streams.task_name import changelog_topic

CHANGELOG_SEGMENT_BYTES = 64 * 1024 * 1024
"""Only closed segments are compacted: a sixteenth of the broker's default of 1 GB keeps a restore short."""
DAY_MS = DAY_S * 1000
"""Milliseconds of a day, as the broker's retention.ms counts."""


@dataclass(frozen=True, slots=True)
class PlannedTopic:
    """One topic as it must be."""

    name: str
    holds: str
    partitions: int
    replication: int
    """-1: whatever the broker's default is."""
    config: dict[str, str]
    """The broker's topic configuration."""
    agent: str | None = None
    """The agent whose changelog it is, if it is one."""

    @property
    def changelog(self) -> bool:
        """Whether it holds state and no results."""
        return self.agent is not None

    @property
    def clean_up(self) -> frozenset[str]:
        """The policies in `cleanup.policy`, whatever their order."""
        return frozenset(self.config["cleanup.policy"].split(","))

    @property
    def retention_ms(self) -> int | None:
        """How long records stay at least; None for as long as their key lives."""
        text = self.config.get("retention.ms")
        return None if text is None else int(text)


def changelog_topics(settings: Settings) -> list[PlannedTopic]:
    """The changelog of each unit: compacted only, as many partitions as its sources. A unit has its agent's name."""
    config = {
        "cleanup.policy": CleanUp.COMPACT.value,
        "segment.bytes": str(CHANGELOG_SEGMENT_BYTES),
        "max.compaction.lag.ms": str(COMPACTION_LAG_DAYS * DAY_MS),
        "delete.retention.ms": str(2 * CONTINUED_MS),  # one half for a copy on disk to wait, one for reading on
    }
    return [
        PlannedTopic(
            name=changelog_topic(settings.app_id, unit),
            holds=f"state, positions and clock of {unit}",
            partitions=settings.partitions,
            replication=settings.replication,
            config=config,
            agent=unit,
        )
        for unit in settings.agents
    ]


def planned_topics(settings: Settings) -> list[PlannedTopic]:
    """Every topic that npstream reads or writes under these settings, changelogs last."""
    published = [
        PlannedTopic(topic.name, topic.holds, settings.partitions, settings.replication, topic.config) for topic in TOPICS
    ]
    return published + changelog_topics(settings)


def retention(ms: int | None) -> str:
    """A retention.ms for people; None and -1 mean that nothing is deleted for its age."""
    if ms is None or ms < 0:
        return "for ever"
    days = ms / DAY_MS
    return f"{days:g} day{'s' * (days != 1)}" if days >= 1 else f"{ms / 3_600_000:g} hours"
