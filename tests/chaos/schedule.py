"""What happens when: a pure function of the seed.

A schedule is a list of steps, each with its second. Faults come in rounds, each round has every kind once (a kill of a worker
twice) in another order. Most are left alone until they should be overcome; some are followed by the next within seconds, so
that a worker dies while the broker is away, or somebody joins while the network is silent.
"""

import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final


class Fault(Enum):
    """What may go wrong; the value is how it reads in a table."""

    KILL = "kill -9 of a worker"
    PAUSE = "a worker stopped past its session, and going on"
    TERMINATE = "SIGTERM to a worker"
    JOIN = "a worker joins"
    BROKER_KILL = "kill -9 of the broker"
    BROKER_AWAY = "the broker away for 30 s"
    DELAY = "a slow network"
    SILENCE = "a network that delivers nothing, and all of it later"
    ANSWERS_LOST = "answers of the broker lost, then all connections"
    CUT = "all connections cut"
    DISK_FULL = "a full disk under the broker"


class Act(Enum):
    """One step: to a worker, the broker, the network or the disk."""

    START = "start"
    KILL = "kill"
    PAUSE = "pause"
    RESUME = "resume"
    TERMINATE = "terminate"
    BROKER_KILL = "kill broker"
    BROKER_START = "start broker"
    DELAY = "delay"
    SILENCE = "silence"
    MUTE = "mute"
    CUT = "cut"
    CALM = "calm"
    FILL = "fill disk"
    FREE = "free disk"


WORKERS_AT_FIRST: Final = 2
MOST_WORKERS: Final = 4
"""As many as there are partitions: another would have nothing to do."""
BEGINS_S: Final = 4.0
"""So long all is well: for each partition to have a state that can be lost."""
SESSION_S: Final = 10.0
"""The default of the setting session_timeout_ms, which the workers run with."""
READY_S: Final = 6.0
"""A worker has partitions so long after its start; nothing happens to it before."""
HURRIED: Final = 0.3
"""How often the next fault does not wait for the last to be overcome."""
ALONE_S: Final = 15.0
"""In which a kill should be overcome: the session, and some seconds."""
AWAY_S: Final = 30.0
"""Longer than sessions, transactions and most time-outs of clients."""
NO_LONGER_S: Final = 0.5
"""Between the end of the broker and its start, where it is not away on purpose."""

REST_S: Final = {
    Fault.KILL: 18.0,  # the session, a rebalance, a restore
    Fault.PAUSE: 5.0,
    Fault.TERMINATE: 5.0,
    Fault.JOIN: 6.0,
    Fault.BROKER_KILL: 8.0,  # a start takes 4 s
    Fault.BROKER_AWAY: 10.0,
    Fault.DELAY: 2.0,
    Fault.SILENCE: 5.0,
    Fault.ANSWERS_LOST: 5.0,
    Fault.CUT: 4.0,
    Fault.DISK_FULL: 8.0,
}
"""After its end, the seconds in which each should be overcome."""


@dataclass(frozen=True, slots=True)
class Step:
    """One act at its second; of a worker its name, of a delay its seconds."""

    at_s: float
    act: Act
    worker: str = ""
    delay_s: float = 0.0
    measured: bool = False
    """A kill with nothing else going wrong meanwhile: how long it takes to recover says something."""

    def __str__(self) -> str:
        what = f"{self.act.value} {self.worker}".strip()
        return f"{self.at_s:7.1f} s  {what}" + (f" {self.delay_s * 1000:.0f} ms" if self.delay_s else "")


@dataclass(slots=True)
class Schedule:
    """All steps in their order."""

    seed: int
    steps: list[Step] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def ends_s(self) -> float:
        """The second of the last step."""
        return self.steps[-1].at_s


def schedule(seed: int, seconds: float, without: Collection[Fault] = ()) -> Schedule:
    """The schedule of a seed: faults begin within so many seconds, and each is ended."""
    return _Maker(seed).make(seconds, [fault for fault in Fault if fault not in without])


