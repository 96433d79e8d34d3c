"""One respondent who says more than all others: a mistake of a survey platform, or a load test that sends all in one name."""

import json
import random
from collections import Counter
from typing import Any

import pytest

from agents import keys
from agents.rollups import Rollups
from agents.scoring import Scoring
from npstream.verification import OUTPUTS, Seen, verify
from schemas import topics
from streams.draft import Kept
from streams.processor import DAY_MS, Outbox, Record, StreamTime
from streams.state import Identity, MemoryStore, StagedState
from streams.test_driver import Sent, TestDriver

NOW = 1_772_357_400_000  # 2026-03-01T09:30:00Z


def body(number: int, score: int, at: int) -> dict[str, Any]:
    return {"response_id": f"r-{number}", "account_id": "acme", "respondent_id": "u-1", "score": score, "responded_at": at}


def mixed(count: int, seed: int) -> list[dict[str, Any]]:
    """Responses of one respondent over two years in any order, every fifth corrected or taken back, perhaps before it came."""
    dice = random.Random(seed)
    bodies = []
    for number in range(count):
        at = NOW - dice.randrange(700 * DAY_MS)
        bodies.append(body(number, dice.randrange(11), at))
        if number % 5 == 0:
            bodies.append(body(dice.randrange(count), dice.randrange(11), at) | {"updated_at": NOW + number})
        if number % 5 == 1:
            retracted = f"r-{dice.randrange(count)}"
            bodies.append({"kind": "retraction", "response_id": retracted, "account_id": "acme", "updated_at": NOW + number})
    return bodies


def played(bodies: list[dict[str, Any]], batch: int) -> TestDriver:
    driver = TestDriver([Scoring(), Rollups()], now=NOW)
    for one in bodies:
        driver.now += 1
        driver.pipe(topics.RESPONSES, b"acme", json.dumps(one).encode())
    driver.run(batch)
    return driver


@pytest.mark.parametrize("seed", range(3))
def test_a_long_history_counts_right_wherever_batches_begin_and_end(seed: int) -> None:
    bodies = mixed(400, seed)
    together = played(bodies, 500)
    outputs = {topic: together.sent(topic) for topic in OUTPUTS}
    seen = Seen(together.sent(topics.RESPONSES), outputs, {0: len(bodies)}, {}, together.now)
    assert verify(seen, (7, 30, 90, 365), 90, 7).differences == []
    events = [topic for topic in OUTPUTS if not topic.startswith("nps.rollups.")]
    for batch in (1, 7):
        apart = played(bodies, batch)
        assert [apart.sent(topic) for topic in events] == [together.sent(topic) for topic in events]


class Counted(StagedState):
    """Counts how often each kind of key is written."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store, Identity(0, 1, "i"))
        self.written: Counter[bytes] = Counter()

    def put(self, key: bytes, value: bytes) -> None:
        self.written[key[:1]] += 1
        super().put(key, value)


def test_a_batch_writes_a_long_history_once() -> None:
    store = MemoryStore()
    scoring = Scoring()
    for start in range(0, 3_000, 1_000):
        state = Counted(store)
        batch: list[Record] = [
            Sent(topics.RESPONSES, 0, n, NOW, b"acme", json.dumps(body(n, n % 11, NOW - 10_000 + (n ^ 1))).encode(), ())
            for n in range(start, start + 1_000)
        ]
        scoring.process(batch, state, StreamTime(NOW, NOW), Outbox(Kept().send))
        state.commit()
    assert state.written[keys.RESPONDENT] == 1
    assert state.written[keys.RESPONSE] == 1_000
