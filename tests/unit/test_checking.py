"""Every refusal of an opening: one line that says what happened and what to do; nothing is written, nothing half accepted.

The same on Kafka, with the repairs, is in tests/integration: test_refusals, test_damaged_changelogs, test_two_groups. Here
alone is what cannot be had there: a source that lost its tail, a source or changelog with another number of partitions (a
worker's start says that first), a changelog that comes to a broker without transactions.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from streams.broker import BrokerAway
from streams.changelog import CLOCK_KEY, META_KEY, Meta, Owner, position_key, state_prefix
from streams.checking import OpeningRules
from streams.phase import Phase
from streams.task import FOREIGN_GROUP_ATTEMPTS
from tests.model.bench import NAME, OWNER, RULES, Bench, Worker
from tests.model.clock import run, until
from tests.model.log import PartitionLog, Transaction

CHANGELOG = NAME.changelog
HISTORY = 30
"""Runs of records that were processed before something happens to the topics."""


def append(bench: Bench, key: bytes, value: bytes | None, transaction: Transaction | None = None) -> None:
    bench.cluster.log(CHANGELOG, 0).append([(key, value, 0, ())], transaction)


def end(bench: Bench, topic: str = "in") -> int:
    return bench.cluster.log(topic, 0).ends.high


def empty(bench: Bench, topic: str) -> None:
    bench.cluster.topics[topic] = [PartitionLog(topic, 0)]


def recreate(bench: Bench) -> None:
    """As long as before, so that only the records tell."""
    last = bench.restored().positions["counting", "in"].last
    bench.cluster.log("in", 0).replace(last, b"a", b"another")


def lose_changelog(bench: Bench, offset: int) -> None:
    empty(bench, CHANGELOG)
    bench.cluster.groups[NAME.group, "in", 0] = offset


def reformat(bench: Bench) -> None:
    append(bench, META_KEY, Meta(1, "i", format=99).encode())


def grow(bench: Bench) -> None:
    bench.cluster.topics["in"].append(PartitionLog("in", 1))


def remove(bench: Bench, topic: str) -> None:
    del bench.cluster.topics[topic]


@dataclass(frozen=True)
class Case:
    """What happens to the topics, and what the refusal says happened and what to do."""

    damage: Callable[[Bench], None]
    happened: str
    to_do: str


CASES = {
    "source truncated": Case(
        lambda bench: bench.cluster.log("in", 0).truncate(5),
        r"in-0 ends at 5, the position says \d+: the topic was recreated or truncated",
        r"restore it, or start anew: npstream rebuild --agent counting",
    ),
    "source recreated": Case(
        recreate,
        r"in-0 holds another record at offset \d+ than the one consumed: the topic was recreated",
        r"restore it, or start anew: npstream rebuild --agent counting",
    ),
    "source gone": Case(lambda bench: remove(bench, "in"), r"source topic in does not exist", r"create it"),
    "source grown": Case(
        grow, r"in has 2 partitions, the state was made with 1: keys have moved", r"replay into new topics with the new count"
    ),
    "records lost to retention": Case(
        lambda bench: bench.cluster.log("in", 0).delete_before(end(bench)),
        r"in-0 begins at \d+, the position says \d+: retention deleted \d+ offsets before they were consumed",
        r"set accept_gaps to go on without them",
    ),
    "changelog gone": Case(
        lambda bench: remove(bench, CHANGELOG),
        r"changelog app-counting-changelog does not exist",
        r"restore it, or start anew: npstream rebuild --agent counting",
    ),
    "changelog with too few partitions": Case(
        lambda bench: bench.cluster.topics.update({CHANGELOG: []}),
        r"changelog app-counting-changelog has 0 partitions, and this is partition 0",
        r"it needs as many as its sources; restore it, or start anew: npstream rebuild --agent counting",
    ),
    "changelog emptied": Case(
        lambda bench: lose_changelog(bench, 17),
        r"changelog app-counting-changelog is empty here, but group app-counting has committed offset 17 of in-0: "
        r"the state was lost",
        r"restore it, or start anew: npstream rebuild --agent counting",
    ),
    "changelog beheaded": Case(
        lambda bench: bench.cluster.log(CHANGELOG, 0).delete_before(3),
        r"changelog app-counting-changelog holds records but no meta record: it was truncated, or is not ours",
        r"restore it, or start anew: npstream rebuild --agent counting",
    ),
    "newer format": Case(
        reformat, r"the changelog has format 99, this version reads 1", r"run the version that wrote it, or restore it"
    ),
    "state of another processor": Case(
        lambda bench: append(bench, state_prefix("other") + b"k", b"v"),
        r"the changelog holds state of processor 'other', which this unit does not run",
        r"run the version that wrote it",
    ),
    "state of a newer version": Case(
        lambda bench: append(bench, state_prefix("counting") + b"k", b"\x02v"),
        r"state of processor 'counting' in version 2, this worker reads versions up to 1: a newer version of npstream has",
        r"run the version that wrote it, or restore it, or start anew: npstream rebuild --agent counting",
    ),
    "state of nobody": Case(
        lambda bench: append(bench, state_prefix("counting") + b"k", b""),
        r"a state value of processor 'counting', 0 bytes, is none: the changelog is not one of ours",
        r"run the version that wrote it",
    ),
    "position of another processor": Case(
        lambda bench: append(bench, position_key("other", "in"), b"3 2 1"),
        r"the changelog holds a position of processor 'other', which this unit does not run",
        r"run the version that wrote it",
    ),
    "unknown kind of record": Case(
        lambda bench: append(bench, b"zzz", b"v"),
        r"the changelog holds a record of kind b'z', which this version does not know",
        r"run the version that wrote it",
    ),
    "meta record of somebody else": Case(
        lambda bench: append(bench, META_KEY, b"\xff not json"),
        r"the meta record, 10 bytes, is none: the changelog is not one of ours",
        r"run the version that wrote it",
    ),
    "meta record without its fields": Case(
        lambda bench: append(bench, META_KEY, b'{"format": 1}'),
        r"the meta record, .* bytes, is none: the changelog is not one of ours",
        r"run the version that wrote it",
    ),
    "position of somebody else": Case(
        lambda bench: append(bench, position_key("counting", "in"), b"soon"),
        r"a position record, 4 bytes, is none: the changelog is not one of ours",
        r"run the version that wrote it",
    ),
    "clock of somebody else": Case(
        lambda bench: append(bench, CLOCK_KEY, b"noon"),
        r"the clock record, 4 bytes, is none: the changelog is not one of ours",
        r"run the version that wrote it",
    ),
    "hanging transaction": Case(
        lambda bench: append(bench, b"c", b"1", Transaction()),
        r"a transaction hangs in app-counting-changelog-0: it began at offset \d+, and has not ended after 60 s",
        r"end it with `kafka-transactions.sh --bootstrap-server \$KAFKA abort --topic app-counting-changelog --partition 0 "
        r"--start-offset \d+`, then restart this worker",
    ),
}


async def with_history(bench: Bench) -> None:
    bench.send(HISTORY)
    worker = bench.worker()
    worker.start()
    await bench.drained(worker)
    await worker.gone()
    bench.send(3)


def written(bench: Bench) -> dict[str, list[int]]:
    return {topic: [log.ends.high for log in logs] for topic, logs in bench.cluster.topics.items()}


async def refused(bench: Bench, worker: Worker | None = None) -> str:
    """A worker that opens now is refused, and writes nothing; its message."""
    before = written(bench)
    worker = worker or bench.worker()
    worker.start()
    await until(lambda: worker.task.phase is Phase.REFUSED)
    assert written(bench) == before
    assert worker.flow.moves == []
    assert worker.fatal == []
    assert worker.task.refusal is not None
    return worker.task.refusal


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_refusal_says_in_one_line_what_happened_and_what_to_do(case: Case) -> None:
    async def scenario(bench: Bench) -> str:
        await with_history(bench)
        case.damage(bench)
        message = await refused(bench)
        await bench.end()
        return message

    message = run(scenario(Bench()))
    assert message.startswith("counting-0: ")
    assert "\n" not in message
    for expected in (case.happened, case.to_do):
        assert re.search(expected, message), message


def test_a_refused_task_opens_once_the_cause_is_gone_and_the_group_assigns_it_again() -> None:
    async def scenario(bench: Bench) -> None:
        await with_history(bench)
        grow(bench)
        worker = bench.worker()
        await refused(bench, worker)
        bench.cluster.topics["in"].pop()
        await worker.task.suspend(5.0)
        worker.start()
        await bench.drained(worker)
        bench.verify(worker)
        assert worker.task.refusal is None
        await bench.end()

    run(scenario(Bench()))


@pytest.mark.parametrize("deleted", [0, 1, 7])
def test_accepting_gaps_goes_on_at_the_start_of_the_source_and_counts_what_is_missing(deleted: int) -> None:
    async def scenario(bench: Bench) -> None:
        await with_history(bench)
        position = bench.restored().position("in") or 0
        bench.send(10)
        bench.cluster.log("in", 0).delete_before(position + deleted)
        worker = bench.worker()
        worker.start()
        await bench.drained(worker)
        assert worker.flow.moves == [{"in": position + deleted}]
        assert worker.noted.gaps == [deleted]
        await bench.end()

    rules = replace(RULES, opening=OpeningRules(accept_gaps=True))
    run(scenario(Bench(rules=rules)))


def test_records_that_retention_deleted_after_they_were_consumed_are_no_gap() -> None:
    async def scenario(bench: Bench) -> None:
        await with_history(bench)
        position = bench.restored().position("in") or 0
        bench.cluster.log("in", 0).delete_before(position)
        worker = bench.worker()
        worker.start()
        await bench.drained(worker)
        assert (worker.noted.gaps, worker.flow.moves) == ([0], [{"in": position}])
        await bench.end()

    run(scenario(Bench()))


@pytest.mark.parametrize("offset", [None, 0])
def test_an_empty_changelog_is_the_beginning_when_the_group_has_consumed_nothing(offset: int | None) -> None:
    async def scenario(bench: Bench) -> None:
        bench.send()
        if offset is not None:
            bench.cluster.groups[NAME.group, "in", 0] = offset
        worker = bench.worker()
        worker.start()
        await bench.drained(worker)
        bench.verify(worker)
        await bench.end()

    run(scenario(Bench()))


def test_another_groups_state_is_looked_at_again_and_then_stops_the_worker() -> None:
    stranger = Owner("their-group", "their-host", 3)

    async def scenario(bench: Bench) -> None:
        await with_history(bench)
        before = written(bench)
        worker = bench.worker(stranger)
        worker.start()
        await until(worker.life.done)
        (message,) = worker.fatal
        assert message == (
            "counting-0: its state belongs to group app-counting (last on host), this worker is in group their-group on "
            "their-host: stop one of the two deployments"
        )
        assert worker.noted.phases.count(Phase.FENCING) == FOREIGN_GROUP_ATTEMPTS
        assert written(bench) == before
        await bench.end()

    run(scenario(Bench()))


def test_a_deployment_that_is_just_being_replaced_by_another_group_stops_nobody() -> None:
    """The state comes home while the second look is awaited."""

    async def scenario(bench: Bench) -> None:
        await with_history(bench)
        meta = Meta.decode(dict(bench.changelog)[META_KEY] or b"")
        append(bench, META_KEY, replace(meta, owner=Owner("their-group", "their-host", 1)).encode())
        worker = bench.worker()
        worker.start()
        await until(lambda: worker.task.phase is Phase.BROKEN)
        append(bench, META_KEY, replace(meta, owner=OWNER).encode())
        await bench.drained(worker)
        assert worker.fatal == []
        bench.verify(worker)
        await bench.end()

    run(scenario(Bench()))


def test_a_broker_that_was_away_uses_up_none_of_the_looks_at_a_foreign_group() -> None:
    async def scenario(bench: Bench) -> None:
        await with_history(bench)
        meta = Meta.decode(dict(bench.changelog)[META_KEY] or b"")
        append(bench, META_KEY, replace(meta, owner=Owner("their-group", "their-host", 1)).encode())
        worker = bench.worker()
        for time in (1, 2, 3, 4):
            worker.faults.plan("before fence", BrokerAway("no answer"), time)
        worker.start()
        await until(lambda: Phase.CHECKING in worker.noted.phases)
        await until(lambda: worker.task.phase is Phase.BROKEN)
        append(bench, META_KEY, replace(meta, owner=OWNER).encode())
        await bench.drained(worker)
        assert worker.fatal == []
        await bench.end()

    run(scenario(Bench()))


def test_a_changelog_that_was_once_transactional_is_not_continued_without() -> None:
    async def scenario(bench: Bench) -> None:
        await with_history(bench)
        bench.transactional = False
        message = await refused(bench)
        assert message == (
            "counting-0: its changelog was written with transactions, and this broker has none: "
            "connect to a broker with transactions; going on without would double or lose responses"
        )
        await bench.end()

    run(scenario(Bench()))


def test_a_changelog_that_became_transactional_stays_so() -> None:
    async def scenario(bench: Bench) -> None:
        await with_history(bench)
        bench.transactional = True
        worker = bench.worker()
        worker.start()
        await bench.drained(worker)
        bench.verify(worker)
        await worker.gone()
        bench.transactional = False
        assert "its changelog was written with transactions" in await refused(bench)
        await bench.end()

    run(scenario(Bench(transactional=False)))
