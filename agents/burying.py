"""Dead letters of the agents that take their records one by one."""

from schemas import topics
from schemas.dead_letters import Reason, Unusable, dead_letter_headers
from streams.processor import Outbox, Record


def bury(record: Record, stage: str, error: Exception, outbox: Outbox, ours: str = "") -> None:
    """Send a record to the dead letters as it came, to the partition of its own number; an error that is no `Unusable` is a
    fault of ours. `ours` names a header that we have added, and that must not come back when it is sent again."""
    reason = error.reason if isinstance(error, Unusable) else Reason.FAULT
    headers = dead_letter_headers(record, stage, reason, error, str(error))
    if ours:
        headers = [(name, value) for name, value in headers if name != ours]
    outbox.send(topics.DEAD_LETTERS, record.key, record.value, record.timestamp, headers, route=record.partition)
    outbox.count("dead_letters", reason.value)
