"""`python -m tests.hostile --records 1000000 --seed 7`: the long run. Prints what became of the records; exits 1 with the seed
and the record in one line if anything but acceptance or a dead letter did."""

import argparse
import resource
import sys
import time

from tests.hostile.run import Harm, Report, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    began, report = time.monotonic(), Report()
    try:
        for made in run(arguments.records, arguments.seed):
            report = made
    except Harm as harm:
        print(str(harm), file=sys.stderr)
        return 1
    outcome = report.outcome
    rows = [
        ("records", f"{outcome.records:,}"),
        ("accepted", f"{outcome.accepted:,}"),
        ("dead letters", f"{outcome.reasons.total():,}"),
        *((f"  {reason}", f"{number:,}") for reason, number in outcome.reasons.most_common()),
        ("through every decoder", f"{report.decoded:,}"),
        ("known faults met", f"{report.faults.total():,}"),
        *((f"  {where}", f"{number:,}") for where, number in report.faults.most_common()),
        ("peak memory, MB", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f}"),
        ("records/s", f"{outcome.records / (time.monotonic() - began):,.0f}"),
    ]
    for name, value in rows:
        print(f"{name:<52}{value:>12}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
