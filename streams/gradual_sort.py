"""Keys in order, sorted a part at a time. No I/O in here.

A pass over many keys takes them a few hundred at a time, between batches. To sort a million when it begins takes a third of a
second, in which no batch is processed. To look at each of them for each of sixteen parts, and to sort that part alone, takes
longer in all, and a tenth of it at a time.
"""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice
from typing import Final

PARTS: Final = 16
"""Of a pass: with more, the looks at all keys would take longer than the work that is done for each of them."""
SORTED_AT_ONCE: Final = 8_192
"""So few keys are one part: to sort them takes 2 ms."""
SAMPLE: Final = 1_024
"""Keys by which the bounds of parts are chosen, about."""


class GradualSort:
    """Keys of one pass."""

    __slots__ = ("_bounds", "_keys", "_sorted", "begin")

    def __init__(self, keys: list[bytes], begin: bytes) -> None:
        """All keys, in any order, none twice; all are greater than `begin`."""
        self.begin = begin
        """What is asked for must lie behind this: parts that were passed are let go of."""
        self._keys = keys
        self._sorted: list[bytes] = []
        """The part that is being passed."""
        self._bounds: list[bytes] = []
        """The least keys of the parts to come, the last one first."""
        if len(keys) > SORTED_AT_ONCE:
            sample = sorted(keys[:: max(1, len(keys) // SAMPLE)])
            self._bounds = [sample[len(sample) * part // PARTS] for part in range(PARTS - 1, 0, -1)]
        self._next(begin)

    def following(self, after: bytes) -> Iterator[bytes]:
        """Those greater than `after`, in order. Raises ValueError if it lies before `begin`."""
        if after < self.begin:
            raise ValueError("the keys asked for were passed already")
        yield from islice(self._sorted, bisect_right(self._sorted, after), None)
        while self._bounds:
            low = self._bounds.pop()
            if self._bounds and after >= self._bounds[-1]:
                continue  # all of the part is passed over
            self.begin = max(after, *self._sorted[-1:], self.begin)
            self._next(low)
            yield from islice(self._sorted, bisect_right(self._sorted, after), None)

    def _next(self, low: bytes) -> None:
        """Sort the part that begins with a key."""
        if self._bounds:
            high = self._bounds[-1]
            part = [key for key in self._keys if low <= key < high]
        else:
            part = [key for key in self._keys if low <= key]
            self._keys = []
        part.sort()
        self._sorted = part
