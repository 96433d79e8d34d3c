"""Cases: what is done about a detractor, from the response to the outcome. The types of what travels.

A case is of one respondent, or of one response where that is anonymous. At most one case of a respondent is open: what the
respondent says meanwhile joins it.
"""

from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from schemas.events import (
    AccountNps,
    Category,
    Count,
    Day,
    Id,
    Owner,
    Score,
    Segments,
    Severity,
    Text,
    Tier,
    Time,
    YearlyValue,
)

MAX_NOTE_CHARS: Final = 4_000
"""Longest note of a command: a case is written anew with each change, and a report belongs elsewhere."""

CaseState = Literal["new", "acknowledged", "contacted", "resolved", "reopened", "expired", "withdrawn"]
"""Resolved, expired and withdrawn cases are closed. Withdrawn: a correction or retraction took back what it was about."""
Due = Literal["first_response", "resolution"]
"""What has a due time: the first word to the customer, and the end of the case."""
What = Literal[
    "opened",
    "joined",
    "changed",
    "acknowledged",
    "assigned",
    "contacted",
    "resolved",
    "reopened",
    "snoozed",
    "breached",
    "escalated",
    "expired",
    "withdrawn",
    "recovered",
]
"""What happened to a case. Joined: the respondent answered again, or said more; changed: its account's facts did, or one of
several responses was taken back."""
Command = Literal["acknowledge", "assign", "contact", "resolve", "reopen", "snooze"]
Note = Annotated[str, Meta(min_length=1, max_length=MAX_NOTE_CHARS)]
Theme = Annotated[Id, Meta(description="of those that are declared", examples=["performance"])]
Sentiment = Annotated[float, Meta(ge=-1, le=1, description="of the comment: -1 as bad as can be, 1 as good; two decimals")]


class CaseResponse(Struct, kw_only=True, omit_defaults=True):
    """One detractor response of a case, as it was last said."""

    response_id: Id
    score: Score
    responded_at: Time
    comment: Text | UnsetType = UNSET
    themes: Annotated[list[Theme], Meta(description="what the comment is about")] | UnsetType = UNSET
    sentiment: Sentiment | UnsetType = UNSET


class CaseAccount(Struct, kw_only=True, omit_defaults=True):
    """Whose account it is: what `nps.accounts` said of it when the case last changed."""

    name: Text | UnsetType = UNSET
    owner: Owner | UnsetType = UNSET
    tier: Tier | UnsetType = UNSET
    value: YearlyValue | UnsetType = UNSET
    renewal_date: Day | UnsetType = UNSET
    time_zone: Text | UnsetType = UNSET


class Recovery(Struct, kw_only=True):
    """The respondent's later response that was none of a detractor."""

    response_id: Id
    to: Category
    score: Score
    at: Time


class Case(Struct, kw_only=True, omit_defaults=True):
    """A case as it stands. A tombstone when it is no longer kept, or its respondent was erased."""

    account_id: Id
    case_id: Id
    respondent_id: Id | UnsetType = UNSET
    state: CaseState
    severity: Annotated[Severity, Meta(description="of the score, raised for what makes it worse")]
    owner: Annotated[Owner, Meta(description="who is to act now")] | UnsetType = UNSET
    opened_at: Time
    updated_at: Time
    revision: Annotated[Count, Meta(description="one more for each change")]
    first_response_due: Time | UnsetType = UNSET
    resolution_due: Time | UnsetType = UNSET
    acknowledged_at: Time | UnsetType = UNSET
    first_response_at: Annotated[Time, Meta(description="when the customer was first spoken to")] | UnsetType = UNSET
    snoozed_until: Time | UnsetType = UNSET
    closed_at: Time | UnsetType = UNSET
    breached: Annotated[list[Due], Meta(description="due times that passed")] | UnsetType = UNSET
    escalated: Annotated[Count, Meta(description="steps of the chain of owners that were taken")] = 0
    root_cause: Id | UnsetType = UNSET
    note: Note | UnsetType = UNSET
    recovered: Recovery | UnsetType = UNSET
    consecutive: Annotated[Count, Meta(description="detractor responses of the respondent in a row")]
    responses: Annotated[list[CaseResponse], Meta(min_length=1, description="the latest ones, oldest first")]
    segments: Segments | UnsetType = UNSET
    locale: Id | UnsetType = UNSET
    account_nps: AccountNps | UnsetType = UNSET
    account: CaseAccount | UnsetType = UNSET


class CaseEvent(Struct, kw_only=True, omit_defaults=True):
    """Something happened to a case."""

    account_id: Id
    case_id: Id
    event: What
    at: Time
    by: Annotated[Id, Meta(description="whose command it was; left out where none was")] | UnsetType = UNSET
    command_id: Id | UnsetType = UNSET
    due: Annotated[Due, Meta(description="which due time was breached")] | UnsetType = UNSET
    note: Note | UnsetType = UNSET
    case: Annotated[Case, Meta(description="as it stands after this")]


class CaseCommand(Struct, kw_only=True, omit_defaults=True):
    """What somebody does about a case. The key is the account_id. The same command_id again changes nothing."""

    command_id: Id
    account_id: Id
    case_id: Id
    command: Command
    by: Annotated[Id, Meta(description="who does it, e.g. an e-mail address")]
    owner: Annotated[Owner, Meta(description="assign: to whom")] | UnsetType = UNSET
    root_cause: Annotated[Id, Meta(description="resolve: why it came to this", examples=["pricing"])] | UnsetType = UNSET
    note: Note | UnsetType = UNSET
    until: Annotated[Time, Meta(description="snooze: until when nothing is due")] | UnsetType = UNSET


class CaseRejection(Struct, kw_only=True, omit_defaults=True):
    """A command that changed nothing, and why. Ids are left out where the command had none."""

    command_id: Id | UnsetType = UNSET
    account_id: Id | UnsetType = UNSET
    case_id: Id | UnsetType = UNSET
    command: Annotated[str, Meta(max_length=100)] | UnsetType = UNSET
    reason: Literal["bad command", "no such case", "not allowed", "stray"]
    message: Text
    state: Annotated[CaseState, Meta(description="the case's, if there is one")] | UnsetType = UNSET
    partition: Annotated[Count, Meta(description="where the command stands in nps.case.commands")]
    offset: Count
    rejected_at: Time
