"""What `bench.state` measures of one size of state, each part in a process of its own: memory that one part has taken and given
back would be another one's."""

import asyncio
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Concatenate, NamedTuple, ParamSpec, TypeVar

import uvloop

from bench.population import FIRST_DAY, RESPONDENTS_PER_ACCOUNT, YEAR_DAYS, Population, account_id
from bench.resident import object_bytes, resident_bytes
from bench.restoring import Shelf, fingerprint, keep, opened, write_changelog
from bench.scoring_tasks import ScoringTasks, names, state_of
from bench.stream import Answer
from bench.weighing import Weighed, kind_of_state
from npstream import recount
from npstream.memory import freeze, keep_freed_memory, tune_collector
from npstream.settings import Settings
from streams.connection import Connection
from streams.execution import Execution
from streams.kafka_broker import KafkaBroker

BUILT = 20_000
"""Responses that are made and processed at a time while the year is made, in batches that are larger than a worker's: the state
is the same wherever batches begin and end."""
FOCUS = 100
"""Accounts from which the second load comes: as many for each size."""
ANYWHERE, FOCUSED = "any account", f"{FOCUS} accounts"
SAMPLED = 40
"""Accounts that are counted again."""
SINGLY = 2_000
"""Responses that come one by one."""
WARM_UP = Population(2_000)
"""What is processed before memory is looked at."""
SHOWN_S = 20.0
"""Between two lines of progress."""

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Plan:
    """One size."""

    respondents: int
    tasks: int
    later: int
    """Most responses of a load after the year. At most one for each respondent: small sizes shall not have longer histories."""
    folder: Path
    """Where the changelog is kept."""

    @property
    def population(self) -> Population:
        """Who answers."""
        return Population(self.respondents)

    def file(self, task: int) -> Path:
        """A task's changelog."""
        return self.folder / f"{self.respondents}-{self.tasks}-{task}.changelog"


class KindSize(NamedTuple):
    """All keys of one kind."""

    keys: int
    bytes: int
    """Of keys and values."""
    memory: int
    """The objects, and their share of the dictionary."""


class Load(NamedTuple):
    """What the changelog takes of some responses."""

    responses: int
    batches: int
    bytes: Mapping[str, int]
    """Of records, by kind."""
    framing: int
    written: int
    """All of it in zstd."""

    @property
    def each(self) -> float:
        """Bytes of a response, not compressed."""
        return (sum(self.bytes.values()) + self.framing) / self.responses


@dataclass(frozen=True)
class Built:
    """The state after a year, and how it goes on."""

    build_s: float
    resident: int
    stored: int
    kinds: Mapping[str, KindSize]
    rates: Mapping[str, float]
    """Responses for each second of processor time, by load."""
    loads: Mapping[str, Load]
    records: Sequence[int]
    """Of the compacted changelog, by task."""
    fingerprint: int
    differences: Sequence[str] = field(default=())
    """Of account tables from the recount."""


@dataclass(frozen=True)
class Restored:
    """What the openings of all tasks took."""

    records: int
    seconds: float
    fingerprint: int
    resident: int

    @property
    def rate(self) -> float:
        """Records/s."""
        return self.records / self.seconds


def settings_of(tasks: int) -> Settings:
    """The defaults."""
    return Settings(partitions=tasks)


