"""The life of a task, as an enum that owns its legal transitions."""

from enum import Enum


class IllegalTransition(RuntimeError):
    """A task was to move to a phase that may not follow its present one: a bug in the engine, never a user's mistake."""


class Phase(Enum):
    """Where a task is in its life; the value names the phases that may follow.

    The opening is FENCING to CLAIMING, in this order. BROKEN waits to be opened again after a failure, SUSPENDED keeps its
    state in case the partition comes back, REFUSED waits for a person, CLOSED is the end.
    """

    ASSIGNED = ("FENCING", "BROKEN", "SUSPENDED", "CLOSED")
    FENCING = ("SETTLING", "BROKEN", "SUSPENDED", "REFUSED", "CLOSED")
    SETTLING = ("RESTORING", "BROKEN", "SUSPENDED", "REFUSED", "CLOSED")
    RESTORING = ("CHECKING", "BROKEN", "SUSPENDED", "REFUSED", "CLOSED")
    CHECKING = ("CLAIMING", "BROKEN", "SUSPENDED", "REFUSED", "CLOSED")
    CLAIMING = ("RUNNING", "BROKEN", "SUSPENDED", "REFUSED", "CLOSED")
    RUNNING = ("BROKEN", "SUSPENDED", "REFUSED", "CLOSED")
    BROKEN = ("FENCING", "SUSPENDED", "REFUSED", "CLOSED")
    SUSPENDED = ("ASSIGNED", "CLOSED")
    REFUSED = ("SUSPENDED", "CLOSED")
    CLOSED = ()

    # Members of equal values would be one member: the number before the names keeps them apart.
    def __new__(cls, *following: str) -> "Phase":
        member = object.__new__(cls)
        member._value_ = (len(cls.__members__), following)
        return member

    @property
    def following(self) -> tuple[str, ...]:
        """The names of the phases that may follow."""
        following: tuple[str, ...] = self.value[1]
        return following

    def to(self, target: "Phase") -> "Phase":
        """The target, if it may follow; raises IllegalTransition otherwise."""
        if target.name not in self.following:
            raise IllegalTransition(
                f"a task in {self.name} cannot become {target.name}: only {', '.join(self.following) or 'nothing'} may follow"
            )
        return target
