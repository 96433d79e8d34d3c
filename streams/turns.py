"""Who may do the next share of a tick: one task of a unit at a time, in the order in which they asked. No I/O in here.

When a day ends, the ticks of all tasks have much to do at the same time. If each did a share whenever the loop comes round to
it, the records of every task would wait for a share of each of the others; so they wait for one.
"""

from collections.abc import Callable


class Turns:
    """A line of those who want to tick; the first of it has the turn."""

    __slots__ = ("_line",)

    def __init__(self) -> None:
        self._line: dict[object, Callable[[], None]] = {}

    def has(self, who: object, wake: Callable[[], None]) -> bool:
        """Whether it is one's turn; if not, one stands in the line from now on, and `wake` is called when it is."""
        self._line.setdefault(who, wake)
        return next(iter(self._line)) is who

    def leave(self, who: object) -> None:
        """The turn is over, or is not wanted any more: the next one is woken. Nothing for who is not in the line."""
        had_turn = next(iter(self._line), None) is who
        self._line.pop(who, None)
        if had_turn and self._line:
            next(iter(self._line.values()))()
