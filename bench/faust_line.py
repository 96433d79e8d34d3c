"""The plain Faust agent, run as its user would run it: `faust worker`."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.checking import Checked, Comparison, compare_events, compare_rows
from bench.filling import fill
from bench.measurement import Ground, Measurement, RunFailed, time_limit_s, wait
from bench.npstream_line import PARTITIONS
from bench.processes import Usage
from bench.reading import group_offsets, last_values, read
from bench.stream import answers, plain, plain_record
from bench.truth import DETRACTOR, Outcome, Truth
from npstream.child import Child
from schemas.codec import loads
from tests.kafka.topics import TopicAdmin

POLL_S = 0.1
"""Pause between two looks at what it has printed."""
COMMAND = (
    sys.executable,
    "-m",
    "faust",
    "-A",
    "bench.peers.faust.app",
    "-L",
    "uvloop",
    "worker",
    "--without-web",
    "-l",
    "info",
)
"""With -l warn a spinner on the terminal costs it 15 %."""


@dataclass(frozen=True)
class FaustLine:
    """One Faust worker with one agent."""

    responses: int
    name: str = "faust"
    title: str = "plain Faust agent"

    def run(self, ground: Ground, number: int) -> Measurement:
        """See `bench.measurement.Line`."""
        peer = _Peer(f"bench-faust-{number}", ground, self.responses)
        admin = TopicAdmin(ground.bootstrap)
        admin.create(peer.source, peer.changes, peer.detractors, partitions=PARTITIONS)
        try:
            fill(ground.bootstrap, peer.source, answers(self.responses, ground.day), plain_record)
            measurement = peer.measure(self.name)
            checked = Checked(list(peer.comparisons()))
            measurement.records = checked.records
            measurement.failures += checked.failures
        finally:
            admin.delete(*(name for name in admin.names() if name.startswith(peer.group)))
        return measurement


@dataclass(frozen=True)
class _Peer:
    """One process, its topics, and what must be in them."""

    group: str
    ground: Ground
    responses: int

    @property
    def source(self) -> str:
        return f"{self.group}.responses"

    @property
    def changes(self) -> str:
        return f"{self.group}.changes"

    @property
    def detractors(self) -> str:
        return f"{self.group}.detractors"

    @property
    def _folder(self) -> Path:
        return self.ground.folder / self.group

    def measure(self, line: str) -> Measurement:
        """Run it to its end. Between the first response and the last it tells what it used, to the moment."""
        self._folder.mkdir()
        child = Child(COMMAND, self._folder.with_suffix(".log"), self._environment())
        try:
            said = self._wait(child, "began")
            began = self._usage(child.pid, said)
            said = self._wait(child, "ended")
            ended = self._usage(child.pid, said)
        finally:
            child.kill()
        return Measurement.between(line, self.responses, began, ended, said["peak_rss_kb"] / 1024)

    def _usage(self, pid: int, said: dict[str, Any]) -> Usage:
        """What was used at the moment that it told of. It may have ended since: then /proc knows its part as that of others."""
        now = Usage.now(pid, self.ground.broker_pid)
        return now._replace(at=said["at"], worker=said["cpu_s"], others=now.others + now.worker - said["cpu_s"])

    def _wait(self, child: Child, event: str) -> dict[str, Any]:
        """What it said of an event. Raises RunFailed with the end of its log."""
        found: list[dict[str, Any]] = []

        def said() -> bool:
            alive = child.alive  # before the look, so that what was said at the very end is not missed
            found.extend(line for line in _said(child.log) if line["event"] == event)
            if not found and not alive:
                raise RunFailed(f"faust ended early; its log ends:\n{child.tail()}")
            return bool(found)

        wait(said, f"faust {event}", time_limit_s(self.responses), POLL_S)
        return found[0]

    def _environment(self) -> dict[str, str]:
        return os.environ | {
            "PEER_BOOTSTRAP": self.ground.bootstrap,
            "PEER_GROUP": self.group,
            "PEER_FOLDER": str(self._folder),
            "PEER_INPUT": self.source,
            "PEER_CHANGES": self.changes,
            "PEER_DETRACTORS": self.detractors,
            "PEER_PARTITIONS": str(PARTITIONS),
            "PEER_RESPONSES": str(self.responses),
        }

    def comparisons(self) -> Iterator[Comparison]:
        """Of both outputs, both tables and the group's offsets, to the last field, with the recount."""
        truth = Truth(answers(self.responses, self.ground.day))
        outcomes = truth.outcomes
        records = ((record.key, record.value) for record in read(self.ground.bootstrap, self.changes))
        yield compare_events("changes", truth.changing(), records, lambda body: _change(outcomes[body["response_id"]]))
        records = ((record.key, record.value) for record in read(self.ground.bootstrap, self.detractors))
        ids = truth.with_category(DETRACTOR)
        yield compare_events("detractors", ids, records, lambda body: _detractor(outcomes[body["response_id"]]))

        accounts = self._table("accounts")
        yield compare_rows(
            "accounts",
            {name.encode() for name in truth.accounts},
            accounts,
            lambda key, _: {str(day): counts[::-1] for day, counts in truth.accounts[key.decode()].days.items()},
        )
        respondents = self._table("respondents")
        yield compare_rows(
            "respondents",
            {name.encode() for name in truth.latest},
            respondents,
            lambda key, _: [(last := truth.latest[key.decode()]).category, last.answer.score],
        )
        offsets = group_offsets(self.ground.bootstrap, self.group, self.source)
        yield Comparison("offsets", self.responses, found=offsets)

    def _table(self, name: str) -> dict[bytes, bytes]:
        """The last values of a table's changelog; its keys are JSON."""
        rows = last_values(read(self.ground.bootstrap, f"{self.group}-{name}-changelog"))
        return {str(loads(key)).encode(): value for key, value in rows.items()}


def _change(outcome: Outcome) -> dict[str, Any]:
    body = plain(outcome.answer) | {"from": outcome.before[0] if outcome.before else None, "to": outcome.category}
    return {name: value for name, value in body.items() if name not in ("survey_id", "comment")}


def _detractor(outcome: Outcome) -> dict[str, Any]:
    return {name: value for name, value in plain(outcome.answer).items() if name != "survey_id"}


def _said(log: Path) -> Iterator[dict[str, Any]]:
    """The lines of JSON that the agent has printed among those of Faust."""
    for line in log.read_bytes().splitlines(keepends=True):
        if line.startswith(b'{"peer":') and line.endswith(b"\n"):
            yield loads(line)
