"""Shows results: a table on the terminal, and the same in docs/performance.md."""

from rich import box
from rich.console import Console
from rich.table import Table

from bench.results import FAUST, KSTREAMS, Results, Spread, broker_cpu_s_per_million, cpu_s_per_million, peak_rss_mb, rate

COLUMNS = (
    "Line",
    "Responses",
    "Responses/s",
    "x Kafka Streams",
    "x plain Faust",
    "CPU s/million",
    "broker CPU",
    "peak MB",
)
"""Medians of the rounds, from the least to the most in brackets. The broker's processor time is of a million responses, too."""


def show(results: Results, console: Console) -> None:
    """Print the summary, and then every round."""
    summary = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="Median of the rounds (least to most)")
    for number, column in enumerate(COLUMNS):
        summary.add_column(column, justify="right" if number else "left", no_wrap=True)
    for row in _rows(results):
        summary.add_row(*row)
    console.print(summary)
    console.print(_rounds(results))
    for disturbed in results.disturbed:
        console.print(f"disturbed: {disturbed}", style="yellow", markup=False, highlight=False)
    for failure in results.failures:
        console.print(f"FAIL {failure}", style="bold red", markup=False, highlight=False, soft_wrap=True)


def markdown(results: Results) -> str:
    """The machine, the summary and the rounds."""
    lines = [f"| {' | '.join(COLUMNS)} |", f"|---{'|---:' * (len(COLUMNS) - 1)}|"]
    lines += [f"| {' | '.join(row)} |" for row in _rows(results)]
    lines += [
        "",
        "| Round | Line | s | Responses/s | CPU s | broker CPU s | other CPU s |",
        "|---:|---|---:|---:|---:|---:|---:|",
    ]
    lines += [f"| {' | '.join(row)} |" for row in _round_rows(results)]
    lines += ["", *(f"- {name}: {value}" for name, value in results.machine.items())]
    lines += [f"- Disturbed: {disturbed}" for disturbed in results.disturbed]
    return "\n".join(lines)


def _rows(results: Results) -> list[list[str]]:
    return [
        [
            results.titles[line],
            f"{results.rounds[0][line].responses:,}",
            _figure(results.spread(line, rate), ",.0f"),
            _figure(results.ratio(line, KSTREAMS, rate), ".2f"),
            _figure(results.ratio(line, FAUST, rate), ".1f"),
            _median(results.spread(line, cpu_s_per_million), ".1f"),
            _median(results.spread(line, broker_cpu_s_per_million), ".1f"),
            _median(results.spread(line, peak_rss_mb), ".0f"),
        ]
        for line in results.lines()
    ]


def _rounds(results: Results) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="Rounds")
    for title in ("Round", "Line", "s", "Responses/s", "CPU s", "broker CPU s", "other CPU s"):
        table.add_column(title, justify="left" if title == "Line" else "right", no_wrap=True)
    for row in _round_rows(results):
        table.add_row(*row)
    return table


def _round_rows(results: Results) -> list[list[str]]:
    return [
        [
            str(number),
            results.titles[name],
            f"{measurement.seconds:.2f}",
            f"{measurement.rate:,.0f}",
            f"{measurement.cpu_s:.1f}",
            "?" if measurement.broker_cpu_s is None else f"{measurement.broker_cpu_s:.1f}",
            f"{measurement.others_cpu_s:.1f}",
        ]
        for number, measured in enumerate(results.rounds, 1)
        for name, measurement in measured.items()
    ]


def _median(spread: Spread | None, form: str) -> str:
    return "?" if spread is None else format(spread.median, form)


def _figure(spread: Spread | None, form: str) -> str:
    return "?" if spread is None else f"{spread.median:{form}} ({spread.least:{form}} to {spread.most:{form}})"
