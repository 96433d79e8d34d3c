"""What a record says is to be delivered."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from msgspec import UNSET, Struct

from schemas.alerts import Alert
from schemas.dead_letters import Reason, Unusable
from schemas.outreach import Outreach
from schemas.times import parse_time
from streams.processor import Record

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Order:
    """One delivery to one sink. Times in ms since 1970-01-01, UTC."""

    delivery_id: str
    account_id: str
    content: Alert | Outreach
    dedup_key: str
    created_ms: int
    caused_ms: int
    expires_ms: int | None
    keys: tuple[str, ...]
    """Of what it tells."""
    refresh: bool = False
    """It repeats what was told before, for a sink that forgets."""


Reading = Callable[[Record], Order | None]
"""The order in a record; None if it is none of this lane's. Raises Unusable for a record that this lane has to bury."""


class Addressed(Struct):
    """What is read first of an alert: most are other sinks'."""

    sink: str


def alerts_to(sink: str, others: Callable[[str], None] | None = None, buries: bool = False) -> Reading:
    """Reads the alerts to a sink.

    Every lane sees every record. So that each is looked after once, one lane `buries` what no lane can read, and is told of
    each `others`: the name of a sink that is not its own.
    """

    def read(record: Record) -> Order | None:
        try:
            addressed = _decoded(_addressed, record.value)
        except Unusable:
            if buries:
                raise
            return None
        if addressed.sink != sink:
            if others is not None:
                others(addressed.sink)
            return None
        return alert_order(_decoded(_alert, record.value))

    return read


def outreach(record: Record) -> Order | None:
    """Reads the messages to respondents that are to be sent. Raises Unusable."""
    message = _decoded(_outreach, record.value)
    if message.status != "send":
        return None
    created = _time(message.created_at)
    return Order(
        message.outreach_id,
        message.account_id,
        message,
        message.outreach_id,
        created,
        created,
        None if message.expires_at is UNSET else _time(message.expires_at),
        (message.case_id,),
    )


def alert_order(alert: Alert) -> Order:
    """An alert as an order. Raises Unusable for a time that is none."""
    expires = _time(alert.expires_at)
    if alert.refresh is True:
        # What it repeats is over by then, or has been told again.
        ends = [_time(item.ends_at) for item in alert.items if item.ends_at is not UNSET]
        expires = min([expires, max(ends)]) if ends else expires
    return Order(
        alert.delivery_id,
        alert.account_id,
        alert,
        alert.dedup_key,
        _time(alert.created_at),
        _time(alert.caused_at),
        expires,
        tuple(item.key for item in alert.items),
        alert.refresh is True,
    )


_addressed = msgspec.json.Decoder(Addressed)
_alert = msgspec.json.Decoder(Alert)
_outreach = msgspec.json.Decoder(Outreach)


def _decoded(decoder: "msgspec.json.Decoder[T]", value: bytes | None) -> T:
    if not value:
        raise Unusable(Reason.EMPTY, "the record has no value")
    try:
        return decoder.decode(value)
    except msgspec.ValidationError as error:
        raise Unusable(Reason.WRONG_TYPE, str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unusable(Reason.NOT_JSON, str(error)) from error
    except RecursionError as error:
        raise Unusable(Reason.TOO_DEEP, "nested too deep") from error


def _time(text: str) -> int:
    try:
        return parse_time(text)
    except ValueError as error:
        raise Unusable(Reason.BAD_TIME, str(error)) from error
