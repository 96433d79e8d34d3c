"""The permissions that docs/operations.md lists are enough: each agent runs as a user of its own, which may do what its row
says and nothing else, on a Kafka that denies all the rest."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from npstream.settings import AGENTS
from schemas import topics
from streams.partitioner import partition_of
from tests.integration.topics_reading import read
from tests.integration.workers import Workers, command, until
from tests.kafka.guarded import GuardedKafka
from tests.unit.test_operating_docs import OPERATIONS, quoted, rows, section

PATIENCE_S = 60.0
"""Each step takes a second or three; the rest is for a busy machine."""
PARTITIONS = 2
"""Two, so that a response can be at another partition than its account's."""
SETTINGS = {"partitions": PARTITIONS}
PLAIN_LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
LOGINS = " ".join(f'user_{user}="{user}-password"' for user in (*AGENTS, "limited", "robbed", "poor"))
ACL_PARTS = ("restype", "name", "resource_pattern_type", "principal", "host", "operation", "permission_type")
GUARDED = {
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,GUARDED:SASL_PLAINTEXT",
    "sasl.enabled.mechanisms": "PLAIN",
    "listener.name.guarded.plain.sasl.jaas.config": f"{PLAIN_LOGIN} required {LOGINS};",
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",  # whoever comes over the open listener, the broker itself among them
}


@pytest.fixture(scope="module")
def kafka() -> Iterator[GuardedKafka]:
    with GuardedKafka(GUARDED) as broker:
        yield broker


CARE = """
[sinks.hook]
kind = "webhook"
url = "http://127.0.0.1:9"
secret = "c2VjcmV0"

[[alerts.routes]]
name = "all"
sinks = "hook"
group_wait_s = 0

[first_touch]
enabled = true
company = "Vendor Inc."
delay_minutes = 0
from = "00:00"
to = "24:00"
"""
"""With which care writes to every topic that it may write to."""


def table() -> list[list[str]]:
    """Agent, and what it reads, writes, joins, and calls its transactions."""
    return [row for row in rows(section(OPERATIONS, "Permissions")) if row[0] in AGENTS]


def permissions(user: str | None = None) -> list[AclBinding]:
    """The table as access control lists: all of it for one user, or each row for a user of the agent's name."""

    def binding(agent: str, kind: ResourceType, name: str, what: AclOperation) -> AclBinding:
        pattern = ResourcePatternType.PREFIXED if kind is ResourceType.TRANSACTIONAL_ID else ResourcePatternType.LITERAL
        return AclBinding(kind, name, pattern, f"User:{user or agent}", "*", what, AclPermissionType.ALLOW)

    found = []
    for agent, reads, writes, groups, ids in table():
        found += [binding(agent, ResourceType.TOPIC, name, AclOperation.DESCRIBE) for name in topics.BY_NAME]
        found += [binding(agent, ResourceType.TOPIC, name, AclOperation.READ) for name in quoted(reads)]
        found += [binding(agent, ResourceType.TOPIC, name, AclOperation.WRITE) for name in quoted(writes)]
        found += [binding(agent, ResourceType.GROUP, name, AclOperation.READ) for name in quoted(groups)]
        found += [binding(agent, ResourceType.TRANSACTIONAL_ID, name, AclOperation.WRITE) for name in quoted(ids)]
    return found


def prepare(kafka: GuardedKafka, granted: list[AclBinding]) -> None:
    """Make the topics, and allow what is granted."""
    assert command(kafka.bootstrap, "npstream", "topics", "create", settings=SETTINGS).returncode == 0
    grant(kafka, granted)


def revoke(kafka: GuardedKafka, *taken: AclBinding) -> None:
    """Take permissions away again."""
    administrator = AdminClient({"bootstrap.servers": kafka.bootstrap})
    filters = [AclBindingFilter(*(getattr(one, name) for name in ACL_PARTS)) for one in taken]
    for done in administrator.delete_acls(filters).values():
        assert len(done.result(PATIENCE_S)) == 1


def grant(kafka: GuardedKafka, granted: list[AclBinding]) -> None:
    """Allow what is granted, and return when it is in force."""
    administrator = AdminClient({"bootstrap.servers": kafka.bootstrap})
    for done in administrator.create_acls(list(set(granted))).values():
        done.result(PATIENCE_S)
    every = AclBindingFilter(
        ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
    )
    until(lambda: set(granted) <= set(administrator.describe_acls(every).result(PATIENCE_S)), "all are in force", PATIENCE_S)


