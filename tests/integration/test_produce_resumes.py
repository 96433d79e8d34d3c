"""`npstream produce` killed amid a file, on a real Kafka: the next run goes on, and sends twice only what it must."""

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from schemas import topics
from tests.integration.cluster import Cluster, Run

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
"""Everything here takes some seconds; the rest is for a busy machine."""
ROWS = 40_000
RATE = 5_000
"""Rows a second: a run of eight seconds, which is killed in its first ones."""


def rows_acknowledged(state: Path) -> int:
    """What the state file says; 0 while there is none."""
    return sum(json.loads(state.read_text()).values()) if state.exists() else 0


def test_a_run_that_is_killed_goes_on_and_repeats_only_what_was_on_its_way(
    transactional: Cluster, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, state = tmp_path / "year.csv", tmp_path / "year.csv.npstream-resume"
    rows = "".join(f"r-{n},account-{n % 50},{n % 11},2026-03-01T09:30:00Z\n" for n in range(ROWS))
    file.write_text(f"response_id,account_id,score,responded_at\n{rows}")
    command = ["--bootstrap", transactional.connection.bootstrap, "produce", "--rate", f"{RATE}/s", str(file)]
    process = subprocess.Popen([sys.executable, "-m", "npstream", *command], cwd=ROOT, stdout=subprocess.PIPE)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while rows_acknowledged(state) < RATE:
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline, "it never said how far it is"
            time.sleep(0.01)
    finally:
        process.kill()
        out, _ = process.communicate(timeout=PATIENCE_S)
    acknowledged = rows_acknowledged(state)
    assert out == b""
    sent = {json.loads(record.value)["response_id"] for record in transactional.records(topics.RAW)}
    assert sent >= {f"r-{n}" for n in range(acknowledged)}
    assert len(sent) < ROWS

    assert run(transactional, "produce", str(file)) == 0
    captured = capsys.readouterr()
    assert captured.err == f"{file}: goes on after {acknowledged:,} rows that an interrupted run has sent\n"
    assert captured.out.startswith(f"sent {ROWS - acknowledged:,} records to nps.responses.raw in ")
    assert not state.exists()
    times = Counter(json.loads(record.value)["response_id"] for record in transactional.records(topics.RAW))
    assert times.keys() == {f"r-{n}" for n in range(ROWS)}
    assert {name for name, count in times.items() if count > 1} == sent - {f"r-{n}" for n in range(acknowledged)}
    assert max(times.values()) <= 2
