"""How many records are due when so many are wanted each second. No clock in here."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """A steady rate for a while."""

    per_second: float
    seconds: float

    @property
    def total(self) -> int:
        """All records."""
        return round(self.per_second * self.seconds)

    def due(self, elapsed_s: float) -> int:
        """Records that should have been sent after so long, all of them at the end: one who is late catches up."""
        return min(self.total, int(self.per_second * max(0.0, elapsed_s)))


def all_at_once(count: int) -> Pace:
    """So many, all of them due within a millisecond."""
    return Pace(count * 1000.0, 0.001)
