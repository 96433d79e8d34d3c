"""A worker: connects, checks, hosts units until it is told to stop or cannot go on, and ends in order."""

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from npstream.admin import connect
from npstream.admission import Admission
from npstream.ending import LAST_RESORT_S, end_now, end_within
from npstream.facts import FACTS, PREFIX
from npstream.failures import BrokerUnreachable, CheckFailed, LoginRefused, UserError
from npstream.findings import Status
from npstream.hosting import cluster, disk, processors, task_rules
from npstream.lifeline import Lifeline
from npstream.memory import freeze, keep_freed_memory, tune_collector
from npstream.permissions import Denied, permission_findings
from npstream.settings import Settings
from npstream.topic_checks import topic_findings
from npstream.topic_plan import planned_topics
from streams.broker import BrokerAway, Ends
from streams.closing import forget
from streams.health import Health, PortTaken
from streams.lag import Progress, lag
from streams.metrics import EngineMetrics, Reading, Readings
from streams.phase import Phase
from streams.unit import Unit

T = TypeVar("T")

logger = logging.getLogger(__name__)

LOOK_INTERVAL_S = 2.0
"""How often lags are measured: three requests each time."""

CONNECT_PAUSE_S = 2.0
"""Pause between two attempts while no broker answers."""

STOP_TIMEOUT_S = 15.0
"""A stop takes a batch and a leave of each group; what hangs longer than this is left behind."""


class CannotGoOn(CheckFailed):
    """The worker stopped by itself: the message is the reason."""


