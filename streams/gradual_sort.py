"""Keys in order, sorted as they are asked for. No I/O in here.

A pass over a million keys takes them a few hundred at a time, between batches. To sort all of them when it begins takes a
second, in which no batch is processed; to find the least few thousand takes two looks at each key.
"""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice
from typing import Final

SORTED_AT_ONCE: Final = 4_096
"""Keys that are sorted in one go: some 2 ms."""
SAMPLE: Final = 32
"""Keys among which the middle one is taken as that of all, about."""


class GradualSort:
    """Incremental quicksort (Paredes and Navarro 2006): keys are split at one in their middle, the greater ones are laid aside,
    and so on until those that are left are few."""

    __slots__ = ("_aside", "_sorted", "begin")

    def __init__(self, keys: list[bytes], begin: bytes) -> None:
        """All keys, in any order, none twice; all are greater than `begin`."""
        self.begin = begin
        """What is asked for must lie behind this: keys that were passed are let go of."""
        self._sorted: list[bytes] = []
        self._aside = [keys] if keys else []
        """Parts that are not sorted, each of greater keys than those of the next one."""

    def following(self, after: bytes) -> Iterator[bytes]:
        """Those greater than `after`, in order. Raises ValueError if it lies before `begin`."""
        if after < self.begin:
            raise ValueError("the keys asked for were passed already")
        yield from islice(self._sorted, bisect_right(self._sorted, after), None)
        while self._aside:
            if self._sorted:
                self.begin = self._sorted[-1]
            self._sorted = self._least()
            yield from islice(self._sorted, bisect_right(self._sorted, after), None)

    def _least(self) -> list[bytes]:
        """Take the least few, sorted."""
        part = self._aside.pop()
        while len(part) > SORTED_AT_ONCE:
            # The middle of some: at least one of them is less, and itself is not.
            sample = sorted(part[:: len(part) // SAMPLE])
            middle = sample[len(sample) // 2]
            self._aside.append([key for key in part if key >= middle])
            part = [key for key in part if key < middle]
        part.sort()
        return part
