"""What is found about topics, permissions, limits and durability, given what a cluster says of itself."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from npstream.access import ACCESS, access_of
from npstream.admin import Api, Cluster, Code, FoundTopic
from npstream.authorized_operations import UNKNOWN_OPERATIONS, Operation, operations
from npstream.checks import limits
from npstream.durability import TRANSACTION_LOG, durability_findings
from npstream.findings import Finding, Status, failed, summary
from npstream.permissions import topic_permissions
from npstream.settings import AGENTS, Settings
from npstream.topic_checks import topic_findings
from npstream.topic_plan import changelog_topics, planned_topics, retention
from schemas import topics

PLAN = planned_topics(Settings())
CHANGELOG = "npstream-scoring-changelog"
DAY_MS = 86_400_000


def right() -> dict[str, FoundTopic]:
    """A cluster on which all is well."""
    return {topic.name: FoundTopic(topic.name, Code.NONE, partitions=12, replication=3) for topic in PLAN}


def configured(**changed: dict[str, str]) -> dict[str, dict[str, str] | None]:
    """Each topic's configuration as created, with changes by topic name (dots and dashes written as underscores)."""
    durable = {"min.insync.replicas": "2", "unclean.leader.election.enable": "false"}
    configs: dict[str, dict[str, str] | None] = {}
    for topic in PLAN:
        change = changed.get(topic.name.replace(".", "_").replace("-", "_"), {})
        configs[topic.name] = {"segment.bytes": "1073741824", "retention.ms": "604800000"} | durable | topic.config | change
    return configs


def bad(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.status not in (Status.OK, Status.UNVERIFIABLE)]


def test_every_topic_as_it_must_be_is_one_ok_line() -> None:
    findings = topic_findings(PLAN, right(), configured())
    assert [finding.subject for finding in findings] == [topic.name for topic in PLAN]
    assert {finding.status for finding in findings} == {Status.OK}


def test_a_missing_topic_is_told_with_the_command_that_makes_it() -> None:
    found = right() | {topics.DETRACTORS: FoundTopic(topics.DETRACTORS, Code.UNKNOWN_TOPIC)}
    assert bad(topic_findings(PLAN, found, configured())) == [
        Finding(Status.FAILED, topics.DETRACTORS, "is missing", "npstream topics create")
    ]


def test_a_topic_that_may_not_be_seen_is_told_apart_from_a_missing_one() -> None:
    found = right() | {topics.RAW: FoundTopic(topics.RAW, Code.TOPIC_AUTHORIZATION_FAILED)}
    (finding,) = bad(topic_findings(PLAN, found, configured()))
    assert (finding.subject, finding.remedy) == (topics.RAW, "allow Describe on it")


@pytest.mark.parametrize("name", [topics.RESPONSES, topics.CELLS, CHANGELOG, topics.DEAD_LETTERS])
@pytest.mark.parametrize("partitions", [11, 13])
def test_one_topic_with_another_partition_count_fails(name: str, partitions: int) -> None:
    found = right() | {name: FoundTopic(name, Code.NONE, partitions=partitions, replication=3)}
    (finding,) = bad(topic_findings(PLAN, found, configured()))
    assert (finding.status, finding.subject) == (Status.FAILED, name)
    assert f"{partitions} partitions, 12 are needed" in finding.message


def test_topics_that_agree_on_another_count_than_the_setting_are_one_line_about_the_setting() -> None:
    found = {name: replace(topic, partitions=4) for name, topic in right().items()}
    (finding,) = bad(topic_findings(PLAN, found, configured()))
    assert (finding.subject, finding.remedy.split(" (")[0]) == ("partitions", "set partitions = 4")


def test_partitions_without_a_leader_fail() -> None:
    found = right() | {topics.RAW: FoundTopic(topics.RAW, Code.NONE, partitions=12, replication=3, leaderless=5)}
    (finding,) = bad(topic_findings(PLAN, found, configured()))
    assert finding.message == "5 of 12 partitions have no leader"


