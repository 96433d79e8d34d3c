"""A case as the state has it, and as it stands in `nps.cases`.

Times are ms since the epoch, UTC, and -1 where there is none yet.
"""

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from agents.case_states import OPEN
from agents.stored import StateUnreadable, StoredCount, StoredTime, decoder
from schemas.accounts import AccountFacts
from schemas.cases import Case, CaseAccount, CaseResponse, CaseState, Due, Recovery
from schemas.events import Category, Id, Severity
from schemas.times import format_time, parse_day

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

    def __post_init__(self) -> None:
        if self.renewal_date is not None:
            parse_day(self.renewal_date)


UNKNOWN: Final = KeptAccount()
"""An account of which nps.accounts says nothing."""


class KeptResponse(msgspec.Struct, array_like=True, gc=False):
    """One detractor response of a case."""

    at: StoredTime
    response_id: str
    score: Annotated[int, Meta(ge=0, le=6)]
    comment: str | None = None
    themes: tuple[str, ...] = ()
    sentiment: float | None = None


class KeptRecovery(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The response by which the respondent recovered."""

    response_id: str
    to: Category
    score: int
    at: StoredTime


class Waiting(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A recovery that came before the detractor from whom somebody recovered, and waits for it."""

    recovery: KeptRecovery
    until: StoredTime


class KeptCase(msgspec.Struct, array_like=True, gc=False):
    """One case."""

    account_id: Id
    case_id: Id
    respondent_id: str | None
    subject: bytes
    """Whose case it is, see `agents.case_store`."""
    earlier: str | None
    """The case of the same subject before this one."""
    opened_at: StoredTime
    begun_at: StoredTime
    """When it was opened, or reopened last: from then on its times count."""
    state: CaseState = "new"
    severity: Severity = "elevated"
    owner: str | None = None
    held: bool = False
    """Whether somebody was chosen as its owner; if not, it follows the account's."""
    updated_at: StoredTime = NEVER
    touched_at: StoredTime = NEVER
    """When a person last did something about it, or its respondent said something."""
    revision: Annotated[int, Meta(ge=-1, le=1 << 53)] = -1
    first_response_due: StoredTime = NEVER
    resolution_due: StoredTime = NEVER
    acknowledged_at: StoredTime = NEVER
    first_response_at: StoredTime = NEVER
    snoozed_until: StoredTime = NEVER
    closed_at: StoredTime = NEVER
    breached: tuple[Due, ...] = ()
    escalated: StoredCount = 0
    escalates_at: StoredTime = NEVER
    escalates_for: Due = "first_response"
    root_cause: str | None = None
    note: str | None = None
    recovered: KeptRecovery | None = None
    consecutive: StoredCount = 0
    responses: list[KeptResponse] = []
    told: dict[str, StoredCount] = {}
    """By response, also by one that is there no more, the revision of the last event that told of it."""
    segments: dict[str, str] = {}
    locale: str | None = None
    account_nps: float | None = None
    account: KeptAccount = UNKNOWN
    commands: list[bytes] = []
    """Hashes of the last ones that were carried out."""
    alarm: StoredTime = NEVER
    """The time under which it is in the index of what is due."""
    counted: Annotated[int, Meta(ge=-1, lt=len(SEVERITIES) * len(OPEN))] = -1
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
_decode_case = decoder(KeptCase)
decode_account = decoder(KeptAccount)
decode_waiting = decoder(Waiting)
_json = msgspec.json.Encoder().encode


def decode_case(value: bytes) -> KeptCase:
    """A case as the state has it. Raises StateUnreadable."""
    case = _decode_case(value)
    if not case.responses or case.opened_at == NEVER:
        raise StateUnreadable("a case in the state has no responses, or was never opened")
    return case


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
