"""`python -m bench.rollover`: midnight with many accounts: how long responses wait meanwhile, and when all have rolled.

A figure counts only if every account was rolled, and those that said nothing meanwhile equal a recount for the new day.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import click
import uvloop
from confluent_kafka import KafkaException
from rich.console import Console

from bench import machine, midnight_on_kafka, sections
from bench.document import write_into
from bench.inputs import PARTITIONS
from bench.measurement import RunFailed
from bench.midnight import Turned, turn
from bench.midnight_on_kafka import OnKafka
from bench.population import account_id
from bench.reading import NotRead
from bench.restoring import keep
from bench.rolling_accounts import RollingAccounts
from bench.scoring_tasks import ScoringTasks
from bench.sections import Table
from bench.weighing import Weighed
from npstream import recount
from npstream.memory import freeze, keep_freed_memory, tune_collector
from npstream.settings import Settings
from schemas.times import DAY_MS
from tests.endurance.latency import latency
from tests.kafka.broker import KafkaUnavailable

ACCOUNTS, QUICK_ACCOUNTS = 1_000_000, 6_000
ON_KAFKA = 100_000
"""Accounts of a worker on a real Kafka."""
ON_KAFKA_S = 60.0
"""How long it is sent responses."""
TASKS = 12
"""The default number of partitions."""
PER_SECOND = 1_000.0
AFTER_S, QUICK_AFTER_S = 5.0, 1.0
"""How long ordinary batches are watched once all is rolled."""
MOST_MS = 250.0
"""The longest pause that is meant to be."""
CHUNK = 20_000
"""Accounts that are made at a time."""
SECTION = "day roll-over"
WIDTH = 150
"""Characters of a line where there is no terminal that has its own."""

R = TypeVar("R")


@dataclass(frozen=True)
class Plan:
    """One midnight."""

    accounts: RollingAccounts
    tasks: int
    per_second: float
    after_s: float
    folder: Path

    @property
    def files(self) -> list[Path]:
        """Where each task's changelog is kept."""
        return [self.folder / f"{task}.changelog" for task in range(self.tasks)]


@dataclass
class Outcome:
    """What came of one."""

    accounts: int
    tasks: int
    turned: Turned
    failures: list[str] = field(default_factory=list)


@click.command()
@click.option("--accounts", type=click.IntRange(1), help=f"How many roll; {ACCOUNTS} unless given.")
@click.option("--tasks", type=click.IntRange(1), default=TASKS, show_default=True, help="Into how many they are split.")
@click.option(
    "--on-kafka", type=click.IntRange(0), help=f"How many roll on a real Kafka, too, 0 for none; {ON_KAFKA} unless given."
)
@click.option("--seconds", default=ON_KAFKA_S, show_default=True, help="How long the worker on a Kafka is sent responses.")
@click.option("--per-second", default=PER_SECOND, show_default=True, help="Responses that come meanwhile.")
@click.option("--quick", is_flag=True, help=f"{QUICK_ACCOUNTS} accounts: whether it works.")
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write all figures here.")
@click.option(
    "--markdown", type=click.Path(path_type=Path, dir_okay=False), help="Write the table into this document, at its place."
)
def main(
    accounts: int | None,
    tasks: int,
    on_kafka: int | None,
    seconds: float,
    per_second: float,
    quick: bool,
    json_file: Path | None,
    markdown: Path | None,
) -> None:
    """The longest pause, and the time until all accounts are rolled, when midnight passes.

    Exit code 1 if an account was not rolled, or differs from the recount.
    """
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    described = machine.describe(own_broker=True)
    today = int(time.time() * 1000) // DAY_MS
    with tempfile.TemporaryDirectory(prefix="npstream-bench-") as folder:
        rolling = RollingAccounts(accounts or (QUICK_ACCOUNTS if quick else ACCOUNTS), today)
        plan = Plan(rolling, tasks, per_second, QUICK_AFTER_S if quick else AFTER_S, Path(folder))
        console.print(f"making {rolling.accounts:,} accounts of yesterday", highlight=False)
        records = _apart(partial(make, plan))
        console.print("midnight", highlight=False)
        outcome = _apart(partial(pass_midnight, plan, records))
        failures = list(outcome.failures)
        tables = [_table([outcome])]
        figures: dict[str, Any] = {"without Kafka": _figures(outcome)}
        if on_kafka := (0 if quick else ON_KAFKA) if on_kafka is None else on_kafka:
            console.print(f"the same on a Kafka, {on_kafka:,} accounts", highlight=False)
            plan = Plan(RollingAccounts(on_kafka, today), PARTITIONS, per_second, 0.0, Path(folder))
            try:
                _apart(partial(make, plan))
                found = midnight_on_kafka.pass_midnight(plan.accounts, plan.files, per_second, seconds, plan.folder)
                failures += found.failures
                tables.append(_table_on_kafka(on_kafka, found))
                figures["on Kafka"] = asdict(found)
            except (RunFailed, KafkaException, KafkaUnavailable, NotRead) as error:
                failures.append(f"on Kafka: {error}")
    machine.finish(described)
    for table in tables:
        console.print(table.for_terminal())
    for failure in failures:
        console.print(f"FAIL {failure}", style="bold red", markup=False, highlight=False, soft_wrap=True)
    if json_file is not None:
        json_file.write_text(json.dumps({"machine": described, **figures}, indent=2) + "\n", encoding="utf-8")
    if markdown is not None and not failures:
        parts = [table.for_document() for table in tables]
        write_into(markdown, SECTION, "\n\n".join([*parts, sections.described(described)]))
    sys.exit(1 if failures else 0)


