"""More partitions by a replay: examples/grow_partitions.py copies to a cluster that has them, and a worker counts it there."""

import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

from schemas import topics
from schemas.erasures import entry_key
from streams.partitioner import partition_of
from tests.conftest import Broker
from tests.integration.test_verify import VERIFY_TIMEOUT_S
from tests.integration.topics_reading import Read, read
from tests.integration.traffic import Traffic
from tests.integration.workers import PARTITIONS, Workers, command
from tests.integration.world import Sending, World
from tests.kafka.broker import KafkaBroker

pytestmark = pytest.mark.kafka

PROGRAM = Path(__file__).parents[2] / "examples" / "grow_partitions.py"
GROWN = PARTITIONS + 2
RECORDS = 2_000
PATIENCE_S = 60.0
"""It takes a second or two; the rest is for a busy machine."""

Contents = tuple[bytes | None, int, tuple[tuple[str, bytes], ...]]


def grow(source: str, target: str) -> str:
    """Copy to the end; what was printed."""
    program = [sys.executable, PROGRAM, "--source", source, "--target", target]
    ran = subprocess.run(program, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def by_key(records: Iterable[Read]) -> dict[bytes | None, list[Contents]]:
    """Of each key what its records hold, in their order."""
    found: dict[bytes | None, list[Contents]] = defaultdict(list)
    for record in records:
        found[record.key].append((record.value, record.timestamp, record.headers))
    return found


def test_a_copy_with_more_partitions_has_all_of_it_in_order_and_is_counted_alike(
    kafka: Broker, app_id: str, tmp_path: Path
) -> None:
    world = World(kafka.bootstrap, app_id)
    records = Traffic(5, int(time.time() * 1000) - RECORDS, PARTITIONS, RECORDS).take(RECORDS)
    # At home, since what was sent elsewhere is no order of its account's.
    sent = [record._replace(partition=None) for record in records if record.topic == topics.RESPONSES and record.key]
    world.send(sent)
    erased = entry_key("acme", "0" * 64)
    world.send([Sending(topics.ERASURES, None, erased, partition=partition_of(b"acme", PARTITIONS))])
    facts = b'{"segments": {"tier": "gold"}}'
    homes = [partition_of(b"acme", PARTITIONS), 1 - partition_of(b"acme", PARTITIONS)]
    world.send([Sending(topics.ACCOUNTS, facts, b"acme", partition=partition) for partition in homes])
    world.send(sent[:10], transactional_id=f"{app_id}-aborted", commit=False)

    with KafkaBroker() as grown:
        target = World(grown.bootstrap, app_id, partitions=GROWN)
        assert grow(kafka.bootstrap, grown.bootstrap).splitlines() == [
            "copied 2 records of nps.erasures and nps.accounts",
            f"copied {len(sent)} records of nps.responses and what came to the others meanwhile",
        ]
        assert "copied 0 records of nps.responses" in grow(kafka.bootstrap, grown.bootstrap), "it goes on where it was"

        (entry,) = read(grown.bootstrap, topics.ERASURES)
        assert (entry.key, entry.partition) == (erased, partition_of(b"acme", GROWN))
        (fact,) = read(grown.bootstrap, topics.ACCOUNTS)
        assert (fact.key, fact.value, fact.partition) == (b"acme", facts, partition_of(b"acme", GROWN))
        found = read(grown.bootstrap, topics.RESPONSES)
        assert max(record.partition for record in found) >= PARTITIONS
        assert all(record.partition == partition_of(record.key or b"", GROWN) for record in found)
        assert by_key(found) == by_key(read(kafka.bootstrap, topics.RESPONSES))

        with Workers(grown.bootstrap, app_id, tmp_path, agents="scoring,rollups", partitions=GROWN) as workers:
            workers.start().wait_ready()
            target.wait_processed("scoring", "rollups")
            settings = {"partitions": GROWN}
            verified = command(grown.bootstrap, app_id, "verify", "--json", settings=settings, timeout_s=VERIFY_TIMEOUT_S)
    document = json.loads(verified.stdout or "{}")
    assert (verified.returncode, document["differences"], verified.stderr) == (0, [], "")
    assert document["compared"][topics.SCORED] > RECORDS // 4
