"""Topics as they are against topics as they must be. Pure: what the cluster says comes in, findings come out."""

from collections.abc import Mapping, Sequence

from npstream.admin import Code, FoundTopic, said
from npstream.findings import Finding, Status
from npstream.topic_plan import PlannedTopic, retention

Configs = Mapping[str, dict[str, str] | None]
"""Topic name to its configuration, None where the broker does not tell."""

FIXED_FOR_LIFE = "a partition count is fixed for life"


def topic_findings(plan: Sequence[PlannedTopic], found: Mapping[str, FoundTopic], configs: Configs) -> list[Finding]:
    """One finding for each deviation, and one for each topic without any."""
    findings: list[Finding] = []
    agreed = _agreed_partitions(plan, found)
    for topic in plan:
        state = found[topic.name]
        if not state.exists:
            findings.append(_absent(state))
            continue
        wrong = [*_partitions(topic, state, agreed), *_leaders(state)]
        config = configs.get(topic.name)
        if config is not None:
            wrong += _configuration(topic, config)
        if config is None and not wrong:
            findings.append(
                Finding(
                    Status.UNVERIFIABLE,
                    topic.name,
                    f"{state.partitions} partitions; this broker does not tell its clean-up and retention",
                )
            )
        findings += wrong or ([] if config is None else [_fine(state, config)])
    if agreed is not None and plan and agreed != plan[0].partitions:
        wanted = plan[0].partitions
        findings.append(
            Finding(
                Status.FAILED,
                "partitions",
                f"all topics have {agreed} partitions, the setting partitions says {wanted}",
                f"set partitions = {agreed} ({FIXED_FOR_LIFE})",
            )
        )
    return findings


def _agreed_partitions(plan: Sequence[PlannedTopic], found: Mapping[str, FoundTopic]) -> int | None:
    """The partition count that all existing topics share, None if they do not or there are none."""
    counts = {found[topic.name].partitions for topic in plan if found[topic.name].exists}
    return counts.pop() if len(counts) == 1 else None


def _fine(state: FoundTopic, config: Mapping[str, str]) -> Finding:
    kept = f", {retention(int(config['retention.ms']))}" if "delete" in config.get("cleanup.policy", "") else ""
    return Finding(
        Status.OK,
        state.name,
        f"{state.partitions} partition{'s' * (state.partitions != 1)}, {config.get('cleanup.policy', '?')}{kept}",
    )


def _absent(state: FoundTopic) -> Finding:
    if state.code == Code.UNKNOWN_TOPIC:
        return Finding(Status.FAILED, state.name, "is missing", "npstream topics create")
    if state.code == Code.TOPIC_AUTHORIZATION_FAILED:
        return Finding(Status.FAILED, state.name, "may not be seen by this user", "allow Describe on it")
    return Finding(Status.FAILED, state.name, f"cannot be described: {said(state.code)}", "look at the brokers")


def _partitions(topic: PlannedTopic, state: FoundTopic, agreed: int | None) -> list[Finding]:
    if agreed is not None or state.partitions == topic.partitions:
        return []
    message = f"has {state.partitions} partitions, {topic.partitions} are needed, the same for all topics"
    remedy = f"{FIXED_FOR_LIFE}: delete the topic if it is empty and run npstream topics create, else replay into new topics"
    if topic.changelog:
        remedy = f"start its agent anew: npstream rebuild --agent {topic.agent}"
    return [Finding(Status.FAILED, topic.name, message, remedy)]


def _leaders(state: FoundTopic) -> list[Finding]:
    if not state.leaderless:
        return []
    message = f"{state.leaderless} of {state.partitions} partitions have no leader"
    return [Finding(Status.FAILED, state.name, message, "look at the brokers")]


def _configuration(topic: PlannedTopic, config: Mapping[str, str]) -> list[Finding]:
    findings: list[Finding] = []
    policy = config.get("cleanup.policy", "delete")
    if frozenset(policy.split(",")) != topic.clean_up:
        wanted = topic.config["cleanup.policy"]
        loss = (
            "old state would be deleted"
            if "delete" in policy and "delete" not in topic.clean_up
            else "it would not be kept as meant"
        )
        findings.append(_alter(topic, f"has clean-up {policy}, not {wanted}: {loss}", "cleanup.policy", wanted))
    kept = int(config.get("retention.ms", "-1"))
    if "delete" in policy and topic.retention_ms is not None and 0 <= kept < topic.retention_ms:
        message = f"keeps records for {retention(kept)}, less than the {retention(topic.retention_ms)} needed"
        findings.append(_alter(topic, message, "retention.ms", str(topic.retention_ms)))
    if config.get("message.timestamp.type") == "LogAppendTime":
        message = "replaces record timestamps by its own, and arrival times would be lost on the way"
        findings.append(_alter(topic, message, "message.timestamp.type", "CreateTime"))
    segment = int(config.get("segment.bytes", "0"))
    wanted_segment = int(topic.config.get("segment.bytes", segment))
    if segment > wanted_segment:
        message = f"has segments of {segment >> 20} MB, which are compacted late: restores take long"
        findings.append(_alter(topic, message, "segment.bytes", str(wanted_segment), Status.WARNING))
    lag = int(config.get("max.compaction.lag.ms", "0"))
    wanted_lag = int(topic.config.get("max.compaction.lag.ms", lag))
    if lag > wanted_lag:
        message = "may keep what was superseded for as long as it likes: erased data would stay in its files"
        findings.append(_alter(topic, message, "max.compaction.lag.ms", str(wanted_lag), Status.WARNING))
    wanted_heard = int(topic.config.get("delete.retention.ms", "0"))
    if int(config.get("delete.retention.ms", wanted_heard)) < wanted_heard:
        message = "forgets deletions so soon that a restore, or a copy on disk that is continued, may miss them"
        findings.append(_alter(topic, message, "delete.retention.ms", str(wanted_heard)))
    return findings


def _alter(topic: PlannedTopic, message: str, entry: str, value: str, status: Status = Status.FAILED) -> Finding:
    return Finding(
        status, topic.name, message, f"kafka-configs.sh --alter --topic {topic.name} --add-config {entry}={_quoted(value)}"
    )


def _quoted(value: str) -> str:
    """kafka-configs wants lists in brackets."""
    return f"[{value}]" if "," in value else value