CONFIGURATIONS = [
    # topic as a name          entry                     value            status (None: nothing to say)
    ("nps_responses", "retention.ms", "-1", None),
    ("nps_responses", "retention.ms", str(800 * DAY_MS), None),
    ("nps_responses", "retention.ms", str(800 * DAY_MS - 1), Status.FAILED),
    ("nps_responses", "retention.ms", str(900 * DAY_MS), None),
    ("nps_responses", "cleanup.policy", "compact", Status.FAILED),
    ("nps_rollups_accounts", "cleanup.policy", "delete", Status.FAILED),
    ("nps_rollups_accounts", "cleanup.policy", "compact,delete", Status.FAILED),
    ("nps_rollups_accounts", "retention.ms", "1000", None),  # says nothing where nothing is deleted for its age
    ("nps_segments_cells", "cleanup.policy", "delete,compact", None),
    ("nps_segments_cells", "cleanup.policy", "compact", Status.FAILED),
    ("nps_segments_cells", "retention.ms", "1000", Status.FAILED),
    ("npstream_scoring_changelog", "cleanup.policy", "compact,delete", Status.FAILED),
    ("npstream_scoring_changelog", "segment.bytes", "1073741824", Status.WARNING),
    ("npstream_scoring_changelog", "segment.bytes", "1048576", None),
    ("npstream_scoring_changelog", "max.compaction.lag.ms", str(2**63 - 1), Status.WARNING),
    ("npstream_scoring_changelog", "delete.retention.ms", str(DAY_MS - 1), Status.FAILED),
    ("npstream_scoring_changelog", "delete.retention.ms", str(2 * DAY_MS), None),
    ("nps_erasures", "max.compaction.lag.ms", str(7 * DAY_MS + 1), Status.WARNING),
    ("nps_erasures", "max.compaction.lag.ms", str(DAY_MS), None),
    ("nps_responses", "message.timestamp.type", "LogAppendTime", Status.FAILED),
    ("nps_responses", "message.timestamp.type", "CreateTime", None),
]


@pytest.mark.parametrize(("topic", "entry", "value", "status"), CONFIGURATIONS)
def test_a_configuration_that_loses_or_keeps_the_wrong_things_is_found(
    topic: str, entry: str, value: str, status: Status | None
) -> None:
    findings = bad(topic_findings(PLAN, right(), configured(**{topic: {entry: value}})))
    assert [finding.status for finding in findings] == ([] if status is None else [status])
    assert all(f"--add-config {entry}=" in finding.remedy for finding in findings)


def test_where_a_broker_does_not_tell_the_configuration_nothing_fails() -> None:
    findings = topic_findings(PLAN, right(), {topic.name: None for topic in PLAN})
    assert {finding.status for finding in findings} == {Status.UNVERIFIABLE}
    assert not failed(findings)


def test_each_unit_has_a_changelog_named_after_the_app_with_the_partitions_of_its_source() -> None:
    settings = Settings(app_id="nps-eu", agents=("scoring", "rollups"), partitions=4, replication=3)
    changelogs = changelog_topics(settings)
    assert [topic.name for topic in changelogs] == ["nps-eu-scoring-changelog", "nps-eu-rollups-changelog"]
    assert {(topic.partitions, topic.replication) for topic in changelogs} == {(4, 3)}
    config = {
        "cleanup.policy": "compact",
        "segment.bytes": "67108864",
        "max.compaction.lag.ms": str(7 * DAY_MS),
        "delete.retention.ms": str(DAY_MS),
    }
    assert changelogs[0].config == config


