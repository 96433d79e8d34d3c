"""`python -m tests.endurance COMMAND`: prints its verdict; exit code 1 if something does not hold."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from bench import machine
from bench.reading import NotRead
from tests.endurance import long_run, overload, poison, slow_consumer
from tests.endurance.report import Report
from tests.endurance.sending import NotSent
from tests.kafka.broker import KafkaUnavailable

CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")
WIDTH: Final = 150
"""Characters of a line where there is no terminal that has its own."""


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """What all commands take."""
    for option in (
        click.option("--markdown", type=click.Path(path_type=Path, dir_okay=False), help="Write the section here as well."),
        click.option(
            "--calibrate", default=overload.CALIBRATION, show_default=True, help="Responses for the measure of the rate."
        ),
        click.option("--seed", default=1, show_default=True, help="Of what is sent."),
    ):
        command = option(command)
    return command


def _console() -> Console:
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    return console


def _run(command: Callable[[Console], Report], markdown: Path | None) -> None:
    """Run it, say what was found, and exit."""
    console, described = _console(), machine.describe(own_broker=True)
    try:
        report = command(console)
    except (AssertionError, NotSent, NotRead, KafkaUnavailable) as error:
        console.print(f"FAIL {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    machine.finish(described)
    report.notes.append("; ".join(f"{name}: {value}" for name, value in described.items()))
    report.show(console)
    if markdown is not None:
        report.write(markdown)
    sys.exit(0 if report.holds else 1)


@click.group()
def main() -> None:
    """What holds for a minute shall hold for good."""


@main.command("overload")
@click.option("--seconds", default=60.0, show_default=True, help="How long.")
@click.option("--times", default=10.0, show_default=True, help="How many times the sustainable rate.")
@click.option("--set", "tuning", multiple=True, metavar="NAME=NUMBER", help="A setting of the worker, to make it slower.")
@click.option("--compression", type=click.Choice(CODECS), default=CODECS[0], show_default=True, help="The producer's.")
@_options
def overload_command(
    seconds: float, times: float, tuning: tuple[str, ...], compression: str, seed: int, calibrate: int, markdown: Path | None
) -> None:
    """More than a worker can do."""
    settings = {name: int(value) for name, _, value in (text.partition("=") for text in tuning)}
    asked = overload.Overload(times, seconds, compression, settings)
    _run(lambda console: overload.run(asked, seed, calibrate, _typed(), console), markdown)


@main.command("slow-consumer")
@_options
def slow_consumer_command(seed: int, calibrate: int, markdown: Path | None) -> None:
    """Readers downstream that hold nobody up."""
    _run(lambda console: slow_consumer.run(seed, calibrate, _typed(), console), markdown)


@main.command("poison")
@click.option("--responses", default=100_000, show_default=True, help="Of the one account and respondent.")
@_options
def poison_command(responses: int, seed: int, calibrate: int, markdown: Path | None) -> None:
    """One account that has everything."""
    _run(lambda console: poison.run(responses, seed, calibrate, _typed(), console), markdown)


@main.command("long")
@click.option("--minutes", default=30.0, show_default=True, help="How long.")
@click.option("--share", default=0.5, show_default=True, help="Of the sustainable rate.")
@click.option(
    "--samples", type=click.Path(path_type=Path, dir_okay=False), help="Write the samples here, a JSON document a line."
)
@_options
def long_command(minutes: float, share: float, samples: Path | None, seed: int, calibrate: int, markdown: Path | None) -> None:
    """Flat memory and file handles."""
    _run(lambda console: long_run.run(minutes, share, seed, calibrate, samples, _typed(), console), markdown)


def _typed() -> str:
    """The command line, without where the section is written."""
    words = iter(sys.argv[1:])
    kept = [word for word in words if word not in ("--markdown", "--samples") or not next(words)]
    return " ".join(("python -m tests.endurance", *kept))


if __name__ == "__main__":
    main()
