"""Log lines: text for eyes, or one JSON object a line for collectors. Comments, ids and passwords are never logged."""

import logging
import sys
from datetime import UTC, datetime

import orjson
from aiokafka.errors import KafkaError

QUIET = ("aiokafka", "faust", "mode", "kafka", "asyncio")
"""Libraries whose notes at level info are about themselves: from them, warnings only."""

SILENT = ("aiokafka.producer.sender", "aiokafka.consumer.group_coordinator", "aiokafka.conn", "aiokafka.cluster")
"""They repeat every few hundred milliseconds, as errors, that a broker is away: the task says so once per attempt."""

WIRE = "aiokafka.conn"
"""At level debug it writes out whole requests and answers: passwords, and all that people have said."""

DESTROYED = "Task was destroyed but it is pending!"
"""How asyncio begins what it says of a task that nobody holds any more."""

REPEATING = "aiokafka"
"""The library whose other warnings repeat as well: while a broker is away, each of a worker's two dozen clients tries, and says
so, ten times a second."""
REPEAT_S = 60.0
"""How often one and the same of its warnings is worth a line."""


class Seldom(logging.Filter):
    """Passes what the repeating library says once in a while, told apart by the text before values are put into it."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this is worth a line."""
        if record.name.partition(".")[0] != REPEATING:
            return True
        what = (record.name, str(record.msg))
        last = self._said.get(what)
        if last is not None and record.created - last < REPEAT_S:
            return False
        self._said[what] = record.created
        return True


class Told(logging.Filter):
    """Leaves out what asyncio says of errors that nobody asked for: aiokafka gives one error to several futures, and who waits
    for one of them has said it. And of aiokafka's own tasks that were still waiting when their producer was discarded."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this is news."""
        if record.name != "asyncio":
            return True
        if record.exc_info and isinstance(record.exc_info[1], KafkaError):
            return False
        message = record.getMessage()
        return not (message.startswith(DESTROYED) and "/aiokafka/" in message)


class JsonLines(logging.Formatter):
    """One object a line: time, level, process if there are several, logger, message, and the traceback of an exception."""

    def __init__(self, process: int | None = None) -> None:
        super().__init__()
        self._process = {} if process is None else {"process": process}

    def format(self, record: logging.LogRecord) -> str:
        """As one line of JSON."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            **self._process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def set_up(level: str, style: str, process: int | None = None) -> None:
    """Log to stderr, at a level of Python's and in the style text or json; each line names the process if there are several."""
    handler = logging.StreamHandler(sys.stderr)
    named = "" if process is None else f"[{process}] "
    handler.setFormatter(
        JsonLines(process)
        if style == "json"
        else logging.Formatter(f"%(asctime)s %(levelname)-7s {named}%(message)s", "%H:%M:%S")
    )
    if level.upper() != "DEBUG":
        handler.addFilter(Seldom())
        handler.addFilter(Told())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger(WIRE).setLevel(logging.INFO)
    if level.upper() != "DEBUG":
        for name in QUIET:
            logging.getLogger(name).setLevel(logging.WARNING)
        for name in SILENT:
            logging.getLogger(name).setLevel(logging.CRITICAL)
