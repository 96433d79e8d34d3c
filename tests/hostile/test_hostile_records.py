"""Hostile records do no harm: a short run with fixed seeds, and what it would notice."""

from collections.abc import Sequence

import pytest

from agents.intake import Intake
from agents.rollups import Rollups
from agents.scoring import Scoring
from schemas import topics
from streams.processor import Outbox, Record, State, StreamTime
from streams.test_driver import TestDriver
from tests.hostile.decoders import DECODERS
from tests.hostile.examples import EXAMPLES
from tests.hostile.flow import PARTITIONS, Broken, flow
from tests.hostile.records import NOW, Hostile, Records
from tests.hostile.run import Harm, run


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_hostile_records_are_accepted_or_dead_letters(seed: int) -> None:
    *_, report = run(4_500, seed)
    assert report.outcome.accepted > report.outcome.records // 10, "hardly any is accepted: the mutations are too wild"
    assert len(report.outcome.reasons) >= 12, report.outcome.reasons


def test_the_same_seed_makes_the_same_records() -> None:
    one, other = Records(5), Records(5)
    for kind in one.kinds:
        assert [one.kinds[kind]() for _ in range(50)] == [other.kinds[kind]() for _ in range(50)]


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_what_once_did_harm_does_none(name: str) -> None:
    EXAMPLES[name]()


def test_every_decoder_accepts_something_and_refuses_something() -> None:
    source = Records(12)
    accepted, refused = set(), set()
    # Positions and reasons are what a person types: no record is one. A segment is made of several values.
    never = {"dlq position", "dlq reason", "cell key in the value", "state: a segment"}
    accepting = {decoder.name for decoder in DECODERS} - never
    refusing = {decoder.name for decoder in DECODERS if "Nothing" not in decoder.may_raise.__name__}
    for number in range(4_000):
        if accepting <= accepted and refusing <= refused:
            break
        record = source.kinds[list(source.kinds)[number % len(source.kinds)]]()
        for decoder in DECODERS:
            try:
                decoder.read(record)
                accepted.add(decoder.name)
            except decoder.may_raise:
                refused.add(decoder.name)
    assert accepting - accepted == set()
    assert refusing - refused == set()


def test_what_is_refused_leaves_nothing_in_the_state() -> None:
    source, refused = Records(11), list[Hostile]()
    while len(refused) < 100:
        record = source.response()
        if flow([record]).accepted == 0:
            refused.append(record)
    driver = TestDriver([Intake(), Scoring(), Rollups()], now=NOW, partitions=PARTITIONS)
    for record in refused:
        driver.pipe(topics.RESPONSES, record.key, record.value, record.timestamp, record.headers, record.partition)
    driver.run()
    assert len(driver.sent(topics.DEAD_LETTERS)) == len(refused)
    for partition in range(PARTITIONS):
        assert set(driver.state("scoring", partition)) == {b"W"}, "only the lengths of the windows"


LOST = "one by one|raw record"


@pytest.mark.parametrize("at", [0, 150, 299], ids=["the first", "in the middle", "the last"])
def test_a_record_that_is_lost_is_noticed(at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Records(13)
    records = [source.raw() for _ in range(300)]
    lost = records[at] = records[at]._replace(value=b"lost")
    process = Intake.process

    def loses(self: Intake, batch: Sequence[Record], state: State, now: StreamTime, outbox: Outbox) -> None:
        process(self, [record for record in batch if record.value != lost.value], state, now, outbox)

    monkeypatch.setattr(Intake, "process", loses)
    with pytest.raises(Broken, match=LOST):
        flow(records)


def test_an_unknown_error_ends_the_run_with_seed_and_record_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: Scoring, batch: Sequence[Record], *rest: object) -> None:
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr(Scoring, "process", fails)
    with pytest.raises(Harm, match=r"^seed 4: ZeroDivisionError: surprise: Hostile\(topic='nps.responses.raw'.*bytes\)$"):
        list(run(300, 4))
