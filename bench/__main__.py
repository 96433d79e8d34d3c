"""`python -m bench`: npstream beside its peers on a real Kafka. A figure counts only if every output equals a recount."""

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click
from confluent_kafka import KafkaException
from rich.console import Console

from bench import machine, report
from bench.broker import broker
from bench.document import write_into
from bench.lines import DEFAULT, check_installed, lines
from bench.measurement import Ground, Line, Measurement, RunFailed
from bench.npstream_line import scoring_line
from bench.plot import draw
from bench.reading import NotRead
from bench.results import Results
from bench.stream import MOST, first_day
from npstream.child import ChildFailed
from npstream.settings_sources import SettingsError
from tests.kafka.broker import KafkaUnavailable

BOOTSTRAP_VARIABLE = "NPSTREAM_TEST_BOOTSTRAP"
"""The broker that the tests use, if one is given."""
RESPONSES = 2_000_000
"""Of the lines that are compared with Kafka Streams: at 400,000 it is still compiling itself, and half as fast."""
SLOW_RESPONSES = 400_000
"""Of the lines whose rate does not depend on it. Of fewer respondents answer twice, and changes of category cost Faust most."""
WARM_UP = 400_000
"""Responses of a run before the first round, which nobody measures: a Kafka that has just started is still compiling itself.
After 100,000 it still took 6.2 s of processor time for the first run and 3.3 for the second."""
QUICK_RESPONSES, QUICK_SLOW_RESPONSES = 100_000, 10_000
WIDTH = 180
"""Characters of a line where there is no terminal that has its own."""
FIGURES = "figures"
"""The tables' place in a document."""
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option(
    "--responses", type=click.IntRange(1, MOST), help=f"Of the lines compared with Kafka Streams; {RESPONSES} unless given."
)
@click.option("--slow-responses", type=click.IntRange(1, MOST), help=f"Of the other lines; {SLOW_RESPONSES} unless given.")
@click.option("--rounds", type=click.IntRange(1), help="How often each line is run, in turn; 3 unless given.")
@click.option("--quick", is_flag=True, help=f"One round of {QUICK_RESPONSES} and {QUICK_SLOW_RESPONSES} responses.")
@click.option("--lines", "names", default=",".join(DEFAULT), show_default=True, help="Which to run.")
@click.option("--set", "tuning", multiple=True, metavar="NAME=VALUE", help="A setting for npstream's workers, for trying out.")
@click.option("--bootstrap", envvar=BOOTSTRAP_VARIABLE, help="An empty Kafka to use; otherwise one is started.")
@click.option("--json", "json_file", type=_FILE, help="Write all figures here.")
@click.option("--markdown", type=_FILE, help="Write the tables into this document, at their place.")
@click.option("--plot", type=_FILE, help="Draw the figures into this PNG.")
def main(
    responses: int | None,
    slow_responses: int | None,
    rounds: int | None,
    quick: bool,
    names: str,
    tuning: tuple[str, ...],
    bootstrap: str | None,
    json_file: Path | None,
    markdown: Path | None,
    plot: Path | None,
) -> None:
    """Responses/s of npstream, exactly once, beside its peers on the same Kafka in the same run.

    Exit code 1 if any output differs from the recount of what was sent.
    """
    responses = responses or (QUICK_RESPONSES if quick else RESPONSES)
    slow_responses = slow_responses or (QUICK_SLOW_RESPONSES if quick else SLOW_RESPONSES)
    known = lines(responses, slow_responses, dict(_pair(text) for text in tuning))
    chosen = [name.strip() for name in names.split(",")]
    if not set(chosen) <= set(known):
        raise click.UsageError(f"--lines {names}: there are {', '.join(known)}")
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    try:
        check_installed(chosen)
        with broker(bootstrap) as (address, pid), tempfile.TemporaryDirectory(prefix="npstream-bench-") as folder:
            day = first_day(max(responses, slow_responses), int(time.time() * 1000))
            ground = Ground(address, pid, Path(folder), day)
            try:
                if not quick:
                    console.print(f"warming the broker up with {WARM_UP:,} responses", highlight=False)
                    scoring_line(WARM_UP).run(ground, number=WARM_UP)
                results = _measure(
                    [line for name, line in known.items() if name in chosen], rounds or (1 if quick else 3), ground, console
                )
            finally:
                if pid is None:
                    ground.inputs.delete()
    except (RunFailed, NotRead, ChildFailed, KafkaException, KafkaUnavailable, SettingsError) as error:
        console.print(f"FAIL {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    report.show(results, console)
    if json_file is not None:
        json_file.write_text(json.dumps(results.as_json(), indent=2) + "\n", encoding="utf-8")
    if not results.failures:
        if markdown is not None:
            write_into(markdown, FIGURES, report.markdown(results))
        if plot is not None:
            draw(results, plot)
    sys.exit(1 if results.failures else 0)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--set {text}: write NAME=VALUE")
    return name, value


def _run(line: Line, ground: Ground, number: int, console: Console) -> Measurement:
    """Once more if it does not come to its end: a peer may get stuck, and hours of others' figures must not be lost for it.
    Raises RunFailed. It takes two numbers."""
    try:
        return line.run(ground, number)
    except RunFailed as error:
        console.print(f"{error}\nonce more", style="yellow", markup=False, highlight=False, soft_wrap=True)
        return line.run(ground, number + 1)


def _measure(lines: Sequence[Line], rounds: int, ground: Ground, console: Console) -> Results:
    """All lines in turn, each round beginning with another one, so that none has the warmest broker or the quietest minute."""
    results = Results(machine.describe(ground.broker_pid is not None), {line.name: line.title for line in lines})
    for number in range(rounds):
        turn = number % len(lines)
        measured = {}
        for index, line in enumerate((*lines[turn:], *lines[:turn])):
            measurement = measured[line.name] = _run(line, ground, 2 * (number * len(lines) + index), console)
            verdict = "FAIL" if measurement.failures else "equal to the recount"
            console.print(
                f"round {number + 1}, {line.title}: {measurement.responses:,} responses in {measurement.seconds:.2f} s, "
                f"{measurement.rate:,.0f}/s; {sum(measurement.records.values()):,} records and rows: {verdict}",
                highlight=False,
            )
            if measurement.details:
                console.print("  " + ", ".join(f"{name} {value:g}" for name, value in measurement.details.items()), style="dim")
        results.rounds.append({line.name: measured[line.name] for line in lines})
    machine.finish(results.machine)
    return results


if __name__ == "__main__":
    main()
