"""What a run of many schedules has come to."""

from collections import Counter
from dataclasses import dataclass, field

from tests.simulation.world import World


@dataclass
class Report:
    """Counts of all schedules up to the first that showed a violation, that one included."""

    schedules: int = 0
    steps: int = 0
    commits: int = 0
    model_s: float = 0.0
    """Time that passed in the model."""
    real_s: float = 0.0
    processor_s: float = 0.0
    """Less than `real_s` on a machine that has other work."""
    happened: Counter[str] = field(default_factory=Counter)
    """What went wrong on purpose, by kind."""
    violation: str | None = None
    seed: int = 0
    """Of the chunk that came last."""
    story: str = ""
    """The steps of the schedule that showed the violation."""

    @property
    def per_minute(self) -> float:
        """Schedules a minute of one core."""
        return 60 * self.schedules / self.processor_s if self.processor_s else 0.0

    def add(self, world: World) -> None:
        """One more schedule, at its end."""
        self.schedules += 1
        self.commits += world.auditor.commits
        self.model_s += world.loop.time()
        self.happened += world.happened
