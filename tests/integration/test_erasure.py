"""A respondent is erased on a real Kafka: nothing alive names them, compaction removes the rest from the files of the log, and
neither a producer nor a worker that counts anew brings them back."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from npstream.settings import AGENTS
from schemas import topics
from schemas.examples import EXAMPLES
from streams.partitioner import partition_of
from tests.conftest import Broker
from tests.integration.test_verify import verify
from tests.integration.topics_reading import Read, last_values, read
from tests.integration.workers import PARTITIONS, Workers, command, until
from tests.integration.world import Sending, World

pytestmark = pytest.mark.kafka

RESPONDENT, COMMENT = "planted-respondent@people.example", "planted words of a customer"
KEPT, REMOVED = "account-kept", "account-removed"
COMPACTED_TIMEOUT_S = 60.0
"""Segments are closed after half a second and compacted a second later; the rest is for a busy machine."""

AT_ONCE = {
    "segment.ms": "500",
    "max.compaction.lag.ms": "500",
    "min.cleanable.dirty.ratio": "0.01",
    "delete.retention.ms": "100",
}
"""A week of a broker's leisure, in seconds."""


def response(number: int, account: str, **fields: Any) -> Sending:
    """A response of the planted respondent, with a comment."""
    body = {
        "response_id": f"r-{number}",
        "account_id": account,
        "respondent_id": RESPONDENT,
        "comment": COMMENT,
        "score": number % 11,
        "responded_at": int(time.time() * 1000) - 1000 * number,
        "segments": {"plan": "pro"},
    }
    value = json.dumps({name: one for name, one in (body | fields).items() if one is not None}).encode()
    return Sending(topics.RESPONSES, value, account.encode())


