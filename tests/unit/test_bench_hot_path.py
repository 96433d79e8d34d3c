"""The benchmark's way without Kafka is that of a worker, and the tally does exactly the peers' work."""

import asyncio
from collections.abc import Iterator
from operator import attrgetter

import pytest

from bench import stream
from bench.engine.tally import CATEGORIES, Account, Tally
from bench.fetching import fetches, stored, unpack
from bench.hot_path import STAGES, WITHIN, Clock, HotPath
from bench.inputs import PARTITIONS
from bench.measurement import Measurement
from bench.peer_line import event_comparisons
from bench.peer_state import PeerState, from_engine
from bench.peers.telling import Work
from bench.profile import paths
from bench.profile_report import ROWS, columns, markdown
from bench.reading import Stored
from bench.truth import Truth
from npstream.settings import Settings
from streams.task import TaskRules
from streams.task_name import changelog_topic
from streams.test_driver import TestDriver

RESPONSES = 2_000
NOW_MS = 1_772_000_000_000
DAY = stream.first_day(RESPONSES, NOW_MS)
SOURCE, CHANGES, DETRACTORS = "responses", "changes", "detractors"
WORK = Work("nowhere", "group", "", SOURCE, CHANGES, DETRACTORS, PARTITIONS, RESPONSES)


def driven(batch: int, responses: Iterator[stream.Answer]) -> TestDriver:
    driver = TestDriver([Tally(SOURCE, CHANGES, DETRACTORS)], now=NOW_MS, partitions=PARTITIONS)
    for answer in responses:
        driver.pipe(SOURCE, answer.account_id.encode(), stream.plain_record(answer))
    driver.run(batch=batch)
    return driver


