"""`python -m bench.profile`: where the time of a response goes.

The engine with the peers' work, and all agents one after the other, take the benchmark's stream along `bench.hot_path`: so the
table shows what a response costs the processor, by stage, in µs. With --kafka the engine and scoring also run on a real Kafka:
what their workers take beyond that is sockets, the event loop and Faust; and what the clock shows beyond the worker's processor
time is waiting.
"""

import asyncio
import cProfile
import gc
import pstats
import tempfile
import time
from pathlib import Path

import click
from rich.console import Console

from agents import responses as canonical
from agents.intake import SOURCE_HEADER
from bench import machine, profile_report
from bench.broker import broker
from bench.document import write_into
from bench.engine.tally import Tally
from bench.fetching import fetches, stored
from bench.hot_path import Clock, HotPath
from bench.inputs import COUNTING, PARTITIONS
from bench.lines import ENGINE, lines
from bench.measurement import Ground, Measurement
from bench.stream import MOST, answers, first_day, plain_record, raw_record
from npstream.hosting import processors, task_rules
from npstream.memory import freeze, keep_freed_memory, tune_collector
from npstream.settings import Settings
from schemas import topics
from streams.processor import Processor

RESPONSES = 100_000
KAFKA_RESPONSES = 400_000
"""Of a run on a real Kafka: enough for its start not to show."""
KAFKA_LINES = {ENGINE: Tally.name, "scoring": "scoring"}
"""Lines of the benchmark that run one processor, and which."""
PLAIN = "plain"
"""The topic that the peers' work reads."""
READ_ON = {topics.RESPONSES, topics.CELLS}
"""What one agent sends and another one reads."""
SECTION = "profile"
"""The tables' place in a document."""
WIDTH = 140


async def paths(responses: int, settings: Settings, clock: Clock) -> list[HotPath]:
    """The tally, and each agent on what the one before has sent, with `responses` behind them."""
    now_ms = int(time.time() * 1000)
    day = first_day(responses, now_ms)
    done = []

    def path(hosted: Processor) -> HotPath:
        freeze()
        told_apart = (canonical.decode, lambda fields: canonical.read(fields, now_ms)) if hosted.name == "scoring" else ()
        done.append(HotPath(hosted, task_rules(settings), clock, now_ms, *told_apart))
        return done[-1]

    plain = fetches(stored(PLAIN, answers(responses, day), plain_record, (), now_ms))
    await path(Tally(PLAIN, "changes", "detractors")).run(plain)
    records = stored(topics.RAW, answers(responses, day), raw_record, ((SOURCE_HEADER, b"canonical"),), now_ms)
    for agent in (one for name in COUNTING for one in processors(name, settings)):
        fetched = fetches(record for record in records if record.topic in agent.sources)
        sent = await path(agent).run(fetched, READ_ON.__contains__)
        records = [record for record in records if record.topic not in agent.sources] + sent
    return done


def on_kafka(responses: int) -> dict[str, Measurement]:
    """One run of each of the lines that run one processor, by that; the first is run twice, since the broker is cold. Raises
    RunFailed, KafkaUnavailable."""
    known = lines(responses, responses, {})
    measured = {}
    with broker() as (address, pid), tempfile.TemporaryDirectory(prefix="npstream-bench-") as folder:
        ground = Ground(address, pid, Path(folder), first_day(responses, int(time.time() * 1000)))
        for number, line in enumerate((ENGINE, *KAFKA_LINES)):
            measured[KAFKA_LINES[line]] = known[line].run(ground, number)
    return measured


@click.command()
@click.option("--responses", type=click.IntRange(1, MOST), default=RESPONSES, show_default=True)
@click.option("--batch-bytes", type=int, help="Source records in one batch, in bytes (setting batch_max_bytes).")
@click.option("--kafka", is_flag=True, help=f"Also run the engine and scoring on a Kafka, {KAFKA_RESPONSES} responses each.")
@click.option("--markdown", type=click.Path(path_type=Path, dir_okay=False), help="Write the table into this document.")
@click.option(
    "--cprofile", type=click.Path(path_type=Path, dir_okay=False), help="Also write cProfile's data here, and its top."
)
@click.option("--top", default=40, show_default=True, help="How many functions of cProfile to show.")
def main(responses: int, batch_bytes: int | None, kafka: bool, markdown: Path | None, cprofile: Path | None, top: int) -> None:
    """Show where the time of a response goes, by processor and stage."""
    settings = Settings(partitions=PARTITIONS).override(batch_max_bytes=batch_bytes)
    about = machine.describe(kafka)
    tune_collector(settings.gc_threshold)
    keep_freed_memory()
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    recorder = cProfile.Profile() if cprofile is not None else None
    if recorder is not None:
        recorder.enable()
    done = asyncio.run(paths(responses, settings, Clock()))
    if recorder is not None:
        recorder.disable()
    gc.collect()
    for path in done:
        path.again()
    measured = on_kafka(KAFKA_RESPONSES) if kafka else {}
    machine.finish(about)
    table = profile_report.columns(done, responses, measured)
    profile_report.show(table, console)
    if markdown is not None:
        write_into(markdown, SECTION, profile_report.markdown(table, about))
    if recorder is not None and cprofile is not None:
        recorder.dump_stats(cprofile)
        pstats.Stats(recorder).sort_stats("tottime").print_stats(top)


if __name__ == "__main__":
    main()
