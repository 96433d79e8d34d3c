"""How much memory this process has, once what is free was given back."""

import ctypes
import gc
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from sys import getsizeof

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
ALIGNED_BYTES = 16
"""Python's small objects take multiples of this."""


def resident_bytes() -> int:
    """Resident memory of this process after a collection; on Linux, where what is free can be given back."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


def object_bytes(objects: Iterable[bytes]) -> int:
    """What the objects take, without what refers to them."""
    return sum(-getsizeof(one) // ALIGNED_BYTES * -ALIGNED_BYTES for one in objects)
