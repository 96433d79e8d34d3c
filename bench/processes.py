"""What processes have used, as Linux tells it in /proc."""

import os
import time
from pathlib import Path
from typing import NamedTuple, Self

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
"""In what /proc counts processor time."""
IDLE = (3, 4)
"""Of the numbers in the first line of /proc/stat those of an idle processor: idle, iowait (proc(5))."""
COUNTED = 8
"""How many of them there are before those that are counted twice (guests)."""


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far; 0 once it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def peak_rss_mb(pid: int) -> float:
    """The most memory that a process ever had, in MB; 0 once it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except FileNotFoundError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


def busy_seconds() -> float:
    """How long all processors together have worked since the machine started."""
    numbers = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1 : 1 + COUNTED]]
    return (sum(numbers) - sum(numbers[index] for index in IDLE)) / TICKS_PER_S


class Usage(NamedTuple):
    """Processor time used so far, in s, at one moment."""

    at: float
    """The moment: s since the epoch."""
    worker: float
    broker: float | None
    """None where the broker is not ours to look at."""
    others: float
    """Everything else on the machine but this process."""

    @classmethod
    def now(cls, worker: int, broker: int | None) -> Self:
        """Of the two processes by their ids."""
        used, its = cpu_seconds(worker), None if broker is None else cpu_seconds(broker)
        own = sum(os.times()[:2])
        return cls(time.time(), used, its, busy_seconds() - used - (its or 0.0) - own)
