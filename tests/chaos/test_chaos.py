"""One short schedule of faults against all of npstream; `make chaos` plays many long ones."""

import os

import pytest

from tests.chaos.run import run
from tests.chaos.schedule import Fault, schedule

pytestmark = pytest.mark.kafka

SEED = int(os.environ.get("NPSTREAM_TEST_CHAOS_SEED", "11"))
"""A schedule that has a kill, a pause, a kill of the broker and a network that loses answers."""
SECONDS = 55.0
RATE = 500.0
"""Records a second: enough for transactions to be open at any moment."""
LONG = (Fault.BROKER_AWAY, Fault.DISK_FULL)
"""Left out of the short run: they take long, and not everybody may fill a disk."""


@pytest.mark.timeout(600)
def test_whatever_happens_every_response_is_counted_once() -> None:
    made = schedule(SEED, SECONDS, without=LONG)
    assert {Fault.KILL, Fault.PAUSE, Fault.BROKER_KILL, Fault.ANSWERS_LOST} <= set(made.faults)
    verdict = run(made, RATE, print)
    assert verdict.wrong == []
    assert verdict.records > RATE * SECONDS / 2
