"""The fields that each kind of event must have, as the contract names them. What it leaves open is not named here."""

from typing import Any

from npstream.recount.expected import ABSENT, Expected, any_of
from npstream.recount.reading import Arrival, SourceRecord, format_time
from npstream.recount.standing import Standing
from npstream.recount.tables import CATEGORIES


def severity(score: int) -> str:
    if score <= 2:
        return "critical"
    return "high" if score <= 4 else "elevated"


def event(record: SourceRecord, account_id: str, fields: dict[str, Any], optional: bool = False) -> Expected:
    """An event that a record brings; fields that are None are left out of the comparison."""
    named = {name: value for name, value in fields.items() if value is not None}
    return Expected(account_id.encode(), record.timestamp, {"account_id": account_id} | named, optional)


def anything(record: SourceRecord, account_id: str) -> Expected:
    """Perhaps an event about this account."""
    return event(record, account_id, {}, optional=True)


def scored(record: SourceRecord, response: Arrival, optional: bool = False, **more: Any) -> Expected:
    """A response as accepted, with the segments that it is counted in."""
    fields: dict[str, Any] = {
        "response_id": response.response_id,
        "score": response.score,
        "category": response.category,
        "responded_at": format_time(response.responded_at),
        "respondent_id": response.respondent_id or ABSENT,
        "comment": response.comment or ABSENT,
        "segments": dict(response.counted) or ABSENT,
        **response.other,
    }
    if response.updated_at is not None:
        fields["updated_at"] = format_time(response.updated_at)
    return event(record, response.account_id, fields | more, optional)


def scored_loosely(record: SourceRecord, response: Arrival, optional: bool = False, **more: Any) -> Expected:
    """As `scored`, where only the identity is clear."""
    return event(record, response.account_id, {"response_id": response.response_id} | more, optional)


def change(
    record: SourceRecord, now: Arrival, was: Arrival, becomes: Arrival | None, cause: Any, optional: bool = False
) -> Expected:
    """A respondent's present category changed from `was` to `becomes` because of `now`."""
    fields: dict[str, Any] = {"respondent_id": was.respondent_id, "from": was.category, "cause": cause}
    if becomes is None:
        fields["to"] = any_of(None, ABSENT)
    else:
        up = CATEGORIES.index(becomes.category) > CATEGORIES.index(was.category)
        fields |= {"to": becomes.category, "direction": "up" if up else "down", "previous_score": was.score}
        if becomes.response_id == now.response_id:
            fields |= {"response_id": now.response_id, "score": now.score, "segments": dict(now.counted) or ABSENT}
    return event(record, now.account_id, fields, optional)


def announcement(record: SourceRecord, standing: Standing, response: Arrival, optional: bool = False, **more: Any) -> Expected:
    """A detractor or a promoter."""
    fields: dict[str, Any] = {
        "response_id": response.response_id,
        "respondent_id": response.respondent_id or ABSENT,
        "score": response.score,
        "comment": response.comment or ABSENT,
        "responded_at": format_time(response.responded_at),
        "segments": dict(response.counted) or ABSENT,
        "account_nps": standing.account_nps(response.account_id),
        "withdrawn": any_of(False, ABSENT),
    }
    if response.category == "detractor":
        fields |= {"severity": severity(response.score), "locale": response.other.get("locale", ABSENT)}
    return event(record, response.account_id, fields | more, optional)


def withdrawal(record: SourceRecord, standing: Standing, response: Arrival, optional: bool = False) -> Expected:
    """A detractor that is none any more."""
    fields = {
        "response_id": response.response_id,
        "respondent_id": response.respondent_id or ABSENT,
        "account_nps": standing.account_nps(response.account_id),
        "withdrawn": True,
    }
    return event(record, response.account_id, fields, optional)
