"""The most memory that a worker may take, said beforehand: from its settings, and from how much state it holds.

What is bounded by settings does not grow with what waits: an inbox for each task, what was fetched and is on its way to one,
and the working memory of batches. What is left is state, which grows with responses and with nothing else.
"""

from dataclasses import dataclass
from typing import Final

from npstream.memory import KEPT_BYTES
from streams.unit import STREAM_BUFFER

MB: Final = 1 << 20
FETCH_BYTES: Final = MB
"""Of one partition and request, Kafka's and Faust's default."""
FETCHES: Final = 2
"""Of each partition: one with the client, unpacked, and the one that its inbox took beyond its bound."""
OBJECT_FACTOR: Final = 2
"""Memory of a fetched record for each byte that an inbox counts (key, value and 100): Python objects around three values."""
KEY_BYTES: Final = 200
"""Of a key in the state beside its bytes and its value's: heads of two objects, rounding, a dictionary that has just grown."""


@dataclass(frozen=True)
class Bound:
    """What a worker's memory may be."""

    agents: int
    partitions: int
    inbox_max_bytes: int
    base_bytes: int
    """Resident when the worker was ready and had done nothing."""

    @property
    def waiting_bytes(self) -> int:
        """Of records that have arrived and are not processed."""
        a_task = self.inbox_max_bytes + FETCHES * FETCH_BYTES
        return OBJECT_FACTOR * (self.agents * self.partitions * a_task + self.agents * STREAM_BUFFER * FETCH_BYTES)

    @property
    def fixed_bytes(self) -> int:
        """All but the state: whatever the load is. Batches work in the memory that a worker keeps when it is freed."""
        return self.base_bytes + self.waiting_bytes + KEPT_BYTES

    def with_state(self, keys: float, in_bytes: float) -> float:
        """All, with a state of so many keys, and bytes of keys and values."""
        return self.fixed_bytes + state_memory(keys, in_bytes)


def state_memory(keys: float, in_bytes: float) -> float:
    """What a state of so many keys, and bytes of keys and values, takes at most."""
    return keys * KEY_BYTES + in_bytes
