"""Keep to a rate. No clock here: what has passed comes in, how long to wait goes out."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """At most so many records per second, over the whole run: a pause that took too long is made up for."""

    per_second: float

    def wait_s(self, sent: int, elapsed_s: float) -> float:
        """Seconds until the next record is due, after `sent` records in `elapsed_s` seconds."""
        return max(0.0, sent / self.per_second - elapsed_s)
