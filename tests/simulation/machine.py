"""What can happen: one rule each. Hypothesis makes schedules of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.model.crashes import FIRST_OPENING, OPENING, WRITING, away, broken, refused
from tests.model.faults import Late
from tests.simulation.invariants import Violation
from tests.simulation.process import HAND_OVER, Process
from tests.simulation.report import Report
from tests.simulation.world import World

MOST_PROCESSES: Final = 4
A_MOMENT_S: Final = 0.02
"""After what happens at once: enough for a batch or two."""

BROKER: Final = OPENING + FIRST_OPENING + WRITING
"""Points of what a process asks of the broker."""
REQUESTS: Final = tuple(p for p in BROKER if p.startswith("before") and p.split()[-1] in ("fence", "commit", "1", "2", "3"))
"""Points before requests that change something: these may get there late."""

WHO = st.integers(0, MOST_PROCESSES - 1)
PARTITIONS = st.integers(0, 3)
TOPICS = st.integers(0, 1)
KEYS = st.lists(st.sampled_from((b"a", b"b", b"c")), min_size=1, max_size=6)
OCCURRENCES = st.integers(1, 4)
STANDSTILLS_S = st.sampled_from((0.3, 6.0, 11.0, 13.0, 40.0))
"""Shorter than a heartbeat; than a session; longer than a session, but not than a write may take; longer than that."""
DELAYS_S = st.sampled_from((0.01, 0.2, 3.0, 30.0))
TIMES_S = st.sampled_from((A_MOMENT_S, 0.2, 1.0, 4.0, 11.0, 30.0))
ERRORS: dict[str, Callable[[str], BaseException]] = {"away": away, "refused": refused, "broken": broken}


class Schedules(RuleBasedStateMachine):
    """A few workers on a few partitions, and all that may happen to them."""

    world: World

    def __init__(self, report: Report) -> None:
        super().__init__()
        self.report = report
        self._counts = report.violation is None
        """Once one was found, it is told again, and counts no more."""
        self._well = True

    @initialize(
        partitions=st.integers(2, 4),
        sources=st.sampled_from((("in",), ("in", "more"))),
        batch_bytes=st.sampled_from((1, 200, 1 << 20)),
        seed=st.integers(0, 1 << 16),
        workers=st.integers(1, 3),
    )
    def begin(self, partitions: int, sources: tuple[str, ...], batch_bytes: int, seed: int, workers: int) -> None:
        self.world = World(partitions, sources, batch_bytes, seed)
        for _ in range(workers):
            self.world.start()

    # Upstream.

    @rule(topic=TOPICS, partition=PARTITIONS, keys=KEYS)
    def upstream_sends(self, topic: int, partition: int, keys: list[bytes]) -> None:
        self.world.send(*self._source(topic, partition), keys)
        self.world.pass_time(A_MOMENT_S)

    @rule(keys=KEYS)
    def upstream_sends_to_all(self, keys: list[bytes]) -> None:
        for topic in self.world.tally.sources:
            for partition in range(self.world.partitions):
                self.world.send(topic, partition, keys)

    @rule(topic=TOPICS, partition=PARTITIONS, keys=KEYS)
    def upstream_aborts(self, topic: int, partition: int, keys: list[bytes]) -> None:
        self.world.send(*self._source(topic, partition), keys, aborted=True)

    @rule(topic=TOPICS, partition=PARTITIONS, keys=KEYS)
    def upstream_hangs(self, topic: int, partition: int, keys: list[bytes]) -> None:
        self.world.hang(*self._source(topic, partition), keys)

    @rule(committed=st.booleans())
    def upstream_decides(self, committed: bool) -> None:
        self.world.decide(committed)

    # Processes.

    @rule()
    def a_worker_joins(self) -> None:
        if len(self.world.processes) < MOST_PROCESSES:
            self.world.start()
            self.world.pass_time(A_MOMENT_S)

    @rule(who=WHO)
    def a_worker_leaves(self, who: int) -> None:
        if (process := self._process(who)) is not None and not process.leaving:
            self.world.happened["a worker leaves"] += 1
            process.terminate()
            self.world.pass_time(A_MOMENT_S)

    @rule(who=WHO)
    def a_worker_is_killed(self, who: int) -> None:
        if (process := self._process(who)) is not None:
            self.world.happened["a worker is killed"] += 1
            process.kill()
            self.world.pass_time(A_MOMENT_S)

    @rule(who=WHO, point=st.sampled_from(BROKER + HAND_OVER), occurrence=OCCURRENCES)
    def a_worker_will_be_killed(self, who: int, point: str, occurrence: int) -> None:
        if (process := self._process(who)) is not None:
            self.world.plan(process, point, occurrence, "a worker is killed", lambda: self.world.kill(process))

    @rule(who=WHO, point=st.sampled_from(BROKER + HAND_OVER), occurrence=OCCURRENCES, seconds=STANDSTILLS_S)
    def a_worker_will_stand_still(self, who: int, point: str, occurrence: int, seconds: float) -> None:
        if (process := self._process(who)) is not None:
            halt = lambda: self.world.halt(process, seconds)  # noqa: E731
            self.world.plan(process, point, occurrence, "a worker stands still", halt)

    # The group.

    @rule(moving=st.booleans())
    def the_group_rebalances(self, moving: bool) -> None:
        self.world.happened["the group rebalances"] += 1
        self.world.group.rotation += moving
        self.world.group.rebalance()

    # The broker.

    @rule(who=WHO, point=st.sampled_from(BROKER), occurrence=OCCURRENCES, kind=st.sampled_from(tuple(ERRORS)))
    def a_request_will_fail(self, who: int, point: str, occurrence: int, kind: str) -> None:
        self._raise_at(who, point, occurrence, _KINDS[kind], lambda: ERRORS[kind](point))

    @rule(who=WHO, point=st.sampled_from(REQUESTS), occurrence=OCCURRENCES, seconds=DELAYS_S)
    def a_request_will_be_late(self, who: int, point: str, occurrence: int, seconds: float) -> None:
        self._raise_at(who, point, occurrence, "a request is late", lambda: Late(seconds))

    @rule(who=WHO, point=st.sampled_from(WRITING), occurrence=OCCURRENCES)
    def a_transaction_will_take_too_long(self, who: int, point: str, occurrence: int) -> None:
        if (process := self._process(who)) is not None:
            self.world.plan(process, point, occurrence, "a transaction takes too long", self.world.time_out)

    @rule(looks=st.integers(1, 3))
    def markers_will_be_late(self, looks: int) -> None:
        self.world.happened["markers are late"] += 1
        self.world.cluster.late_markers = looks

    # The time.

    @rule(seconds=TIMES_S)
    def time_passes(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    # What must hold.

    @invariant()
    def all_is_well(self) -> None:
        """See tests/simulation/invariants.py."""
        self.report.steps += self._counts
        with self._noticing():
            self.world.check()

    def teardown(self) -> None:
        """The end of a schedule: all gets done, and all of it is right."""
        if not hasattr(self, "world"):
            return
        try:
            if self._well:
                with self._noticing():
                    self.world.drain()
        finally:
            if self._counts:
                self.report.add(self.world)
            self.world.close()

    @contextmanager
    def _noticing(self) -> Iterator[None]:
        self._well = False
        try:
            yield
        except Violation as violation:
            self.report.violation = self.report.violation or str(violation)
            raise
        self._well = True

    def _process(self, who: int) -> Process | None:
        processes = self.world.processes
        return processes[who % len(processes)] if processes else None

    def _source(self, topic: int, partition: int) -> tuple[str, int]:
        sources = self.world.tally.sources
        return sources[topic % len(sources)], partition % self.world.partitions

    def _raise_at(self, who: int, point: str, occurrence: int, kind: str, error: Callable[[], BaseException]) -> None:
        def happening() -> Any:
            raise error()

        if (process := self._process(who)) is not None:
            self.world.plan(process, point, occurrence, kind, happening)


_KINDS: Final = {"away": "no answer", "refused": "a request is refused", "broken": "a bug in the worker"}
