"""Alerts: accounts at risk, what is to be told to whom, and what became of it. The types of what travels."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from schemas.cases import CaseState, Sentiment, Theme
from schemas.events import (
    AccountBrief,
    Category,
    Count,
    Id,
    Nps,
    Owner,
    Score,
    Segments,
    Severity,
    Text,
    Time,
    WindowName,
)

RiskKind = Literal["downgrade", "nps_fell", "nps_below", "no_promoters", "silence"]
"""A respondent's category fell; the account's NPS fell by more than chance, or below a threshold; nobody is left who would
recommend; a respondent who used to answer does not."""


class AccountAlert(Struct, kw_only=True, omit_defaults=True, rename={"before": "from"}):
    """An account is at risk. The same does not come again before `until`."""

    account_id: Id
    alert_id: Id
    kind: RiskKind
    severity: Severity
    raised_at: Time
    until: Annotated[Time, Meta(description="when its cool-down ends")]
    respondent_id: Annotated[Id, Meta(description="downgrade, silence: whose")] | UnsetType = UNSET
    before: Category | UnsetType = UNSET
    to: Category | UnsetType = UNSET
    score: Score | UnsetType = UNSET
    previous_score: Score | UnsetType = UNSET
    window: WindowName | UnsetType = UNSET
    nps: Nps | UnsetType = UNSET
    previous_nps: Nps | UnsetType = UNSET
    low: Nps | UnsetType = UNSET
    high: Nps | UnsetType = UNSET
    threshold: Nps | UnsetType = UNSET
    last_response_at: Time | UnsetType = UNSET
    usual_days: Annotated[float, Meta(ge=0, description="the respondent's median interval")] | UnsetType = UNSET
    segments: Segments | UnsetType = UNSET
    account: AccountBrief | UnsetType = UNSET


class AlertItem(Struct, kw_only=True, omit_defaults=True):
    """One thing that an alert tells."""

    key: Annotated[Id, Meta(description="what it is about: the same for all that is ever told of it")]
    kind: Literal["case"] | RiskKind
    what: Annotated[Id, Meta(description="what happened: an event of the case, or raised")]
    headline: Annotated[Text, Meta(description="one line for people")]
    severity: Severity
    was: Annotated[Severity, Meta(description="under which the sink holds it, where that is another")] | UnsetType = UNSET
    starts_at: Time
    ends_at: Annotated[Time, Meta(description="when it is over, or no longer true unless told again")] | UnsetType = UNSET
    case_id: Id | UnsetType = UNSET
    state: CaseState | UnsetType = UNSET
    respondent_id: Id | UnsetType = UNSET
    owner: Owner | UnsetType = UNSET
    score: Score | UnsetType = UNSET
    comment: Text | UnsetType = UNSET
    themes: list[Theme] | UnsetType = UNSET
    sentiment: Sentiment | UnsetType = UNSET
    first_response_due: Time | UnsetType = UNSET
    resolution_due: Time | UnsetType = UNSET
    segments: Segments | UnsetType = UNSET


class Alert(Struct, kw_only=True, omit_defaults=True):
    """What `npstream notify` is to deliver to one sink: one delivery."""

    delivery_id: Annotated[Id, Meta(description="of this delivery: where a sink knows repeats, by this or by dedup_key")]
    account_id: Id
    sink: Annotated[Id, Meta(description="the name of a sink in the care file")]
    route: Annotated[Id, Meta(description="the name of the route that chose it")]
    dedup_key: Annotated[Id, Meta(description="the same for all deliveries about the same thing to the same sink")]
    status: Annotated[Literal["firing", "resolved"], Meta(description="firing while one of its items is")]
    severity: Annotated[Severity, Meta(description="the worst of its items")]
    title: Text
    created_at: Time
    caused_at: Annotated[Time, Meta(description="when the oldest of what it tells happened")]
    expires_at: Annotated[Time, Meta(description="from when on nobody wants it any more")]
    refresh: Annotated[Literal[True], Meta(description="told before: only for a sink that forgets")] | UnsetType = UNSET
    account: AccountBrief | UnsetType = UNSET
    account_nps: Nps | UnsetType = UNSET
    items: Annotated[list[AlertItem], Meta(min_length=1)]
    more: Annotated[Count, Meta(description="items beyond those that are listed")] = 0


class Delivery(Struct, kw_only=True, omit_defaults=True):
    """What became of an attempt to deliver an alert or a message."""

    delivery_id: Id
    account_id: Id
    sink: Id
    attempt: Annotated[int, Meta(ge=1)]
    outcome: Annotated[
        Literal["delivered", "retrying", "failed", "expired"],
        Meta(description="failed: given up, the order is a dead letter; expired: nobody wants it any more"),
    ]
    at: Time
    status: Annotated[int, Meta(description="of HTTP or SMTP")] | UnsetType = UNSET
    error: Text | UnsetType = UNSET
    keys: Annotated[list[Id], Meta(description="of the items that were told")] | UnsetType = UNSET