class _Maker:
    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.made = Schedule(seed)
        self.workers: dict[str, float] = {}
        """Those that live, and the second from which on each runs: it may have to be started or resumed first."""
        self.started = 0
        self.free_s = dict.fromkeys(("broker", "network"), 0.0)
        """When the broker and the network are whole again: two faults of one kind of thing do not overlap."""

    def make(self, seconds: float, faults: list[Fault]) -> Schedule:
        for _ in range(WORKERS_AT_FIRST):
            self._start(0.0)
        now = BEGINS_S
        for fault in self._rounds(faults):
            begins = max(now, self._free(fault))
            if begins > seconds:
                break
            if not self._possible(fault, begins):
                continue
            hurried = self.chance.random() < HURRIED
            ends = self._happens(fault, begins)
            self.made.faults.append(fault)
            now = begins + self.chance.uniform(0.2, 3.0) if hurried else ends + REST_S[fault]
        self.made.steps.sort(key=lambda step: step.at_s)
        self.made.steps = [replace(step, measured=step.measured and self._alone(step)) for step in self.made.steps]
        return self.made

    def _alone(self, kill: Step) -> bool:
        """Whether nothing else happens while it is overcome, nor so shortly before that it may still be felt."""
        return not any(kill.at_s - READY_S < other.at_s < kill.at_s + ALONE_S and other != kill for other in self.made.steps)

    def _rounds(self, faults: list[Fault]) -> Iterator[Fault]:
        while True:
            kinds = [*faults, Fault.KILL]
            self.chance.shuffle(kinds)
            yield from kinds

    def _possible(self, fault: Fault, at_s: float) -> bool:
        if fault is Fault.JOIN:
            return len(self.workers) < MOST_WORKERS
        return fault not in (Fault.KILL, Fault.TERMINATE, Fault.PAUSE) or bool(self._running(at_s))

    def _free(self, fault: Fault) -> float:
        if fault in (Fault.BROKER_KILL, Fault.BROKER_AWAY, Fault.DISK_FULL):
            return self.free_s["broker"]
        if fault in (Fault.DELAY, Fault.SILENCE, Fault.ANSWERS_LOST, Fault.CUT):
            return self.free_s["network"]
        return 0.0

    def _step(self, at_s: float, act: Act, worker: str = "", delay_s: float = 0.0, measured: bool = False) -> None:
        self.made.steps.append(Step(at_s, act, worker, delay_s, measured))

    def _start(self, at_s: float) -> None:
        self.started += 1
        name = f"w{self.started}"
        self.workers[name] = at_s + READY_S if at_s else at_s
        self._step(at_s, Act.START, name)

    def _running(self, at_s: float) -> list[str]:
        return [name for name, since in self.workers.items() if since <= at_s]

    def _happens(self, fault: Fault, at_s: float) -> float:
        """The steps of one fault; when it is over."""
        match fault:
            case Fault.KILL:
                return self._one_less(Act.KILL, at_s, REST_S[fault])
            case Fault.TERMINATE:
                return self._one_less(Act.TERMINATE, at_s, REST_S[fault])
            case Fault.JOIN:
                self._start(at_s)
                return at_s
            case Fault.PAUSE:
                return self._pause(at_s)
            case Fault.BROKER_KILL | Fault.BROKER_AWAY:
                ends = at_s + (AWAY_S if fault is Fault.BROKER_AWAY else NO_LONGER_S)
                return self._until("broker", at_s, Act.BROKER_KILL, ends, Act.BROKER_START)
            case Fault.DISK_FULL:
                return self._until("broker", at_s, Act.FILL, at_s + self.chance.uniform(4.0, 8.0), Act.FREE)
            case Fault.CUT:
                return self._until("network", at_s, Act.CUT, at_s + self.chance.uniform(0.0, 2.0), Act.CALM)
            case Fault.DELAY:
                ends = at_s + self.chance.uniform(6.0, 12.0)
                return self._until("network", at_s, Act.DELAY, ends, Act.CALM, self.chance.uniform(0.05, 0.4))
            case Fault.SILENCE:
                # Shorter than a session or longer: heartbeats arrive late, or too late.
                return self._until("network", at_s, Act.SILENCE, at_s + self.chance.choice((3.0, 8.0, 14.0)), Act.CALM)
            case Fault.ANSWERS_LOST:
                cut = at_s + self.chance.uniform(1.0, 4.0)
                self._step(at_s, Act.MUTE)
                return self._until("network", cut, Act.CUT, cut + NO_LONGER_S, Act.CALM)

    def _one_less(self, act: Act, at_s: float, rest_s: float) -> float:
        """A worker ends. Others have to show that they can do without it before another takes its place, if it has to."""
        running = self._running(at_s)
        victim = self.chance.choice(running)
        del self.workers[victim]
        left = len(running) - 1
        self._step(at_s, act, victim, measured=act is Act.KILL and left > 0)
        if len(self.workers) < WORKERS_AT_FIRST:
            self._start(at_s + (rest_s if left else NO_LONGER_S))
        return at_s

    def _pause(self, at_s: float) -> float:
        victim = self.chance.choice(self._running(at_s))
        ends = at_s + SESSION_S + self.chance.uniform(1.0, 5.0)
        self._step(at_s, Act.PAUSE, victim)
        self._step(ends, Act.RESUME, victim)
        self.workers[victim] = ends
        return ends

    def _until(self, what: str, at_s: float, act: Act, ends: float, end: Act, delay_s: float = 0.0) -> float:
        self._step(at_s, act, delay_s=delay_s)
        self._step(ends, end)
        self.free_s[what] = ends + NO_LONGER_S
        return ends
