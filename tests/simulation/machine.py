"""What can happen: one rule each. Hypothesis makes schedules of them.

What goes wrong is planned for a point that a process passes on its way (tests/model/crashes.py lists them), and then something
is done that makes it go there: records arrive, the group rebalances. Otherwise most plans would come to nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.model.crashes import FIRST_OPENING, OPENING, WRITING, away, broken, refused
from tests.model.faults import Late
from tests.model.group import REBALANCE_TIMEOUT_S
from tests.simulation.invariants import Violation
from tests.simulation.process import HAND_OVER, HEARTBEAT_S, Process
from tests.simulation.report import Report
from tests.simulation.world import World

MOST_PROCESSES: Final = 4
A_MOMENT_S: Final = 0.02
"""Enough for a batch or two."""

BROKER: Final = OPENING + FIRST_OPENING + WRITING
"""Points of what a process asks of the broker."""
REQUESTS: Final = tuple(p for p in BROKER if p.startswith("before") and p.split()[-1] in ("fence", "commit", "1", "2", "3"))
"""Points before requests that change something: these may get there late."""
FAILURES: Final[dict[str, Callable[[str], BaseException]]] = {
    "no answer": away,
    "a request is refused": refused,
    "a bug in the worker": broken,
}


class Then(Enum):
    """What is done after something was planned."""

    NOTHING = "nothing"
    RECORDS = "records arrive"
    REBALANCE = "partitions are given back"
    MOVE = "partitions move"
    RECORDS_AND_MOVE = "records arrive, and partitions move"
    MOVE_AND_RECORDS = "partitions move, and records arrive"


KEYS: Final = st.sampled_from(((b"a",), (b"b", b"a"), (b"c", b"c", b"b"), (b"a", b"b", b"c", b"a", b"b", b"c")))
WHERE: Final = st.sampled_from([(topic, partition) for topic in range(2) for partition in range(4)])
WHO: Final = st.integers(0, MOST_PROCESSES - 1)
TIMES: Final = st.integers(1, 2)
"""At which passing of the point it happens."""
THEN: Final = st.sampled_from(Then)
STANDSTILLS_S: Final = st.sampled_from((0.3, 6.0, 11.0, 13.0, 30.0))
"""Shorter than a heartbeat's interval; than a session; longer than that, but not than a write may take; longer than both."""
DELAYS_S: Final = st.sampled_from((0.01, 0.2, 3.0, 30.0))
WAITS_S: Final = st.sampled_from((A_MOMENT_S, 0.2, 1.0, 4.0, 11.0, 30.0))


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

    @rule(where=WHERE, keys=KEYS)
    def upstream_sends(self, where: tuple[int, int], keys: Sequence[bytes]) -> None:
        self.world.send(*self._source(where), keys)
        self.world.pass_time(A_MOMENT_S)

    @rule(where=WHERE, keys=KEYS)
    def upstream_aborts(self, where: tuple[int, int], keys: Sequence[bytes]) -> None:
        self.world.send(*self._source(where), keys, aborted=True)

    @rule(where=WHERE, keys=KEYS)
    def upstream_hangs(self, where: tuple[int, int], keys: Sequence[bytes]) -> None:
        self.world.hang(*self._source(where), keys)

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
        for process in self._chosen(who):
            if not process.leaving:
                self.world.happened["a worker leaves"] += 1
                process.terminate()
                self.world.pass_time(A_MOMENT_S)

    @rule(who=WHO)
    def a_worker_is_killed(self, who: int) -> None:
        for process in self._chosen(who):
            self.world.happened["a worker is killed"] += 1
            process.kill()
            self.world.pass_time(A_MOMENT_S)

    @rule(who=WHO, point=st.sampled_from(BROKER + HAND_OVER), time=TIMES, then=THEN)
    def a_worker_will_be_killed(self, who: int, point: str, time: int, then: Then) -> None:
        for process in self._chosen(who):
            self.world.plan(process, point, time, "a worker is killed", process.die)
        self._do(then)

    @rule(who=WHO, point=st.sampled_from(BROKER + HAND_OVER), time=TIMES, seconds=STANDSTILLS_S, then=THEN)
    def a_worker_will_stand_still(self, who: int, point: str, time: int, seconds: float, then: Then) -> None:
        for process in self._chosen(who):
            self.world.plan(process, point, time, "a worker stands still", self.world.halting(process, seconds))
        self._do(then)

    @rule(who=WHO, point=st.sampled_from(HAND_OVER), seconds=STANDSTILLS_S)
    def a_worker_will_miss_a_rebalance(self, who: int, point: str, seconds: float) -> None:
        for process in self._chosen(who):
            self.world.plan(process, point, 1, "a worker stands still", self.world.halting(process, seconds))
        self._do(Then.MOVE)
        self.world.pass_time(REBALANCE_TIMEOUT_S)
        self._do(Then.RECORDS)

    # The group.

    @rule(moves=st.booleans())
    def the_group_rebalances(self, moves: bool) -> None:
        self.world.rebalance(moves)

    # The broker.

    @rule(who=WHO, point=st.sampled_from(BROKER), time=TIMES, kind=st.sampled_from(tuple(FAILURES)), then=THEN)
    def a_request_will_fail(self, who: int, point: str, time: int, kind: str, then: Then) -> None:
        for process in self._chosen(who):
            self.world.plan(process, point, time, kind, raising(FAILURES[kind](point)))
        self._do(then)

    @rule(who=WHO, point=st.sampled_from(REQUESTS), time=TIMES, seconds=DELAYS_S, then=THEN)
    def a_request_will_be_late(self, who: int, point: str, time: int, seconds: float, then: Then) -> None:
        for process in self._chosen(who):
            self.world.plan(process, point, time, "a request is late", raising(Late(seconds)))
        self._do(then)

    @rule(who=WHO, point=st.sampled_from(WRITING), time=TIMES, then=THEN)
    def a_transaction_will_take_too_long(self, who: int, point: str, time: int, then: Then) -> None:
        for process in self._chosen(who):
            self.world.plan(process, point, time, "a transaction takes too long", self.world.time_out)
        self._do(then)

    @rule(looks=st.integers(1, 3), then=THEN)
    def markers_will_be_late(self, looks: int, then: Then) -> None:
        self.world.happened["markers are late"] += 1
        self.world.cluster.late_markers = looks
        self._do(then)

    # The time.

    @rule(seconds=WAITS_S)
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
            with self._noticing():
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

    def _chosen(self, who: int) -> list[Process]:
        """The process of that number, if there is any at all."""
        processes = self.world.processes
        return [processes[who % len(processes)]] if processes else []

    def _source(self, where: tuple[int, int]) -> tuple[str, int]:
        topic, partition = where
        sources = self.world.tally.sources
        return sources[topic % len(sources)], partition % self.world.partitions

    def _do(self, then: Then) -> None:
        if then in (Then.RECORDS, Then.RECORDS_AND_MOVE):
            self.world.send_everywhere((b"a",))
            self.world.pass_time(A_MOMENT_S)
        if then in (Then.REBALANCE, Then.MOVE, Then.RECORDS_AND_MOVE, Then.MOVE_AND_RECORDS):
            self.world.rebalance(moves=then is not Then.REBALANCE)
            self.world.pass_time(1.1 * HEARTBEAT_S)
        if then is Then.MOVE_AND_RECORDS:
            self.world.send_everywhere((b"b",))
            self.world.pass_time(A_MOMENT_S)


def raising(error: BaseException) -> Callable[[], None]:
    """What raises it when it is called."""

    def happening() -> None:
        raise error

    return happening