def login(user: str) -> dict[str, str]:
    """The settings with which a user logs in."""
    return {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN", "sasl_username": user,
            "sasl_password": f"{user}-password"}  # fmt: skip


def send(bootstrap: str) -> None:
    """Records that make agents write to every topic that they may write to."""
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
    later = datetime.now(UTC).isoformat(timespec="milliseconds")
    now = (datetime.fromisoformat(later) - timedelta(seconds=1)).isoformat(timespec="milliseconds")
    for score in (3, 10):
        response = {"response_id": f"r-of-{score}", "account_id": "acme", "respondent_id": "u-1", "score": score}
        said = {"responded_at": now, "segments": {"plan": "free"}, "comment": "The export is slow."}
        producer.produce(topics.RAW, json.dumps(response | said), key="acme")
    for score, at in ((9, now), (2, later)):  # a downgrade
        response = {"response_id": f"r-down-to-{score}", "account_id": "acme", "respondent_id": "u-3", "score": score}
        producer.produce(topics.RAW, json.dumps(response | {"responded_at": at}), key="acme")
    producer.produce(topics.RAW, b"no response", key="acme")
    ids_alone = {"event_type": "response_completed", "object_id": "7", "resources": {"survey_id": "5"}}
    producer.produce(topics.RAW, json.dumps(ids_alone), key="acme")
    contact = "u-1@acme.example"
    producer.produce(topics.ACCOUNTS, json.dumps({"contacts": [contact]}), key="acme")
    nameless = {"response_id": "r-3", "respondent_id": contact, "score": 7, "responded_at": now}
    elsewhere = 1 - partition_of(contact.encode(), PARTITIONS)
    producer.produce(topics.RAW, json.dumps(nameless), partition=elsewhere)
    producer.produce(topics.RESPONSES, b"no response either", key="acme")
    producer.produce(topics.ERASURES, b'{"account_id": "acme", "respondent_id": "u-2"}', key="acme")
    stray = {"response_id": "r-2", "account_id": "globex", "score": 7, "responded_at": now}
    elsewhere = 1 - partition_of(b"globex", PARTITIONS)
    producer.produce(topics.RESPONSES, json.dumps(stray), key="globex", partition=elsewhere)
    elsewhere = 1 - partition_of(b"acme", PARTITIONS)
    action = {
        "command_id": "k-1",
        "account_id": "acme",
        "case_id": "c-none",
        "command": "acknowledge",
        "by": "csm@vendor.example",
    }
    producer.produce(topics.CASE_COMMANDS, json.dumps(action), key="acme", partition=elsewhere)
    preference = {"account_id": "acme", "respondent_id": "u-4", "outreach": False}
    producer.produce(topics.PREFERENCES, json.dumps(preference), key="acme|u-4", partition=elsewhere)
    assert producer.flush(PATIENCE_S) == 0


def test_each_agent_runs_with_the_permissions_of_its_row(kafka: GuardedKafka, tmp_path: Path) -> None:
    prepare(kafka, permissions())
    with Workers(kafka.guarded, "npstream", tmp_path, **SETTINGS) as workers:
        (tmp_path / "care.toml").write_text(CARE, encoding="utf-8")
        care_file = tmp_path / "care.toml"
        running = [workers.start(agents=agent, care_file=care_file, **login(agent)) for agent in AGENTS]
        for worker in running:
            worker.wait_ready()
        send(kafka.bootstrap)
        written = {name for row in table() for name in quoted(row[2])}
        until(lambda: written <= {record.topic for record in read(kafka.bootstrap, *written)}, "all topics", PATIENCE_S)
        # Whether the one without an account is placed depends on who comes first; the stray comes home in any case.
        home = b'"response_id":"r-2"'
        until(
            lambda: any(home in (r.value or b"") for r in read(kafka.bootstrap, topics.SCORED)), "the stray is home", PATIENCE_S
        )
        until(lambda: len(read(kafka.bootstrap, topics.ERASURES)) == 3, "an entry for the command", PATIENCE_S)
        assert {worker.terminate() for worker in running} == {0}
        complaints = [line for worker in running for line in worker.logged("WARNING") + worker.logged("ERROR")]
        assert complaints == []


