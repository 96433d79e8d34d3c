"""What a task is called, and everything that is named after it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TaskName:
    """Everything that a task's names are made from."""

    app: str
    unit: str
    partition: int

    @property
    def group(self) -> str:
        """The consumer group of the unit."""
        return f"{self.app}-{self.unit}"

    @property
    def changelog(self) -> str:
        """The unit's changelog topic."""
        return changelog_topic(self.app, self.unit)

    @property
    def transactional_id(self) -> str:
        """What fences: one id for each task, as the broker knows no group in it."""
        return f"{self.app}-{self.unit}-{self.partition}"

    @property
    def anew(self) -> str:
        """What a message says about starting over."""
        return f"restore it, or start anew: npstream rebuild --agent {self.unit}"

    def __str__(self) -> str:
        return f"{self.unit}-{self.partition}"


def changelog_topic(app: str, unit: str) -> str:
    """The name of a unit's changelog topic."""
    return f"{app}-{unit}-changelog"
