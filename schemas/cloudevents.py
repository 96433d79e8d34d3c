"""CloudEvents 1.0 attributes as Kafka headers (binary mode), for the events that other systems act on.

Source: the Kafka protocol binding for CloudEvents 1.0.2, section 3.2.
"""

from typing import Final

from schemas.times import format_time

SOURCE: Final = "npstream"
"""The `ce_source` of every event of ours."""

SCORED: Final = "nps.response.scored"
CATEGORY_CHANGE: Final = "nps.category.change"
DETRACTOR: Final = "nps.detractor"
PROMOTER: Final = "nps.promoter"
CASE_EVENT: Final = "nps.case.event"
CASE_REJECTION: Final = "nps.case.rejection"
ACCOUNT_ALERT: Final = "nps.account.alert"
ALERT: Final = "nps.alert"
DELIVERY: Final = "nps.delivery"
OUTREACH: Final = "nps.outreach"
COMMENT: Final = "nps.comment"

TYPES: Final = (
    SCORED,
    CATEGORY_CHANGE,
    DETRACTOR,
    PROMOTER,
    CASE_EVENT,
    CASE_REJECTION,
    ACCOUNT_ALERT,
    ALERT,
    DELIVERY,
    OUTREACH,
    COMMENT,
)
"""Every `ce_type` that npstream sends."""

TRACEPARENT: Final = "traceparent"
"""The W3C Trace Context header that is passed on from what caused an event."""


def event_headers(
    event_type: str, source: str, event_id: str, time_ms: int, traceparent: bytes | None = None
) -> list[tuple[str, bytes]]:
    """Headers of one event. `event_id` must follow from what caused it, so that a repeat has the same; time in ms, UTC."""
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id.encode()),
        ("ce_type", event_type.encode()),
        ("ce_source", source.encode()),
        ("ce_time", format_time(time_ms).encode()),
        ("content-type", b"application/json"),
    ]
    if traceparent is not None:
        headers.append((TRACEPARENT, traceparent))
    return headers
