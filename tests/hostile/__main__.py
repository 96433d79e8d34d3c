"""`python -m tests.hostile --records 1000000 --seed 7 --processes 2`: the long run. Prints what became of the records; exits 1
with the seed and the record in one line if anything but acceptance or a dead letter did."""

import argparse
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.hostile.run import Harm, Report, run


def share(records: int, seed: int) -> tuple[Report, float]:
    """All of one process's records; and its peak memory in MB. Raises Harm."""
    report = Report()
    for made in run(records, seed):
        report = made
    return report, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1, help="of the first process; the next one has the next")
    parser.add_argument("--processes", type=int, default=1)
    arguments = parser.parse_args()
    began, total, peak = time.monotonic(), Report(), 0.0
    records, processes = arguments.records, arguments.processes
    with ProcessPoolExecutor(processes) as pool:
        seeds = range(arguments.seed, arguments.seed + processes)
        shares = [(records + number) // processes for number in range(processes)]
        try:
            for report, megabytes in pool.map(share, shares, seeds):
                total.add(report)
                peak = max(peak, megabytes)
        except Harm as harm:
            print(str(harm), file=sys.stderr)
            return 1
    outcome = total.outcome
    rows = [
        ("records", f"{outcome.records:,}"),
        ("accepted", f"{outcome.accepted:,}"),
        ("dead letters", f"{outcome.reasons.total():,}"),
        *((f"  {reason}", f"{number:,}") for reason, number in outcome.reasons.most_common()),
        ("through every decoder", f"{total.decoded:,}"),
        ("peak memory of a process, MB", f"{peak:,.0f}"),
        ("records/s", f"{outcome.records / (time.monotonic() - began):,.0f}"),
    ]
    for name, value in rows:
        print(f"{name:<52}{value:>12}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
