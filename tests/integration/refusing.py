"""What happens to the topics of a world, who refuses it, and whether the repair restores the count."""

import json
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from npstream import recount
from npstream.recount.reading import format_time
from schemas import topics
from tests.integration.comparing import EVENTS, settled
from tests.integration.topics_reading import Read, last_values, read
from tests.integration.workers import PARTITIONS, READY_TIMEOUT_S, Worker, Workers, command, until
from tests.integration.world import Sending, World
from tests.kafka.topics import TopicAdmin

MANY = 9
"""Partitions of a world in which much happens at once: a worker's start costs more than a partition."""
AGENTS = ("scoring", "rollups")
"""What runs here: intake's tasks open as theirs do."""
NAMES = {
    partitions: {recount.home_of(f"account-{n}", partitions): f"account-{n}" for n in range(200)}
    for partitions in (PARTITIONS, MANY)
}
"""By how many partitions there are, an account of each."""
QUICK = {"transaction_timeout_ms": 2000, "open_timeout_ms": 3000}
"""For a task that waits for a transaction that never ends."""


def refusals(worker: Worker) -> dict[str, str]:
    """By task, the line of its refusal; each is logged once."""
    lines = [line.partition("refused: ")[2] for line in worker.logged("refused: ")]
    found = {line.partition(":")[0]: line for line in lines}
    assert len(found) == len(lines)
    return found


class Scene:
    """A world whose responses are scored and rolled up, until something happens to its topics."""

    def __init__(self, bootstrap: str, app_id: str, folder: Path, partitions: int = PARTITIONS) -> None:
        self.world = World(bootstrap, app_id, partitions=partitions)
        self.partitions = range(partitions)
        self.changelog = self.world.changelog("scoring")
        self._names = NAMES[partitions]
        self._folder = folder

    def to(self, partition: int, *ids: str) -> list[Sending]:
        """Promoter responses of the partition's account."""
        now = format_time(int(time.time() * 1000))
        account = self._names[partition]
        body = {"account_id": account, "score": 10, "responded_at": now, "segments": {"plan": "pro"}}
        values = [json.dumps({"response_id": one, **body}).encode() for one in ids]
        return [Sending(topics.RESPONSES, value, account.encode(), partition=partition) for value in values]

    def to_all(self, *ids: str) -> list[Sending]:
        """The same to every partition."""
        return [record for partition in self.partitions for record in self.to(partition, *ids)]

    def workers(self, **settings: object) -> Workers:
        """Workers of this world."""
        settings = {"agents": ",".join(AGENTS), "partitions": len(self.partitions), **settings}
        return Workers(self.world.bootstrap, self.world.app_id, self._folder, **settings)

    def score(self, records: Iterable[Sending] = ()) -> None:
        """Send records, let a worker score them, and end it."""
        self.world.send(records)
        with self.workers() as workers:
            worker = workers.start().wait_ready()
            self.world.wait_processed(*AGENTS)
            assert worker.terminate() == 0

    def write(self, partition: int, key: bytes, value: bytes | None) -> None:
        """Somebody writes into scoring's changelog."""
        self.world.send([Sending(self.changelog, value, key, partition=partition)])

    def delete(self, topic: str) -> None:
        """Somebody deletes a topic."""
        TopicAdmin(self.world.bootstrap).delete(topic)

    def entries(self, partition: int) -> dict[bytes, bytes]:
        """What a partition of scoring's changelog holds."""
        records = read(self.world.bootstrap, self.changelog)
        return last_values(record for record in records if record.partition == partition)

    def ends(self, *partitions: int) -> dict[tuple[str, int], int]:
        """The ends of scoring's changelog, and of all that scoring writes into partitions of its source's number; of all
        partitions unless some are named."""
        ends = self.world.ends(self.changelog, *EVENTS, topics.ACCOUNT_ROLLUPS, committed=False)
        return {where: end for where, end in ends.items() if where[1] in (partitions or self.partitions)}

    def refused(self, worker: Worker, *partitions: int) -> dict[int, str]:
        """The lines of the refusals, which are also what /ready says: of exactly these partitions of scoring."""
        names = {f"scoring-{partition}": partition for partition in partitions}
        until(lambda: set(refusals(worker)) == set(names), f"{set(names)} are refused", READY_TIMEOUT_S)
        found = refusals(worker)
        until(lambda: set(worker.problems or ()) == set(found.values()), "nothing else is not ready", READY_TIMEOUT_S)
        return {names[name]: line for name, line in found.items()}

    def npstream(self, *arguments: str) -> str:
        """What a command prints that succeeds."""
        done = self.command(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """A command's end."""
        settings = {"partitions": len(self.partitions)}
        return command(self.world.bootstrap, self.world.app_id, *arguments, settings=settings)

    def rebuilt(self, line: str) -> None:
        """Do what a line says at its end: `... anew: npstream rebuild ...`; then a worker scores all again."""
        text = line.partition("anew: ")[2]
        program, *arguments = text.split()
        assert program == "npstream", line
        self.npstream(*arguments, "--yes")
        self.score()

    def counted(self) -> dict[int, int]:
        """Responses in the tables of each partition's account."""
        rows = last_values(read(self.world.bootstrap, topics.ACCOUNT_ROLLUPS))
        totals = {key.decode(): json.loads(row)["windows"]["7d"]["responses"]["total"] for key, row in rows.items()}
        return {partition: totals[name] for partition, name in self._names.items() if name in totals}

    def differences(self, since: dict[tuple[str, int], int] | None = None, gone: Iterable[Read] = ()) -> list[str]:
        """Of all outputs from the recount: of those written from the offsets `since` on, without events that came again.
        `gone` are responses that were scored, and are not in the source any more."""
        outcome = settled(self.world, len(self.partitions))
        for topic in (*EVENTS, topics.ACCOUNT_ROLLUPS) if since is not None else ():
            records = outcome.by_topic[topic]
            records[:] = [record for record in records if record.offset >= (since or {})[topic, record.partition]]
        outcome.responses[:0] = gone
        outcome.drop_repeats()
        return outcome.differences()
