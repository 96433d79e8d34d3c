"""What a worker is made of under which settings: units of agents, the engine's bounds, and the brokers.

A unit hosts one agent and has its name, but for those that read the same topics anyway: they share a consumer, a producer a
partition and a transaction (what that saves: docs/capacity.md).
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from agents.directory import Directory
from agents.intake import Intake, IntakeSettings
from agents.rollups import Rollups, RollupSettings
from agents.scoring import Scoring, ScoringSettings
from npstream.failures import CheckFailed
from npstream.settings import Settings
from npstream.sources_file import read_sources
from streams.checking import OpeningRules
from streams.disk import Disk, DiskUnavailable
from streams.kafka_broker import KafkaBroker
from streams.processor import Processor
from streams.task import TaskRules


def _intake(settings: Settings) -> Sequence[Processor]:
    sources = read_sources(settings.sources_file)
    return [
        Intake(IntakeSettings(sources.adapters, sources.settings, sources.domains, settings.zone(), settings.default_account))
    ]


def _scoring(settings: Settings) -> Sequence[Processor]:
    lengths = (settings.windows_days, settings.headline_days, settings.grace_days)
    sources = tuple(read_sources(settings.sources_file).adapters)
    return [Scoring(ScoringSettings(*lengths, alert_max_age_days=settings.alert_max_age_days, sources=sources))]


def _directory(settings: Settings) -> Sequence[Processor]:
    return [Directory()]


def _rollups(settings: Settings) -> Sequence[Processor]:
    return [Rollups(RollupSettings(settings.windows_days, settings.headline_days, settings.grace_days, settings.segment_gauges))]


def _care(settings: Settings) -> Sequence[Processor]:
    return []


UNITS: dict[str, Callable[[Settings], Sequence[Processor]]] = {
    "intake": _intake,
    "directory": _directory,
    "scoring": _scoring,
    "rollups": _rollups,
    "care": _care,
}
"""How the agents of each unit are made. To add an agent, write it in `agents/` and put it into one of these, or give it a unit of
its own here and in the setting `agents`."""


def processors(unit: str, settings: Settings) -> Sequence[Processor]:
    """The agents of the unit of this name, under these settings."""
    return UNITS[unit](settings)


def cluster(settings: Settings) -> KafkaBroker:
    """The brokers, not connected yet."""
    return KafkaBroker(
        settings.connection(),
        transaction_timeout_ms=settings.transaction_timeout_ms,
        compression=None if settings.compression == "none" else settings.compression,
    )


def task_rules(settings: Settings, agent: str = "") -> TaskRules:
    """The engine's bounds from the settings, for an agent of this name."""
    return TaskRules(
        opening=OpeningRules(settle_timeout_s=settings.open_timeout_ms / 1000, accept_gaps=settings.accept_gaps),
        batch_bytes=settings.batch_max_bytes,
        linger_s=(settings.rollups_linger_ms if agent == Rollups.name else settings.linger_ms) / 1000,
        inbox_bytes=settings.inbox_max_bytes,
        tick_interval_s=settings.tick_interval_ms / 1000,
        retry_max_s=settings.retry_max_s,
        give_up_after_s=settings.give_up_after_s,
    )


def disk(settings: Settings) -> Disk | None:
    """Where state is kept if not in memory. Raises CheckFailed without the optional package, and for a folder that cannot be
    written."""
    if settings.state_store == "memory" or settings.state_folder is None:
        return None
    try:
        from streams.disk_store import RocksDisk
    except ImportError as error:
        raise CheckFailed(
            f"state_store disk needs RocksDB, which is not there ({error}): pip install 'npstream[disk]', "
            "or use state_store memory"
        ) from error
    try:
        return RocksDisk(Path(settings.state_folder), settings.state_memory_bytes)
    except DiskUnavailable as error:
        raise CheckFailed(str(error)) from error
