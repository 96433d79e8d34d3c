"""How memory is treated: a worker takes and gives back the same amounts with every batch, so both shall be cheap; a recount
takes much, and gives nothing back until it is done."""

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
"""Options of glibc's mallopt(3)."""
LARGEST_BLOCK_BYTES: Final = 32 << 20
"""Blocks up to this size, the most that glibc allows, come from the heap, not from the system: record batches and what is sent
of them are some hundred KB each, and every page that the system gives has to be cleared first."""
KEPT_BYTES: Final = 256 << 20
"""So much freed memory stays with the process: what the batches of a dozen tasks take at a time."""


def tune_collector(threshold: int) -> None:
    """The garbage collector walks all live objects each time it runs: seldom is enough, as state makes no cycles."""
    gc.set_threshold(threshold, 50, 1000)


def freeze() -> None:
    """What is alive now, modules for the most part, stays: the collector need not look at it again."""
    gc.collect()
    gc.freeze()


@contextmanager
def no_collections() -> Iterator[None]:
    """Without the garbage collector, which walks all that a recount remembers again and again: half of its time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def keep_freed_memory() -> None:
    """Keep freed memory for the next batch: page faults of a scoring worker fall to less than half, and a twentieth of the time
    is saved. Without glibc nothing happens."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK_BYTES)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
