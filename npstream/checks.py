"""`npstream check`: everything that must be right before a worker starts, looked at without changing anything."""

from collections.abc import Mapping

from npstream.admin import Admin, Cluster, connect
from npstream.care.checking import care_findings
from npstream.durability import TRANSACTION_LOG, durability_findings
from npstream.failures import BrokerUnreachable
from npstream.findings import Finding, Status
from npstream.permissions import permission_findings
from npstream.settings import Settings
from npstream.settings_sources import declared
from npstream.topic_checks import topic_findings
from npstream.topic_plan import planned_topics
from streams.connection import ConnectionRefused


async def check_topics(settings: Settings, timeout_s: float) -> list[Finding]:
    """Only the topics. Raises BrokerUnreachable."""
    plan = planned_topics(settings)
    names = [topic.name for topic in plan]
    async with connect(settings.connection(), timeout_s) as admin:
        found = await admin.topics(names)
        configs = await admin.topic_configs([name for name in names if found[name].exists])
    return topic_findings(plan, found, configs)


async def check_all(settings: Settings, timeout_s: float) -> list[Finding]:
    """Settings, care file, broker, transactions, limits, topics, permissions, durability: a finding for each."""
    findings = [_settings(settings), *care_findings(settings)]
    try:
        async with connect(settings.connection(), timeout_s) as admin:
            findings += await _check_cluster(admin, settings)
    except (BrokerUnreachable, ConnectionRefused) as error:
        findings.append(Finding(Status.FAILED, "broker", str(error)))
    return findings


async def _check_cluster(admin: Admin, settings: Settings) -> list[Finding]:
    cluster = await admin.cluster()
    plan = planned_topics(settings)
    names = [topic.name for topic in plan]
    found = await admin.topics([*names, TRANSACTION_LOG])
    configs = await admin.topic_configs([name for name, topic in found.items() if topic.exists])
    broker = await admin.broker_config()
    findings = [
        Finding(Status.OK, "broker", _described(cluster, settings)),
        _transactions(cluster, settings),
        *limits(settings, broker),
        *topic_findings(plan, found, configs),
        *await permission_findings(admin, settings, plan, cluster.transactional),
        *durability_findings(plan, found, configs, broker, cluster.transactional),
    ]
    return findings


def _settings(settings: Settings) -> Finding:
    given = sum(settings.source_of(name).value != "default" for name in declared(Settings))
    return Finding(Status.OK, "settings", f"agree with each other; {given} of {len(declared(Settings))} are not the default")


def _described(cluster: Cluster, settings: Settings) -> str:
    brokers = "1 broker" if cluster.brokers == 1 else f"{cluster.brokers} brokers"
    return f"{settings.bootstrap} answers: cluster {cluster.cluster_id or 'without an id'}, {brokers}"


def _transactions(cluster: Cluster, settings: Settings) -> Finding:
    if cluster.transactional:
        return Finding(Status.OK, "transactions", "are there: every response is counted exactly once")
    if settings.guarantee == "transactions":
        return Finding(
            Status.FAILED,
            "transactions",
            "this broker has none, and the setting guarantee asks for them",
            "use Apache Kafka, or guarantee = auto",
        )
    return Finding(
        Status.WARNING,
        "transactions",
        "this broker has none: after a crash, events may come twice (with the same ce_id)",
        "use Apache Kafka in production",
    )


def limits(settings: Settings, broker: Mapping[str, str] | None) -> list[Finding]:
    """Settings against the broker's own limits."""
    bounds = [
        ("transaction_timeout_ms", settings.transaction_timeout_ms, None, "transaction.max.timeout.ms"),
        ("session_timeout_ms", settings.session_timeout_ms, "group.min.session.timeout.ms", "group.max.session.timeout.ms"),
        ("batch_max_bytes", settings.batch_max_bytes, None, "message.max.bytes"),
    ]
    if broker is None or broker.keys().isdisjoint({entry for *_, least, most in bounds for entry in (least, most)}):
        return [Finding(Status.UNVERIFIABLE, "limits", "this broker does not tell its configuration")]
    findings = []
    for name, value, least, most in bounds:
        if least is not None and least in broker and value < int(broker[least]):
            findings.append(Finding(Status.FAILED, name, f"{value} is under the broker's {least} {broker[least]}", "raise it"))
        if most in broker and value > int(broker[most]):
            findings.append(Finding(Status.FAILED, name, f"{value} is over the broker's {most} {broker[most]}", "lower it"))
    return findings or [Finding(Status.OK, "limits", "time-outs and sizes are within those of the broker")]
