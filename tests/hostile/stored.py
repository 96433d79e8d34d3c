"""A real state for harm to be done to, and a reader of any state by a record in the place of its values."""

from collections.abc import Callable
from functools import cache

from agents.rollups import Rollups
from agents.scoring import Scoring
from schemas import topics
from schemas.codec import dumps
from streams.processor import DAY_MS, State
from streams.state import Identity, MemoryStore, StagedState
from streams.test_driver import TestDriver

DAYS = 40
"""Enough responses of one respondent for a history in parts."""


@cache
def real_values(now: int) -> tuple[bytes, ...]:
    """Values of each kind that scoring and rollups keep, as of a time in ms."""
    driver = TestDriver([Scoring(), Rollups()], now=now)
    driver.pipe(topics.ACCOUNTS, b"acme", dumps({"tier": "gold", "segments": {"region": "emea"}}))
    for day in range(DAYS):
        response = {"response_id": f"r-{day}", "account_id": "acme", "score": day % 11, "respondent_id": "u-1"}
        response |= {"responded_at": now - day * DAY_MS, "segments": {"plan": "smb"}}
        driver.pipe(topics.RESPONSES, b"acme", dumps(response))
    driver.run()
    driver.advance(DAY_MS)
    kinds: dict[tuple[str, bytes], list[bytes]] = {}
    for name in ("scoring", "rollups"):
        for key, value in driver.state(name).items():
            kinds.setdefault((name, key[:1]), []).append(value)
    return tuple(value for found in kinds.values() for value in found[:2])


class _Same(StagedState):
    """A state that answers every key with one value, or one key alone."""

    def __init__(self, value: bytes, key: bytes | None) -> None:
        super().__init__(MemoryStore(), Identity(0, 1, "a"))
        self._value = value
        self._key = key

    def get(self, key: bytes) -> bytes | None:
        """The value, if this is the key."""
        return self._value if self._key in (None, key) else None


def in_place(value: bytes, read: Callable[[State], object], key: bytes | None = None) -> object:
    """What is made of a state in which each value is this one, or that of one key alone."""
    return read(_Same(value, key))
