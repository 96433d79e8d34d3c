"""What a broker forbids, in words: which permission on which resource this user lacks. No I/O in here."""

from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

DENIALS = (TopicAuthorizationFailedError, GroupAuthorizationFailedError, TransactionalIdAuthorizationFailed)
"""Answers of a broker that lets somebody in, and not do this."""


def denial(error: KafkaError, operation: str) -> str:
    """One of `DENIALS` in one line that says what to allow. `operation` is what was tried on a topic, as access control lists
    name it; with groups and transactional ids we do one thing alone."""
    subject = error.args[0] if error.args else "(unnamed)"
    name = ", ".join(sorted(subject)) if isinstance(subject, set | frozenset) else str(subject)
    match error:
        case GroupAuthorizationFailedError():
            lacking = f"Read on group {name}"
        case TransactionalIdAuthorizationFailed():
            lacking = f"Write on transactional id {name}"
        case _:
            lacking = f"{operation} on topic {name}"
    return f"this user lacks {lacking}: allow it, and this goes on by itself"
