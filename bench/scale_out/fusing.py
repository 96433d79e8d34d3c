"""What it saves to host processors of the same key in one unit: one producer, one changelog partition and one transaction for
all of them where there were as many of each, and every record is fetched once."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.filling import fill
from bench.measurement import time_limit_s, wait
from bench.process_tree import Footprint
from bench.reading import read, settle
from bench.scale_out.account_units import EVERY, PROCESSORS, SOURCE, UNITS_VARIABLE, output, units
from bench.scale_out.stage import SESSION_MS, Command, Stage, command, environment
from bench.stream import answers, canonical_record
from bench.watching import FAST_S, Look, total
from streams.task_name import changelog_topic
from tests.kafka.topics import TopicAdmin

SETTLE_S = 2.0
"""After the last record: the group's offsets are committed every 2.8 s, and positions pass by the last markers."""


@dataclass
class Fusing:
    """Four processors on every record, in one unit or in four."""

    fused: bool
    partitions: int
    records: int
    seconds: float
    cpu_s: float
    broker_cpu_s: float
    transactions: float
    footprint: Footprint
    broker_sockets: int
    stored_bytes: int
    """Of events and changelogs."""
    rest_cpu: float
    """Of one core, once all was done."""
    broker_rest_cpu: float
    failures: list[str] = field(default_factory=list)


def measure(stage: Stage, fused: bool, partitions: int, records: int, rest_s: float) -> Fusing:
    """Start the units, fill the source while they are held still, let them work, check their events. Raises RunFailed."""
    app_id = stage.app_id()
    hosted = units(fused)
    admin = TopicAdmin(stage.ground.bootstrap)
    plain = [SOURCE, *map(output, PROCESSORS)]
    changelogs = [changelog_topic(app_id, unit) for unit in hosted]
    admin.create(*plain, partitions=partitions)
    admin.create(*changelogs, partitions=partitions, config={"cleanup.policy": "compact"})
    environ = environment(stage, app_id, partitions=partitions, session_timeout_ms=SESSION_MS)
    environ[UNITS_VARIABLE] = "fused" if fused else "apart"
    try:
        with command(stage, "bench.scale_out.account_units", app_id, environ, next(iter(hosted))) as worker:
            worker.wait_ready()
            with worker.held():
                fill(stage.ground.bootstrap, SOURCE, answers(records, stage.ground.day), canonical_record)
                began = worker.usage()
            done = _when_counted(worker, records)
            time.sleep(SETTLE_S)
            before = worker.usage()
            time.sleep(rest_s)
            after = worker.usage()
            footprint, broker = worker.footprint(), stage.broker()
            worker.stop()
        settle(stage.ground.bootstrap, [*plain, *changelogs])
        stored = stage.stored_bytes()
        failures = list(_differences(stage, records))
    finally:
        admin.delete(*plain, *changelogs)
    return Fusing(
        fused,
        partitions,
        records,
        done.usage.at - began.at,
        done.usage.worker - began.worker,
        (done.usage.broker or 0.0) - (began.broker or 0.0),
        total(done.samples, "npstream_transactions_total", outcome="committed"),
        footprint,
        broker.sockets,
        sum(stored[topic] for topic in (*plain[1:], *changelogs)),
        (after.worker - before.worker) / (after.at - before.at),
        ((after.broker or 0.0) - (before.broker or 0.0)) / (after.at - before.at),
        failures,
    )


def _when_counted(worker: Command, records: int) -> Look:
    """The first look after the last record."""
    looks: list[Look] = []

    def done() -> bool:
        look = worker.look()
        looks.extend([look] if look is not None else [])
        return look is not None and _counted(look) >= records * len(PROCESSORS)

    wait(done, "all records counted", time_limit_s(records), FAST_S)
    return looks[-1]


def _counted(look: Look) -> float:
    """Records that processors have taken in, and committed: each counts once for every processor."""
    return total(look.samples, "npstream_batch_records_sum")


def _differences(stage: Stage, records: int) -> Iterator[str]:
    """Of each processor's events from those that must be there: an account's counts, each exactly once."""
    accounts = Counter(answer.account_id for answer in answers(records, stage.ground.day))
    wanted = Counter((name.encode(), b"%d" % n) for name, most in accounts.items() for n in range(EVERY, most + 1, EVERY))
    for name in PROCESSORS:
        found = Counter((record.key or b"", record.value or b"") for record in read(stage.ground.bootstrap, output(name)))
        if found != wanted:
            yield f"{name}: {(wanted - found).total()} events are missing, {(found - wanted).total()} too many"
