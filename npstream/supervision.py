"""What becomes of each process of a worker that has several: pure decisions, as an enum that owns its transitions.

One that dies is started again after a pause that doubles. One that says why it cannot go on (a missing topic, a refused log-in)
ends the whole: what one process does not get over, the others do not either, and whoever started the command must see it. So
does one that dies again and again.
"""

import signal
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from npstream.failures import FAILED

FIRST_PAUSE_S: Final = 1.0
"""Before a process that died is started again: its partitions are with the others only after a session time-out anyway."""
LONGEST_PAUSE_S: Final = 30.0
"""The pause doubles up to this."""
PROVEN_S: Final = 60.0
"""A process that lived for so long has died of something new: a start takes seconds, opening a large state a minute."""
MOST_DEATHS: Final = 5
"""In a row, none of them proven: then the whole ends, and whatever restarts the command shows it as the crash loop it is."""


class Life(Enum):
    """Where a process is in its life; the value names what may follow.

    RESTING waits to be started, at first or again. ENDING was told to end.
    """

    RESTING = ("RUNNING", "ENDED")
    RUNNING = ("RESTING", "ENDING", "ENDED")
    ENDING = ("ENDED",)
    ENDED = ()

    def to(self, target: "Life") -> "Life":
        """The target, if it may follow. Raises ImpossibleLife."""
        if target.name not in self.value:
            raise ImpossibleLife(f"a process that is {self.name} cannot be {target.name}: only {self.value} may follow")
        return target


class ImpossibleLife(RuntimeError):
    """A process was to go on as it cannot: a bug in the supervision."""


class Death(NamedTuple):
    """How a process ended."""

    code: int
    """Its exit code; of one that a signal killed, the signal's negative number."""
    reason: str | None = None
    """What it said about why it cannot go on."""

    def __str__(self) -> str:
        if self.code >= 0:
            return f"exit code {self.code}"
        try:
            return signal.Signals(-self.code).name
        except ValueError:  # a real-time signal has no name
            return f"signal {-self.code}"


class Verdict(NamedTuple):
    """Why the whole must end, and with which exit code."""

    reason: str
    code: int


@dataclass
class Supervised:
    """One process: its life so far, and what follows from its deaths. Times are of any clock that never goes back, in s."""

    number: int
    """From 1."""
    life: Life = Life.RESTING
    pause_s: float = 0.0
    """How long it has to wait before it is started."""
    last_death: Death | None = None
    verdict: Verdict | None = None
    """Set once the whole must end because of it."""
    _started: float = 0.0
    _deaths: int = 0

    def start(self, now: float) -> None:
        """It was started."""
        self.life = self.life.to(Life.RUNNING)
        self._started = now

    def stop(self) -> bool:
        """It shall end; whether it runs, and has to be told."""
        if self.life is Life.RUNNING:
            self.life = self.life.to(Life.ENDING)
            return True
        if self.life is Life.RESTING:
            self.life = self.life.to(Life.ENDED)
        return False

    def died(self, death: Death, now: float) -> None:
        """It ended, on its own or because it was told to."""
        self.last_death = death
        if self.life is Life.ENDING:
            self.life = self.life.to(Life.ENDED)
            return
        self._deaths = 1 if now - self._started >= PROVEN_S else self._deaths + 1
        if death.reason is not None:
            self.verdict = Verdict(death.reason, death.code)
        elif self._deaths >= MOST_DEATHS:
            self.verdict = Verdict(
                f"process {self.number} has died {self._deaths} times within a minute of its start, last by {death}: "
                "the log has what came before it; the kernel's log if it was out of memory",
                FAILED,
            )
        self.life = self.life.to(Life.ENDED if self.verdict else Life.RESTING)
        self.pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (self._deaths - 1))
