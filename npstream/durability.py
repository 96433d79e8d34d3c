"""Whether the cluster keeps what it acknowledged. Pure: what the cluster says comes in, findings come out.

Nothing here refuses: one broker is right for trying things out. What it may lose is said.
"""

from collections.abc import Callable, Mapping, Sequence

from npstream.admin import FoundTopic
from npstream.findings import Finding, Status
from npstream.topic_checks import Configs
from npstream.topic_plan import PlannedTopic

TRANSACTION_LOG = "__transaction_state"
"""Where the brokers keep the outcome of transactions: what holds for our topics must hold for it."""
UNCLEAN = "unclean.leader.election.enable"
"""Whether a copy that lacks acknowledged records may lead: what it lacks is then lost."""
REPLICATION = 3
"""Copies in production: one broker may be down for maintenance while another fails."""
MIN_INSYNC = 2
"""Copies that have a record before it is acknowledged: one may then be lost."""


def durability_findings(
    plan: Sequence[PlannedTopic],
    found: Mapping[str, FoundTopic],
    configs: Configs,
    broker: Mapping[str, str] | None,
    transactional: bool,
) -> list[Finding]:
    """Replication, min.insync.replicas and unclean election, of our topics and of the transaction log."""
    names = [topic.name for topic in plan if found[topic.name].exists]
    if transactional and found[TRANSACTION_LOG].exists:
        names.append(TRANSACTION_LOG)
    findings = [_replication({name: found[name].replication for name in names})]
    if transactional and TRANSACTION_LOG not in names:
        findings.append(_planned_transaction_log(broker))
    findings.append(
        _entry(
            "min.insync.replicas",
            "min.insync.replicas",
            names,
            configs,
            _too_few_insync,
            f"set min.insync.replicas to {MIN_INSYNC}",
        )
    )
    findings.append(_entry("unclean election", UNCLEAN, names, configs, _unclean, f"set {UNCLEAN} to false"))
    return [finding for finding in findings if finding is not None]


def _replication(copies: Mapping[str, int]) -> Finding | None:
    if not copies:
        return None
    few = sorted(name for name, number in copies.items() if number < REPLICATION)
    if not few:
        return Finding(Status.OK, "replication", f"every topic has at least {REPLICATION} copies")
    lowest = min(copies.values())
    message = f"{_some(few)} with only {_copies(lowest)}; a broker that is lost may take data with it"
    return Finding(Status.WARNING, "replication", message, f"in production use {REPLICATION} (kafka-reassign-partitions.sh)")


def _copies(number: int) -> str:
    return "1 copy" if number == 1 else f"{number} copies"


def _planned_transaction_log(broker: Mapping[str, str] | None) -> Finding:
    entry = "transaction.state.log.replication.factor"
    if broker is None or entry not in broker:
        return Finding(Status.UNVERIFIABLE, TRANSACTION_LOG, f"is not there yet, and the broker does not tell its {entry}")
    copies = int(broker[entry])
    if copies < REPLICATION:
        return Finding(
            Status.WARNING,
            TRANSACTION_LOG,
            f"will be created with {_copies(copies)}",
            f"in production set {entry} to {REPLICATION}",
        )
    return Finding(Status.OK, TRANSACTION_LOG, f"will be created with {_copies(copies)}")


def _too_few_insync(value: str) -> bool:
    return int(value) < MIN_INSYNC


def _unclean(value: str) -> bool:
    return value.lower() == "true"


def _entry(
    subject: str, entry: str, names: Sequence[str], configs: Configs, bad: Callable[[str], bool], remedy: str
) -> Finding | None:
    values: dict[str, str] = {}
    for name in names:
        config = configs.get(name)
        if config is not None and entry in config:
            values[name] = config[entry]
    if not names:
        return None
    if not values:
        return Finding(Status.UNVERIFIABLE, subject, "the broker does not tell")
    wrong = sorted(name for name, value in values.items() if bad(value))
    if wrong:
        shown = ", ".join(sorted({values[name] for name in wrong}))
        return Finding(Status.WARNING, subject, f"is {shown} for {_some(wrong)}", f"in production {remedy}")
    return Finding(Status.OK, subject, f"is {', '.join(sorted(set(values.values())))}")


def _some(names: Sequence[str]) -> str:
    """The names if they are few, else how many."""
    return ", ".join(names) if len(names) <= 2 else f"{len(names)} topics ({names[0]}, ...)"