def make(plan: Plan) -> list[int]:
    """Process what all accounts have said by yesterday, and keep the changelogs; how many records each has."""
    _prepare(plan.tasks)
    tasks, draft, rolling = ScoringTasks(plan.tasks, Settings(partitions=plan.tasks)), Weighed(), plan.accounts
    for first in range(0, rolling.accounts, CHUNK):
        answers = rolling.before(first, min(first + CHUNK, rolling.accounts))
        tasks.weigh(answers, draft, CHUNK, rolling.arrived_ms)
    return [keep(tasks.changelog(task), file) for task, file in enumerate(plan.files)]


def pass_midnight(plan: Plan, records: Sequence[int]) -> Outcome:
    """Open the tasks today, and watch them."""
    _prepare(plan.tasks)
    rolling = plan.accounts
    turned = uvloop.run(turn(rolling, plan.files, records, plan.per_second, plan.after_s))
    failures = []
    by_key = {account_id(account).encode(): account for account in range(rolling.accounts) if rolling.is_quiet(account)}
    if turned.rolled < len(by_key):
        failures.append(f"{turned.rolled:,} accounts were rolled, and {len(by_key):,} are quiet")
    numbers = [by_key[key] for key in turned.rollups if key in by_key]
    given = {key: value for key, value in turned.rollups.items() if key in by_key}
    answers = [one for account in numbers for one in rolling.before_of(account)]
    wanted = recount.account_tables((one for own in ScoringTasks(1, Settings()).records(answers) for one in own), rolling.today)
    if not given:
        failures.append("no rolled table was kept: nothing could be counted again")
    failures += recount.table_differences(wanted, given)
    turned.counted_again = len(given)
    turned.rollups.clear()
    return Outcome(rolling.accounts, plan.tasks, turned, failures)


def _prepare(tasks: int) -> None:
    """Treat memory as a worker does."""
    tune_collector(Settings(partitions=tasks).gc_threshold)
    keep_freed_memory()
    freeze()


def _apart(work: Callable[[], R]) -> R:
    """Do it in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(work).result()


def _figures(outcome: Outcome) -> dict[str, Any]:
    turned = outcome.turned
    return asdict(outcome) | {
        "waits_ms": latency(turned.waits_ms)._asdict() | {"max": max(turned.waits_ms)},
        "stall_ms": max(turned.stalls_ms),
    }


def _table(outcomes: Sequence[Outcome]) -> Table:
    heads = (
        "Accounts",
        "tasks",
        "all rolled after s",
        "accounts/s",
        "longest wait, ms",
        "p99",
        "p50",
        "loop stood still, ms",
        "of its own work",
        "ordinary wait, ms",
        "p99",
        "ticks",
        "largest, KB",
        "counted again",
    )
    rows = []
    for outcome in outcomes:
        turned = outcome.turned
        while_rolled, ordinary = latency(turned.waits_ms), latency(turned.ordinary_ms)
        rows.append(
            [
                f"{outcome.accounts:,}",
                str(outcome.tasks),
                f"{turned.seconds:.1f}",
                f"{outcome.accounts / turned.seconds:,.0f}",
                f"{max(turned.waits_ms):.0f}",
                f"{while_rolled.p99:.0f}",
                f"{while_rolled.p50:.0f}",
                f"{max(turned.stalls_ms):.0f}",
                f"{max(turned.stretches_ms):.0f}",
                f"{max(turned.ordinary_ms):.0f}",
                f"{ordinary.p99:.0f}",
                f"{turned.ticks:,}",
                f"{turned.largest_tick / 1024:,.0f}",
                f"{turned.counted_again:,}",
            ]
        )
    return Table(f"Midnight; the longest wait is meant to be at most {MOST_MS:.0f} ms", heads, rows, 0)


def _table_on_kafka(accounts: int, found: OnKafka) -> Table:
    heads = ("Accounts", "all rolled after s", "longest latency, ms", "p99", "p50", "after that, longest", "p99", "p50")
    while_rolled, ordinary = latency(found.waits_ms), latency(found.ordinary_ms)
    row = [
        f"{accounts:,}",
        f"{found.seconds:.1f}",
        f"{max(found.waits_ms):.0f}",
        f"{while_rolled.p99:.0f}",
        f"{while_rolled.p50:.0f}",
        f"{max(found.ordinary_ms):.0f}",
        f"{ordinary.p99:.0f}",
        f"{ordinary.p50:.0f}",
    ]
    return Table("One worker on a Kafka, all agents: latency from produced to committed detractor", heads, [row], 0)


if __name__ == "__main__":
    main()
