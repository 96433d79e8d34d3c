"""Real states for harm to be done to, and readers of a state by a record in the place of its values."""

from collections.abc import Callable
from functools import cache
from typing import Final, NamedTuple
from unittest.mock import patch
from zlib import crc32

from agents.rollups import Rollups
from agents.scoring import Scoring
from schemas import topics
from schemas.codec import dumps
from streams.draft import Kept
from streams.processor import DAY_MS, Outbox, Processor, State, StreamTime
from streams.state import Identity, MemoryStore, StagedState
from streams.test_driver import Sent, TestDriver
from tests.care_life import CARE
from tests.golden_changelogs import PARTITIONS, lengths

DAYS: Final = 40
"""Enough responses of one respondent for a history in parts."""
LATER_MS: Final = (0, 60_000, DAY_MS, 45 * DAY_MS)
"""When ticks come to a damaged state."""
MOST_TICKS: Final = 60
"""In which a state that is not damaged has nothing more to do, many times over."""


class Endless(AssertionError):
    """A tick always wants another one."""


class Lived(NamedTuple):
    """The state of an agent of care, and what it reads next."""

    processor: Processor
    partition: int
    values: dict[bytes, bytes]
    records: list[Sent]
    now: int


@cache
def real_states(now: int) -> dict[str, dict[bytes, bytes]]:
    """What agents keep, by their names: of scoring and rollups as of a time in ms, of care as its life has it."""
    with patch("streams.test_driver.new_incarnation", lambda now_ms: f"{now_ms:013d}-00000000"):
        driver = TestDriver([Scoring(), Rollups()], now=now)
    driver.pipe(topics.ACCOUNTS, b"acme", dumps({"tier": "gold", "segments": {"region": "emea"}}))
    for day in range(DAYS):
        response = {"response_id": f"r-{day}", "account_id": "acme", "score": day % 11, "respondent_id": "u-1"}
        response |= {"responded_at": now - day * DAY_MS, "segments": {"plan": "smb"}}
        driver.pipe(topics.RESPONSES, b"acme", dumps(response))
    driver.run()
    driver.advance(DAY_MS)
    scores = {name: driver.state(name) for name in ("scoring", "rollups")}
    return scores | {name: kept.values for name, kept in of_care().items()}


@cache
def real_values(now: int) -> tuple[tuple[bytes, bytes], ...]:
    """Keys and values of each kind that agents keep, as of a time in ms."""
    kinds: dict[tuple[str, bytes], list[tuple[bytes, bytes]]] = {}
    for name, state in real_states(now).items():
        for key, value in state.items():
            kinds.setdefault((name, key[:1]), []).append((key, value))
    return tuple(entry for found in kinds.values() for entry in found[:2])


@cache
def of_care() -> dict[str, Lived]:
    """The agents of care and themes, in the middle of their life: each at the partition where it has more to do."""
    with patch("streams.test_driver.new_incarnation", lambda now_ms: f"{now_ms:013d}-00000000"):
        driver = CARE.before()
    since, now = lengths(driver), driver.now
    states = {name: [driver.state(name, number) for number in range(PARTITIONS)] for name in CARE.agents}
    CARE.go_on(driver)
    found = {}
    for name, make in CARE.agents.items():
        processor, partition = make(), max(range(PARTITIONS), key=lambda number: len(states[name][number]))
        records = [
            record
            for topic in processor.sources
            for record in driver.sent(topic)
            if record.partition == partition and since[topic][partition] <= record.offset and record.timestamp < now + DAY_MS
        ]
        records.sort(key=lambda record: record.arrived)
        found[name] = Lived(processor, partition, states[name][partition], records, now)
    return found


def damaged(name: str) -> Callable[[bytes | None, bytes], None]:
    """What an agent of care does with a state in which one value is another one: of the key given, or of some other if it has
    no such key. It goes on for a while, in so far as it does."""

    def read(key: bytes | None, value: bytes) -> None:
        kept = of_care()[name]
        if key is None or key not in kept.values:
            key = sorted(kept.values)[crc32(value) % len(kept.values)]
        store = MemoryStore()
        store.apply(kept.values | {key: value})
        state = StagedState(store, Identity(kept.partition, PARTITIONS, "a"))
        kept.processor.process(kept.records, state, StreamTime(kept.now, kept.now + DAY_MS), Outbox(Kept().send))
        for later in LATER_MS:
            for _ in range(MOST_TICKS):
                outbox = Outbox(Kept().send)
                kept.processor.tick(kept.now + later, state, outbox)
                state.commit()
                if not outbox.more:
                    break
            else:
                raise Endless(f"{name} is not done after {MOST_TICKS} ticks")

    return read


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
