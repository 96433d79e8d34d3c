"""Where a figure was taken: only figures of one machine and one run can be compared."""

import os
import platform
import re
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.kafka.broker import LIBS

ROOT = Path(__file__).parents[1]
MEASURED = ("faust-streaming", "aiokafka", "orjson", "uvloop")
"""The libraries that decide the figures."""
ADDITIONS = 200_000
"""Of one look at the pace: some ten ms."""
LOOKS = 5
"""The quickest counts: whatever disturbs makes it slower."""


def describe(own_broker: bool) -> dict[str, str]:
    """Names and values, in the order in which to show them."""
    return {
        "Taken": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "Commit": _commit(),
        "Processor": f"{os.cpu_count()} x {_processor()}",
        "Memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GB",
        "System": platform.platform(terse=True),
        "Kafka": f"{_kafka()}, one node, its own defaults but for -Xmx1g" if own_broker else "not ours",
        "Java": _java(),
        "Python": platform.python_version(),
        "Libraries": ", ".join(f"{name} {version(name)}" for name in MEASURED),
        "Before": _condition(),
    }


def finish(described: dict[str, str]) -> None:
    """Add what can only be said when all is measured."""
    described["After"] = _condition()


def _condition() -> str:
    """What else it does, and how quick it is at the moment: a virtual machine's processor may be slow for hours, and no load
    shows it."""
    load = " ".join(f"{load:.1f}" for load in os.getloadavg())
    return f"load {load}; {pace_ns():.0f} ns for an addition in a Python loop"


def pace_ns() -> float:
    """Nanoseconds of processor time that an addition in a loop takes, in this interpreter."""
    return min(_loop_s() for _ in range(LOOKS)) / ADDITIONS * 1e9


def _loop_s() -> float:
    began, total = time.thread_time(), 0
    for number in range(ADDITIONS):
        total += number
    return time.thread_time() - began


def _processor() -> str:
    return next(_values(Path("/proc/cpuinfo"), "model name"), platform.processor() or "unknown")


def _values(file: Path, name: str) -> Iterator[str]:
    for line in file.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            yield value.strip()


def _kafka() -> str:
    jars = (re.fullmatch(r"kafka_2\.13-([\d.]+)\.jar", jar.name) for jar in LIBS.iterdir())
    return next((f"Apache Kafka {jar[1]}" for jar in jars if jar), "unknown")


def _java() -> str:
    """What runs the broker and Kafka Streams."""
    said = _said("java", "-version").splitlines()
    return said[-1] if said else "unknown"


def _commit() -> str:
    """The commit, and whether the packages differ from it."""
    commit = _git("rev-parse", "--short=12", "HEAD")
    changed = _git("status", "--porcelain", "--", "streams", "agents", "schemas", "npstream", "bench")
    return f"{commit} with changes" if changed else commit or "unknown"


def _git(*arguments: str) -> str:
    return _said("git", *arguments)


def _said(*command: str) -> str:
    """What a command says; nothing if it fails or is not there. Java tells its version where errors go."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return "" if done.returncode else (done.stdout or done.stderr).strip()