class Worker:
    """One process's share of the work."""

    def __init__(self, settings: Settings, lifeline: Lifeline | None = None) -> None:
        """`lifeline` if it is one of several processes: then the one that started it serves the port."""
        self.settings = settings
        self.units: list[Unit] = []
        self.registry = CollectorRegistry()
        self.metrics = EngineMetrics(self.registry, PREFIX, FACTS)
        self.health = Health(self.registry, self.problems)
        self._lifeline = lifeline
        self._connection = settings.connection()
        self._admission = Admission(self._connection, settings.give_up_after_s)
        self._broker = cluster(settings)
        self._disk = disk(settings)
        self._stop = asyncio.Event()
        self._reason: str | None = None
        self._lags: dict[tuple[str, int], tuple[int, float]] = {}
        self._waiting_for: str | None = "starting"
        self._away: str | None = None
        self.left_behind = False
        """Whether something did not end in time, and still waits."""

    def stop(self, reason: str | None = None) -> None:
        """Ask it to end; with a reason if it cannot go on."""
        self._reason = self._reason or reason
        self._stop.set()

    def problems(self) -> list[str]:
        """What keeps the worker from being ready, a line each."""
        if self._waiting_for is not None:
            return [self._waiting_for]
        away = self._admission.refusal or self._away
        return ([away] if away is not None else []) + [problem for unit in self.units for problem in unit.problems()]

    async def run(self, gone: Callable[[], None] = lambda: None) -> None:
        """Until `stop`. `gone` is called, in another thread, if the process that started this one is gone. Raises CannotGoOn or
        CheckFailed with the reason when it ends by itself."""
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        Readings(self.registry, PREFIX, self._readings)
        if self._lifeline is None:
            self._serve()
        else:
            self._lifeline.serve(self.health, gone)
        turning = asyncio.create_task(self._turn())
        try:
            if await self._unless_stopped(self._connected()):
                await self._host()
        finally:
            turning.cancel()
            await self._broker.stop()
            self.health.stop()
        if self._reason is not None:
            raise CannotGoOn(self._reason)

    # Starting.

    def _serve(self) -> None:
        """Open the port. Raises UserError if it is taken."""
        try:
            self.health.start(self.settings.http_host, self.settings.http_port)
        except PortTaken as error:
            raise UserError(str(error)) from error
        logger.info("metrics, /live and /ready on http://%s:%d", self.settings.http_host, self.health.port)

    async def _connected(self) -> bool:
        """Wait for the broker as long as it takes, then see whether all topics are right. Raises LoginRefused, CheckFailed."""
        while True:
            try:
                await self._reach()
                await self._check()
                self._waiting_for = "starting"
                return True
            except LoginRefused:
                raise
            except (BrokerAway, BrokerUnreachable) as error:
                self._waiting_for = f"waiting for the broker: {error}"
                logger.warning("%s; trying again", self._waiting_for)
                await self._broker.stop()
            await asyncio.sleep(CONNECT_PAUSE_S)

    async def _reach(self) -> None:
        """Connect. Raises BrokerUnreachable, LoginRefused, BrokerAway."""
        try:
            await self._broker.start()
        except BrokerAway:
            # Its client only logs why: ask once more, for somebody to read it.
            async with connect(self._connection):
                raise

    async def _check(self) -> None:
        """Raises CheckFailed in one line for each thing that must be changed before a worker can run."""
        plan = planned_topics(self.settings)
        async with connect(self._connection) as admin:
            found = await admin.topics([topic.name for topic in plan])
            findings = topic_findings(plan, found, {topic.name: None for topic in plan})
            wrong = [finding for finding in findings if finding.status is Status.FAILED]
            if not wrong:
                allowed = await permission_findings(admin, self.settings, plan, self._broker.transactional)
                wrong = [finding for finding in allowed if isinstance(finding, Denied)]
        if wrong:
            raise CheckFailed("\n".join(f"{f.subject}: {f.message}; {f.remedy}" for f in wrong))
        if not self._broker.transactional:
            if self.settings.guarantee == "transactions":
                raise CheckFailed(
                    "the broker has no transactions, and the setting guarantee asks for them: use another broker, or auto"
                )
            logger.warning("the broker has no transactions: at least once, events may repeat after a crash (setting guarantee)")

    async def _host(self) -> None:
        self.units = [self._unit(name) for name in self.settings.agents]
        # From here on the units tell what they wait for; a worker without any would look ready.
        self._waiting_for = None
        for unit in self.units:
            self.metrics.declare_unit(unit.name)
        # Together: each waits for its own group, and where that takes seconds, they need not add up.
        starting = [asyncio.create_task(unit.start()) for unit in self.units]
        try:
            if await self._unless_stopped(asyncio.gather(*starting)) is not None:
                logger.info("running %s, %s", ", ".join(self.settings.agents), self._promise)
                await self._watch()
        finally:
            self._waiting_for = "stopping"
            for start in starting:
                start.cancel()
            await self._end()

    async def _unless_stopped(self, work: Awaitable[T]) -> T | None:
        """What the work gives, or None if told to stop before it is done: a broker that went away keeps it waiting for long."""
        doing = asyncio.ensure_future(work)
        stopped = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({doing, stopped}, return_when=asyncio.FIRST_COMPLETED)
            return doing.result() if doing.done() else None
        finally:
            stopped.cancel()
            doing.add_done_callback(forget)
            doing.cancel()

    def _unit(self, name: str) -> Unit:
        return Unit(
            self.settings.app_id,
            name,
            processors(name, self.settings),
            self._connection,
            self._broker,
            task_rules(self.settings, name),
            self.metrics,
            self.stop,
            session_timeout_s=self.settings.session_timeout_ms / 1000,
            heartbeat_s=self.settings.heartbeat_ms / 1000,
            disk=self._disk,
        )

    @property
    def _promise(self) -> str:
        return "exactly once" if self._broker.transactional else "at least once"

    # Running.

    async def _watch(self) -> None:
        was_ready = False
        while not self._stop.is_set():
            await self._stopped_within(LOOK_INTERVAL_S if was_ready else LOOK_INTERVAL_S / 10)
            for unit in self.units:
                await unit.look()
                if unit.crash_reason is not None:
                    self.stop(f"{unit.name}: {type(unit.crash_reason).__name__}: {unit.crash_reason}")
            if not was_ready and not self.problems():
                was_ready = True
                freeze()
                logger.info("ready")
            if self._away is not None or self._admission.refusal is not None or self._broken:
                await self._admission.look()
            if self._admission.given_up:
                self.stop(self._admission.refusal)
            if self._admission.refusal is None:
                await self._measure()

    @property
    def _broken(self) -> bool:
        return any(task.phase is Phase.BROKEN for unit in self.units for task in list(unit.tasks.values()))

    async def _measure(self) -> None:
        progress: dict[tuple[str, int], Progress] = {}
        for unit in self.units:
            progress.update(unit.progress())
        try:
            for unit in self.units:
                await unit.look_for_sources()
            ends = await self._broker.ends_of(list(progress)) if progress else {}
            self._away = None
        except BrokerAway as error:
            # Tasks that have nothing to write do not notice, but nothing would reach them.
            self._away = f"the broker does not answer: {error}"
            return
        except Exception as error:
            # Lag is a by-product: whatever is wrong with the broker, the tasks find out and act.
            logger.debug("lag not measured: %r", error)
            return
        for unit in self.units:
            unit.compare(progress, ends)
        now = int(time.time() * 1000)
        self._lags = {where: _behind(progress[where], ends[where], now) for where in progress if where in ends}

    async def _turn(self) -> None:
        while True:
            self.health.turned()
            await asyncio.sleep(1.0)

    async def _stopped_within(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return

    async def _end(self) -> None:
        ending = [asyncio.create_task(unit.stop()) for unit in self.units]
        _, hanging = await asyncio.wait(ending, timeout=STOP_TIMEOUT_S)
        for task in hanging:
            task.cancel()
        if hanging:
            self.left_behind = True
            logger.warning("%d units did not end within %g s and were left behind", len(hanging), STOP_TIMEOUT_S)
        for task in set(ending) - hanging:
            if (error := task.exception()) is not None:
                logger.warning("a unit did not end in order: %r", error)
        logger.info("stopped")

    def _readings(self) -> Iterable[Reading]:
        lags = dict(self._lags)
        yield Reading(
            "lag_records", "Committed source records that are not processed yet", ("topic", "partition"),
            {(topic, str(partition)): float(records) for (topic, partition), (records, _) in lags.items()},
        )  # fmt: skip
        yield Reading(
            "lag_seconds", "Age of the newest processed record while there is more", ("topic", "partition"),
            {(topic, str(partition)): seconds for (topic, partition), (_, seconds) in lags.items()},
        )  # fmt: skip
        sizes = {unit.name: [task.state_size for task in list(unit.tasks.values())] for unit in self.units}
        yield Reading("state_keys", "Keys of state", ("unit",), {(u,): float(sum(k for k, _ in s)) for u, s in sizes.items()})
        yield Reading(
            "state_bytes",
            "Bytes of keys and values of state",
            ("unit",),
            {(u,): float(sum(b for _, b in s)) for u, s in sizes.items()},
        )
        phases = [(unit, phase) for unit in self.units for phase in Phase]
        yield Reading(
            "tasks", "Tasks by phase", ("unit", "phase"),
            {(u.name, p.name.lower()): float(sum(t.phase is p for t in list(u.tasks.values()))) for u, p in phases},
        )  # fmt: skip
        yield Reading(
            "rebalances",
            "Assignments received since the start",
            ("unit",),
            {(u.name,): float(u.rebalances) for u in self.units},
        )
        yield Reading("exactly_once", "1 with transactions, 0 on a broker without", (), {(): float(self._broker.transactional)})


def _behind(progress: Progress, ends: Ends, now_ms: int) -> tuple[int, float]:
    return lag(progress, ends.start, ends.stable, now_ms)


async def run_worker(settings: Settings, lifeline: Lifeline | None = None) -> None:
    """Run until SIGTERM or SIGINT, or until the process at the other end of the lifeline is gone. Raises CheckFailed with the
    reason when the worker cannot start or go on."""
    tune_collector(settings.gc_threshold)
    keep_freed_memory()
    worker = Worker(settings, lifeline)
    loop = asyncio.get_running_loop()
    signals: tuple[Any, ...] = (signal.SIGTERM, signal.SIGINT)

    def stop() -> None:
        worker.stop()
        end_within(LAST_RESORT_S, code=0)

    def orphaned() -> None:
        logger.warning("the process that started this one is gone: ending")
        end_within(LAST_RESORT_S, code=0)
        loop.call_soon_threadsafe(worker.stop)

    for sign in signals:
        loop.add_signal_handler(sign, stop)
    try:
        await worker.run(orphaned)
        if worker.left_behind:
            end_now(code=0)  # to be cancelled is all that could still happen to it, and it would tell of that at length
    finally:
        for sign in signals:
            loop.remove_signal_handler(sign)
