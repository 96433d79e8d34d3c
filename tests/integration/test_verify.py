"""`npstream verify` on a real Kafka: nothing to say of a system that runs, and whatever somebody else has written is found."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from schemas import topics
from tests.conftest import Broker
from tests.integration.topics_reading import last_values, read
from tests.integration.traffic import Traffic
from tests.integration.workers import PARTITIONS, Workers, command
from tests.integration.world import Sending, World

pytestmark = pytest.mark.kafka

RECORDS = 3_000
VERIFY_TIMEOUT_S = 120.0
"""Some seconds; the rest is for a busy machine."""


def verify(world: World, *options: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, document and errors of the command as a user runs it."""
    ran = command(world.bootstrap, world.app_id, "verify", "--json", *options, timeout_s=VERIFY_TIMEOUT_S)
    return ran.returncode, json.loads(ran.stdout or "{}"), ran.stderr


def test_it_finds_nothing_while_responses_arrive_and_whatever_is_wrong_afterwards(
    kafka: Broker, app_id: str, tmp_path: Path
) -> None:
    world = World(kafka.bootstrap, app_id)
    traffic = Traffic(7, int(time.time() * 1000) - RECORDS, PARTITIONS, RECORDS)
    with Workers(kafka.bootstrap, app_id, tmp_path) as workers:
        workers.start().wait_ready()
        world.send(traffic.take(RECORDS // 2))
        world.wait_processed("intake")
        code, document, errors = verify(world)
        assert (code, document["differences"], errors) == (0, [], "")
        assert document["compared"][topics.SCORED] > RECORDS // 4
        world.send(traffic.take(RECORDS - RECORDS // 2))
        world.wait_processed()
    code, document, errors = verify(world)
    assert (code, document["differences"], document["unproved"], errors) == (0, [], {}, "")

    account = min(last_values(read(kafka.bootstrap, topics.ACCOUNT_ROLLUPS)))
    forged = {"account_id": account.decode(), "response_id": "r-1", "score": 0, "severity": "critical"}
    world.send(
        [Sending(topics.DETRACTORS, json.dumps(forged).encode(), account), Sending(topics.ACCOUNT_ROLLUPS, None, account)]
    )
    code, document, _ = verify(world)
    assert code == 1
    found = {(one["where"], one["topic"]) for one in document["differences"]}
    assert found == {(account.decode(), topics.DETRACTORS), (account.decode(), topics.ACCOUNT_ROLLUPS)}


def facts(tier: str) -> list[Sending]:
    """What is known of every other account, from now on."""
    known = json.dumps({"owner": f"csm-{tier}", "segments": {"tier": tier, "plan": "of the account"}}).encode()
    return [Sending(topics.ACCOUNTS, known, f"account-{number}".encode()) for number in range(0, 8, 2)]


def test_it_holds_what_counts_for_crm_facts_against_what_was_told(kafka: Broker, app_id: str, tmp_path: Path) -> None:
    world = World(kafka.bootstrap, app_id)
    traffic = Traffic(11, int(time.time() * 1000) - RECORDS, PARTITIONS, RECORDS)
    with Workers(kafka.bootstrap, app_id, tmp_path) as workers:
        workers.start().wait_ready()
        for tier in ("gold", "iron", "rust"):
            world.send(traffic.take(RECORDS // 3))
            world.send(facts(tier))
            world.wait_processed()
    code, document, errors = verify(world)
    assert (code, document["differences"], document["unproved"], errors) == (0, [], {}, "")
    tiers = [key for key in last_values(read(kafka.bootstrap, topics.SEGMENT_ROLLUPS)) if key.startswith(b"tier=")]
    assert tiers, "which ones is a matter of the moment"

    world.send([Sending(topics.SEGMENT_ROLLUPS, None, min(tiers))])
    code, document, _ = verify(world)
    assert (code, [one["where"] for one in document["differences"]]) == (1, [min(tiers).decode()])


def test_it_does_not_wait_for_ever_for_a_worker_that_is_not_there(kafka: Broker, app_id: str) -> None:
    world = World(kafka.bootstrap, app_id)
    world.send([Sending(topics.RESPONSES, b"{}", b"acme")])
    code, document, errors = verify(world, "--timeout", "0")
    assert (code, document) == (1, {})
    assert errors.count("\n") == 1
    assert "scoring has not come to the end of nps.responses within 0 s, 1 records are left: is a worker running?" in errors
