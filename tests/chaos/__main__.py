"""`python -m tests.chaos --seeds 20`: many schedules, each on a Kafka of its own. A line for each, and exit code 1 if
anything is not as demanded.

`--seed 7` plays one, and tells of each step as it is taken.
"""

import argparse
import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.chaos import report
from tests.chaos.kafka import can_mount
from tests.chaos.run import run
from tests.chaos.schedule import Fault, schedule


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many schedules (20)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (1)")
    parser.add_argument("--seed", type=int, help="play only this one, and tell of each step")
    parser.add_argument("--seconds", type=float, default=150.0, help="within which faults begin (150: each kind once)")
    parser.add_argument("--rate", type=float, default=1000.0, help="records a second (1000)")
    parser.add_argument("--together", type=int, default=1, help="schedules at the same time (1)")
    parser.add_argument("--results", type=Path, help="add each verdict to this file, as a line of JSON")
    parser.add_argument(
        "--markdown", type=Path, help="write the tables of all verdicts in --results, or of this run, to this file"
    )
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # in order: what was mounted is unmounted
    if given.seed is not None:
        return _one(given)
    with ThreadPoolExecutor(given.together) as pool:
        verdicts = list(pool.map(lambda seed: _played(seed, given), range(given.first, given.first + given.seeds)))
    if given.markdown is not None:
        if given.results is not None:
            verdicts = [json.loads(line) for line in given.results.read_text(encoding="utf-8").splitlines()]
        given.markdown.write_text(report.markdown(verdicts), encoding="utf-8")
    wrong = [verdict["seed"] for verdict in verdicts if verdict["wrong"]]
    print(f"{len(verdicts) - len(wrong)} of {len(verdicts)} as demanded" + (f"; not {wrong}" if wrong else ""))
    return 1 if wrong else 0


def _one(given: argparse.Namespace) -> int:
    without = () if can_mount() else (Fault.DISK_FULL,)
    if without:
        print("no disk can be filled here, since that needs the right to mount: left out", file=sys.stderr)
    verdict = run(schedule(given.seed, given.seconds, without), given.rate, lambda text: print(text, file=sys.stderr))
    print(json.dumps(verdict.as_json()))
    for wrong in verdict.wrong:
        print(f"wrong: {wrong}", file=sys.stderr)
    return 1 if verdict.wrong else 0


def _played(seed: int, given: argparse.Namespace) -> dict[str, Any]:
    """In a process of its own: what a run remembers is gone with it."""
    options = ["--seed", str(seed), "--seconds", str(given.seconds), "--rate", str(given.rate)]
    ran = subprocess.run(
        [sys.executable, "-m", "tests.chaos", *options], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    lines = ran.stdout.splitlines()
    if not lines or not lines[-1].startswith("{"):
        raise SystemExit(f"seed {seed} ended with {ran.returncode} and no verdict:\n{ran.stdout[-4000:]}{ran.stderr[-4000:]}")
    verdict: dict[str, Any] = json.loads(lines[-1])
    print(report.line(verdict), flush=True)
    if verdict["wrong"]:
        print(ran.stderr, ran.stdout, sep="\n", flush=True)
    if given.results is not None:
        with given.results.open("a", encoding="utf-8") as results:
            results.write(json.dumps(verdict) + "\n")
    return verdict


if __name__ == "__main__":
    sys.exit(main())