@pytest.mark.parametrize(
    ("ms", "text"),
    [(None, "for ever"), (-1, "for ever"), (14 * DAY_MS, "14 days"), (DAY_MS // 2, "12 hours"), (DAY_MS, "1 day")],
)
def test_a_retention_reads_in_days(ms: int | None, text: str) -> None:
    assert retention(ms) == text


KAFKA = {Api.INIT_PRODUCER_ID, Api.ADD_PARTITIONS_TO_TXN, Api.END_TXN, Api.WRITE_TXN_MARKERS, Api.LIST_TRANSACTIONS}
VERSIONS = [
    # the requests that a broker lists                                               has transactions
    (KAFKA, True),
    (KAFKA - {Api.LIST_TRANSACTIONS}, True),  # Kafka before 3.0
    (KAFKA - {Api.WRITE_TXN_MARKERS}, True),  # brokers that keep their internal requests to themselves
    (KAFKA - {Api.WRITE_TXN_MARKERS, Api.LIST_TRANSACTIONS}, False),  # the embedded broker
    (KAFKA - {Api.END_TXN}, False),
    (set(), False),
]


@pytest.mark.parametrize(("listed", "transactional"), VERSIONS)
def test_transactions_are_told_from_the_api_versions_alone(listed: set[int], transactional: bool) -> None:
    assert Cluster("id", 1, dict.fromkeys(listed, (0, 3))).transactional is transactional


def test_operations_are_the_bits_of_the_answer() -> None:
    assert operations(1 << 3 | 1 << 8) == {Operation.READ, Operation.DESCRIBE}
    assert operations(0) == frozenset()
    assert operations(UNKNOWN_OPERATIONS) is None


NEEDS = {"in": {Operation.READ}, "log": {Operation.READ, Operation.WRITE}}
ALL = frozenset(Operation)
PERMISSIONS: list[tuple[Mapping[str, frozenset[int] | None], Status, str]] = [
    ({"in": ALL, "log": ALL}, Status.OK, ""),
    ({"in": ALL, "log": ALL - {Operation.WRITE}}, Status.FAILED, "allow Write on log"),
    ({"in": ALL - {Operation.READ}, "log": ALL}, Status.FAILED, "allow Read on in"),
    (
        {"in": frozenset({Operation.DESCRIBE}), "log": frozenset({Operation.DESCRIBE})},
        Status.FAILED,
        "allow Read on in, Read and Write on log",
    ),
    ({"in": None, "log": None}, Status.UNVERIFIABLE, ""),
    ({}, Status.UNVERIFIABLE, ""),
    ({"in": frozenset(), "log": ALL}, Status.OK, ""),  # not there, or not to be seen: the topic's own line says so
]


@pytest.mark.parametrize(("allowed", "status", "remedy"), PERMISSIONS)
def test_what_a_user_may_not_do_with_topics_is_named(
    allowed: Mapping[str, frozenset[int] | None], status: Status, remedy: str
) -> None:
    finding = topic_permissions(NEEDS, allowed)
    assert (finding.status, finding.remedy) == (status, remedy)


def test_the_agents_together_read_their_sources_and_write_every_published_topic() -> None:
    access = access_of(AGENTS)
    assert list(ACCESS) == list(AGENTS)
    tables = {topics.SEGMENT_ROLLUPS, topics.ACCOUNT_THEMES, topics.SEGMENT_THEMES, topics.CASES}
    for_others = {
        topics.PROMOTERS,
        topics.CASE_REJECTIONS,
        topics.ALERTS,
        topics.OUTREACH,
        topics.COMMENTS,
        topics.DEAD_LETTERS,
    }
    by_others = {topics.INCOMPLETE, topics.DELIVERIES}
    assert access.reads == {topic.name for topic in topics.TOPICS} - tables - for_others - by_others
    assert access.writes == {topic.name for topic in topics.TOPICS} - {topics.ACCOUNTS, topics.DELIVERIES}


BROKER = {
    "transaction.max.timeout.ms": "900000",
    "group.min.session.timeout.ms": "6000",
    "group.max.session.timeout.ms": "1800000",
    "message.max.bytes": "1048588",
}
LIMITS = [
    # the broker's entry and value                        what fails
    ({}, []),
    ({"transaction.max.timeout.ms": "14999"}, ["transaction_timeout_ms"]),
    ({"transaction.max.timeout.ms": "15000"}, []),
    ({"group.min.session.timeout.ms": "10001"}, ["session_timeout_ms"]),
    ({"group.max.session.timeout.ms": "9999"}, ["session_timeout_ms"]),
    ({"message.max.bytes": "524287"}, ["batch_max_bytes"]),
]


@pytest.mark.parametrize(("changed", "subjects"), LIMITS)
def test_settings_beyond_the_broker_s_limits_fail(changed: dict[str, str], subjects: list[str]) -> None:
    assert [finding.subject for finding in limits(Settings(), BROKER | changed) if finding.status is Status.FAILED] == subjects


@pytest.mark.parametrize("broker", [None, {}, {"something.else": "1"}])
def test_limits_that_the_broker_does_not_tell_are_not_verifiable(broker: dict[str, str] | None) -> None:
    assert [finding.status for finding in limits(Settings(), broker)] == [Status.UNVERIFIABLE]


def durability(
    found: dict[str, FoundTopic] | None = None,
    configs: dict[str, dict[str, str] | None] | None = None,
    broker: dict[str, str] | None = None,
    log: FoundTopic | None = None,
) -> dict[str, tuple[Status, str]]:
    log = log or FoundTopic(TRANSACTION_LOG, Code.NONE, partitions=50, replication=3)
    findings = durability_findings(PLAN, (found or right()) | {TRANSACTION_LOG: log}, configs or configured(), broker, True)
    return {finding.subject: (finding.status, finding.message) for finding in findings}


def test_three_copies_two_in_sync_and_no_unclean_election_are_durable() -> None:
    assert {subject: status for subject, (status, _) in durability().items()} == {
        "replication": Status.OK,
        "min.insync.replicas": Status.OK,
        "unclean election": Status.OK,
    }


def test_a_changelog_with_fewer_copies_is_a_warning_that_names_it() -> None:
    status, message = durability(right() | {CHANGELOG: FoundTopic(CHANGELOG, Code.NONE, 12, 1)})["replication"]
    assert status is Status.WARNING
    assert CHANGELOG in message


def test_a_transaction_log_with_fewer_copies_is_a_warning() -> None:
    status, message = durability(log=FoundTopic(TRANSACTION_LOG, Code.NONE, 50, 2))["replication"]
    assert (status, message.split(" with ")[0]) == (Status.WARNING, TRANSACTION_LOG)


@pytest.mark.parametrize(
    ("broker", "status"),
    [
        (None, Status.UNVERIFIABLE),
        ({"transaction.state.log.replication.factor": "1"}, Status.WARNING),
        ({"transaction.state.log.replication.factor": "3"}, Status.OK),
    ],
)
def test_a_transaction_log_that_is_not_there_yet_is_judged_by_the_broker_s_plan(
    broker: dict[str, str] | None, status: Status
) -> None:
    assert durability(broker=broker, log=FoundTopic(TRANSACTION_LOG, Code.UNKNOWN_TOPIC))[TRANSACTION_LOG][0] is status


@pytest.mark.parametrize(
    ("entry", "value", "subject"),
    [
        ("min.insync.replicas", "1", "min.insync.replicas"),
        ("unclean.leader.election.enable", "true", "unclean election"),
    ],
)
def test_an_entry_that_may_lose_acknowledged_records_is_a_warning(entry: str, value: str, subject: str) -> None:
    status, message = durability(configs=configured(npstream_scoring_changelog={entry: value}))[subject]
    assert status is Status.WARNING
    assert CHANGELOG in message


def test_a_summary_counts_each_status() -> None:
    findings = [Finding(status, "x", "y") for status in (Status.OK, Status.FAILED, Status.OK)]
    assert summary(findings) == "2 ok, 1 failed"
