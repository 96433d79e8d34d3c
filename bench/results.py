"""The figures of all rounds of one run, and what follows from them."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, NamedTuple

from bench.measurement import DISTURBED, Measurement

BASELINE = "faust"
"""The line that the others are compared with."""


class Spread(NamedTuple):
    """One figure over all rounds."""

    least: float
    median: float
    most: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> "Spread":
        """At least one figure."""
        return cls(min(figures), median(figures), max(figures))


@dataclass
class Results:
    """Rounds in their order, each with its measurements by line."""

    machine: dict[str, str]
    titles: dict[str, str]
    """What each line is, by its name, in the order in which to show them."""
    rounds: list[dict[str, Measurement]] = field(default_factory=list)

    @property
    def disturbed(self) -> list[str]:
        """Which figures others on the machine have spoiled, a line each."""
        return [
            f"round {number}, {name}: others took {measurement.disturbance:.0%} of the machine"
            for number, measured in enumerate(self.rounds, 1)
            for name, measurement in measured.items()
            if (measurement.disturbance or 0.0) > DISTURBED
        ]

    @property
    def failures(self) -> list[str]:
        """What differed from the recount, with its round and line."""
        return [
            f"round {number}, {name}: {failure}"
            for number, measured in enumerate(self.rounds, 1)
            for name, measurement in measured.items()
            for failure in measurement.failures
        ]

    def lines(self) -> list[str]:
        """Names of the lines that were measured in every round."""
        return [name for name in self.titles if self.rounds and all(name in measured for measured in self.rounds)]

    def spread(self, line: str, figure: Callable[[Measurement], float | None]) -> Spread | None:
        """A figure of a line over the rounds; None if it is not known."""
        figures = [found for measured in self.rounds if (found := figure(measured[line])) is not None]
        return Spread.of(figures) if figures else None

    def ratio(self, line: str, figure: Callable[[Measurement], float]) -> Spread | None:
        """How many times the baseline's figure in the same round; None if there is no baseline."""
        if BASELINE not in self.lines():
            return None
        return Spread.of([figure(measured[line]) / figure(measured[BASELINE]) for measured in self.rounds])

    def as_json(self) -> dict[str, Any]:
        """All of it. Durations in s, memory in MB, rates in responses/s."""
        return {
            "machine": self.machine,
            "rounds": [
                {name: asdict(measurement) | {"responses_per_s": round(measurement.rate, 1)} for name, measurement in m.items()}
                for m in self.rounds
            ],
            "summary": {
                line: {
                    "title": self.titles[line],
                    "responses_per_s": self.spread(line, lambda m: m.rate),
                    "times_faust": self.ratio(line, lambda m: m.rate),
                    "times_faust_by_cpu": self.ratio(line, lambda m: m.cpu_rate),
                }
                for line in self.lines()
            },
            "failures": self.failures,
            "disturbed": self.disturbed,
        }
