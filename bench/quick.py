"""`python -m bench.quick`: whether a response still costs about what it did, in seconds and without Kafka.

The engine with the peers' work and scoring take the benchmark's stream along `bench.hot_path`. What they cost is held against
reading and decoding the same records, which is done in turn with them on the same machine at the same moment: the ratio is what
can be compared between machines. A floor is a third of what it was when it was set: so no machine and no noise falls below it,
and a mistake that makes each response several times as dear does.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import click
import orjson
from rich import box
from rich.console import Console
from rich.table import Table

from bench.engine.tally import Tally
from bench.fetching import Fetch, fetches, stored, unpack
from bench.hot_path import Clock, HotPath
from bench.inputs import PARTITIONS
from bench.stream import answers, canonical_record, first_day, plain_record
from npstream.hosting import processors, task_rules
from npstream.memory import freeze, keep_freed_memory, tune_collector
from npstream.settings import Settings
from schemas import topics
from streams.processor import Processor

RESPONSES = 50_000
ROUNDS = 5
"""The least of so many counts: whatever disturbs makes it more."""
PLAIN = "plain"


@dataclass(frozen=True)
class Guarded:
    """A processor, what it reads, and below which ratio something is wrong."""

    title: str
    floor: float
    """Of the rate of reading and decoding alone."""
    fetched: Sequence[Fetch]
    make: Callable[[], Processor]


def guarded(responses: int, settings: Settings) -> Iterator[Guarded]:
    """What is watched."""
    now_ms = int(time.time() * 1000)
    day = first_day(responses, now_ms)
    yield Guarded(
        "engine, peers' work",
        0.10,  # it was 0.29
        fetches(stored(PLAIN, answers(responses, day), plain_record, (), now_ms)),
        lambda: Tally(PLAIN, "changes", "detractors"),
    )
    yield Guarded(
        "scoring",
        0.016,  # it was 0.049
        fetches(stored(topics.RESPONSES, answers(responses, day), canonical_record, (), now_ms)),
        lambda: processors("scoring", settings)[0],
    )


def reading_s(fetched: Sequence[Fetch]) -> float:
    """Processor time in s of reading and decoding alone."""
    began = time.thread_time()
    for fetch in fetched:
        for record in unpack(fetch):
            orjson.loads(record.value or b"")
    return time.thread_time() - began


def processing_s(one: Guarded, settings: Settings) -> float:
    """Processor time in s of the same records' way through a worker, with a state that is empty before."""
    path = HotPath(one.make(), task_rules(settings), Clock(), int(time.time() * 1000))
    asyncio.run(path.run(one.fetched))
    return path.total_s


@click.command()
@click.option("--responses", type=click.IntRange(1), default=RESPONSES, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=ROUNDS, show_default=True)
def main(responses: int, rounds: int) -> None:
    """Print what a response costs beside reading and decoding it. Exit code 1 below a floor."""
    settings = Settings(partitions=PARTITIONS)
    tune_collector(settings.gc_threshold)
    keep_freed_memory()
    console = Console()
    watched = list(guarded(responses, settings))
    freeze()
    costs = [(min(reading), min(processing)) for reading, processing in _measured(watched, settings, rounds)]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=f"{responses:,} responses without Kafka, best of {rounds}")
    for title in ("", "read and decode, µs", "all, µs", "ratio of rates", "floor"):
        table.add_column(title, justify="right" if title else "left")
    low = []
    for one, (reading, processing) in zip(watched, costs, strict=True):
        ratio = reading / processing
        micros = (f"{seconds * 1e6 / responses:.2f}" for seconds in (reading, processing))
        table.add_row(one.title, *micros, f"{ratio:.3f}", f"{one.floor:.3f}")
        if ratio < one.floor:
            low.append(f"{one.title}: {ratio:.3f} of the rate of reading and decoding, below the floor of {one.floor:.3f}")
    console.print(table)
    for line in low:
        console.print(f"FAIL {line}: see where it goes with python -m bench.profile", style="bold red", highlight=False)
    sys.exit(1 if low else 0)


def _measured(watched: Sequence[Guarded], settings: Settings, rounds: int) -> list[tuple[list[float], list[float]]]:
    """Of each the times of reading and of processing, taken in turn."""
    found: list[tuple[list[float], list[float]]] = [([], []) for _ in watched]
    for _ in range(rounds):
        for one, (reading, processing) in zip(watched, found, strict=True):
            reading.append(reading_s(one.fetched))
            processing.append(processing_s(one, settings))
    return found


if __name__ == "__main__":
    main()
