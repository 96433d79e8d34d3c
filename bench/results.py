"""The figures of all rounds of one run, and what follows from them."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, NamedTuple

from bench.measurement import DISTURBED, Measurement

KSTREAMS, FAUST = "kstreams", "faust"
BASELINES = (KSTREAMS, FAUST)
"""The lines that the others are compared with."""

Figure = Callable[[Measurement], float | None]


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

    def baselines(self) -> list[str]:
        """Those of the baselines that were measured."""
        return [name for name in BASELINES if name in self.lines()]

    def spread(self, line: str, figure: Figure) -> Spread | None:
        """A figure of a line over the rounds; None if it is not known."""
        figures = [found for measured in self.rounds if (found := figure(measured[line])) is not None]
        return Spread.of(figures) if figures else None

    def ratio(self, line: str, baseline: str, figure: Callable[[Measurement], float]) -> Spread | None:
        """How many times the baseline's figure in the same round; None if it was not measured."""
        if baseline not in self.baselines():
            return None
        return Spread.of([figure(measured[line]) / figure(measured[baseline]) for measured in self.rounds])

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
                    "responses_per_s": self.spread(line, rate),
                    **{f"times_{baseline}": self.ratio(line, baseline, rate) for baseline in self.baselines()},
                    "cpu_s_per_million": self.spread(line, cpu_s_per_million),
                    "broker_cpu_s_per_million": self.spread(line, broker_cpu_s_per_million),
                    "peak_rss_mb": self.spread(line, peak_rss_mb),
                }
                for line in self.lines()
            },
            "failures": self.failures,
            "disturbed": self.disturbed,
        }


def rate(measurement: Measurement) -> float:
    """Responses/s."""
    return measurement.rate


def cpu_s_per_million(measurement: Measurement) -> float:
    """Seconds of the worker's processor time for each million of responses: also microseconds for each."""
    return measurement.cpu_s * 1e6 / measurement.responses


def broker_cpu_s_per_million(measurement: Measurement) -> float | None:
    """The same of the broker."""
    return None if measurement.broker_cpu_s is None else measurement.broker_cpu_s * 1e6 / measurement.responses


def peak_rss_mb(measurement: Measurement) -> float:
    """The most memory of the worker."""
    return measurement.peak_rss_mb
