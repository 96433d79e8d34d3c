"""`python -m bench.state`: what a large state costs scoring: memory, rate, changelog, restore.

A figure counts only if the tables equal a recount, and each restored state the one that was kept.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import click
from rich.console import Console

from bench import busy_accounts, machine, sections, state_measures, state_report
from bench.broker import JVM_OPTIONS
from bench.document import write_into
from bench.population import RESPONDENTS_PER_ACCOUNT
from bench.scoring_tasks import names
from bench.state_measures import Plan, Restored
from bench.state_report import Size
from schemas import topics
from tests.kafka.broker import KafkaBroker, KafkaUnavailable
from tests.kafka.topics import TopicAdmin

SIZES = (10_000, 100_000, 1_000_000, 5_000_000)
QUICK_SIZES = (5_000,)
LATER = 100_000
"""Responses of each load after the year, if there are as many respondents."""
DAYS, QUICK_DAYS = 364, 56
HOT, QUICK_HOT = 100_000, 5_000
"""Of the busy accounts."""
KAFKA_UP_TO = 1_000_000
"""Respondents up to which a Kafka is restored from too: beyond it the topic takes many GB, and each record costs the same."""
WIDTH = 170
"""Characters of a line where there is no terminal that has its own."""
SECTION = "scale of state"

P = ParamSpec("P")
R = TypeVar("R")


class SizeFailed(RuntimeError):
    """A size was not measured; the message says why."""


@click.command()
@click.option("--respondents", help=f"Sizes, with commas; {','.join(map(str, SIZES))} unless given.")
@click.option("--tasks", default="1,12", show_default=True, help="Into how many tasks each size is split, with commas.")
@click.option(
    "--later", type=click.IntRange(1), default=LATER, show_default=True, help="Most responses of a load after the year."
)
@click.option(
    "--kafka-up-to", default=KAFKA_UP_TO, show_default=True, help="Respondents up to which a Kafka is restored from too."
)
@click.option("--quick", is_flag=True, help=f"{QUICK_SIZES[0]} respondents in one task: whether it works.")
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write all figures here.")
@click.option(
    "--markdown", type=click.Path(path_type=Path, dir_okay=False), help="Write the tables into this document, at their place."
)
def main(
    respondents: str | None,
    tasks: str,
    later: int,
    kafka_up_to: int,
    quick: bool,
    json_file: Path | None,
    markdown: Path | None,
) -> None:
    """Memory, responses/s, changelog bytes and restore of scoring's state after a year, by the number of respondents.

    Exit code 1 if a table differs from the recount, or a restored state from the one that was kept.
    """
    asked = _numbers("--respondents", respondents) if respondents else QUICK_SIZES if quick else SIZES
    splits = (1,) if quick and tasks == "1,12" else _numbers("--tasks", tasks)
    if wrong := [size for size in asked if size % RESPONDENTS_PER_ACCOUNT]:
        raise click.UsageError(f"--respondents {wrong[0]}: give multiples of {RESPONDENTS_PER_ACCOUNT}, the size of an account")
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    described = machine.describe(own_broker=True)
    sizes, failures = [], []
    with tempfile.TemporaryDirectory(prefix="npstream-bench-") as folder:
        for size in asked:
            for split in splits:
                plan = Plan(size, split, later, Path(folder))
                console.print(f"{size:,} respondents, tasks: {split}", highlight=False)
                try:
                    sizes.append(_measure(plan, size <= kafka_up_to))
                except (SizeFailed, KafkaUnavailable) as error:
                    failures.append(f"{size:,} respondents: {error}")
                for task in range(split):
                    plan.file(task).unlink(missing_ok=True)
    busy = busy_accounts.measure(QUICK_DAYS if quick else DAYS, QUICK_HOT if quick else HOT)
    machine.finish(described)
    failures += [failure for size in sizes for failure in size.failures]
    tables = state_report.tables(sizes, busy)
    for found in tables:
        console.print(found.for_terminal())
    for failure in failures:
        console.print(f"FAIL {failure}", style="bold red", markup=False, highlight=False, soft_wrap=True)
    if json_file is not None:
        figures = {"machine": described, "sizes": [size.as_json() for size in sizes], "busy": [asdict(one) for one in busy]}
        json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    if markdown is not None and not failures:
        parts = [found.for_document() for found in tables]
        write_into(markdown, SECTION, "\n\n".join([*parts, sections.described(described)]))
    sys.exit(1 if failures else 0)


def _numbers(option: str, text: str) -> tuple[int, ...]:
    try:
        numbers = tuple(int(part.replace("_", "")) for part in text.split(","))
    except ValueError as error:
        raise click.UsageError(f"{option} {text}: write numbers with commas") from error
    if min(numbers) < 1:
        raise click.UsageError(f"{option} {text}: at least 1 each")
    return numbers


def _measure(plan: Plan, kafka: bool) -> Size:
    """Each part in a fresh process. Raises SizeFailed, KafkaUnavailable."""
    built = _apart(state_measures.build, plan)
    from_memory = _apart(state_measures.restore_from_memory, plan, built.records)
    from_kafka: Restored | None = None
    if kafka:
        with _kafka(plan) as bootstrap:
            _apart(state_measures.write_to_kafka, plan, bootstrap)
            from_kafka = _apart(state_measures.restore_from_kafka, plan, built.records, bootstrap)
    return Size(plan.respondents, plan.tasks, built, from_memory, from_kafka)


def _apart(work: Callable[Concatenate[Plan, P], R], plan: Plan, *arguments: P.args, **named: P.kwargs) -> R:
    """Do it in a fresh process. Raises SizeFailed if that ends."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        try:
            return process.submit(partial(state_measures.prepared, work, plan, *arguments, **named)).result()
        except BrokenProcessPool as error:
            raise SizeFailed(f"{work.__name__} ended: is there enough memory?") from error


@contextmanager
def _kafka(plan: Plan) -> Iterator[str]:
    """A broker with the topics that an opening asks for."""
    with KafkaBroker(jvm_options=JVM_OPTIONS) as kafka:
        changelog = names(plan.tasks)[0].changelog
        TopicAdmin(kafka.bootstrap).create(changelog, topics.RESPONSES, topics.ERASURES, partitions=plan.tasks)
        yield kafka.bootstrap


if __name__ == "__main__":
    main()
