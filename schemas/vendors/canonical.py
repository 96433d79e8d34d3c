"""The canonical JSON of npstream itself, for platforms and scripts that can write any shape: see docs/payloads.md."""

from typing import Any

from schemas.dead_letters import Reason, Unusable
from schemas.vendors.adapter import Draft, SourceSettings

NAME = "canonical"
VENDOR_TIMES = False

MARKS = frozenset(("response_id", "responded_at", "account_id"))
"""One of these is enough: what lacks the others is then told which field is missing, not that nobody knows its shape."""


def recognises(payload: Any) -> bool:
    return isinstance(payload, dict) and not MARKS.isdisjoint(payload)


def adapt(payload: Any, settings: SourceSettings) -> list[Draft]:
    """The payload is its own draft."""
    if not isinstance(payload, dict):
        raise Unusable(Reason.WRONG_TYPE, "a canonical response is an object")
    return [payload]
