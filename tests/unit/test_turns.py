"""Tasks take turns to tick: one share at a time, and records wait for no more than one."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from bench.restoring import OWNER, Forgetting, Shelf
from streams import broker as ports
from streams.checking import OpeningRules
from streams.draft import Draft
from streams.execution import Batch
from streams.phase import Phase
from streams.processor import Outbox, Record, State, StreamTime
from streams.task import Task, TaskRules
from streams.task_name import TaskName
from streams.turns import Turns
from streams.unpacking import Unpacked

WAIT_S = 10.0
"""Bound of any wait."""


def nobody() -> None:
    raise AssertionError("woken without having waited")


def test_the_first_in_the_line_has_the_turn_until_it_leaves() -> None:
    turns, woken = Turns(), list[str]()
    assert turns.has("a", nobody)
    assert not turns.has("b", lambda: woken.append("b"))
    assert not turns.has("c", lambda: woken.append("c"))
    assert turns.has("a", nobody)
    turns.leave("a")
    assert woken == ["b"]
    assert not turns.has("a", nobody), "behind those who waited"
    assert turns.has("b", nobody)


def test_who_leaves_the_line_without_a_turn_wakes_nobody() -> None:
    turns, woken = Turns(), list[str]()
    turns.has("a", nobody)
    turns.has("b", nobody)
    turns.has("c", lambda: woken.append("c"))
    turns.leave("b")
    turns.leave("b")
    turns.leave("stranger")
    assert not woken
    turns.leave("a")
    assert woken == ["c"]


class Diary:
    """What happens, a line each, and who waits for it."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._more = asyncio.Event()

    def note(self, line: str) -> None:
        self.lines.append(line)
        self._more.set()

    def count(self, what: str) -> int:
        """Lines that end so."""
        return sum(line.endswith(what) for line in self.lines)

    async def until(self, line: str, times: int = 1, since: int = 0) -> int:
        """Return when there are so many lines that end so, and where the last one is."""
        async with asyncio.timeout(WAIT_S):
            while len(found := [n for n, one in enumerate(self.lines) if n >= since and one.endswith(line)]) < times:
                self._more.clear()
                await self._more.wait()
        return found[times - 1]


class Rolling:
    """Has so many shares to do at its ticks."""

    name = "rolling"
    sources = ("in",)

    def __init__(self, task: int, shares: int, diary: Diary) -> None:
        self._task, self._left, self._diary = task, shares, diary

    def process(self, batch: Sequence[Record], state: State, now: StreamTime, outbox: Outbox) -> None:
        self._diary.note(f"{self._task} batch")
        state.put(b"b", b"%d" % batch[-1].offset)

    def tick(self, now: int, state: State, outbox: Outbox) -> None:
        if self._left:
            self._diary.note(f"{self._task} tick")
            state.put(b"t", b"%d" % self._left)
            self._left -= 1
            outbox.more |= self._left > 0


class Slow(Forgetting):
    """A writer that lets others run before a batch is in."""

    async def write(self, draft: Draft) -> ports.Written:
        for _ in range(5):
            await asyncio.sleep(0)
        return ports.Written(None)


class OneTask(Shelf):
    """A task, and its broker, flow and probe, with nothing in its changelog."""

    def __init__(self, number: int, shares: int, diary: Diary, turns: Turns) -> None:
        name = TaskName("app", "rolling", number)
        super().__init__(name.changelog, 9, Path("nowhere"), 0)
        self._number, self._diary = number, diary
        rules = TaskRules(OpeningRules(), tick_interval_s=WAIT_S)
        self.task = Task(name, [Rolling(number, shares, diary)], self, self, rules, self, lambda: OWNER, diary.note, turns)

    async def fence(self, transactional_id: str, changelog: str, partition: int) -> ports.Writer:
        return Slow()

    async def confirmed(self, partition: int) -> bool:
        return True

    async def move(self, partition: int, offsets: dict[str, int]) -> int:
        return 1

    def hold(self, partition: int) -> None: ...
    def release(self, partition: int) -> None: ...

    def phase(self, task: TaskName, phase: Phase) -> None:
        self._diary.note(f"{self._number} {phase.name.lower()}")

    def opened(self, task: TaskName, seconds: float, restored: int, gap: int) -> None: ...
    def failed(self, task: TaskName, fenced: bool) -> None: ...
    def showed(self, task: TaskName, batch: Batch) -> None: ...

    def committed(self, task: TaskName, batch: Batch, staging: float, writing: float, waited: float, now: int) -> None:
        self._diary.note(f"{self._number} {'batch' if batch.records else 'tick'} written")


async def run(count: int, shares: int) -> tuple[Diary, list[OneTask]]:
    """So many tasks that run, each with so many shares to do."""
    turns, diary = Turns(), Diary()
    tasks = [OneTask(number, shares, diary, turns) for number in range(count)]
    for one in tasks:
        one.task.start()
    await diary.until("running", count)
    return diary, tasks


async def stop(tasks: Sequence[OneTask]) -> None:
    for one in tasks:
        await one.task.suspend(WAIT_S)


async def test_no_task_ticks_while_another_one_does_and_all_come_to_their_end() -> None:
    diary, tasks = await run(3, shares=4)
    await diary.until("tick written", 12)
    ticking = [line for line in diary.lines if "tick" in line]
    assert ticking == [f"{number} {step}" for _ in range(4) for number in range(3) for step in ("tick", "tick written")]
    await stop(tasks)


async def test_records_wait_for_a_share_of_one_other_task_at_most() -> None:
    diary, tasks = await run(4, shares=1_000)
    for offset in range(10):
        began = len(diary.lines)
        tasks[3].task.accept(1, [Unpacked("in", 3, offset, 0, b"k", b"v", ())])
        place = await diary.until("3 batch", since=began)
        assert sum(line.endswith("tick") and line[0] != "3" for line in diary.lines[began:place]) <= 1
    assert diary.count("3 tick") > 1, "and it ticks meanwhile"
    await stop(tasks)


async def test_a_task_that_goes_while_it_waits_for_its_turn_or_has_it_holds_up_nobody() -> None:
    diary, tasks = await run(3, shares=1_000)
    for gone in (1, 0):
        await tasks[gone].task.suspend(WAIT_S)
        await diary.until("2 tick", 2, since=len(diary.lines))
    await stop(tasks)
