"""How far a task is behind."""

import pytest

from streams.lag import Progress, lag

NOW = 1_000_000

CASES = """
what                                          position fetched idle  newest  start stable | records seconds
nothing there, nothing read                          -       -  no        -      0      0 |       0     0
never read, and there are records                    -       -  no        -      0     10 |      10     0
never read, and retention has deleted some           -       -  no        -      4     10 |       6     0
half done                                            5       7  no   940000      0     10 |       5    60
done                                                10      10 yes   940000      0     10 |       0     0
done, but for a marker                               9      10 yes   940000      0     10 |       0     0
done, and a marker that was not fetched yet          9       9 yes   940000      0     10 |       1    60
fetched all, but it waits in the inbox               5      10  no   940000      0     10 |       5    60
idle, and not reading                                9       - yes   940000      0     10 |       1    60
the ends were asked for before the position         12      12 yes   940000      0     10 |       0     0
the newest record is from the future                 5       7  no  1000500      0     10 |       5     0
behind, and nothing processed since the opening      5       5 yes        -      0     10 |       5     0
"""


def cases() -> list[tuple[str, Progress, int, int, tuple[int, float]]]:
    found = []
    for line in CASES.strip().splitlines()[1:]:
        given, wanted = line.rsplit("|", 1)
        *words, position, fetched, idle, newest, start, stable = given.split()
        records, seconds = wanted.split()
        numbers = [None if text == "-" else int(text) for text in (position, fetched, newest)]
        progress = Progress(numbers[0], numbers[1], idle == "yes", numbers[2])
        found.append((" ".join(words), progress, int(start), int(stable), (int(records), float(seconds))))
    return found


@pytest.mark.parametrize(("progress", "start", "stable", "wanted"), [case[1:] for case in cases()], ids=[c[0] for c in cases()])
def test_lag(progress: Progress, start: int, stable: int, wanted: tuple[int, float]) -> None:
    assert lag(progress, start, stable, NOW) == wanted
