"""One npstream worker, everything on, as a user runs it: `npstream worker` with default settings."""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bench import expected
from bench.checking import Checked, Comparison, compare_events, compare_rows
from bench.filling import fill
from bench.measurement import Ground, Measurement, RunFailed, time_limit_s
from bench.processes import Usage, peak_rss_mb
from bench.reading import last_values, read
from bench.stream import DIMENSION, Answer, answers, canonical_record, raw_record
from bench.truth import DETRACTOR, PROMOTER, Truth
from bench.watching import Look, Watch
from npstream.admin import connect
from npstream.broker import HOST, free_port
from npstream.child import Child
from npstream.settings import AGENTS, Settings
from npstream.topic_plan import planned_topics
from schemas import topics
from schemas.codec import loads
from schemas.times import format_day
from tests.kafka.topics import TopicAdmin

PARTITIONS = 4
"""Of every topic of every line."""
STOP_TIMEOUT_S = 30.0
"""A worker ends within seconds when asked."""


@dataclass(frozen=True)
class NpstreamLine:
    """A worker with some agents, from the records of one topic to the outputs of all of them."""

    name: str
    title: str
    agents: tuple[str, ...]
    source: str
    encode: Callable[[Answer], bytes]
    headers: dict[str, bytes]
    responses: int

    def run(self, ground: Ground, number: int) -> Measurement:
        """See `bench.measurement.Line`."""
        settings = Settings(
            bootstrap=ground.bootstrap,
            app_id=f"bench-{number}",
            agents=self.agents,
            partitions=PARTITIONS,
            http_port=free_port(),
        )
        asyncio.run(_create(settings))
        try:
            fill(ground.bootstrap, self.source, answers(self.responses, ground.day), self.encode, self.headers)
            measurement = self._measure(ground, settings)
            measurement.failures += self._check(ground, measurement)
        finally:
            TopicAdmin(ground.bootstrap).delete(*(topic.name for topic in planned_topics(settings)))
        return measurement

    def _measure(self, ground: Ground, settings: Settings) -> Measurement:
        log = ground.folder / f"{settings.app_id}.log"
        worker = Child([sys.executable, "-m", "npstream", "worker"], log, _environment(settings))
        try:
            watch = Watch(
                f"http://{HOST}:{settings.http_port}",
                self.agents[0],
                lambda: worker.alive,
                lambda: Usage.now(worker.pid, ground.broker_pid),
            )
            before, done = watch.until_processed(self.responses, "rollups" in self.agents, time_limit_s(self.responses))
            peak = peak_rss_mb(worker.pid)
            worker.stop(STOP_TIMEOUT_S)
        except RunFailed as error:
            raise RunFailed(f"{self.name}: {error}; its log ends:\n{worker.tail()}") from error
        finally:
            worker.kill()
        measurement = Measurement.between(self.name, self.responses, before.usage, done.usage, peak)
        measurement.details = _details(done)
        if worker.process.returncode != 0:
            measurement.failures.append(f"the worker ended with {worker.process.returncode}: {worker.tail()}")
        return measurement

    def _check(self, ground: Ground, measurement: Measurement) -> list[str]:
        checked = Checked(list(self._comparisons(ground)))
        measurement.records = checked.records
        return checked.failures

    def _comparisons(self, ground: Ground) -> Iterator[Comparison]:
        """Of every output, to the last field, with the recount."""
        truth = Truth(answers(self.responses, ground.day))
        windows = Settings().windows_days
        outcome = truth.outcomes
        events: dict[str, tuple[set[str], Callable[[dict[str, Any]], Any]]] = {
            # Which day it was when a response was scored is what the worker says: the recount does not know.
            topics.SCORED: (set(outcome), lambda body: expected.scored(outcome[body["response_id"]], body.get("as_of", ""))),
            topics.CHANGES: (truth.changing(), lambda body: expected.change(outcome[body["response_id"]])),
            topics.DETRACTORS: (truth.with_category(DETRACTOR), lambda body: expected.detractor(outcome[body["response_id"]])),
            topics.PROMOTERS: (truth.with_category(PROMOTER), lambda body: expected.promoter(outcome[body["response_id"]])),
            topics.DEAD_LETTERS: (set(), lambda body: None),
        }
        if self.source == topics.RAW:
            events[topics.RESPONSES] = (set(outcome), lambda body: expected.canonical(outcome[body["response_id"]]))
        for topic, (ids, wanted) in events.items():
            records = ((record.key, record.value) for record in read(ground.bootstrap, topic))
            yield compare_events(topic, ids, records, wanted)

        def account_row(key: bytes, body: Any) -> Any:
            name = key.decode()
            return expected.account_row(name, truth.accounts[name], body["as_of"], windows)

        def segment_row(key: bytes, body: Any) -> Any:
            name = key.decode().removeprefix(f"{DIMENSION}=")
            return expected.segment_row(name, truth.segments[name], body["as_of"], windows)

        accounts = last_values(ground.bootstrap, topics.ACCOUNT_ROLLUPS)
        yield compare_rows(topics.ACCOUNT_ROLLUPS, {name.encode() for name in truth.accounts}, accounts, account_row)
        yield _cells(truth, last_values(ground.bootstrap, topics.CELLS))
        if "rollups" in self.agents:
            keys = {f"{DIMENSION}={segment}".encode() for segment in truth.segments}
            yield compare_rows(topics.SEGMENT_ROLLUPS, keys, last_values(ground.bootstrap, topics.SEGMENT_ROLLUPS), segment_row)


