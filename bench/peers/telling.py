"""How the benchmark and a peer talk: the peer is told by its environment what to do, and tells in lines of JSON what it did.

A peer may run in a virtual environment of its own, so nothing is imported here but the standard library.
"""

import json
import os
import time
from dataclasses import dataclass
from typing import Self

STDOUT = 1
"""Written to directly: some frameworks make log records of what is printed."""


@dataclass(frozen=True)
class Work:
    """What a peer is told."""

    bootstrap: str
    group: str
    """Consumer group, or what stands for it. All topics of its own begin with it."""
    folder: str
    """Exists, and is empty: for files of its own."""
    source: str
    changes: str
    detractors: str
    partitions: int
    """Of every topic."""
    responses: int
    """In the source: after so many it commits, tells that it has ended, and ends."""

    @classmethod
    def told(cls) -> Self:
        """From this process's environment."""
        told = {name: value for name, value in os.environ.items() if name.startswith("PEER_")}
        return cls(
            told["PEER_BOOTSTRAP"],
            told["PEER_GROUP"],
            told["PEER_FOLDER"],
            told["PEER_INPUT"],
            told["PEER_CHANGES"],
            told["PEER_DETRACTORS"],
            int(told["PEER_PARTITIONS"]),
            int(told["PEER_RESPONSES"]),
        )

    def environment(self) -> dict[str, str]:
        """What `told` reads."""
        return {
            "PEER_BOOTSTRAP": self.bootstrap,
            "PEER_GROUP": self.group,
            "PEER_FOLDER": self.folder,
            "PEER_INPUT": self.source,
            "PEER_CHANGES": self.changes,
            "PEER_DETRACTORS": self.detractors,
            "PEER_PARTITIONS": str(self.partitions),
            "PEER_RESPONSES": str(self.responses),
        }


def tell(event: str, **more: float) -> None:
    """Print when it is, and what this process has used so far. `began` comes before the first response, `ended` when
    everything is written."""
    told = {"event": event, "at": time.time(), "cpu_s": time.process_time(), "peak_rss_kb": _peak_rss_kb(), **more}
    os.write(STDOUT, b"\n" + json.dumps(told, separators=(",", ":")).encode() + b"\n")


def _peak_rss_kb() -> int:
    """As Linux tells it; getrusage also counts what the process was before it became this program, a copy of who started it."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
