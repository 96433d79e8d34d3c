"""Whether care has let go of who was erased: nothing alive names them, and its agents are past the erasure."""

from collections.abc import AsyncIterator
from typing import Any, cast

import msgspec
import pytest

from npstream.care_traces import CareTraces, CareWatch, Place, care_topics
from npstream.reading import Reader
from npstream.traces import Respondent
from schemas import topics
from streams.changelog import Position, position_key
from streams.processor import Record
from streams.test_driver import Sent
from tests.case_records import CASE, NOW, case

CHANGELOG = "app-care-changelog"
NAME = CASE["respondent_id"]
ENTRY = Place(partition=0, offset=7)
WHOM = Respondent(NAME, ["acme"])


def tombstone(of: Sent) -> Sent:
    return Sent(of.topic, of.partition, of.offset + 1, NOW, of.key, None, ())


def state(value: Any = NAME) -> Sent:
    """An entry of the state of one of care's agents."""
    return Sent(CHANGELOG, 0, 0, NOW, b"scases\0acme|c-1", b"\1" + msgspec.msgpack.encode(value), ())


def position(next_offset: int, agent: str = "cases", topic: str = topics.ERASURES, partition: int = 0) -> Sent:
    value = Position(next_offset, next_offset - 1, 0).encode()
    return Sent(CHANGELOG, partition, 0, NOW, position_key(agent, topic), value, ())


LOOKS = [
    # what is read                                                               whether care has let go
    ([], True),
    ([case()], False),
    ([case(), tombstone(case())], True),
    ([case(account_id="globex"), case(respondent_id="u-18@acme.example")], True),
    ([state()], False),
    ([state(), state("somebody else")], True),
    ([position(7)], False),
    ([position(8)], True),
    ([position(7), position(8)], True),
    ([position(8), case()], False),
    ([position(8), position(7, "first_touch")], False),
    ([position(8), position(3, "cases", topics.DETRACTORS)], True),
    # One that reads erasures elsewhere has still to read this one.
    ([position(9, partition=1)], False),
    # The refusal of such a changelog is the worker's.
    ([Sent(CHANGELOG, 0, 0, NOW, position_key("cases", topics.ERASURES), b"none", ())], True),
]


@pytest.mark.parametrize(("records", "let_go"), LOOKS)
def test_care_has_let_go_when_nothing_is_left_and_it_is_past_the_erasure(records: list[Sent], let_go: bool) -> None:
    traces = CareTraces(WHOM)
    traces.take(records)
    assert traces.let_go([ENTRY]) == let_go


def test_of_several_accounts_all_count() -> None:
    traces = CareTraces(Respondent(NAME, ["acme", "globex"]))
    traces.take([position(8), position(3, partition=1)])
    assert traces.let_go([ENTRY])
    assert not traces.let_go([ENTRY, Place(1, 3)])
    traces.take([position(4, partition=1)])
    assert traces.let_go([ENTRY, Place(1, 3)])


class Topics:
    """Takes the place of a `Reader`: topics of one partition that grow."""

    def __init__(self) -> None:
        self.records: dict[str, list[Sent]] = {}
        self.read = 0

    async def ends(self, topic: str) -> dict[int, int]:
        return {0: len(self.records.get(topic, []))}

    async def to_end(self, topic: str, start: dict[int, int], end: dict[int, int]) -> AsyncIterator[list[Record]]:
        part = self.records.get(topic, [])[start.get(0, 0) : end[0]]
        self.read += len(part)
        yield list(part)


async def test_each_look_reads_what_came_since_the_last_one() -> None:
    found = Topics()
    found.records = {topics.CASES: [case()], CHANGELOG: [state(), position(7)]}
    watch = CareWatch(cast(Reader, found), care_topics("app"), WHOM)
    assert not await watch.let_go([ENTRY])
    assert not await watch.let_go([ENTRY])
    assert found.read == 3
    found.records[topics.CASES].append(tombstone(case()))
    found.records[CHANGELOG] += [state("somebody else"), position(8)]
    assert await watch.let_go([ENTRY])
    assert found.read == 6


async def test_where_care_never_ran_there_is_nothing_to_wait_for() -> None:
    assert await CareWatch(cast(Reader, Topics()), [], WHOM).let_go([ENTRY])