def erase(world: World, *options: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, document and errors of the command as a script runs it."""
    ran = command(world.bootstrap, world.app_id, "erase", "--respondent", RESPONDENT, "--json", *options)
    return ran.returncode, json.loads(ran.stdout or "{}"), ran.stderr


def naming(records: list[Read]) -> list[Read]:
    """The records that hold a planted word, or a part of one, in key or value."""
    words = (RESPONDENT.encode(), COMMENT.encode(), b"people.example", b"words of a customer")
    return [r for r in records if any(word in (r.key or b"") + (r.value or b"") for word in words)]


def alive(records: list[Read]) -> list[Read]:
    """The last one of each key in each partition; tombstones have none."""
    last = {(r.topic, r.partition, r.key): r for r in records}
    return [r for r in last.values() if r.value is not None]


def counted(world: World, account: str) -> tuple[int, int] | None:
    """How many responses and respondents of the last week an account has."""
    row = last_values(read(world.bootstrap, topics.ACCOUNT_ROLLUPS)).get(account.encode())
    if row is None:
        return None
    week = json.loads(row)["windows"]["7d"]
    return week["responses"]["total"], week["respondents"]["total"]


def test_who_is_erased_is_gone_and_stays_away(kafka: Broker, app_id: str, tmp_path: Path) -> None:
    changelogs = [f"{app_id}-{agent}-changelog" for agent in AGENTS]
    scoring, care = f"{app_id}-scoring-changelog", f"{app_id}-care-changelog"
    compacted = [*changelogs, *(topic.name for topic in topics.TOPICS if "compact" in topic.clean_up.value)]
    world = World(kafka.bootstrap, app_id, configs=dict.fromkeys([scoring, care, topics.ERASURES, topics.CASES], AT_ONCE))
    other = {"respondent_id": "somebody else", "comment": None}
    with Workers(kafka.bootstrap, app_id, tmp_path) as workers:
        worker = workers.start().wait_ready()
        for account in (KEPT, REMOVED):
            world.send([*(response(n, account) for n in range(20)), response(99, account, **other)])
        world.wait_processed()
        assert (counted(world, KEPT), counted(world, REMOVED)) == ((21, 2), (21, 2))
        assert naming(alive(read(kafka.bootstrap, *compacted)))

        # One account by name, then whichever others know the respondent.
        code, document, errors = erase(world, "--account", REMOVED, "--counts", "remove", "--yes")
        assert (code, errors, [one["account_id"] for one in document["erased"]]) == (0, "", [REMOVED])
        assert naming(alive(read(kafka.bootstrap, *compacted))) != []
        code, document, errors = erase(world)
        assert (code, errors.count("\n"), "say --yes" in errors) == (2, 1, True)
        code, document, errors = erase(world, "--yes")
        assert (code, errors) == (0, "")
        assert [(one["account_id"], one["counts"]) for one in document["erased"]] == [(KEPT, "keep"), (REMOVED, "remove")]
        assert {one["topic"]: one["alive"] for one in document["read_back"]} == dict.fromkeys(compacted, 0)
        assert {one["topic"] for one in document["retained"]} == set(topics.BY_NAME) - set(compacted)
        assert all(one["until"] for one in document["retained"])
        world.wait_processed()
        assert (counted(world, KEPT), counted(world, REMOVED)) == ((21, 2), (1, 1))
        assert naming(alive(read(kafka.bootstrap, *compacted))) == []
        assert_verified(world, erasures=2)

        # Whatever comes again is dropped, also without a name.
        again = [response(3, KEPT), response(4, REMOVED, score=0), response(200, KEPT), response(5, KEPT, respondent_id=None)]
        world.send(again)
        world.wait_processed()
        assert (counted(world, KEPT), counted(world, REMOVED)) == ((21, 2), (1, 1))
        assert worker.total("npstream_erased_total") == len(again)
        assert_verified(world, erasures=2)

        # The files of the log.
        def compacted_away() -> bool:
            world.send(response(300 + p, account, **other) for p, account in enumerate((KEPT, REMOVED)))
            for topic in (topics.ERASURES, topics.CASES):  # a segment is closed by what comes after it
                world.send(Sending(topic, None, b"", partition=p) for p in range(PARTITIONS))
            return naming(read(kafka.bootstrap, *compacted, committed=False)) == []

        until(compacted_away, "the files free of whom was erased", COMPACTED_TIMEOUT_S, 0.5)
        code, document, _ = erase(world, "--check")
        assert (code, {one["superseded"] for one in document["read_back"]}) == (0, {0})
        world.wait_processed()
        metrics = worker.get("/metrics")[1]
        assert worker.terminate() == 0

        # A worker that counts anew from what nps.responses still has.
        world.delete(scoring)
        world.admin.delete_consumer_groups([f"{app_id}-scoring"])[f"{app_id}-scoring"].result(20)
        world.create()
        anew = workers.start().wait_ready()
        world.wait_processed()
        assert (counted(world, KEPT), counted(world, REMOVED)) == ((2, 1), (2, 1))
        assert naming(alive(read(kafka.bootstrap, *compacted))) == []
        assert {json.loads(value)["position"] for value in entries(world)} == {0}
        metrics += anew.get("/metrics")[1]
        assert anew.terminate() == 0
    for text in (RESPONDENT, COMMENT, KEPT, REMOVED, "people.example", "words of a customer"):
        assert text not in worker.log + anew.log
        assert text not in metrics


def entries(world: World) -> list[bytes]:
    """The list of the erased."""
    home = {account: partition_of(account.encode(), PARTITIONS) for account in (KEPT, REMOVED)}
    own = [r for r in alive(read(world.bootstrap, topics.ERASURES)) if r.partition in home.values()]
    return [r.value for r in own if r.value is not None]


def assert_verified(world: World, erasures: int) -> None:
    code, document, errors = verify(world)
    assert (code, document["differences"], document["unproved"], errors) == (0, [], {}, "")
    assert document["erasures"] == erasures


def test_it_waits_until_care_has_let_go_and_says_if_it_has_not(kafka: Broker, app_id: str, tmp_path: Path) -> None:
    """The test is care: a case names them, and is taken away after scoring has written the entry."""
    world = World(kafka.bootstrap, app_id)
    case = {**EXAMPLES["Case"], "account_id": KEPT, "respondent_id": RESPONDENT}
    key, home = f"{KEPT}|{case['case_id']}".encode(), partition_of(KEPT.encode(), PARTITIONS)
    world.send([Sending(topics.CASES, json.dumps(case).encode(), key, partition=home)])
    with Workers(kafka.bootstrap, app_id, tmp_path) as workers, ThreadPoolExecutor() as pool:
        workers.start(agents="scoring").wait_ready()
        # The account is known by the case alone.
        code, document, errors = erase(world, "--timeout", "5", "--yes")
        assert (code, errors) == (1, "")
        assert {one["topic"]: one["places"] for one in document["read_back"] if one["alive"]} == {
            topics.CASES: [f"{topics.CASES}-{home}-0"]
        }
        ran = command(world.bootstrap, world.app_id, "erase", "--respondent", RESPONDENT, "--check")
        assert "care has not let go: is a worker with the agent care running?" in ran.stdout
        waiting = pool.submit(erase, world, "--yes")
        world.send([Sending(topics.CASES, None, key, partition=home)])
        code, document, errors = waiting.result(60)
    assert (code, errors, [one["account_id"] for one in document["erased"]]) == (0, "", [KEPT])


def test_without_a_worker_it_says_so_and_the_next_worker_does_it(kafka: Broker, app_id: str, tmp_path: Path) -> None:
    world = World(kafka.bootstrap, app_id)
    code, document, errors = erase(world, "--yes")
    assert (code, document) == (2, {})
    assert "no account has this respondent in its state" in errors
    code, document, errors = erase(world, "--account", KEPT, "--timeout", "0", "--yes")
    assert (code, document, errors.count("\n")) == (1, {}, 1)
    assert "is a worker with the agent scoring running?" in errors
    code, document, _ = erase(world, "--check", "--account", KEPT)
    assert (code, document["not_erased"]) == (1, [KEPT])
    assert {one["topic"]: one["alive"] for one in document["read_back"]}[topics.ERASURES] == 1
    with Workers(kafka.bootstrap, app_id, tmp_path) as workers:
        workers.start(agents="scoring").wait_ready()
        until(lambda: erase(world, "--check", "--account", KEPT)[0] == 0, "the command carried out", 30.0, 1.0)
