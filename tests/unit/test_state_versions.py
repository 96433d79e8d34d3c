"""State of an older version is upgraded when it is restored, state of a newer one is refused; whatever interrupts an upgrade,
nothing is counted twice and nothing is lost."""

import pytest

from streams.changelog import ChangelogUnreadable, state_prefix
from streams.draft import Kept
from streams.execution import Execution
from streams.phase import Phase
from streams.processor import Processor
from streams.state import Identity
from streams.state_version import StateVersion
from tests.model.bench import NAME, Bench, Worker
from tests.model.clock import run, until
from tests.model.counting import Counting, PackedCounting
from tests.model.crashes import ERRORS, OPENING, WRITING, killed, stopped_at
from tests.model.log import Stored

PREFIX = state_prefix(NAME.unit)


class Forgetting(PackedCounting):
    """The third version, which keeps no counts of `a` that older ones have written."""

    version = 3

    def upgrade(self, version: int, key: bytes, value: bytes) -> bytes | None:
        older = super().upgrade(version, key, value) if version == 1 else value
        return None if key == b"in/a" else older


def restored(processor: Processor, **entries: bytes) -> dict[bytes, bytes]:
    """What is in memory after a restore of these entries of topic `in`."""
    records = {PREFIX + b"in/" + key.encode(): value for key, value in entries.items()}
    return Execution.restored([processor], Identity(0, 1, "i"), records).stores[NAME.unit].entries


def counted(execution: Execution, key: bytes) -> list[tuple[bytes, bytes | None]]:
    """What is written for one more record."""
    draft = Kept()
    execution.process([Stored("in", 0, 0, 0, key, b"v")], 0, draft)
    return [change for change in draft.changes if change[0].startswith(PREFIX)]


def test_a_value_is_written_after_the_version_and_kept_without() -> None:
    for processor, written, kept in ((Counting(), b"\x011", b"1"), (PackedCounting(), b"\x02\0\0\0\1", b"\0\0\0\1")):
        assert counted(Execution([processor], Identity(0, 1, "i")), b"a") == [(PREFIX + b"in/a", written)]
        assert restored(processor, a=written) == {b"in/a": kept}


def test_values_of_older_versions_are_upgraded_one_by_one_and_written_when_they_change() -> None:
    older = {PREFIX + b"in/a": b"\x0141", PREFIX + b"in/b": b"\x017", PREFIX + b"in/c": b"\x02\0\0\0\3"}
    execution = Execution.restored([PackedCounting()], Identity(0, 1, "i"), older)
    assert execution.stores[NAME.unit].entries == {b"in/a": b"\0\0\0\x29", b"in/b": b"\0\0\0\7", b"in/c": b"\0\0\0\3"}
    assert counted(execution, b"a") == [(PREFIX + b"in/a", b"\x02\0\0\0\x2a")]


def test_an_upgrade_may_drop_values() -> None:
    assert restored(Forgetting(), a=b"\x015", b=b"\x015") == {b"in/b": b"\0\0\0\5"}
    assert restored(Forgetting(), a=b"\x02\0\0\0\5") == {}
    assert restored(Forgetting(), a=b"\x03\0\0\0\5") == {b"in/a": b"\0\0\0\5"}


@pytest.mark.parametrize(
    ("processor", "value", "message"),
    [
        (
            Counting(),
            b"\x02\0\0\0\1",
            "state of processor 'counting' in version 2, this worker reads versions up to 1: a newer",
        ),
        (PackedCounting(), b"\x03", "state of processor 'counting' in version 3, this worker reads versions up to 2: a newer"),
        (Counting(), b"", "a state value of processor 'counting', 0 bytes, is none: the changelog is not one of ours"),
        (PackedCounting(), b"\0planted words", "'counting', 14 bytes, is none: the changelog is not one of ours"),
    ],
)
def test_what_this_version_cannot_read_is_refused(processor: Processor, value: bytes, message: str) -> None:
    with pytest.raises(ChangelogUnreadable, match=message) as refused:
        restored(processor, a=value)
    assert "planted words" not in str(refused.value), "it is logged, and a value may be what a customer said"


@pytest.mark.parametrize("version", [0, 256])
def test_a_version_must_fit_into_its_byte(version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PackedCounting, "version", version)
    with pytest.raises(ValueError, match=f"'counting' has version {version}: it must be 1 to 255"):
        StateVersion(PackedCounting())


async def upgrading(bench: Bench) -> Worker:
    """A worker of version 2, not yet started, that finds what one of version 1 has left."""
    bench.send()
    first = bench.worker(processors=[Counting()])
    first.start()
    await bench.drained(first)
    await first.gone()
    bench.send()
    return bench.worker()


def verify(bench: Bench, worker: Worker) -> None:
    """Outputs, changelog and memory are those of counting each record once."""
    wanted, memory = bench.wanted, worker.task._execution
    assert memory is not None
    assert bench.sent == wanted.sent
    counts = {key: PackedCounting().kept(int(count)) for key, count in wanted.state[NAME.unit].items()}
    for execution in (bench.restored(), memory):
        assert execution.stores[NAME.unit].entries == counts
        assert {key: position.next for key, position in execution.positions.items()} == wanted.positions


def test_version_2_goes_on_with_what_version_1_wrote_and_version_1_then_refuses() -> None:
    async def scenario(bench: Bench) -> None:
        worker = await upgrading(bench)
        worker.start()
        await bench.drained(worker)
        verify(bench, worker)
        await worker.gone()
        bench.send()
        before = len(bench.changelog)
        older = bench.worker(processors=[Counting()])
        older.start()
        await until(lambda: older.task.phase is Phase.REFUSED)
        assert older.task.refusal == (
            "counting-0: the changelog holds state of processor 'counting' in version 2, this worker reads versions up to 1: a "
            "newer version of npstream has written it; run the version that wrote it, or restore it, or start anew: "
            "npstream rebuild --agent counting"
        )
        assert len(bench.changelog) == before
        worker = bench.worker()
        worker.start()
        await bench.drained(worker)
        verify(bench, worker)
        await bench.end()

    run(scenario(Bench(processors=[PackedCounting()])))


def test_version_1_may_come_back_as_long_as_version_2_has_written_nothing() -> None:
    async def scenario(bench: Bench) -> None:
        worker = await upgrading(bench)
        worker.faults.plan("before batch begin", killed("before batch begin"))
        worker.start()
        await until(lambda: worker.faults.killed)
        await worker.gone()
        older = bench.worker(processors=[Counting()])
        older.start()
        await bench.drained(older)
        bench.processors = [Counting()]
        bench.verify(older)
        await bench.end()

    run(scenario(Bench(processors=[PackedCounting()])))


@pytest.mark.parametrize("point", [*OPENING, *WRITING])
def test_an_upgrade_that_is_interrupted_anywhere_is_done_again(point: str) -> None:
    async def scenario(bench: Bench, error: BaseException) -> None:
        verify(bench, await stopped_at(bench, await upgrading(bench), point, error))
        await bench.end()

    for seed, error in enumerate(ERRORS):
        run(scenario(Bench(seed, processors=[PackedCounting()]), error(point)))
