"""Schedules of faults can be carried out, whatever the seed, and their tables say what was found."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chaos import report
from tests.chaos.schedule import MOST_WORKERS, Act, Fault, Schedule, schedule

ENDS = {Act.PAUSE: Act.RESUME, Act.FILL: Act.FREE, Act.BROKER_KILL: Act.BROKER_START}


@given(st.integers(0, 2**32), st.floats(10, 400))
def test_a_seed_makes_one_schedule_and_a_worker_does_only_what_it_can(seed: int, seconds: float) -> None:
    made = schedule(seed, seconds)
    assert made == schedule(seed, seconds)
    assert [step.at_s for step in made.steps] == sorted(step.at_s for step in made.steps)
    running: set[str] = set()
    paused: set[str] = set()
    for step in made.steps:
        match step.act:
            case Act.START:
                assert step.worker not in running | paused
                running.add(step.worker)
            case Act.KILL | Act.TERMINATE:
                running.remove(step.worker)
            case Act.PAUSE:
                running.remove(step.worker)
                paused.add(step.worker)
            case Act.RESUME:
                paused.remove(step.worker)
                running.add(step.worker)
        assert len(running | paused) <= MOST_WORKERS + 1
    assert running
    assert not paused


@given(st.integers(0, 2**32))
def test_broker_disk_and_network_are_whole_again_before_the_next_fault_of_theirs_and_at_the_end(seed: int) -> None:
    broker_acts = (Act.BROKER_KILL, Act.BROKER_START, Act.FILL, Act.FREE)
    acts = [step.act for step in schedule(seed, 300).steps]
    broker = [act for act in acts if act in broker_acts]
    assert broker[1::2] == [ENDS[act] for act in broker[::2]]
    network = [act for act in acts if act in (Act.DELAY, Act.SILENCE, Act.MUTE, Act.CUT, Act.CALM)]
    assert network[-1:] in ([], [Act.CALM])


def test_a_long_schedule_has_every_fault_and_one_without_some_has_none_of_them() -> None:
    assert set(schedule(1, 400).faults) == set(Fault)
    assert Fault.DISK_FULL not in schedule(1, 400, without=[Fault.DISK_FULL]).faults


def test_only_a_kill_that_stands_alone_and_leaves_somebody_is_measured() -> None:
    kills = [step for seed in range(200) for step in schedule(seed, 150).steps if step.act is Act.KILL]
    measured = [step for step in kills if step.measured]
    assert 0 < len(measured) < len(kills)
    for seed in range(200):
        steps = schedule(seed, 150).steps
        for kill in [step for step in steps if step.measured]:
            assert [step for step in steps if kill.at_s - 5 < step.at_s < kill.at_s + 15] == [kill], seed
            survivors = {step.worker for step in steps if step.act is Act.START and step.at_s <= kill.at_s - 5}
            gone = {step.worker for step in steps if step.act in (Act.KILL, Act.TERMINATE) and step.at_s <= kill.at_s}
            assert survivors - gone, seed


@pytest.mark.parametrize(
    ("values", "share", "wanted"),
    [([3.0, 1.0, 2.0], 0.5, 2.0), ([1.0], 0.99, 1.0), (list(map(float, range(1, 101))), 0.99, 99.0)],
)
def test_quantiles_are_values_that_were_seen(values: list[float], share: float, wanted: float) -> None:
    assert report.quantile(values, share) == wanted


def test_a_table_counts_what_is_wrong() -> None:
    good = {
        "seed": 1, "faults": {"KILL": 2, "JOIN": 1}, "records": 1000, "compared": {"a": 10, "b": 5}, "wrong": [], "load": 1.0,
        "seconds": 9.0, "recoveries": [{"assigned_s": 9.0, "processed_s": 11.5}, {"assigned_s": None, "processed_s": None}],
    }  # fmt: skip
    text = report.markdown([good, {**good, "seed": 2, "wrong": ["acme differs"], "recoveries": []}])
    assert "| 1 | 3 | 1,000 | 15 | 0 | 1.0 |" in text
    assert "| 2 | 3 | 1,000 | 15 | 1 | 1.0 |" in text
    assert "| **all** | **6** | **2,000** | **30** | **1** | |" in text
    assert "| kill -9 of a worker | 4 |" in text
    assert "kill -9 of a worker, 1 of 2 | p50" in text
    assert "| and ours: fence, settle, restore, check, claim, first batch, s | 2.5 | 2.5 | 2.5 |" in text
    assert "WRONG: acme differs" in report.line({**good, "wrong": ["acme differs"]})
    assert math.isnan(report.quantile([], 0.5))


def test_an_empty_schedule_cannot_be_mistaken_for_one() -> None:
    with pytest.raises(IndexError):
        _ = Schedule(1).ends_s
