"""Dead letters of the agents that take their records one by one."""

from schemas import topics
from schemas.dead_letters import Unusable, dead_letter_headers
from streams.processor import Outbox, Record


def bury(record: Record, stage: str, error: Unusable, outbox: Outbox) -> None:
    """Send a record to the dead letters as it came, to the partition of its own number."""
    headers = dead_letter_headers(record, stage, error.reason, error, str(error))
    outbox.send(topics.DEAD_LETTERS, record.key, record.value, record.timestamp, headers, route=record.partition)
    outbox.count("dead_letters", error.reason)
