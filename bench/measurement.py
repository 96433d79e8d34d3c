"""One run of one line: what is measured, and what a line is."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from bench.inputs import Inputs
from bench.processes import Usage
from npstream.settings_sources import PREFIX

TIMEOUT_S = 120.0
"""Bound of the start and the end of a run, on a busy machine."""
SLOWEST = 500
"""Responses/s below which a run is given up: plain Faust reaches 2,300 on a quiet machine with two cores."""
DISTURBED = 0.1
"""Share of the machine that others may take before a figure is called disturbed."""


class RunFailed(RuntimeError):
    """A run did not come to its end; the message says why."""


@dataclass(frozen=True)
class Ground:
    """What all lines run on."""

    bootstrap: str
    broker_pid: int | None
    """None for a broker that is not ours: its processor time is then not known."""
    folder: Path
    """For logs, and what peers keep on the disk."""
    day: int
    """First UTC day of the stream, since 1970-01-01."""

    @cached_property
    def inputs(self) -> Inputs:
        """The stream in topics, which lines share."""
        return Inputs(self.bootstrap, self.day)


@dataclass
class Measurement:
    """From the first to the last response."""

    line: str
    responses: int
    seconds: float
    cpu_s: float
    """Of the worker, user and system."""
    broker_cpu_s: float | None
    others_cpu_s: float
    """Of everything else on the machine: what disturbed the run."""
    peak_rss_mb: float
    """Of the worker, since its start; of several processes the sum, what they share counted for each."""
    failures: list[str] = field(default_factory=list)
    """What differs from the recount; a figure counts only without."""
    records: dict[str, int] = field(default_factory=dict)
    """Of each topic."""
    details: dict[str, float] = field(default_factory=dict)
    """What the worker says of its batches."""

    @classmethod
    def between(cls, line: str, responses: int, began: Usage, ended: Usage, peak_rss_mb: float) -> "Measurement":
        """From the processor times at both ends."""
        broker = None if began.broker is None or ended.broker is None else ended.broker - began.broker
        return cls(
            line,
            responses,
            ended.at - began.at,
            ended.worker - began.worker,
            broker,
            max(0.0, ended.others - began.others),
            peak_rss_mb,
        )

    @property
    def rate(self) -> float:
        """Responses/s."""
        return self.responses / self.seconds

    @property
    def transaction_ms(self) -> float | None:
        """How long a transaction took on average, from its beginning to its commit; None if nothing was told of it."""
        seconds = sum(value for name, value in self.details.items() if name.endswith("transaction_s"))
        batches = sum(value for name, value in self.details.items() if name.endswith("batches"))
        return 1000 * seconds / batches if batches else None

    @property
    def disturbance(self) -> float | None:
        """The share of the machine that others took from the run; None if the broker cannot be told from them."""
        return None if self.broker_cpu_s is None else self.others_cpu_s / (self.seconds * (os.cpu_count() or 1))


class Line(Protocol):
    """Something that can be measured again and again."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str:
        """What it does, in a few words."""

    @property
    def responses(self) -> int: ...

    def run(self, ground: Ground, number: int) -> Measurement:
        """Do it once, in topics of its own that are gone afterwards; numbers are never the same. Raises RunFailed."""


def without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """What of an environment is no setting of npstream's: a line has the defaults, and what it is told to have."""
    return {name: value for name, value in environment.items() if not name.startswith(PREFIX)}


def as_variables(settings: Mapping[str, str]) -> dict[str, str]:
    """Settings as npstream reads them from its environment."""
    return {PREFIX + name.upper(): value for name, value in settings.items()}


def wait(condition: Callable[[], bool], what: str, timeout_s: float, poll_s: float) -> None:
    """Return when the condition holds. Raises RunFailed that says what was waited for."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise RunFailed(f"after {timeout_s:.0f} s still not: {what}")
        time.sleep(poll_s)


def time_limit_s(responses: int) -> float:
    """How long a run may take."""
    return TIMEOUT_S + responses / SLOWEST