def test_a_worker_that_lacks_a_permission_ends_at_its_start_and_names_it(kafka: GuardedKafka) -> None:
    prepare(
        kafka, [one for one in permissions("limited") if (one.name, one.operation) != (topics.DETRACTORS, AclOperation.WRITE)]
    )
    done = command(kafka.guarded, "npstream", "worker", settings={**SETTINGS, **login("limited")})
    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if line.startswith("npstream: ")] == [
        f"npstream: topic permissions: this user may not do all that the agents do; allow Write on {topics.DETRACTORS}"
    ]


CHANGELOG = "npstream-scoring-changelog"
TAKEN_AWAY = [
    # what is taken away, and what the worker then says that it lacks
    ([(topics.DETRACTORS, AclOperation.WRITE)], f"Write on topic {topics.DETRACTORS}"),
    ([("npstream-scoring-", AclOperation.WRITE)], "Write on transactional id npstream-scoring-0"),
    # a changelog is read when a task is opened, which a failure brings about
    ([(CHANGELOG, AclOperation.READ), (topics.SCORED, AclOperation.WRITE)], f"Read on topic {CHANGELOG}"),
    ([(topics.RESPONSES, AclOperation.READ)], f"Read on topic {topics.RESPONSES}"),
    ([("npstream-scoring", AclOperation.READ)], "Read on group npstream-scoring"),
]


def test_what_is_taken_away_is_named_once_and_all_goes_on_when_it_is_given_back(kafka: GuardedKafka, tmp_path: Path) -> None:
    granted = permissions("robbed")
    prepare(kafka, granted)
    producer, sent = Producer({"bootstrap.servers": kafka.bootstrap, "partitioner": "murmur2_random"}), 0

    def respond() -> None:
        nonlocal sent
        sent += 1
        response = {"response_id": f"robbed-{sent}", "account_id": "acme", "respondent_id": "u-1", "score": sent % 7}
        response["responded_at"] = datetime.now(UTC).isoformat(timespec="milliseconds")
        producer.produce(topics.RESPONSES, json.dumps(response), key="acme", partition=partition_of(b"acme", PARTITIONS))
        assert producer.flush(PATIENCE_S) == 0

    def scored() -> list[str]:
        found = (json.loads(record.value or b"")["response_id"] for record in read(kafka.bootstrap, topics.SCORED))
        return [response_id for response_id in found if response_id.startswith("robbed-")]

    with Workers(kafka.guarded, "npstream", tmp_path, **SETTINGS, **login("robbed")) as workers:
        worker = workers.start().wait_ready()
        for taken, lacking in TAKEN_AWAY:
            gone = [one for one in granted if (one.name, one.operation) in taken]
            revoke(kafka, *gone)
            respond()
            worker.wait_not_ready(f"this user lacks {lacking}: allow it", PATIENCE_S)
            grant(kafka, gone)
            until(lambda: len(scored()) == sent, f"what came meanwhile is scored, with {lacking} back", PATIENCE_S)
            assert len(worker.logged(f"this user lacks {lacking}")) == 1
        worker.wait_ready()
        assert scored() == [f"robbed-{number + 1}" for number in range(sent)]
        assert json.loads(command(kafka.bootstrap, "npstream", "verify", "--json").stdout)["differences"] == []
        assert worker.terminate() == 0


def test_a_worker_that_waits_in_vain_for_a_permission_ends_and_names_it_without_its_password(
    kafka: GuardedKafka, tmp_path: Path
) -> None:
    granted = permissions("poor")
    prepare(kafka, granted)
    patience = {"give_up_after_s": 2, "log_level": "debug"}
    with Workers(kafka.guarded, "npstream", tmp_path, **SETTINGS, **login("poor"), **patience) as workers:
        worker = workers.start(agents="scoring").wait_ready()
        said = worker.get("/metrics")[1] + worker.get("/ready")[1] + Path(f"/proc/{worker.pid}/cmdline").read_text("utf-8")
        revoke(kafka, *(one for one in granted if (one.name, one.operation) == (topics.RESPONSES, AclOperation.READ)))
        assert worker.ended(PATIENCE_S) == 1
        (line,) = [line for line in worker.log.splitlines() if line.startswith("npstream: ")]
        assert f"scoring: for 2 s this user lacks Read on topic {topics.RESPONSES}: allow it" in line
        assert login("poor")["sasl_password"] not in said + worker.log
