"""The protocol holds in every schedule that is tried; and each bug that is planted in it is found."""

import pytest

from tests.simulation.bugs import BUGS, DISK_BUGS
from tests.simulation.run import CHUNK, Plant, search
from tests.simulation.world import World

pytestmark = pytest.mark.timeout(900)
"""A chunk takes some seconds of one core; on a machine with other work, many times that."""

SEEDS = (1, 2)
"""Of the chunks that are tried: the same schedules at every run."""

WITHIN = CHUNK
"""Schedules within which a bug must be found: no more than the unbroken protocol passes with the same seed."""

KINDS = {
    "a bug in the worker",
    "a request is late",
    "a request is refused",
    "a transaction takes too long",
    "a transaction upstream hangs",
    "a worker is killed",
    "a worker leaves",
    "a worker stands still",
    "markers are late",
    "no answer",
    "the group rebalances",
}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_protocol_holds_in_every_schedule(seed: int) -> None:
    report = search(CHUNK, seed)
    assert report.violation is None, report.story
    assert report.schedules >= CHUNK
    # A search in which nothing goes wrong, or nothing is done, would find nothing.
    assert report.happened.keys() == KINDS
    assert min(report.happened.values()) > CHUNK / 20
    assert report.commits > 10 * CHUNK


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("plant", BUGS.values(), ids=BUGS.keys())
def test_a_bug_is_found(plant: Plant, seed: int) -> None:
    report = search(WITHIN, seed, plant)
    assert report.violation is not None, f"not found in {report.schedules} schedules"


def on_disks(patch: pytest.MonkeyPatch) -> None:
    """Let workers keep their state on the disks of two machines."""
    patch.setattr(World, "machines", 2)


def test_the_protocol_holds_in_every_schedule_with_state_on_disk() -> None:
    report = search(CHUNK, SEEDS[0], on_disks)
    assert report.violation is None, report.story
    assert report.happened.keys() == KINDS
    assert report.commits > 10 * CHUNK


@pytest.mark.parametrize("plant", DISK_BUGS, ids=lambda plant: plant.__name__)
def test_a_bug_of_state_on_disk_is_found(plant: Plant) -> None:
    def both(patch: pytest.MonkeyPatch) -> None:
        on_disks(patch)
        plant(patch)

    report = search(WITHIN, SEEDS[0], both)
    assert report.violation is not None, f"not found in {report.schedules} schedules"


def test_a_violation_is_found_again_by_its_seed() -> None:
    first, again = (search(WITHIN, SEEDS[0], BUGS["restore-without-the-stable-end"]) for _ in range(2))
    assert (first.schedules, first.steps, first.violation) == (again.schedules, again.steps, again.violation)
    assert "state.begin(" in first.story
    assert first.story == again.story
