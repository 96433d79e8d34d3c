"""The points that a worker passes on its way, and what a test lets happen there."""

import asyncio
from collections import Counter
from collections.abc import Callable


class Killed(BaseException):
    """The process ends here: nothing that it would do afterwards happens."""


class Late(Exception):
    """The request gets to the broker, so many seconds after its sender has stopped to wait for the answer."""

    def __init__(self, after_s: float) -> None:
        super().__init__(after_s)
        self.after_s = after_s


class Faults:
    """Every point that a process passes, named `before x` or `after x`.

    What may happen at one: an exception; `Killed`, after which the process takes no further step; a standstill of whoever
    passes, until `resume` is set; or a call of the test's, for what others do meanwhile. A process that was halted stands
    still as a whole: everything in it, at its next point.
    """

    def __init__(self) -> None:
        self.passed: Counter[str] = Counter()
        self.killed = False
        self.reached = asyncio.Event()
        """Set at a standstill."""
        self.resume = asyncio.Event()
        """Ends a standstill."""
        self._halted: asyncio.Event | None = None
        self._planned: dict[tuple[str, int], BaseException | Callable[[], None] | None] = {}

    def plan(self, point: str, happening: BaseException | Callable[[], None] | None, occurrence: int = 1) -> None:
        """What happens when the point is passed for the n-th time from now; None is a standstill."""
        self._planned[(point, self.passed[point] + occurrence)] = happening

    async def at(self, point: str) -> None:
        """A point is passed. Raises Killed, and whatever was planned."""
        if self.now(point):
            self.reached.set()
            await self.resume.wait()
            self.alive()
        while self._halted is not None:
            await self._halted.wait()
            self.alive()

    def now(self, point: str) -> bool:
        """As `at`, where nothing can be awaited; whether a standstill is planned here."""
        self.alive()
        self.passed[point] += 1
        if (point, self.passed[point]) not in self._planned:
            return False
        happening = self._planned.pop((point, self.passed[point]))
        if isinstance(happening, BaseException):
            self.killed = isinstance(happening, Killed)
            raise happening
        if happening is not None:
            happening()
        return happening is None

    @property
    def halted(self) -> bool:
        """Whether the process stands still."""
        return self._halted is not None

    def halt(self) -> None:
        """What SIGSTOP does."""
        self._halted = self._halted or asyncio.Event()

    def go_on(self) -> None:
        """What SIGCONT does."""
        if self._halted is not None:
            self._halted.set()
            self._halted = None

    def forget(self) -> None:
        """Nothing of what was planned happens any more."""
        self._planned.clear()

    def alive(self) -> None:
        """Raises Killed once the process has ended."""
        if self.killed:
            raise Killed

    @property
    def outstanding(self) -> list[str]:
        """What was planned and did not happen: a test of it would show nothing."""
        return [f"{point}, time {occurrence}" for point, occurrence in self._planned]