def scoring_line(responses: int) -> NpstreamLine:
    """The work that the peers do, and all that npstream does beyond it."""
    return NpstreamLine("scoring", "npstream, scoring alone", ("scoring",), topics.RESPONSES, canonical_record, {}, responses)


def whole_line(responses: int) -> NpstreamLine:
    """From raw responses to the tables of segments, three hops, in one process."""
    return NpstreamLine(
        "whole", "npstream, all agents", AGENTS, topics.RAW, raw_record, {"nps-source": b"canonical"}, responses
    )


def _cells(truth: Truth, cells: dict[bytes, bytes]) -> Comparison:
    """The cells of all source partitions, added up, against the days of all segments: promoters, passives, detractors."""
    wanted = {
        f"{DIMENSION}={segment}|{format_day(day)}".encode(): b"[%d,%d,%d]" % tuple(reversed(counts))
        for segment, tally in truth.segments.items()
        for day, counts in tally.days.items()
    }
    sums: dict[bytes, list[int]] = {}
    for key, value in cells.items():
        _, _, cell = key.split(b"|", 2)
        counts = loads(value).get("responses")
        if counts is not None:
            sums[cell] = [a + b for a, b in zip(sums.get(cell, [0, 0, 0]), counts, strict=True)]
    found = {cell: b"[%d,%d,%d]" % tuple(counts) for cell, counts in sums.items()}
    return compare_rows(topics.CELLS, set(wanted), found, lambda key, _: loads(wanted[key]))


def _details(look: Look) -> dict[str, float]:
    """What a worker's metrics say of its batches, by unit."""
    details = {}
    for unit in AGENTS:
        batches = look.samples.get(f'npstream_batch_records_count{{unit="{unit}"}}', 0.0)
        if not batches:
            continue
        details[f"{unit}_batches"] = batches
        details[f"{unit}_records_per_batch"] = round(look.samples[f'npstream_batch_records_sum{{unit="{unit}"}}'] / batches)
        for stage in ("process", "transaction"):
            seconds = look.samples.get(f'npstream_batch_stage_seconds_sum{{stage="{stage}",unit="{unit}"}}', 0.0)
            details[f"{unit}_{stage}_s"] = round(seconds, 2)
    return details


def _environment(settings: Settings) -> dict[str, str]:
    """This process's environment, with no other settings than these."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("NPSTREAM_")}
    return own | {
        "NPSTREAM_BOOTSTRAP": settings.bootstrap,
        "NPSTREAM_APP_ID": settings.app_id,
        "NPSTREAM_AGENTS": ",".join(settings.agents),
        "NPSTREAM_PARTITIONS": str(settings.partitions),
        "NPSTREAM_HTTP_PORT": str(settings.http_port),
    }


async def _create(settings: Settings) -> None:
    async with connect(settings.connection()) as admin:
        await admin.create(planned_topics(settings))
