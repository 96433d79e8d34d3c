"""What this user may do, asked of the broker itself (KIP-430): nothing is read, written or created to find out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from npstream.access import access_of
from npstream.admin import Admin, Code, Unanswered, said
from npstream.authorized_operations import Operation, TopicOperationsRequest, operations
from npstream.findings import Finding, Status
from npstream.settings import AGENTS, Settings
from npstream.topic_plan import PlannedTopic
from streams.task_name import TaskName


@dataclass(frozen=True, slots=True)
class Denied(Finding):
    """The cluster answered, and said no: neither waiting nor trying again helps."""


def denied(subject: str, message: str, remedy: str) -> Denied:
    """A failed finding of that kind."""
    return Denied(Status.FAILED, subject, message, remedy)


async def permission_findings(
    admin: Admin, settings: Settings, plan: Sequence[PlannedTopic], transactional: bool
) -> list[Finding]:
    """Whether this user may run the agents of the settings. Raises BrokerUnreachable."""
    findings = [await _topics(admin, settings, plan), *[await _group(admin, settings, unit) for unit in settings.agents]]
    if transactional:
        findings.append(await _transactional_ids(admin, settings))
    return findings


async def _topics(admin: Admin, settings: Settings, plan: Sequence[PlannedTopic]) -> Finding:
    access = access_of(settings.agents)
    changelogs = {topic.name for topic in plan if topic.changelog}
    needs = {name: {Operation.READ} for name in access.reads | changelogs}
    for name in access.writes | changelogs:
        needs.setdefault(name, set()).add(Operation.WRITE)
    try:
        answer = await admin.send(TopicOperationsRequest(sorted(needs)))
    except Unanswered:
        return Finding(Status.UNVERIFIABLE, "topic permissions", "this broker does not tell what a user may do")
    return topic_permissions(needs, {t["topic"]: operations(t["authorized_operations"]) for t in answer["topics"]})


def topic_permissions(needs: Mapping[str, set[Operation]], allowed: Mapping[str, frozenset[int] | None]) -> Finding:
    """Needed operations against allowed ones, both by topic. A topic that is missing is another check's business."""
    lacking = []
    told = False
    for name, needed in sorted(needs.items()):
        granted = allowed.get(name)
        if granted is None:
            continue
        told = True
        missing = [op.name.capitalize() for op in sorted(needed - granted)]
        if missing and granted:  # none at all: a topic that is not there, or may not be seen, which the topic check says
            lacking.append(f"{' and '.join(missing)} on {name}")
    if lacking:
        return denied("topic permissions", "this user may not do all that the agents do", f"allow {', '.join(lacking)}")
    if not told:
        return Finding(Status.UNVERIFIABLE, "topic permissions", "this broker does not tell what a user may do")
    return Finding(Status.OK, "topic permissions", "reading sources, writing results and changelogs is allowed")


async def _group(admin: Admin, settings: Settings, unit: str) -> Finding:
    group = TaskName(settings.app_id, unit, 0).group
    subject = f"group {group}"
    try:
        code, bits = await admin.group_operations(group)
    except Unanswered:
        return Finding(Status.UNVERIFIABLE, subject, "this broker does not tell what a user may do")
    return _group_finding(subject, code, operations(bits))


def _group_finding(subject: str, code: int, granted: frozenset[int] | None) -> Finding:
    if code == Code.GROUP_AUTHORIZATION_FAILED or (granted is not None and Operation.READ not in granted):
        return denied(subject, "this user may not join it", f"allow Read on {subject}")
    if code not in (Code.NONE, Code.GROUP_ID_NOT_FOUND):
        return Finding(Status.FAILED, subject, f"cannot be looked at: {said(code)}", "look at the brokers")
    if granted is None:
        return Finding(Status.UNVERIFIABLE, subject, "this broker does not tell what a user may do")
    return Finding(Status.OK, subject, "joining is allowed")


async def _transactional_ids(admin: Admin, settings: Settings) -> Finding:
    # Ids that no task has, so that nobody is fenced; the broker forgets them after a week.
    probes = {f"{settings.app_id}-{unit}-": f"{settings.app_id}-{unit}-check" for unit in settings.agents}
    codes = {
        prefix: await admin.try_transactional_id(probe, settings.transaction_timeout_ms) for prefix, probe in probes.items()
    }
    subject = "transactional ids"
    refused = [prefix for prefix, code in codes.items() if code == Code.TRANSACTIONAL_ID_AUTHORIZATION_FAILED]
    if refused:
        prefixes = refused if len(refused) < len(AGENTS) else [f"{settings.app_id}-"]
        remedy = f"allow Write on transactional ids with the prefix {' and '.join(prefixes)}"
        return denied(subject, "this user may not use transactions", remedy)
    if Code.INVALID_TRANSACTION_TIMEOUT in codes.values():
        remedy = "lower it, or raise transaction.max.timeout.ms of the brokers"
        return denied(subject, f"transaction_timeout_ms {settings.transaction_timeout_ms} is too long", remedy)
    for prefix, code in codes.items():
        if code != Code.NONE:
            message = f"{probes[prefix]} could not be initialised: {said(code)}"
            return Finding(Status.FAILED, subject, message, "look at the brokers")
    return Finding(Status.OK, subject, "transactions are allowed")
