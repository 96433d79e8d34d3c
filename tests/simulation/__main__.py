"""`python -m tests.simulation --schedules 100000 --seed 7`: the long run. Prints what it has come to; exits 1 with the seed in
one line if something did not hold. `--bug NAME` breaks the protocol first: then that is what is wanted."""

import argparse
import sys

import pytest

from tests.simulation.bugs import BUGS
from tests.simulation.run import CHUNK, search
from tests.simulation.world import World


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--schedules", type=int, default=10_000, help=f"taken in chunks of {CHUNK}")
    parser.add_argument("--seed", type=int, default=1, help="of the first chunk; each has one of its own")
    parser.add_argument("--bug", choices=sorted(BUGS), help="plant this bug")
    parser.add_argument("--shrink", action="store_true", help="make the schedule that shows a violation as short as possible")
    parser.add_argument("--disks", action="store_true", help="workers keep their state on the disks of two machines")
    arguments = parser.parse_args()
    bug = arguments.bug

    def plant(patch: pytest.MonkeyPatch) -> None:
        if arguments.disks:
            patch.setattr(World, "machines", 2)
        if bug:
            BUGS[bug](patch)

    report = search(arguments.schedules, arguments.seed, plant, arguments.shrink)
    rows = [
        ("schedules", f"{report.schedules:,}"),
        ("steps", f"{report.steps:,}"),
        ("steps a schedule", f"{report.steps / max(1, report.schedules):,.1f}"),
        ("schedules a minute of one core", f"{report.per_minute:,.0f}"),
        ("seconds", f"{report.real_s:,.1f}"),
        ("seconds of one core", f"{report.processor_s:,.1f}"),
        ("hours of the model's time", f"{report.model_s / 3600:,.1f}"),
        ("transactions committed", f"{report.commits:,}"),
        ("went wrong on purpose", f"{report.happened.total():,}"),
        *((f"  {kind}", f"{number:,}") for kind, number in report.happened.most_common()),
    ]
    for name, value in rows:
        print(f"{name:<40}{value:>12}")
    if report.violation is None:
        return 0
    print(report.story)
    flags = (f" --bug {bug}" if bug else "") + (" --disks" if arguments.disks else "")
    again = f"python -m tests.simulation --schedules {CHUNK} --seed {report.seed}{flags}"
    print(
        f"violated after {report.schedules} schedules: {report.violation}; again: {again}".replace("\n", " "), file=sys.stderr
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
