"""A worker of several processes: each a whole worker of its own, in the same consumer groups; this one keeps them going.

The processes are started, not forked: nothing of this one's threads and loops is in them. Their settings are in their
environment. One port speaks for all: metrics have the label `process`, and /live and /ready name the process.
"""

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import wait
from contextlib import suppress
from typing import Any

from prometheus_client import CollectorRegistry, Metric, ProcessCollector
from prometheus_client.registry import Collector

from npstream.ending import LAST_RESORT_S
from npstream.failures import UserError
from npstream.lifeline import About, Metrics, ProcessLine, collected
from npstream.settings import Settings
from npstream.settings_sources import PREFIX
from npstream.supervision import Death, Life, Supervised, Verdict
from streams.health import LOOP_TIMEOUT_S, Health, PortTaken

logger = logging.getLogger(__name__)

LABEL = "process"
"""Of every metric: which process it is about."""
PARENT = "parent"
"""The label's value for this process."""
LOOK_S = 1.0
"""How often each process is asked how it is; /ready and /live answer at once, from what it said last."""
SILENT_S = 5.0
"""A process that has not answered for so long is not ready: a busy one takes milliseconds."""
SCRAPE_S = 3.0
"""How long a scrape waits for the slowest process, well within Prometheus' 10 s; what is late is left out."""
STOP_S = LAST_RESORT_S + 2.0
"""After this a process that was told to end is killed: it ends by itself before, unless it stands still."""


class ProcessesEnded(UserError):
    """One process said why it cannot go on, or died too often: so the whole has ended."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.reason)
        self.exit_code = verdict.code


class Process:
    """One of them: its life, and the running program if there is one."""

    def __init__(self, number: int, settings: Settings) -> None:
        self.supervised = Supervised(number)
        self._environment = _environment(settings)
        self._program: asyncio.subprocess.Process | None = None
        self._line: ProcessLine | None = None

    async def run(self) -> None:
        """Start it, and return when it has ended; what follows is in `supervised`."""
        line = self._line = ProcessLine()
        self._program = None
        self.supervised.start(time.monotonic())
        descriptor = line.theirs.fileno()
        self._program = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "npstream", "worker",
            "--process", str(self.supervised.number), "--lifeline", str(descriptor),
            pass_fds=(descriptor,),
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches this process alone, which tells the others
        )  # fmt: skip
        line.started()
        if self.supervised.life is Life.ENDING:  # it was told before there was a program to tell
            self._program.terminate()
        logger.info("process %d is pid %d", self.supervised.number, self._program.pid)
        code = await self._program.wait()
        await asyncio.to_thread(line.close)
        death = Death(code) if line.farewell is None else Death(line.farewell.code, line.farewell.reason)
        self.supervised.died(death, time.monotonic())

    def stop(self) -> None:
        """Tell it to end; one that rests is not started again."""
        if self.supervised.stop() and self._program is not None:
            with suppress(ProcessLookupError):  # it has just ended by itself
                self._program.terminate()

    def kill(self) -> None:
        """End it at once, if it runs."""
        if self.supervised.life is Life.ENDING and self._program is not None:
            logger.warning("process %d did not end within %g s and was killed", self.supervised.number, STOP_S)
            with suppress(ProcessLookupError):
                self._program.kill()

    @property
    def line(self) -> ProcessLine | None:
        """To ask it; None while it does not run."""
        return self._line if self.supervised.life in (Life.RUNNING, Life.ENDING) else None

    def look(self) -> None:
        """Ask how it is, to know when somebody asks us."""
        if self.line is not None:
            self.line.ask(About.HEALTH)

    def not_ready(self) -> list[str]:
        """What keeps it from being ready, a line each."""
        line = self.line
        if line is None:
            death = self.supervised.last_death
            return [self._named("starting" if death is None else f"ended by {death}, and is started again")]
        if line.state is None:
            return [self._named("starting")]
        if line.silent_s() > SILENT_S:
            return [self._named(f"has not answered for {line.silent_s():.0f} s")]
        return [self._named(problem) for problem in line.state.not_ready]

    def not_live(self) -> list[str]:
        """What only a restart can help, a line each."""
        line = self.line
        if line is None:
            return []
        if line.silent_s() > LOOP_TIMEOUT_S:
            return [self._named(f"has not answered for {line.silent_s():.0f} s")]
        return [self._named(problem) for problem in (line.state.not_live if line.state is not None else [])]

    def _named(self, problem: str) -> str:
        return f"process {self.supervised.number}: {problem}"


def _environment(settings: Settings) -> dict[str, str]:
    """This process's, with exactly these settings: whatever flags and files they came from."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return others | settings.override(processes=1).environment()


