"""A worker process that counts, for tests that kill and stop it: `python -m tests.integration.engine_worker BOOTSTRAP APP`.

It says a word a line: `open <partition> <records restored>`, `ready`, `fenced`, `fatal <reason>`, `stopped`. SIGTERM ends it.
"""

import asyncio
import logging
import signal
import sys
from dataclasses import dataclass

from streams.connection import Connection
from streams.kafka_broker import KafkaBroker
from streams.phase import Phase
from streams.task import TaskRules
from streams.task_name import TaskName
from streams.unit import Unit
from tests.model.bench import Noted
from tests.model.counting import Counting

UNIT = "counting"
SESSION_TIMEOUT_S = 3.0
"""Short, so that a dead worker is missed soon."""
HEARTBEAT_S = 0.5
RULES = TaskRules(retry_max_s=1.0, batch_bytes=16 << 10)
"""Small batches make many transactions, and thus many moments to be hit in."""


def source(app: str) -> str:
    """The topic that is counted."""
    return f"{app}-in"


@dataclass
class Hosted:
    """A unit that counts, and what it reported."""

    unit: Unit
    broker: KafkaBroker
    noted: Noted
    fatal: list[str]

    async def start(self) -> None:
        """Join the group."""
        await self.broker.start()
        await self.unit.start()

    async def stop(self) -> None:
        """End in order."""
        await self.unit.stop()
        await self.broker.stop()


def hosted(
    bootstrap: str, app: str, noted: Noted | None = None, counting: type[Counting] = Counting, rules: TaskRules = RULES
) -> Hosted:
    """A unit on a real broker."""
    connection = Connection(bootstrap)
    broker = KafkaBroker(connection)
    noted = noted or Noted()
    fatal: list[str] = []
    unit = Unit(
        app, UNIT, [counting(UNIT, (source(app),), f"{app}-")], connection, broker, rules, noted, fatal.append,
        session_timeout_s=SESSION_TIMEOUT_S, heartbeat_s=HEARTBEAT_S,
    )  # fmt: skip
    return Hosted(unit, broker, noted, fatal)


class _Spoken(Noted):
    def opened(self, task: TaskName, seconds: float, restored: int, gap: int) -> None:
        print("open", task.partition, restored, flush=True)

    def phase(self, task: TaskName, phase: Phase) -> None:
        """Only the worker as a whole says when it is ready."""

    def failed(self, task: TaskName, fenced: bool) -> None:
        print("fenced" if fenced else "failed", task.partition, flush=True)


async def work(bootstrap: str, app: str) -> None:
    """Until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    one = hosted(bootstrap, app, _Spoken())
    await one.start()
    ready = False
    while not stop.is_set() and not one.fatal:
        if one.unit.ready is not ready:
            ready = not ready
            print("ready" if ready else "busy", flush=True)
        await asyncio.sleep(0.05)
    for reason in one.fatal:
        print("fatal", reason, flush=True)
    await one.stop()
    print("stopped", flush=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(work(*sys.argv[1:]))
