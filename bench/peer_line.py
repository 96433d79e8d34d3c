"""A program that does the peers' work: the peers themselves, the engine with the same work, and reading alone."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.checking import Checked, Comparison, compare_events
from bench.inputs import PARTITIONS
from bench.machine import ROOT
from bench.measurement import Ground, Measurement, RunFailed, time_limit_s, wait, without_settings
from bench.peers.telling import Work
from bench.processes import Usage
from bench.reading import read
from bench.stream import plain
from bench.truth import DETRACTOR, Outcome, Truth
from npstream.child import Child
from npstream.memory import no_collections
from schemas.codec import loads
from tests.kafka.topics import TopicAdmin

POLL_S = 0.1
"""Pause between two looks at what it has printed."""
COMPACTED = {"cleanup.policy": "compact", "segment.bytes": str(64 << 20)}
"""Of changelogs that the program does not make itself, as npstream's own."""
TOLD = ("event", "at", "cpu_s", "peak_rss_kb")
"""What every program tells; what else it does is a detail."""

Check = Callable[[Work, Truth, Mapping[str, float]], Iterable[Comparison]]
"""Given what the program was told, the recount, and what else it told in the end."""


@dataclass(frozen=True)
class PeerLine:
    """One process that is told what to do by its environment, and tells when it began and ended."""

    name: str
    title: str
    responses: int
    command: tuple[str, ...]
    check: Check
    """What it leaves behind, held against the recount."""
    events: bool = True
    """Whether it sends changes and detractors."""
    changelogs: tuple[str, ...] = ()
    """Topics that it needs and does not make, but for its group before them."""
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, ground: Ground, number: int) -> Measurement:
        """See `bench.measurement.Line`."""
        work = self._work(ground, f"bench-{self.name}-{number}")
        admin = TopicAdmin(ground.bootstrap)
        if self.events:
            admin.create(work.changes, work.detractors, partitions=PARTITIONS)
        if self.changelogs:
            admin.create(*(work.group + name for name in self.changelogs), partitions=PARTITIONS, config=COMPACTED)
        try:
            measurement = self._measure(ground, work)
            truth = ground.inputs.truth(self.responses)
            with no_collections():
                events = event_comparisons(work, truth) if self.events else ()
                checked = Checked([*events, *self.check(work, truth, measurement.details)])
            measurement.records = checked.records
            measurement.failures += checked.failures
        finally:
            admin.delete(*(name for name in admin.names() if work.group in name))
        return measurement

    def _work(self, ground: Ground, group: str) -> Work:
        folder = ground.folder / group
        folder.mkdir()
        source = ground.inputs.plain(self.responses)
        return Work(
            ground.bootstrap, group, str(folder), source, f"{group}.changes", f"{group}.detractors", PARTITIONS, self.responses
        )

    def _measure(self, ground: Ground, work: Work) -> Measurement:
        """Run it to its end. Between the first response and the last it tells what it used, to the moment."""
        environment = without_settings(os.environ) | {"PYTHONPATH": str(ROOT), **work.environment(), **self.environment}
        child = Child(self.command, ground.folder / f"{work.group}.log", environment)
        try:
            told = self._wait(child, "began")
            began = _usage(child.pid, ground.broker_pid, told)
            told = self._wait(child, "ended")
            ended = _usage(child.pid, ground.broker_pid, told)
        except RunFailed as error:
            raise RunFailed(f"{error}; its log ends:\n{child.tail()}") from error
        finally:
            child.kill()
        measurement = Measurement.between(self.name, self.responses, began, ended, told["peak_rss_kb"] / 1024)
        measurement.details = {name: value for name, value in told.items() if name not in TOLD}
        return measurement

    def _wait(self, child: Child, event: str) -> dict[str, Any]:
        """What it told of an event. Raises RunFailed."""
        found: list[dict[str, Any]] = []

        def told() -> bool:
            alive = child.alive  # before the look, so that what was told at the very end is not missed
            found.extend(line for line in _told(child.log) if line["event"] == event)
            if not found and not alive:
                raise RunFailed(f"{self.name} ended early")
            return bool(found)

        wait(told, f"{self.name} {event}", time_limit_s(self.responses), POLL_S)
        return found[0]


def event_comparisons(work: Work, truth: Truth) -> Iterable[Comparison]:
    """Of both outputs, to the last field."""
    outcomes = truth.outcomes
    records = ((record.key, record.value) for record in read(work.bootstrap, work.changes))
    yield compare_events("changes", truth.changing(), records, lambda body: _change(outcomes[body["response_id"]]))
    records = ((record.key, record.value) for record in read(work.bootstrap, work.detractors))
    ids = truth.with_category(DETRACTOR)
    yield compare_events("detractors", ids, records, lambda body: _detractor(outcomes[body["response_id"]]))


def _change(outcome: Outcome) -> dict[str, Any]:
    body = plain(outcome.answer) | {"from": outcome.before[0] if outcome.before else None, "to": outcome.category}
    del body["survey_id"], body["comment"]
    return body


def _detractor(outcome: Outcome) -> dict[str, Any]:
    body = plain(outcome.answer)
    del body["survey_id"]
    return body


def _usage(pid: int, broker_pid: int | None, told: Mapping[str, Any]) -> Usage:
    """What was used at the moment that it told of. It may have ended since: then /proc knows its part as that of others."""
    now = Usage.now(pid, broker_pid)
    return now._replace(at=told["at"], worker=told["cpu_s"], others=now.others + now.worker - told["cpu_s"])


def _told(log: Path) -> Iterable[dict[str, Any]]:
    """The lines of JSON that it has printed, among whatever else is in its log."""
    for line in log.read_bytes().splitlines(keepends=True):
        if line.startswith(b'{"event":') and line.endswith(b"\n"):
            yield loads(line)
