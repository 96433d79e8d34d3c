"""A rate is kept over the whole run."""

import pytest

from npstream.pace import Pace


@pytest.mark.parametrize(
    ("sent", "elapsed_s", "wait_s"),
    [
        (0, 0.0, 0.0),  # the first record goes at once
        (1, 0.0, 0.5),
        (1, 0.2, 0.3),
        (10, 5.0, 0.0),
        (10, 7.0, 0.0),  # behind: no pause until it has caught up
    ],
)
def test_the_next_record_is_due_when_the_rate_allows(sent: int, elapsed_s: float, wait_s: float) -> None:
    assert Pace(2.0).wait_s(sent, elapsed_s) == pytest.approx(wait_s)
