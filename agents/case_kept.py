"""A case as the state has it, and as it stands in `nps.cases`.

Times are ms since the epoch, UTC, and -1 where there is none yet.
"""

from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from agents.stored import decoder
from schemas.accounts import AccountFacts
from schemas.cases import Case, CaseAccount, CaseResponse, CaseState, Due, Recovery
from schemas.events import Category, Severity
from schemas.times import format_time

NEVER: Final = -1
"""In place of a time."""
MOST_RESPONSES: Final = 10
"""Of one case: the latest ones. A case is written anew with each change, and who answers more often says the same again."""
MOST_COMMENT_CHARS: Final = 4_000
"""Of a comment, as of a note: all of it stands in `nps.responses.scored`."""
CUT: Final = "..."
"""The end of a comment that goes on."""
MOST_TOLD: Final = 30
"""Responses of a case that it knows to have been told, whether it still has them or not."""
SEVERITIES: Final[tuple[Severity, ...]] = ("critical", "high", "elevated")
"""The worst first."""


class KeptAccount(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a case needs of its account's facts. Nothing else of them is in the state: contacts are people."""

    name: str | None = None
    owner: str | None = None
    tier: str | None = None
    value: int | float | None = None
    renewal_date: str | None = None
    time_zone: str | None = None


UNKNOWN: Final = KeptAccount()
"""An account of which nps.accounts says nothing."""


class KeptResponse(msgspec.Struct, array_like=True, gc=False):
    """One detractor response of a case."""

    at: int
    response_id: str
    score: int
    comment: str | None = None
    themes: tuple[str, ...] = ()
    sentiment: float | None = None


class KeptRecovery(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The response by which the respondent recovered."""

    response_id: str
    to: Category
    score: int
    at: int


class Waiting(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A recovery that came before the detractor from whom somebody recovered, and waits for it."""

    recovery: KeptRecovery
    until: int


class KeptCase(msgspec.Struct, array_like=True, gc=False):
    """One case."""

    account_id: str
    case_id: str
    respondent_id: str | None
    subject: bytes
    """Whose case it is, see `agents.case_store`."""
    earlier: str | None
    """The case of the same subject before this one."""
    opened_at: int
    begun_at: int
    """When it was opened, or reopened last: from then on its times count."""
    state: CaseState = "new"
    severity: Severity = "elevated"
    owner: str | None = None
    held: bool = False
    """Whether somebody was chosen as its owner; if not, it follows the account's."""
    updated_at: int = NEVER
    touched_at: int = NEVER
    """When a person last did something about it, or its respondent said something."""
    revision: int = -1
    first_response_due: int = NEVER
    resolution_due: int = NEVER
    acknowledged_at: int = NEVER
    first_response_at: int = NEVER
    snoozed_until: int = NEVER
    closed_at: int = NEVER
    breached: tuple[Due, ...] = ()
    escalated: int = 0
    escalates_at: int = NEVER
    escalates_for: Due = "first_response"
    root_cause: str | None = None
    note: str | None = None
    recovered: KeptRecovery | None = None
    consecutive: int = 0
    responses: list[KeptResponse] = []
    told: dict[str, int] = {}
    """By response, also by one that is there no more, the revision of the last event that told of it."""
    segments: dict[str, str] = {}
    locale: str | None = None
    account_nps: float | None = None
    account: KeptAccount = UNKNOWN
    commands: list[bytes] = []
    """Hashes of the last ones that were carried out."""
    alarm: int = NEVER
    """The time under which it is in the index of what is due."""
    counted: int = -1
    """Where it is counted among the open ones; -1 where it is not."""

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to do something."""
        return self.closed_at == NEVER

    def response(self, response_id: str) -> KeptResponse | None:
        """The response of this id, if the case has it."""
        for response in self.responses:
            if response.response_id == response_id:
                return response
        return None


encode_case = msgspec.msgpack.Encoder().encode
decode_case = decoder(KeptCase)
decode_account = decoder(KeptAccount)
decode_waiting = decoder(Waiting)
_json = msgspec.json.Encoder().encode


def account_of(facts: AccountFacts) -> KeptAccount:
    """What is kept of an account's facts."""
    return KeptAccount(
        given(facts.name),
        given(facts.owner),
        given(facts.tier),
        given(facts.value),
        given(facts.renewal_date),
        given(facts.time_zone),
    )


def given(value: Any) -> Any:
    """None in place of what is left out."""
    return None if value is UNSET else value


def case_json(case: KeptCase) -> bytes:
    """The value of `nps.cases`: `schemas.cases.Case` as JSON."""
    recovered = case.recovered
    return _json(
        Case(
            account_id=case.account_id,
            case_id=case.case_id,
            respondent_id=_text(case.respondent_id),
            state=case.state,
            severity=case.severity,
            owner=_text(case.owner),
            opened_at=format_time(case.opened_at),
            updated_at=format_time(case.updated_at),
            revision=case.revision,
            first_response_due=_time(case.first_response_due),
            resolution_due=_time(case.resolution_due),
            acknowledged_at=_time(case.acknowledged_at),
            first_response_at=_time(case.first_response_at),
            snoozed_until=_time(case.snoozed_until),
            closed_at=_time(case.closed_at),
            breached=list(case.breached) or UNSET,
            escalated=case.escalated,
            root_cause=_text(case.root_cause),
            note=_text(case.note),
            recovered=UNSET
            if recovered is None
            else Recovery(
                response_id=recovered.response_id, to=recovered.to, score=recovered.score, at=format_time(recovered.at)
            ),
            consecutive=case.consecutive,
            responses=[_response(response) for response in case.responses],
            segments=case.segments or UNSET,
            locale=_text(case.locale),
            account_nps=UNSET if case.account_nps is None else case.account_nps,
            account=UNSET if case.account == UNKNOWN else _account(case.account),
        )
    )


def _response(response: KeptResponse) -> CaseResponse:
    return CaseResponse(
        response_id=response.response_id,
        score=response.score,
        responded_at=format_time(response.at),
        comment=_text(response.comment),
        themes=list(response.themes) or UNSET,
        sentiment=UNSET if response.sentiment is None else response.sentiment,
    )


def _account(account: KeptAccount) -> CaseAccount:
    return CaseAccount(
        name=_text(account.name),
        owner=_text(account.owner),
        tier=_text(account.tier),
        value=UNSET if account.value is None else account.value,
        renewal_date=_text(account.renewal_date),
        time_zone=_text(account.time_zone),
    )


def _text(value: str | None) -> str | UnsetType:
    return UNSET if value is None else value


def _time(ms: int) -> str | UnsetType:
    return UNSET if ms == NEVER else format_time(ms)
