"""The shortest overload that is one: a few seconds of load on a Kafka of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.workers import ROOT

TIMEOUT_S = 150.0
"""Twenty seconds on a quiet machine."""


@pytest.mark.kafka
def test_an_overload_of_a_second_loses_nothing_and_stays_within_its_bound(tmp_path: Path) -> None:
    section = tmp_path / "overload.md"
    command = [sys.executable, "-m", "tests.endurance", "overload", "--seconds", "1", "--times", "3", "--calibrate", "3000"]
    done = subprocess.run(
        [*command, "--markdown", str(section)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    text = section.read_text(encoding="utf-8")
    assert "| lost, doubled or miscounted | nothing in 7 topics | nothing | holds |" in text
    assert "VIOLATED" not in text
