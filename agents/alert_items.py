"""From what happened to what is told: an event of a case, or an account at risk, as an item of an alert."""

import hashlib
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET

from agents.alert_due import NEVER
from agents.headlines import account_headline, case_headline, shorten
from agents.routes import CASE, SEVERITIES, WORSENED, Matter
from agents.stored import storable
from schemas.alerts import AccountAlert, AlertItem
from schemas.cases import Case, CaseAccount, CaseEvent
from schemas.dead_letters import Reason, Unusable
from schemas.events import AccountBrief, Severity
from schemas.times import DAY_MS, format_time, parse_time

COMMENT_CHARS: Final = 1_000
"""So much of a comment is told: the whole of it is with the case, and an alert has many items."""
CLOSED: Final = frozenset(("resolved", "expired", "withdrawn"))
"""States of a case that nothing is to be done about."""
ERASED: Final = "erased"
"""What happened to a thing whose respondent is to be forgotten."""
KEY_BYTES: Final = 12

_decode_event = msgspec.json.Decoder(CaseEvent).decode
_decode_alert = msgspec.json.Decoder(AccountAlert).decode


class News(NamedTuple):
    """Something that happened. Times in ms."""

    account_id: str
    item: AlertItem
    what: str
    matter: Matter
    """As far as it is known without what was known before."""
    revision: str
    at: int
    over: bool
    until: int
    account: AccountBrief | None
    nps: float | None

    @property
    def is_case(self) -> bool:
        """Of a case, not of an account."""
        return self.item.kind == CASE

    @property
    def respondent(self) -> str | None:
        """Whose it is, if it is somebody's."""
        return None if self.item.respondent_id is UNSET else self.item.respondent_id

    def matter_for(self, worsened: bool) -> Matter:
        """What routes look at; `worsened`: the severity is not what it was."""
        if worsened and self.what == "joined":
            return self.matter._replace(what=self.matter.what | {WORSENED})
        return self.matter


def case_news(value: bytes | None) -> News:
    """What a record of nps.case.events tells. Raises `Unusable`."""
    event = _read(value, _decode_event)
    case = event.case
    last, account = case.responses[-1], case.account
    owner = case.owner or (UNSET if account is UNSET else account.owner)
    item = AlertItem(
        key=event.case_id,
        kind="case",
        what=event.event,
        headline=case_headline(event),
        severity=case.severity,
        starts_at=case.opened_at,
        ends_at=event.at if case.state in CLOSED else UNSET,
        case_id=event.case_id,
        state=case.state,
        respondent_id=case.respondent_id,
        owner=owner,
        score=last.score,
        comment=UNSET if last.comment is UNSET else shorten(last.comment, COMMENT_CHARS),
        themes=last.themes,
        sentiment=last.sentiment,
        first_response_due=case.first_response_due,
        resolution_due=case.resolution_due,
        segments=case.segments,
    )
    matter = Matter(
        CASE,
        frozenset((event.event,)),
        case.severity,
        None if account is UNSET else _known(account.tier),
        _known(owner),
        case.segments or {},
        _themes(case),
    )
    brief, nps = _brief(account), _known(case.account_nps)
    _check(brief)
    over = case.state in CLOSED
    _ms(case.opened_at)
    return News(event.account_id, item, event.event, matter, str(case.revision), _ms(event.at), over, NEVER, brief, nps)


def account_news(value: bytes | None) -> News:
    """What a record of nps.account.alerts tells. Raises `Unusable`."""
    alert = _read(value, _decode_alert)
    raised = _ms(alert.raised_at)
    until = _ms(alert.until)
    if until <= raised:
        until = raised + DAY_MS  # a kind without a cool-down would be over as soon as it began
    account = None if alert.account is UNSET else alert.account
    _check(account)
    owner = UNSET if account is None else account.owner
    item = AlertItem(
        key=account_key(alert),
        kind=alert.kind,
        what="raised",
        headline=account_headline(alert),
        severity=alert.severity,
        starts_at=alert.raised_at,
        ends_at=format_time(until),
        respondent_id=alert.respondent_id,
        owner=owner,
        score=alert.score,
        segments=alert.segments,
    )
    matter = Matter(
        alert.kind,
        frozenset(("raised",)),
        alert.severity,
        None if account is None else _known(account.tier),
        _known(owner),
        alert.segments or {},
    )
    nps = _known(alert.nps)
    return News(alert.account_id, item, "raised", matter, alert.alert_id, raised, False, until, account, nps)


def account_key(alert: AccountAlert) -> str:
    """What an alert is about: the same for all of its kind about the account, or about the respondent. It names nobody."""
    about = [alert.account_id, alert.kind, alert.respondent_id or "", alert.window or ""]
    return "a-" + hashlib.sha256(msgspec.json.encode(about)).hexdigest()[: 2 * KEY_BYTES]


def erased_item(item: AlertItem, ends_at: str) -> AlertItem:
    """What is told of a thing whose respondent is to be forgotten: that it is over, and nothing of whom it was."""
    is_case = item.kind == CASE
    return AlertItem(
        key=item.key,
        kind=item.kind,
        what=ERASED,
        headline="Closed: what is known of the respondent was erased",
        severity=item.severity,
        starts_at=item.starts_at,
        ends_at=ends_at,
        case_id=item.case_id,
        state="withdrawn" if is_case else UNSET,
    )


def rank(severity: Severity) -> int:
    """0 is the worst."""
    return SEVERITIES.index(severity)


def _read(value: bytes | None, decode: Any) -> Any:
    try:
        return decode(value or b"")
    except msgspec.ValidationError as error:
        raise Unusable(Reason.WRONG_TYPE, str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unusable(Reason.NOT_JSON, f"no JSON ({type(error).__name__})") from error


def _check(account: AccountBrief | None) -> None:
    if not storable(account):
        raise Unusable(Reason.WRONG_TYPE, "account: a number in it has more than 64 bits")


def _ms(text: str) -> int:
    try:
        return parse_time(text)
    except ValueError as error:
        raise Unusable(Reason.BAD_TIME, str(error)) from error


def _known(value: Any) -> Any:
    return None if value is UNSET else value


def _themes(case: Case) -> frozenset[str]:
    """Of all that its respondent said."""
    return frozenset(theme for response in case.responses for theme in response.themes or ())


def _brief(account: CaseAccount | msgspec.UnsetType) -> AccountBrief | None:
    if account is UNSET:
        return None
    brief = AccountBrief(name=account.name, owner=account.owner, tier=account.tier, value=account.value)
    return None if brief == AccountBrief() else brief
