"""What is written of a delivery: its outcome to nps.deliveries, and its order to the dead letters if it failed."""

from dataclasses import dataclass
from typing import Final, Literal

import msgspec
from msgspec import UNSET

from npstream.notifying.answers import NotTaken, shortened
from npstream.notifying.orders import Order
from npstream.raw_record import RawRecord
from schemas import topics
from schemas.alerts import Delivery
from schemas.cloudevents import DELIVERY, SOURCE, TRACEPARENT, event_headers
from schemas.dead_letters import Reason, Unusable, dead_letter_headers
from schemas.times import format_time
from streams.processor import Record

STAGE: Final = "deliver"

Outcome = Literal["delivered", "retrying", "failed", "expired"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt, or the end of all of them."""

    outcome: Outcome
    number: int
    """1 for the first; also where it expired before there was one."""
    at_ms: int
    status: int | None = None
    error: str = ""
    cause: NotTaken | None = None
    """What failed it."""


Written = tuple[str, RawRecord]
"""Topic and record."""


def delivery_record(record: Record, order: Order, sink: str, attempt: Attempt) -> Written:
    """The outcome of an attempt. Its id follows from the delivery and the outcome, so that a repeat has the same."""
    delivery = Delivery(
        delivery_id=order.delivery_id,
        account_id=order.account_id,
        sink=sink,
        attempt=attempt.number,
        outcome=attempt.outcome,
        at=format_time(attempt.at_ms),
        status=UNSET if attempt.status is None else attempt.status,
        error=shortened(attempt.error) or UNSET,
        keys=list(order.keys),
    )
    event_id = f"{order.delivery_id}-{attempt.outcome}"
    if attempt.outcome == "retrying":
        event_id += f"-{attempt.number}"
    parent = next((value for name, value in record.headers if name == TRACEPARENT), None)
    headers = event_headers(DELIVERY, SOURCE, event_id, attempt.at_ms, parent)
    made = RawRecord(order.account_id.encode(), msgspec.json.encode(delivery), headers, record.timestamp)
    return topics.DELIVERIES, made


def dead_letter(record: Record, error: Exception) -> Written:
    """The order as it came, at the partition that it was in."""
    reason = error.reason if isinstance(error, Unusable) else Reason.NOT_DELIVERED
    headers = dead_letter_headers(record, STAGE, reason, error, str(error))
    return topics.DEAD_LETTERS, RawRecord(record.key, record.value, headers, record.timestamp, record.partition)
