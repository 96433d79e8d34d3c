"""`python -m bench`: npstream beside plain Faust on a real Kafka. A figure counts only if every output equals a recount."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console

from bench import machine, report
from bench.faust_line import FaustLine
from bench.measurement import Ground, Line, RunFailed
from bench.npstream_line import scoring_line, whole_line
from bench.results import Results
from bench.stream import MOST, first_day
from npstream.settings_sources import SettingsError
from tests.kafka.broker import KafkaBroker, KafkaUnavailable
from tests.kafka.topics import TopicAdmin

BOOTSTRAP_VARIABLE = "NPSTREAM_TEST_BOOTSTRAP"
"""The broker that the tests use, if one is given."""
JVM_OPTIONS = ("-Xmx1g", "-Xms1g", "-XX:+UseSerialGC", "-Xshare:auto")
"""Kafka's own heap, and the full compiler; one collector thread, as there are few processors beside the worker's."""
RESPONSES = 400_000
"""For every line the same: of a shorter stream fewer respondents answer twice, and changes of category cost Faust most."""
WARM_UP = 400_000
"""Responses of a run before the first round, which nobody measures: a Kafka that has just started is still compiling itself.
After 100,000 it still took 6.2 s of processor time for the first run and 3.3 for the second."""
QUICK_RESPONSES, QUICK_FAUST_RESPONSES = 100_000, 10_000
WIDTH = 160
"""Characters of a line where there is no terminal that has its own."""
LINES = ("scoring", "whole", "faust")


@click.command()
@click.option("--responses", type=click.IntRange(1, MOST), help=f"Responses of each npstream run; {RESPONSES} unless given.")
@click.option("--faust-responses", type=click.IntRange(1, MOST), help="Of each Faust run; as many unless given.")
@click.option("--rounds", type=click.IntRange(1), help="How often each line is run, in turn; 3 unless given.")
@click.option("--quick", is_flag=True, help=f"One round of {QUICK_RESPONSES} and {QUICK_FAUST_RESPONSES} responses.")
@click.option("--lines", default=",".join(LINES), show_default=True, help="Which to run.")
@click.option("--set", "tuning", multiple=True, metavar="NAME=VALUE", help="A setting for npstream's workers, for trying out.")
@click.option("--bootstrap", envvar=BOOTSTRAP_VARIABLE, help="An empty Kafka to use; otherwise one is started.")
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write all figures here.")
@click.option(
    "--markdown", type=click.Path(path_type=Path, dir_okay=False), help="Write the tables into this document, at their place."
)
def main(
    responses: int | None,
    faust_responses: int | None,
    rounds: int | None,
    quick: bool,
    lines: str,
    tuning: tuple[str, ...],
    bootstrap: str | None,
    json_file: Path | None,
    markdown: Path | None,
) -> None:
    """Responses/s of one npstream worker, everything on, exactly once, beside a plain Faust agent on the same Kafka.

    Exit code 1 if any output differs from the recount of what was sent.
    """
    responses = responses or (QUICK_RESPONSES if quick else RESPONSES)
    faust_responses = faust_responses or (QUICK_FAUST_RESPONSES if quick else responses)
    settings = dict(_pair(text) for text in tuning)
    known: dict[str, Line] = {
        "scoring": scoring_line(responses, settings),
        "whole": whole_line(responses, settings),
        "faust": FaustLine(faust_responses),
    }
    chosen = [name.strip() for name in lines.split(",")]
    if not set(chosen) <= set(known):
        raise click.UsageError(f"--lines {lines}: there are {', '.join(known)}")
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    try:
        with _broker(bootstrap) as (address, pid), tempfile.TemporaryDirectory(prefix="npstream-bench-") as folder:
            day = first_day(max(responses, faust_responses), int(time.time() * 1000))
            if not quick:
                console.print(f"warming the broker up with {WARM_UP:,} responses", highlight=False)
                scoring_line(WARM_UP).run(Ground(address, pid, Path(folder), day), WARM_UP)
            results = _measure(
                [known[name] for name in known if name in chosen],
                rounds or (1 if quick else 3),
                Ground(address, pid, Path(folder), day),
                console,
            )
    except (RunFailed, KafkaUnavailable, SettingsError) as error:
        console.print(f"FAIL {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    report.show(results, console)
    if json_file is not None:
        json_file.write_text(json.dumps(results.as_json(), indent=2) + "\n", encoding="utf-8")
    if markdown is not None and not results.failures:
        report.write_markdown(results, markdown)
    sys.exit(1 if results.failures else 0)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--set {text}: write NAME=VALUE")
    return name, value


def _measure(lines: Sequence[Line], rounds: int, ground: Ground, console: Console) -> Results:
    """All lines in turn, each round beginning with another one, so that none has the warmest broker or the quietest minute."""
    results = Results(machine.describe(ground.broker_pid is not None), {line.name: line.title for line in lines})
    for number in range(rounds):
        turn = number % len(lines)
        measured = {}
        for index, line in enumerate((*lines[turn:], *lines[:turn])):
            measurement = measured[line.name] = line.run(ground, number * len(lines) + index)
            verdict = "FAIL" if measurement.failures else "equal to the recount"
            console.print(
                f"round {number + 1}, {line.title}: {measurement.responses:,} responses in {measurement.seconds:.2f} s, "
                f"{measurement.rate:,.0f}/s; {sum(measurement.records.values()):,} records and rows: {verdict}",
                highlight=False,
            )
            if measurement.details:
                console.print("  " + ", ".join(f"{name} {value:g}" for name, value in measurement.details.items()), style="dim")
        results.rounds.append({line.name: measured[line.name] for line in lines})
    results.machine["Load after"] = " ".join(f"{load:.1f}" for load in os.getloadavg())
    return results


@contextmanager
def _broker(bootstrap: str | None) -> Iterator[tuple[str, int | None]]:
    """The address of a broker, and its process id if it is ours. Raises KafkaUnavailable."""
    if bootstrap is None:
        with KafkaBroker(jvm_options=JVM_OPTIONS) as kafka:
            yield kafka.bootstrap, kafka.pid
        return
    there = [name for name in TopicAdmin(bootstrap).names() if name.startswith("nps.")]
    if there:
        raise KafkaUnavailable(
            f"{bootstrap} has the topic {there[0]} already, and the benchmark makes and removes npstream's topics: "
            "give it a Kafka without them"
        )
    yield bootstrap, None


if __name__ == "__main__":
    main()
