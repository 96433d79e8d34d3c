"""What the endurance runs judge by: pace, fitted lines, the bound of memory, who came how often, latencies."""

import pytest

from npstream.memory import KEPT_BYTES
from tests.endurance.bound import KEY_BYTES, MB, Bound
from tests.endurance.delivered import Delivered
from tests.endurance.fitting import fit, settled
from tests.endurance.latency import latency
from tests.endurance.pacing import Pace, all_at_once
from tests.endurance.report import Report, blocks


@pytest.mark.parametrize(("elapsed_s", "due"), [(-1, 0), (0, 0), (0.5, 50), (1.999, 199), (2, 200), (9, 200)])
def test_what_is_due_grows_with_the_time_and_ends(elapsed_s: float, due: int) -> None:
    assert Pace(100, 2).due(elapsed_s) == due


def test_all_at_once_is_all_of_them_soon() -> None:
    assert all_at_once(4711).total == all_at_once(4711).due(0.001) == 4711


def test_a_line_is_fitted_through_noise() -> None:
    line = fit([(at, 100 + 0.01 * at + (-1) ** at) for at in range(3600)])
    assert line.per_hour == pytest.approx(36, abs=0.1)
    assert line.start == pytest.approx(100, abs=0.1)


@pytest.mark.parametrize("points", [[], [(1.0, 5.0)], [(1.0, 5.0), (1.0, 6.0)]])
def test_one_moment_makes_no_line(points: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="two moments"):
        fit(points)


def test_growth_at_the_start_is_left_out_and_growth_at_the_end_is_not() -> None:
    rising_first = [(float(at), float(min(at, 100))) for at in range(300)]
    rising_last = [(float(at), float(max(at, 200))) for at in range(300)]
    assert fit(settled(rising_first)).slope == 0
    assert fit(settled(rising_last)).slope > 0.2


def test_the_bound_grows_with_partitions_inboxes_and_state_alone() -> None:
    bound = Bound(agents=3, partitions=4, inbox_max_bytes=4 * MB, base_bytes=60 * MB)
    assert bound.fixed_bytes == 60 * MB + KEPT_BYTES + 2 * (12 * (4 + 2) + 3 * 16) * MB
    assert Bound(3, 8, 4 * MB, 60 * MB).fixed_bytes - bound.fixed_bytes == 2 * 12 * 6 * MB
    assert bound.with_state(0, 0) == bound.fixed_bytes
    assert bound.with_state(10, 1000) == bound.fixed_bytes + 10 * KEY_BYTES + 1000


def test_each_number_once_is_no_problem() -> None:
    delivered = Delivered(4)
    for number in (2, 0, 1, 3):
        delivered.mark(number)
    assert list(delivered.problems()) == []


@pytest.mark.parametrize(
    ("came", "problem"),
    [
        ([0, 2], "1 lost: 1"),
        ([0, 1, 2, 1], "1 doubled: 1"),
        ([0, 1, 2, 7], "1 never sent: 7"),
        ([0, 1, 2, -1], "1 never sent: -1"),
        ([0, 1, 2, 3], "1 not wanted: 3"),
        ([1] * 300 + [0, 2], "1 doubled: 1"),
        ([], "3 lost: 0, 1, 2"),
    ],
)
def test_a_number_that_did_not_come_once_is_a_problem(came: list[int], problem: str) -> None:
    delivered = Delivered(4)
    for number in came:
        delivered.mark(number)
    assert list(delivered.problems(lambda number: number < 3)) == [problem]


def test_many_problems_are_one_line() -> None:
    assert list(Delivered(1000).problems()) == ["1,000 lost: 0, 1, 2, ..."]


def test_latencies_are_ranked() -> None:
    assert latency([float(ms) for ms in range(100, 0, -1)]) == (100, 50.0, 100.0)
    with pytest.raises(ValueError, match="no response"):
        latency([])


def test_blocks_show_the_highest_of_each_piece() -> None:
    assert blocks([0, 0, 8]) == "▁▁█"
    assert blocks([0.0] * 600) == "▁" * 60
    assert blocks([*[0.0] * 599, 5.0]) == "▁" * 59 + "█"


def test_one_finding_that_does_not_hold_is_a_violation() -> None:
    report = Report("A run", "python -m tests.endurance run")
    report.hold("memory", "5 MB", "6 MB", True)
    report.hold_exact({"nps.responses.scored": []})
    assert report.holds
    report.hold_exact({"nps.responses.scored": ["1 lost: 7"]})
    assert not report.holds
    assert "| lost, doubled or miscounted | nps.responses.scored: 1 lost: 7 | nothing | VIOLATED |" in report.markdown()
