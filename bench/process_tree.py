"""What a command and all the processes that it has started use together, as Linux tells it in /proc."""

import os
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple, Self

from bench.processes import Usage, busy_seconds, cpu_seconds, peak_rss_mb


def tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            children[_parent(entry)].append(int(entry.name))
    found = [pid]
    for one in found:  # grows while it is gone through
        found += children[one]
    return found


def _parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def usage(worker: int, broker: int | None) -> Usage:
    """As `Usage.now`, of a worker with all of its processes."""
    used, its = sum(map(cpu_seconds, tree(worker))), None if broker is None else cpu_seconds(broker)
    return Usage(time.time(), used, its, busy_seconds() - used - (its or 0.0) - sum(os.times()[:2]))


class Footprint(NamedTuple):
    """What some processes hold at one moment."""

    sockets: int
    open_files: int
    """Sockets included."""
    rss_mb: float
    """Memory now."""
    peak_mb: float
    """The most that each ever had, added up."""

    @classmethod
    def of(cls, pids: list[int]) -> Self:
        """Of these, added up; those that are gone hold nothing."""
        targets = [target for pid in pids for target in _descriptors(pid)]
        sockets = sum(target.startswith("socket:") for target in targets)
        return cls(sockets, len(targets), sum(map(_rss_mb, pids)), sum(map(peak_rss_mb, pids)))


def _descriptors(pid: int) -> list[str]:
    """What each open file of a process is."""
    found = []
    try:
        for descriptor in os.scandir(f"/proc/{pid}/fd"):
            try:
                found.append(os.readlink(descriptor.path))
            except FileNotFoundError:  # closed in between
                continue
    except FileNotFoundError:
        return []
    return found


def _rss_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except FileNotFoundError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
