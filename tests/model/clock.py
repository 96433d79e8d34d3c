"""An event loop whose time passes at once: when nothing is left to do but to wait, the clock goes on to what is waited for.

Time-outs and back-offs keep the values that production has, cost nothing, and do not depend on how busy the machine is.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

EPOCH_MS = 1_700_000_000_000
"""The wall clock when a loop begins, ms UTC."""

LONGEST_S = 6 * 3600.0
"""No scenario takes longer than this by its own clock: beyond it, something goes round for ever."""

T = TypeVar("T")


class NothingHappens(AssertionError):
    """Everybody waits for somebody else."""


class _Selector(selectors.SelectSelector):
    """Waits for nothing: no model has a socket."""

    passed_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise NothingHappens("every coroutine waits, and no time-out would end it")
        self.passed_s += max(0.0, timeout)
        return []


class ModelLoop(asyncio.SelectorEventLoop):
    """The loop; `time()` is s since it began. Without the pipe by which other threads wake a loop up: to make one takes
    longer than many a scenario."""

    _csock = None

    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def _make_self_pipe(self) -> None:
        """There are no other threads."""

    def _close_self_pipe(self) -> None:
        """Nothing to close."""

    def time(self) -> float:
        """Seconds since the loop began."""
        return self._clock.passed_s


class ModelTime:
    """Stands in for the module `time` where the engine asks it."""

    @staticmethod
    def monotonic() -> float:
        """Seconds of the running loop."""
        return asyncio.get_running_loop().time()

    @staticmethod
    def time() -> float:
        """Seconds since the epoch."""
        return EPOCH_MS / 1000 + asyncio.get_running_loop().time()


def keep_time(patch: pytest.MonkeyPatch) -> None:
    """Let the engine ask the running loop for the time."""
    for module in ("streams.task", "streams.opening", "streams.checking"):
        patch.setattr(f"{module}.time", ModelTime)


def run(scenario: Coroutine[Any, Any, T]) -> T:
    """Run a scenario to its end on a loop of its own. Raises NothingHappens, and TimeoutError after LONGEST_S of its time."""
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner(loop_factory=ModelLoop) as runner:
        keep_time(patch)
        return runner.run(_bounded(scenario))


async def until(condition: Callable[[], object], timeout_s: float = 120.0) -> None:
    """Wait until the condition holds. Raises TimeoutError after so many seconds of the loop's time."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 (nothing tells of what the engine keeps to itself)
            await asyncio.sleep(0.02)


async def _bounded(scenario: Coroutine[Any, Any, T]) -> T:
    async with asyncio.timeout(LONGEST_S):
        return await scenario