def build(plan: Plan) -> Built:
    """Process the year, and then the loads."""
    before = resident_bytes()
    population, tasks = plan.population, ScoringTasks(plan.tasks, settings_of(plan.tasks))
    began = time.monotonic()
    _make_year(population, tasks)
    build_s = time.monotonic() - began
    resident = resident_bytes() - before
    kinds = _kinds(tasks.executions)
    stored = sum(state_of(execution).bytes for execution in tasks.executions)
    focus = range(0, population.accounts, max(1, population.accounts // FOCUS))[:FOCUS]
    records = [keep(tasks.changelog(task), plan.file(task)) for task in range(plan.tasks)]
    kept = _fingerprint(tasks.executions)
    freeze()
    later = _Later(population)
    many, some = min(plan.later, plan.respondents), min(plan.later, len(focus) * RESPONDENTS_PER_ACCOUNT)
    rates = {
        ANYWHERE: many / tasks.time(later.of(many)),
        FOCUSED: some / tasks.time(later.of(some, focus)),
    }
    loads = {
        ANYWHERE: _weigh(tasks, later.of(many)),
        FOCUSED: _weigh(tasks, later.of(some, focus)),
        f"{ANYWHERE}, each by itself": _weigh(tasks, later.of(min(SINGLY, many)), 1),
    }
    differences = _differences(tasks, later, focus[:SAMPLED])
    return Built(build_s, resident, stored, kinds, rates, loads, records, kept, differences)


def restore_from_memory(plan: Plan, records: Sequence[int]) -> Restored:
    """Open all tasks from what `build` has kept."""
    before = resident_bytes()
    settings, executions, seconds = settings_of(plan.tasks), [], 0.0
    for name in names(plan.tasks):
        shelf = Shelf(name.changelog, plan.tasks, plan.file(name.partition), records[name.partition])
        began = time.perf_counter()
        execution, _ = uvloop.run(opened(shelf, name, settings))
        seconds += time.perf_counter() - began - shelf.loading_s
        executions.append(execution)
    return Restored(sum(records), seconds, _fingerprint(executions), resident_bytes() - before)


def restore_from_kafka(plan: Plan, records: Sequence[int], bootstrap: str) -> Restored:
    """Open all tasks, one after the other, from topics that `write_to_kafka` has filled."""
    before = resident_bytes()
    executions, seconds = uvloop.run(_restore_from_kafka(plan, bootstrap))
    return Restored(sum(records), seconds, _fingerprint(executions), resident_bytes() - before)


async def _restore_from_kafka(plan: Plan, bootstrap: str) -> tuple[list[Execution], float]:
    broker, settings = KafkaBroker(Connection(bootstrap)), settings_of(plan.tasks)
    await broker.start()
    try:
        began = time.perf_counter()
        executions = [(await opened(broker, name, settings))[0] for name in names(plan.tasks)]
        return executions, time.perf_counter() - began
    finally:
        await broker.stop()


def write_to_kafka(plan: Plan, bootstrap: str) -> None:
    """Write the changelogs that `build` has kept into their topic."""
    asyncio.run(_write_to_kafka(plan, bootstrap))


async def _write_to_kafka(plan: Plan, bootstrap: str) -> None:
    broker = KafkaBroker(Connection(bootstrap))
    await broker.start()
    try:
        for name in names(plan.tasks):
            await write_changelog(broker, name, plan.file(name.partition))
    finally:
        await broker.stop()


def prepared(work: Callable[Concatenate[Plan, P], R], plan: Plan, *arguments: P.args, **named: P.kwargs) -> R:
    """Do a part of the work in this process, a fresh one: memory is treated as a worker does, and what is made once is made."""
    settings = settings_of(plan.tasks)
    tune_collector(settings.gc_threshold)
    keep_freed_memory()
    warm = ScoringTasks(plan.tasks, settings)
    warm.weigh(WARM_UP.year(), Weighed(), BUILT)
    warm.time(WARM_UP.later(0, BUILT))
    del warm
    freeze()
    return work(plan, *arguments, **named)


class _Later:
    """The responses after the year, as one load after the other takes them."""

    def __init__(self, population: Population) -> None:
        self.population = population
        self._taken: list[tuple[int, int, Sequence[int] | None]] = []

    def of(self, count: int, accounts: Sequence[int] | None = None) -> list[Answer]:
        """The next ones."""
        first = sum(taken for _, taken, _ in self._taken)
        self._taken.append((first, count, accounts))
        return list(self.population.later(first, count, accounts))

    def each(self, accounts: Sequence[int]) -> list[Answer]:
        """One more of each account."""
        return [one for account in accounts for one in self.of(1, (account,))]

    def all_of(self, accounts: set[str]) -> list[Answer]:
        """Those that were taken, of some accounts."""
        return [one for taken in self._taken for one in self.population.later(*taken) if one.account_id in accounts]


def _make_year(population: Population, tasks: ScoringTasks) -> None:
    answers, draft, done = population.year(), Weighed(), 0
    began = shown = time.monotonic()
    while chunk := list(islice(answers, BUILT)):
        tasks.weigh(chunk, draft, BUILT)
        done += len(chunk)
        now = time.monotonic()
        if now - shown > SHOWN_S:
            shown = now
            left = (now - began) / done * (population.responses - done)
            print(f"  {done:,} of {population.responses:,} responses, {left:.0f} s left", file=sys.stderr, flush=True)


def _weigh(tasks: ScoringTasks, answers: Sequence[Answer], batch_records: int | None = None) -> Load:
    draft = Weighed()
    batches = tasks.weigh(answers, draft, batch_records)
    return Load(len(answers), batches, dict(draft.bytes), draft.framing, draft.written)


def _kinds(executions: Sequence[Execution]) -> dict[str, KindSize]:
    stores = [state_of(execution) for execution in executions]
    slot = sum(sys.getsizeof(store.entries) for store in stores) / max(1, sum(len(store.entries) for store in stores))
    found: dict[str, KindSize] = {}
    for store in stores:
        for key, value in store.entries.items():
            kind = kind_of_state(key)
            keys, size, memory = found.get(kind, (0, 0, 0))
            memory += object_bytes((key, value)) + round(slot)
            found[kind] = KindSize(keys + 1, size + len(key) + len(value), memory)
    return found


def _differences(tasks: ScoringTasks, later: _Later, accounts: Sequence[int]) -> list[str]:
    """One more response of each account, whose tables then come out once more: do they equal a recount of all responses?"""
    sampled = {account_id(account) for account in accounts}
    draft = Weighed(rollups_of={account.encode() for account in sampled})
    tasks.weigh(later.each(accounts), draft)
    answers = [answer for account in accounts for answer in later.population.year_of(account)] + later.all_of(sampled)
    records = [record for own in ScoringTasks(1, tasks.settings).records(answers) for record in own]
    wanted = recount.account_tables(records, FIRST_DAY + YEAR_DAYS)
    return recount.table_differences(wanted, draft.rollups)


def _fingerprint(executions: Sequence[Execution]) -> int:
    return sum(fingerprint(state_of(execution).entries.items()) for execution in executions)
