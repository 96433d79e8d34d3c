"""State on disk, on the model cluster: crashes around the disk's own step, and when a copy is continued or dropped."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from streams.broker import Ends, WriteFailed
from streams.changelog import META_KEY, Meta
from streams.disk import CONTINUED_MS, Checkpoint, DiskDamaged, DiskUnavailable, advanced, obstacle
from streams.phase import Phase
from tests.model.bench import NAME, RULES, Bench
from tests.model.clock import EPOCH_MS, run, until
from tests.model.counting import PackedCounting
from tests.model.crashes import away, broken, killed, refused, stopped_at
from tests.model.log import PartitionLog

META = Meta(1, "0001-a").encode()
AT = Checkpoint(
    offset=70,
    end=71,
    claim=3,
    since_ms=EPOCH_MS,
    versions={"counting": 1},
    progress={META_KEY: META, b"p\xff\0in": b"1"},
)
LEVEL, BEHIND = Ends(0, 71, 71), Ends(0, 90, 90)


@pytest.fixture(autouse=True)
def one_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bench, "machines", 1)


def unavailable(point: str) -> BaseException:
    """The disk is full, for a moment."""
    return DiskUnavailable("no room")


def damaged(point: str) -> BaseException:
    """What RocksDB finds."""
    return DiskDamaged("a block")


@pytest.mark.parametrize("error", [killed, refused, broken, unavailable, damaged], ids=lambda error: error.__name__)
@pytest.mark.parametrize("occurrence", [1, 2, 3])
@pytest.mark.parametrize("point", ["before advance", "after advance"])
def test_a_crash_around_the_disks_step_leaves_it_behind_or_level(
    point: str, occurrence: int, error: Callable[[str], BaseException]
) -> None:
    """After the commit and before the disk has it, or right after: of a restore, of a claim, of a batch."""

    async def scenario(bench: Bench) -> None:
        bench.send()
        await bench.goes_on(await stopped_at(bench, bench.worker(), point, error(point), occurrence))

    run(scenario(Bench(rules=replace(RULES, batch_bytes=400))))


def test_what_is_read_after_a_crash_is_what_the_disk_has_missed() -> None:
    async def scenario(bench: Bench) -> None:
        worker = await bench.running(60)
        bench.send(3)
        await stopped_at(bench, worker, "after batch commit", killed(""))
        all_of_it = len(bench.changelog)
        (missed,) = bench.workers[-1].noted.restored
        assert 0 < missed < all_of_it / 2
        assert await bench.goes_on(bench.workers[-1]) == 0

    run(scenario(Bench(rules=replace(RULES, batch_bytes=400))))


def test_a_record_that_came_before_the_marker_of_the_batch_before_is_not_passed_over() -> None:
    """The marker was expected where that record is. Found by the simulation, after thousands of schedules."""

    async def scenario(bench: Bench) -> None:
        worker = await bench.running()
        bench.cluster.late_markers = 9
        worker.faults.plan("after batch commit", away("after batch commit"), 2)
        bench.send(2)
        await bench.drained(worker)
        assert not worker.faults.outstanding
        assert await bench.goes_on(worker) == 0

    run(scenario(Bench(rules=replace(RULES, batch_bytes=1))))


def test_a_restore_that_is_cut_short_is_continued_once_it_knows_whose_state_it_is() -> None:
    async def scenario(bench: Bench) -> None:
        bench.disks += Bench().disks  # a second machine
        first = await bench.running(40)
        await first.gone()
        behind = await stopped_at(bench, bench.worker(), "within restore", killed(""), 3)
        await behind.gone()
        (kept,) = bench.disks[1]._lying.values()
        assert kept.checkpoint is not None
        assert 0 < kept.checkpoint.offset < bench.cluster.log(NAME.changelog, 0).ends.high
        last = bench.worker()
        last.start()
        await bench.drained(last)
        assert 0 < last.noted.restored[-1] < len(bench.changelog) - 6
        bench.verify(last)
        await bench.end()

    run(scenario(Bench(rules=replace(RULES, batch_bytes=400))))


async def recreated(bench: Bench) -> None:
    """Topic and group are deleted, and another worker, elsewhere, fills the new one: further than the old one went."""
    bench.cluster.topics[NAME.changelog] = [PartitionLog(NAME.changelog, 0)]
    bench.cluster.topics["out"] = [PartitionLog("out", p) for p in range(2)]
    bench.cluster.topics["seen"] = [PartitionLog("seen", 0)]
    here, bench.disks = bench.disks, Bench().disks
    for _ in range(3):
        bench.send(30)
        other = bench.worker()
        other.start()
        await bench.drained(other)
        await other.gone()
    bench.disks = here


async def emptied(bench: Bench) -> None:
    """As `recreated`, and nobody has been there since."""
    bench.cluster.topics[NAME.changelog] = [PartitionLog(NAME.changelog, 0)]
    bench.cluster.topics["out"] = [PartitionLog("out", p) for p in range(2)]
    bench.cluster.topics["seen"] = [PartitionLog("seen", 0)]


@pytest.mark.parametrize("meanwhile", [recreated, emptied])
def test_a_copy_of_another_changelog_is_dropped(
    meanwhile: Callable[[Bench], Awaitable[None]], caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(bench: Bench) -> None:
        worker = await bench.running()
        await worker.gone()
        await meanwhile(bench)
        last = bench.worker()
        last.start()
        await bench.drained(last)
        bench.verify(last)
        await bench.goes_on(last)

    run(scenario(Bench()))
    (line,) = [message for message in caplog.messages if "dropped" in message]
    assert "counting-0: its copy on disk is dropped, and restored from the changelog: " in line


def test_a_deletion_that_was_compacted_away_is_not_missed() -> None:
    """A copy from before: the key that was deleted meanwhile would stay for ever."""

    async def scenario(bench: Bench, age_ms: int) -> bool:
        worker = await bench.running()
        (lying,) = bench.disks[0]._lying.values()
        assert lying.checkpoint is not None
        await worker.gone()
        # Another machine deletes a key, and then its last value and its deletion are compacted away.
        lying.checkpoint = replace(lying.checkpoint, since_ms=EPOCH_MS - age_ms)
        lying.entries["counting"][b"gone"] = b"1"
        here, bench.disks = bench.disks, Bench().disks
        other = bench.worker()
        other.start()
        await bench.drained(other)
        await other.gone()
        bench.disks = here
        last = bench.worker()
        last.start()
        await bench.drained(last)
        missed = b"gone" in lying.entries["counting"]
        await bench.end()
        return missed

    assert run(scenario(Bench(), CONTINUED_MS))  # as young as that, the deletion would still be there to be read
    assert not run(scenario(Bench(), CONTINUED_MS + 1))


def test_another_version_of_the_processor_does_not_take_over_values_on_disk() -> None:
    async def scenario(bench: Bench) -> None:
        first = await bench.running()
        await first.gone()
        second = bench.worker(processors=[PackedCounting()])
        bench.send(2)
        second.start()
        await bench.drained(second)
        (lying,) = bench.disks[0]._lying.values()
        assert {len(value) for value in lying.entries["counting"].values()} == {4}
        assert second.noted.restored[-1] > 0
        await second.gone()
        older = bench.worker()
        older.start()
        await until(lambda: older.task.phase is Phase.REFUSED)
        assert "in version 2, this worker reads versions up to 1" in (older.task.refusal or "")
        await bench.end()

    run(scenario(Bench()))


def test_a_copy_that_another_process_holds_is_waited_for_and_said_so(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(bench: Bench) -> None:
        holder = await bench.running()
        waiting = bench.worker()
        waiting.start()
        await until(lambda: waiting.task.denial is not None)
        assert waiting.task.problem == "counting-0: the copy of counting-0 is in use by another process"
        await holder.task.suspend(5.0)
        await bench.drained(waiting)
        bench.verify(waiting)
        await bench.end()

    run(scenario(Bench()))
    assert len([message for message in caplog.messages if "is in use by another process" in message]) == 1


def test_a_changelog_with_state_and_without_a_meta_record_is_refused() -> None:
    async def scenario(bench: Bench) -> None:
        bench.cluster.log(NAME.changelog, 0).append([(b"scounting\0in/a", b"\x011", 0, ())])
        worker = bench.worker()
        worker.start()
        await until(lambda: worker.task.phase is Phase.REFUSED)
        assert "holds records but no meta record" in (worker.task.refusal or "")
        await bench.end()

    run(scenario(Bench()))


def test_without_transactions_nothing_is_continued() -> None:
    async def scenario(bench: Bench) -> None:
        worker = await bench.running()
        assert await bench.goes_on(worker) > 0

    run(scenario(Bench(transactional=False)))


def test_a_changelog_that_has_lost_its_tail_under_a_worker_is_not_mixed_with_the_copy() -> None:
    with pytest.raises(WriteFailed, match="ends at 69, and was at 70 before: it has lost its tail"):
        advanced(AT, 69, EPOCH_MS, {})


def test_a_commit_whose_end_nobody_knows_leaves_the_offset() -> None:
    assert advanced(AT, None, EPOCH_MS + 1, {b"c": b"5"}) == replace(
        AT, since_ms=EPOCH_MS + 1, progress={**AT.progress, b"c": b"5"}
    )


@pytest.mark.parametrize(
    ("change", "ends", "age_ms", "reason"),
    [
        ({}, LEVEL, 0, None),
        ({}, BEHIND, CONTINUED_MS, None),
        ({}, LEVEL, 100 * CONTINUED_MS, None),  # nothing was written since, so nothing can be compacted away
        ({}, BEHIND, CONTINUED_MS + 1, "behind and older than 12 hours"),
        ({}, BEHIND, -CONTINUED_MS - 1, "older than 12 hours"),
        ({}, Ends(0, 69, 69), 0, "goes to offset 70, and the changelog ends at 69"),
        ({}, Ends(71, 90, 90), 0, "goes to offset 70, and the changelog begins at 71"),
        ({"versions": {"counting": 2}}, LEVEL, 0, "written by versions counting 2, this worker has counting 1"),
        ({"versions": {"counting": 1, "more": 1}}, LEVEL, 0, "counting 1, more 1"),
        ({"progress": {}}, LEVEL, 0, "cut short"),
    ],
)
def test_what_speaks_against_continuing(change: dict[str, object], ends: Ends, age_ms: int, reason: str | None) -> None:
    at = replace(AT, **change)  # type: ignore[arg-type]
    found = obstacle(at, {"counting": 1}, ends, True, EPOCH_MS + age_ms)
    assert (found is None) if reason is None else reason in (found or "")
    assert obstacle(at, {"counting": 1}, ends, False, EPOCH_MS) is not None


def test_a_checkpoint_is_read_as_it_was_written() -> None:
    assert Checkpoint.decode(AT.encode()) == AT


@pytest.mark.parametrize("stored", [b"", b"x", b"{}", b"[]", AT.encode()[:-1], AT.encode().replace(b"claim", b"claims")])
def test_what_is_no_checkpoint_is_damage(stored: bytes) -> None:
    with pytest.raises(DiskDamaged):
        Checkpoint.decode(stored)


def test_no_copy_is_left_open() -> None:
    """Each opening closes what it has opened, or hands it to a task that does: it could not be opened again otherwise."""

    async def scenario(bench: Bench) -> None:
        worker = await bench.running()
        for point in ("before restore", "before claim commit", "after claim commit", "after batch commit"):
            bench.send(2)
            await worker.task.suspend(5.0)
            worker.faults.plan(point, refused(point))
            worker.start()
            await bench.drained(worker)
            assert not worker.faults.outstanding
        await worker.task.suspend(5.0)
        (lying,) = bench.disks[0]._lying.values()
        assert lying.holder is None
        await bench.end()

    run(scenario(Bench()))
