"""What a process of a worker and the one that started it say to each other."""

import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import wait
from multiprocessing import Pipe

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest
from prometheus_client.registry import Collector

from npstream.lifeline import About, Farewell, Lifeline, Metrics, ProcessGone, ProcessLine, State, collected
from npstream.processes import merged
from streams.health import Health

ANSWER_S = 10.0


class Tied:
    """Both ends in one process."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.gone = threading.Event()
        self.registry = CollectorRegistry()
        self.line = ProcessLine()
        self.lifeline = Lifeline(os.dup(self.line.theirs.fileno()))
        self.line.started()

    def serve(self) -> None:
        self.lifeline.serve(Health(self.registry, lambda: self.problems), self.gone.set)

    def end(self) -> None:
        """As the process ends: its end closes with it."""
        self.lifeline._connection.close()
        self.line.close()


@pytest.fixture
def tied() -> Iterator[Tied]:
    both = Tied()
    yield both
    both.lifeline._connection.close()


def test_a_process_says_how_it_is_whenever_it_is_asked(tied: Tied) -> None:
    tied.serve()
    tied.problems = ["scoring-0: restoring"]
    assert tied.line.ask(About.HEALTH).result(ANSWER_S) == State([], ["scoring-0: restoring"])
    tied.problems = []
    assert tied.line.ask(About.HEALTH).result(ANSWER_S) == State([], [])
    assert tied.line.state == State([], [])


def test_one_that_does_not_answer_is_asked_once_and_its_silence_is_known(tied: Tied) -> None:
    assert tied.line.silent_s() == 0.0
    first = tied.line.ask(About.HEALTH)
    assert all(tied.line.ask(About.HEALTH) is first for _ in range(1000))
    assert tied.line.silent_s() > 0.0
    tied.serve()
    assert first.result(ANSWER_S) == State([], [])
    assert tied.line.silent_s() == 0.0


def test_one_that_fails_to_tell_says_so_instead_of_being_silent(tied: Tied, caplog: pytest.LogCaptureFixture) -> None:
    tied.registry.register(Broken())
    tied.serve()
    assert tied.line.ask(About.METRICS).result(ANSWER_S) == Metrics([])
    assert "cannot tell its metrics" in caplog.text
    assert tied.line.ask(About.HEALTH).result(ANSWER_S) == State([], [])


def test_its_last_words_are_there_once_it_is_gone(tied: Tied) -> None:
    tied.lifeline.farewell("topic nps.responses: missing", 1)
    tied.end()
    assert tied.line.farewell == Farewell("topic nps.responses: missing", 1)


def test_who_asks_one_that_is_gone_waits_for_nothing(tied: Tied) -> None:
    before = tied.line.ask(About.METRICS)
    tied.end()
    after = tied.line.ask(About.METRICS)
    assert wait([before, after], ANSWER_S).not_done == set()
    assert isinstance(before.exception(), ProcessGone)
    assert isinstance(after.exception(), ProcessGone)


def test_a_process_whose_parent_is_gone_notices() -> None:
    ours, theirs = Pipe()
    gone = threading.Event()
    lifeline = Lifeline(os.dup(theirs.fileno()))
    theirs.close()
    lifeline.serve(Health(CollectorRegistry(), list), gone.set)
    ours.close()
    assert gone.wait(ANSWER_S)
    lifeline.farewell("nobody hears it", 1)


def test_metrics_are_those_of_the_registry_with_one_more_label(tied: Tied) -> None:
    Counter("things", "Things", ["kind"], registry=tied.registry).labels("round").inc(3)
    Gauge("height", "Height in m", registry=tied.registry).set(1.5)
    Histogram("width", "Width in m", buckets=(1.0, 2.0), registry=tied.registry).observe(1.2)
    tied.serve()
    answer: Metrics = tied.line.ask(About.METRICS).result(ANSWER_S)
    assert answer == collected(tied.registry)

    both = CollectorRegistry()
    both.register(Fixed(merged({"1": answer, "2": answer})))
    lines = [line for line in generate_latest(both).decode().splitlines() if "_created" not in line]
    assert lines == [
        "# HELP things_total Things",
        "# TYPE things_total counter",
        'things_total{kind="round",process="1"} 3.0',
        'things_total{kind="round",process="2"} 3.0',
        "# HELP height Height in m",
        "# TYPE height gauge",
        'height{process="1"} 1.5',
        'height{process="2"} 1.5',
        "# HELP width Width in m",
        "# TYPE width histogram",
        *(
            line
            for number in "12"
            for line in (
                f'width_bucket{{le="1.0",process="{number}"}} 0.0',
                f'width_bucket{{le="2.0",process="{number}"}} 1.0',
                f'width_bucket{{le="+Inf",process="{number}"}} 1.0',
                f'width_count{{process="{number}"}} 1.0',
                f'width_sum{{process="{number}"}} 1.2',
            )
        ),
    ]


class Fixed(Collector):
    """Collects what it was given."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> list[Metric]:
        return self._metrics


class Broken(Collector):
    """Has nothing to collect."""

    def collect(self) -> list[Metric]:
        raise ZeroDivisionError
