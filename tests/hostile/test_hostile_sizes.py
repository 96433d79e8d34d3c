"""The memory that one record takes is bounded by its size, whatever is in it."""

import gc
import tracemalloc

import pytest

from agents.intake import Intake
from agents.scoring import Scoring
from schemas import topics
from schemas.codec import MAX_RECORD_BYTES
from streams.test_driver import TestDriver
from tests.hostile.records import NOW

MOST_TIMES = 60
"""Peak memory over the size of the record: a list of numbers of one digit has two bytes of text for each element of eight, and
each object of one member, `{"a":1},`, has eight for an empty dict's two hundred and more."""
OVERHEAD_BYTES = 2_000_000
"""What the driver, the two agents and their caches take by themselves."""
MB = 1_000_000
BODY = b'"response_id":"r","account_id":"acme","score":9,"responded_at":"2026-03-01T09:30:00Z"'

LARGE = {
    "10 MB of nesting": b"[" * (10 * MB),
    "10 MB of objects in objects": b'{"a":' * (2 * MB),
    "nesting in a field": b'{%b,"segments":%b}' % (BODY, b"[" * (5 * MB)),
    "a list of 1 MB": b"[" + b"1," * (MB // 2) + b"1]",
    "a list of objects of 1 MB": b"[" + b'{"a":1},' * (MB // 8) + b"1]",
    "a list in a field": b'{%b,"comment":[%b1]}' % (BODY, b"1," * (MB // 2)),
    "100,000 keys": b"{%b,%b}" % (BODY, b",".join(b'"k%d":1' % number for number in range(100_000))),
    "100,000 segments": b'{%b,"segments":{%b}}' % (BODY, b",".join(b'"k%d":"1"' % number for number in range(100_000))),
    "an integer of 1 MB": b'{%b,"updated_at":%b}' % (BODY, b"9" * MB),
    "a text of 1 MB": b'{%b,"comment":"%b"}' % (BODY, b"x" * MB),
    "a text of escapes": b'{%b,"comment":"%b"}' % (BODY, b"\\u0000" * (MB // 6)),
    "an id of 1 MB": b'{"response_id":"%b","account_id":"acme","score":9}' % (b"x" * MB),
    "longer than is read": b" " * (MAX_RECORD_BYTES + 1),
}


@pytest.mark.parametrize("topic", [topics.RAW, topics.RESPONSES])
@pytest.mark.parametrize("name", LARGE)
def test_a_large_record_takes_memory_in_proportion(name: str, topic: str) -> None:
    value = LARGE[name]
    driver = TestDriver([Intake(), Scoring()], now=NOW)
    driver.pipe(topic, b"acme", value)
    gc.collect()
    tracemalloc.start()
    try:
        driver.run()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= MOST_TIMES * len(value) + OVERHEAD_BYTES
    (became,) = (driver.sent(topics.DEAD_LETTERS) + driver.sent(topics.SCORED))[:1]
    assert len(became.value or b"") <= len(value) + MB // 1_000
