"""Midnight for a worker on a real Kafka: its scoring state is of yesterday, so it rolls all accounts as soon as it is ready,
while responses of other accounts go on arriving from a producer in a process of its own."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition

from bench.broker import JVM_OPTIONS
from bench.measurement import RunFailed
from bench.one_worker import create_topics, environment, worker
from bench.reading import last_values, read
from bench.restoring import write_changelog
from bench.rolling_accounts import RollingAccounts
from bench.scoring_tasks import APP_ID, ScoringTasks, names
from bench.stream import answers, first_day
from bench.timed_records import POLL_S, SILENCE_S, Part, Seen, consume, ends, produce
from bench.truth import DETRACTOR, category_of
from npstream import recount
from npstream.settings import Settings
from schemas import topics
from schemas.times import DAY_MS
from streams.connection import Connection
from streams.kafka_broker import KafkaBroker as Broker
from tests.endurance.pacing import Pace
from tests.kafka.broker import KafkaBroker

OF_THE_LOAD = b"acct-"
"""What the names of the accounts that answer meanwhile begin with (bench.stream)."""


@dataclass
class OnKafka:
    """What came of it."""

    seconds: float
    """From when the worker was ready, and responses began to come, until the last rolled table could be read."""
    waits_ms: list[float]
    """From when a response was due until its detractor event was read, while accounts were rolled."""
    ordinary_ms: list[float]
    """The same after that."""
    failures: list[str] = field(default_factory=list)


def pass_midnight(rolling: RollingAccounts, files: Sequence[Path], per_second: float, seconds: float, folder: Path) -> OnKafka:
    """Open a worker on the changelogs in the files, and send `per_second` responses for so many seconds. Raises RunFailed,
    KafkaException, KafkaUnavailable."""
    with KafkaBroker(jvm_options=JVM_OPTIONS) as kafka:
        environ = environment(kafka.bootstrap, APP_ID, {"partitions": str(len(files))})
        settings = Settings.load(environ=environ)
        create_topics(settings)
        asyncio.run(_write(kafka.bootstrap, files))
        pace = Pace(per_second, seconds)
        day = first_day(pace.total, rolling.today * DAY_MS)
        starts = ends(kafka.bootstrap, topics.DETRACTORS, topics.ACCOUNT_ROLLUPS)
        wanted = {topics.DETRACTORS: sum(category_of(one.score) == DETRACTOR for one in answers(pace.total, day))}
        fresh = get_context("spawn")
        with (
            fresh.Manager() as manager,
            ProcessPoolExecutor(3, mp_context=fresh) as processes,
            worker(settings, environ, kafka.pid, folder) as one,
        ):
            counting = processes.submit(
                _last_rolled, kafka.bootstrap, starts[topics.ACCOUNT_ROLLUPS], rolling.accounts, time.time() + seconds
            )
            only_detractors = {topics.DETRACTORS: starts[topics.DETRACTORS]}
            consuming = processes.submit(consume, kafka.bootstrap, only_detractors, wanted)
            begin = manager.Event()
            producing = processes.submit(produce, kafka.bootstrap, Part(0, pace, pace.total, day), begin)
            one.wait_ready()
            ready = time.time()
            begin.set()
            producing.result()
            seen, rolled = consuming.result()[topics.DETRACTORS], counting.result()
        found = _outcome(seen, ready, rolled)
        if len(seen.ids) != wanted[topics.DETRACTORS]:
            found.failures.append(f"{len(seen.ids):,} of {wanted[topics.DETRACTORS]:,} detractor events came")
        found.failures += _differences(rolling, last_values(read(kafka.bootstrap, topics.ACCOUNT_ROLLUPS)))
    return found


async def _write(bootstrap: str, files: Sequence[Path]) -> None:
    broker = Broker(Connection(bootstrap))
    await broker.start()
    try:
        for name, file in zip(names(len(files)), files, strict=True):
            await write_changelog(broker, name, file)
    finally:
        await broker.stop()


def _last_rolled(bootstrap: str, starts: Sequence[int], accounts: int, patient_until: float) -> float:
    """When the table of the last of so many accounts came, s since the epoch. Raises KafkaException, RunFailed."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "bench-midnight",  # never joined, but the client asks for a name
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    rolled: set[bytes] = set()
    came = 0.0
    try:
        consumer.assign([TopicPartition(topics.ACCOUNT_ROLLUPS, number, offset) for number, offset in enumerate(starts)])
        while len(rolled) < accounts:
            message = consumer.poll(POLL_S)
            now = time.time()
            if message is None:
                if now > max(patient_until, came) + SILENCE_S:
                    raise RunFailed(f"{len(rolled):,} of {accounts:,} accounts were rolled, and nothing comes any more")
                continue
            if message.error() is not None:
                raise KafkaException(message.error())
            if not (key := message.key() or b"").startswith(OF_THE_LOAD):
                rolled.add(key)
                came = now
    finally:
        consumer.close()
    return came


def _outcome(seen: Seen, ready: float, rolled: float) -> OnKafka:
    waits: list[float] = []
    ordinary: list[float] = []
    for due, came in zip(seen.due, seen.came, strict=True):
        (waits if due < rolled * 1000 else ordinary).append(came - due)
    if not (waits and ordinary):
        raise RunFailed(
            f"all were rolled {rolled - ready:.1f} s after the worker was ready, and no response came before or none after: "
            "give more accounts, or more --seconds"
        )
    return OnKafka(rolled - ready, waits, ordinary)


def _differences(rolling: RollingAccounts, rows: Mapping[bytes, bytes]) -> list[str]:
    said = rolling.before(0, rolling.accounts)
    (records,) = ScoringTasks(1, Settings(partitions=1)).records(said)
    given = {key: value for key, value in rows.items() if not key.startswith(OF_THE_LOAD)}
    return recount.table_differences(recount.account_tables(records, rolling.today), given)