@pytest.mark.parametrize("batch", [1, 7, 500])
def test_the_tally_does_the_peers_work(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = Truth(stream.answers(RESPONSES, DAY))
    driver = driven(batch, stream.answers(RESPONSES, DAY))

    def read(bootstrap: str, topic: str) -> list[Stored]:
        if topic == changelog_topic(WORK.group, Tally.name):
            return [Stored(n, *row) for n in range(PARTITIONS) for row in driver.changelog(Tally.name, n).items()]
        return [Stored(record.partition, record.key, record.value) for record in driver.sent(topic)]

    monkeypatch.setattr("bench.peer_line.read", read)
    monkeypatch.setattr("bench.peer_state.read", read)
    found = [*event_comparisons(WORK, truth), *from_engine(WORK).comparisons(truth)]
    assert [str(comparison) for comparison in found if not comparison.equal] == []
    assert found[0].found > 10


def test_the_tally_forgets_days_that_are_older_than_ninety() -> None:
    account = Account(b"acme", b"")
    for day in (100, 189, 190, 95):
        account.turn_to(day)
        account.counts[CATEGORIES.index("passive")] += 1
    assert account.days == {189: [0, 1, 0], 190: [0, 1, 0]}
    assert Account(b"acme", account.packed()).days == account.days


def test_the_tally_goes_on_where_it_was_after_a_crash() -> None:
    driver = TestDriver([Tally(SOURCE, CHANGES, DETRACTORS)], now=NOW_MS, partitions=PARTITIONS)
    for answer in stream.answers(RESPONSES, DAY):
        driver.pipe(SOURCE, answer.account_id.encode(), stream.plain_record(answer))
    driver.abandon(batch=100)
    driver.run()
    whole = driven(500, stream.answers(RESPONSES, DAY))
    assert [driver.state(Tally.name, n) for n in range(PARTITIONS)] == [whole.state(Tally.name, n) for n in range(PARTITIONS)]


def test_what_is_unpacked_is_what_was_stored() -> None:
    records = stored(SOURCE, stream.answers(RESPONSES, DAY), stream.plain_record, (("name", b"value"),), NOW_MS)
    unpacked = [record for fetch in fetches(records) for record in unpack(fetch)]
    found = [record._replace(offset=0, headers=tuple(record.headers)) for record in unpacked]
    there = [record._replace(offset=0) for record in records]
    assert sorted(found, key=attrgetter("partition")) == sorted(there, key=attrgetter("partition"))
    for number in range(PARTITIONS):
        offsets = [record.offset for record in unpacked if record.partition == number]
        assert offsets == list(range(len(offsets)))


@pytest.fixture(scope="module")
def path() -> HotPath:
    tally = Tally(SOURCE, CHANGES, DETRACTORS)
    done = HotPath(tally, TaskRules(batch_bytes=100_000), Clock(), NOW_MS, validate=lambda response: response["score"])
    asyncio.run(done.run(fetches(stored(SOURCE, stream.answers(RESPONSES, DAY), stream.plain_record, (), NOW_MS))))
    done.again()
    return done


def test_every_response_takes_the_hot_path_once_and_each_stage_is_timed(path: HotPath) -> None:
    truth = Truth(stream.answers(RESPONSES, DAY))
    assert path.records == RESPONSES
    assert path.events == len(truth.changing()) + len(truth.with_category("detractor"))
    assert path.batches > PARTITIONS
    assert all(path.seconds[stage] > 0 for stage in (*STAGES, *WITHIN))


def test_the_rows_of_a_profile_add_up() -> None:
    path = HotPath(Tally(SOURCE, CHANGES, DETRACTORS), TaskRules(), Clock(), NOW_MS)
    took = {"fetch": 1.0, "inbox": 1.0, "process": 10.0, "gather": 12.0, "close": 1.0, "apply": 1.0, "metrics": 1.0}
    within = {"decode": 2.0, "validate": 1.0, "encode": 1.0, "append": 2.0}
    path.clock.seconds.update({(Tally.name, stage): s * RESPONSES / 1e6 for stage, s in (took | within).items()})
    ran = Measurement(Tally.name, RESPONSES, 1.0, 0.5, None, 0.0, 0.0, details={"batches": 10, "transaction_s": 0.2})
    column = columns([path], RESPONSES, {Tally.name: ran})[0]
    hot = dict(zip(ROWS, column.cells, strict=True))
    assert hot["score"] == pytest.approx(10 - 6)
    assert hot["produce: changes into record batches"] == pytest.approx(12 - 10)
    assert hot["all without Kafka"] == pytest.approx(path.total_s * 1e6 / RESPONSES) == pytest.approx(17)
    assert hot["sockets, event loop, Faust"] == pytest.approx(250 - 17)
    assert hot["processor time of a worker"] == pytest.approx(250)
    assert hot["waiting for Kafka"] == pytest.approx(250)
    assert hot["from the first response to the last"] == pytest.approx(500)
    assert hot["a transaction, ms"] == pytest.approx(20)
    assert "| waiting for Kafka | 250.00 |" in markdown([column], {})


def test_what_a_peer_knows_is_held_against_the_recount() -> None:
    truth = Truth(stream.answers(RESPONSES, DAY))
    right = PeerState(
        {name: (last.category, last.answer.score) for name, last in truth.latest.items()},
        {name: {day: tuple(counts[::-1]) for day, counts in tally.days.items()} for name, tally in truth.accounts.items()},
        RESPONSES,
    )
    name = next(iter(right.respondents))
    spoiled = {
        "respondents": right._replace(respondents=right.respondents | {name: ("passive", 10)}),
        "accounts": right._replace(accounts={}),
        "consumed": right._replace(consumed=RESPONSES - 1),
    }
    assert all(comparison.equal for comparison in right.comparisons(truth))
    for table, state in spoiled.items():
        assert [comparison.topic for comparison in state.comparisons(truth) if not comparison.equal] == [table]


async def test_every_response_goes_through_all_agents_that_are_profiled() -> None:
    measured = {path.name: path.records for path in await paths(300, Settings(partitions=PARTITIONS), Clock())}
    assert (measured["intake"], measured["scoring"]) == (300, 300)
    assert measured["rollups"] > 0
