"""Which of densely numbered things came, and how often: a byte each, so that ten million of them can be told apart."""

from collections.abc import Callable, Iterator
from typing import Final

MOST: Final = 255
"""What a byte can count; who comes more often is not counted further."""
SHOWN: Final = 3
"""Numbers that a message names."""


class Delivered:
    """Numbers from 0 to below `count`, each of which should come exactly once or never."""

    def __init__(self, count: int) -> None:
        self._times = bytearray(count)
        self.foreign: list[int] = []
        """Numbers that came and were never sent."""

    def mark(self, number: int) -> None:
        """It came, once more."""
        if not 0 <= number < len(self._times):
            self.foreign.append(number)
        elif self._times[number] < MOST:
            self._times[number] += 1

    def times(self, number: int) -> int:
        """How often it came."""
        return self._times[number]

    def problems(self, wanted: Callable[[int], bool] = lambda number: True) -> Iterator[str]:
        """What is lost, doubled, or came and should not, a line each; nothing if each wanted number came once and no other."""
        lost, doubled, unwanted = [], [], []
        for number, times in enumerate(self._times):
            if wanted(number):
                if times == 0:
                    lost.append(number)
                elif times > 1:
                    doubled.append(number)
            elif times:
                unwanted.append(number)
        for what, numbers in (("lost", lost), ("doubled", doubled), ("not wanted", unwanted), ("never sent", self.foreign)):
            if numbers:
                shown = ", ".join(map(str, numbers[:SHOWN]))
                yield f"{len(numbers):,} {what}: {shown}{', ...' if len(numbers) > SHOWN else ''}"
