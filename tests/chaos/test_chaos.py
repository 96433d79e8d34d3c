"""One short schedule of faults against all of npstream; `make chaos` plays many long ones."""

import pytest

from tests.chaos.run import run
from tests.chaos.schedule import Fault, schedule

pytestmark = pytest.mark.kafka

SEED, SECONDS = 285, 53.0
"""A schedule that has one fault of each kind but the long ones, which is rare for one so short."""
RATE = 500.0
"""Records a second: enough for transactions to be open at any moment."""
LONG = (Fault.BROKER_AWAY, Fault.DISK_FULL)
"""Left out of the short run: they take long, and not everybody may fill a disk."""


@pytest.mark.timeout(600)
def test_whatever_happens_every_response_is_counted_once() -> None:
    made = schedule(SEED, SECONDS, without=LONG)
    assert set(made.faults) == set(Fault) - set(LONG)
    verdict = run(made, RATE, print)
    assert verdict.wrong == []
    assert verdict.records > RATE * SECONDS / 2
