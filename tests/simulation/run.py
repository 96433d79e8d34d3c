"""As many schedules as are asked for, or until one of them shows a violation."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import hypothesis
import pytest
from hypothesis.internal.conjecture.providers import HypothesisProvider
from hypothesis.stateful import run_state_machine_as_test

from tests.model.clock import keep_time
from tests.simulation.invariants import Violation
from tests.simulation.machine import Schedules
from tests.simulation.report import Report

STEPS: Final = 20
"""Of one schedule: enough for a fault, what comes of it, and another fault on top of that."""
CHUNK: Final = 250
"""Schedules of one search. Hypothesis remembers all that it has tried, and gets slow and large with it; the next chunk has the
next seed. Always the whole of it, since what a seed gives depends on how much is asked for."""

Plant = Callable[[pytest.MonkeyPatch], None]


def search(schedules: int, seed: int, plant: Plant | None = None, shrink: bool = False) -> Report:
    """Run so many schedules in whole chunks, or until one shows a violation; on a protocol in which a bug was planted, if there
    is one to plant. `shrink` looks for the shortest schedule that shows it, which takes its time."""
    report = Report(seed=seed)
    began, used = time.perf_counter(), time.process_time()
    with _silence(), pytest.MonkeyPatch.context() as patch:
        keep_time(patch)
        # Hypothesis draws some numbers from those that stand in the modules that are loaded: the same seed would give other
        # schedules in the tests than in a long run, and after any change of the code.
        patch.setattr(HypothesisProvider, "_maybe_draw_constant", lambda *_, **__: None)
        if plant is not None:
            plant(patch)
        for number in range(-(-schedules // CHUNK)):
            report.seed = seed + number
            try:
                _chunk(report, shrink)
            except Violation as violation:
                report.story = "\n".join(getattr(violation, "__notes__", ()))
                break
            finally:
                report.real_s, report.processor_s = time.perf_counter() - began, time.process_time() - used
    return report


def _chunk(report: Report, shrink: bool) -> None:
    phases = (hypothesis.Phase.generate, hypothesis.Phase.shrink) if shrink else (hypothesis.Phase.generate,)
    settings = hypothesis.settings(
        max_examples=CHUNK,
        stateful_step_count=STEPS,
        phases=phases,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(hypothesis.HealthCheck),
    )

    def schedules() -> Schedules:
        return Schedules(report)

    run_state_machine_as_test(hypothesis.seed(report.seed)(schedules), settings=settings)


@contextmanager
def _silence() -> Iterator[None]:
    """The engine says a lot about what goes wrong on purpose."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
