"""Shows where the time of a response goes: a column for each processor, a row for each stage, in µs of each response."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from bench.hot_path import WITHIN, HotPath
from bench.measurement import Measurement

TITLES = {"tally": "engine, peers' work"}
"""Of processors that are no agents."""
UNKNOWN = ""
"""What stands for a figure that was not measured."""
ROWS = (
    "fetch: unpack record batches",
    "inbox: bound in bytes",
    "decode",
    "validate",
    "score",
    "encode",
    "produce: events into record batches",
    "produce: changes into record batches",
    "produce: compression, checksums",
    "state: apply",
    "metrics",
    "all without Kafka",
    "sockets, event loop, Faust",
    "processor time of a worker",
    "waiting for Kafka",
    "from the first response to the last",
    "a transaction, ms",
)
"""The last five only where it ran on a Kafka. All but the last add up."""


@dataclass(frozen=True)
class Column:
    """One processor."""

    title: str
    counts: dict[str, int]
    """What went through it."""
    cells: tuple[float | None, ...]
    """As ROWS; µs of each response."""


def columns(paths: Sequence[HotPath], responses: int, measured: Mapping[str, Measurement]) -> list[Column]:
    """`measured`: runs on a Kafka, by processor."""
    return [
        Column(
            TITLES.get(path.name, path.name),
            {"records": path.records, "events": path.events, "changes": path.changes, "batches": path.batches},
            (*(hot := _without_kafka(path, responses)), *_with_kafka(hot[-1], measured.get(path.name))),
        )
        for path in paths
    ]


def _without_kafka(path: HotPath, responses: int) -> list[float]:
    micros = {stage: seconds * 1e6 / responses for stage, seconds in path.seconds.items()}
    rest = micros["process"] - sum(micros[stage] for stage in WITHIN)
    cells = [
        micros["fetch"],
        micros["inbox"],
        micros["decode"],
        micros["validate"],
        max(0.0, rest),
        micros["encode"],
        micros["append"],
        micros["gather"],
        micros["close"],
        micros["apply"],
        micros["metrics"],
    ]
    return [*cells, sum(cells)]


def _with_kafka(hot: float, measured: Measurement | None) -> tuple[float | None, ...]:
    if measured is None:
        return (None,) * 5
    cpu = measured.cpu_s * 1e6 / measured.responses
    wall = measured.seconds * 1e6 / measured.responses
    return cpu - hot, cpu, max(0.0, wall - cpu), wall, measured.transaction_ms


def show(table: Sequence[Column], console: Console) -> None:
    """Print it."""
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="µs of each response")
    for number, title in enumerate(_heads(table)):
        shown.add_column(title, justify="right" if number else "left")
    for row in _rows(table):
        shown.add_row(*row)
    console.print(shown)
    for column in table:
        console.print(f"{column.title}: " + ", ".join(f"{n:,} {what}" for what, n in column.counts.items()), style="dim")


def markdown(table: Sequence[Column], machine: Mapping[str, str]) -> str:
    """The table, and where it was taken."""
    heads = _heads(table)
    lines = [f"| {' | '.join(heads)} |", f"|---{'|---:' * (len(heads) - 1)}|"]
    lines += [f"| {' | '.join(row)} |" for row in _rows(table)]
    lines += ["", *(f"- {name}: {value}" for name, value in machine.items())]
    return "\n".join(lines)


def _heads(table: Sequence[Column]) -> list[str]:
    return ["µs of each response", *(column.title for column in table)]


def _rows(table: Sequence[Column]) -> list[list[str]]:
    return [
        [row, *(UNKNOWN if (cell := column.cells[number]) is None else f"{cell:.2f}" for column in table)]
        for number, row in enumerate(ROWS)
        if any(column.cells[number] is not None for column in table)
    ]