class Gathered(Collector):
    """The metrics of all processes, each sample with the label `process`."""

    def __init__(self, processes: Iterable[Process]) -> None:
        self._processes = list(processes)
        self._own = CollectorRegistry()
        ProcessCollector(registry=self._own)

    def collect(self) -> Iterator[Metric]:
        """Called by the registry, at each scrape."""
        yield from merged({PARENT: collected(self._own), **self._answers()})

    def _answers(self) -> dict[str, Metrics]:
        asked = {p.supervised.number: p.line.ask(About.METRICS) for p in self._processes if p.line is not None}
        answered, _ = wait(asked.values(), SCRAPE_S)
        return {str(number): a.result() for number, a in asked.items() if a in answered and a.exception() is None}


def merged(answers: dict[str, Metrics]) -> Iterator[Metric]:
    """One metric of all of its namesakes, by process."""
    metrics: dict[str, Metric] = {}
    for process, answer in answers.items():
        for family in answer.families:
            metrics.setdefault(family.name, family.metric()).samples += family.labelled(LABEL, process)
    yield from metrics.values()


class Processes:
    """Keeps `settings.processes` of them going until `stop`, or until one says why it cannot go on."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.all = [Process(number, settings) for number in range(1, settings.processes + 1)]
        registry = CollectorRegistry()
        registry.register(Gathered(self.all))
        self.health = Health(registry, self.not_ready, self.not_live)
        self._stop = asyncio.Event()

    def not_ready(self) -> list[str]:
        """What keeps any of them from being ready, a line each."""
        return ["stopping"] if self._stop.is_set() else [problem for p in self.all for problem in p.not_ready()]

    def not_live(self) -> list[str]:
        """What only a restart can help, a line each."""
        return [problem for process in self.all for problem in process.not_live()]

    async def run(self) -> None:
        """Until `stop`. Raises UserError for a port that is taken, ProcessesEnded when they cannot go on."""
        try:
            self.health.start(self.settings.http_host, self.settings.http_port)
        except PortTaken as error:
            raise UserError(str(error)) from error
        logger.info(
            "metrics, /live and /ready of %d processes on http://%s:%d",
            len(self.all), self.settings.http_host, self.health.port,
        )  # fmt: skip
        looking = asyncio.create_task(self._look())
        try:
            await asyncio.gather(*(self._keep(process) for process in self.all))
        finally:
            looking.cancel()
            self.health.stop()
        logger.info("stopped")
        verdicts = [process.supervised.verdict for process in self.all if process.supervised.verdict is not None]
        if verdicts:
            raise ProcessesEnded(verdicts[0])

    def stop(self) -> None:
        """End all of them in order, and those that stand still at last."""
        if self._stop.is_set():
            return
        self._stop.set()
        for process in self.all:
            process.stop()
        loop = asyncio.get_running_loop()
        for process in self.all:
            loop.call_later(STOP_S, process.kill)

    async def _keep(self, process: Process) -> None:
        """Start it again and again, until it has ended for good."""
        supervised = process.supervised
        while supervised.life is not Life.ENDED:
            await process.run()
            if supervised.verdict is not None:
                self.stop()
            elif supervised.life is Life.RESTING:
                logger.error(
                    "process %d ended by %s; it is started again in %g s",
                    supervised.number, supervised.last_death, supervised.pause_s,
                )  # fmt: skip
                await self._stopped_within(supervised.pause_s)

    async def _stopped_within(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return

    async def _look(self) -> None:
        while True:
            self.health.turned()
            for process in self.all:
                process.look()
            await asyncio.sleep(LOOK_S)


async def run_processes(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Raises UserError with the reason when the processes cannot start or go on."""
    processes = Processes(settings)
    loop = asyncio.get_running_loop()
    signals: tuple[Any, ...] = (signal.SIGTERM, signal.SIGINT)
    for sign in signals:
        loop.add_signal_handler(sign, processes.stop)
    try:
        await processes.run()
    finally:
        for sign in signals:
            loop.remove_signal_handler(sign)
