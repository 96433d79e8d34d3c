"""What happened, in one line of plain text that a person likes to read."""

import re
import unicodedata
from typing import Final

from msgspec import UNSET

from schemas.alerts import AccountAlert
from schemas.cases import Case, CaseEvent, CaseResponse

HEADLINE_CHARS: Final = 200
"""Longest headline: three lines on a phone."""
NAME_CHARS: Final = 80
"""So much of a name is shown: longer ones are no names."""
_JOINERS: Final = "\u200c\u200d"
"""Invisible, but part of what is written: in Persian, and in emoji."""
_WORD_END: Final = re.compile(r"\s\S*$")


def one_line(text: str) -> str:
    """A text without line ends and without what cannot be seen: such characters can turn the order of others round."""
    if not text.isascii() or not text.isprintable():
        text = "".join(c if c in _JOINERS or unicodedata.category(c)[0] not in "CZ" else " " for c in text)
    return " ".join(text.split())


def shorten(text: str, most: int) -> str:
    """At most `most` characters, cut between words where there is such a place in the second half."""
    if len(text) <= most:
        return text
    kept = text[:most]
    if _WORD_END.search(kept) and len(whole := _WORD_END.sub("", kept)) >= most // 2:
        kept = whole
    return kept[: most - 1].rstrip(" ,;:.") + "…"


def case_headline(event: CaseEvent) -> str:
    """The headline of what happened to a case."""
    case = event.case
    given = _given(case)
    match event.event:
        case "breached":
            missed = "No first response in time" if event.due == "first_response" else "Not resolved in time"
            text = f"{missed}: {given}"
        case "escalated":
            text = f"Escalated to {_owner(case)}: {given}"
        case "assigned":
            text = f"Assigned to {_owner(case)}: {given}"
        case "recovered" if case.recovered is not UNSET:
            last = case.responses[-1].score
            text = f"Recovered: {_who(case.respondent_id)} gave {case.recovered.score}, was {last}"
        case "resolved" if case.root_cause is not UNSET:
            text = f"Resolved ({_name(case.root_cause)}): {given}"
        case "snoozed" if case.snoozed_until is not UNSET:
            text = f"Snoozed until {case.snoozed_until[:10]}: {given}"
        case "opened" | "joined":
            text = given
        case other:
            text = f"{other.capitalize()}: {given}"
    return shorten(text, HEADLINE_CHARS)


def account_headline(alert: AccountAlert) -> str:
    """The headline of an account at risk."""
    account = account_name(alert)
    match alert.kind:
        case "downgrade":
            text = f"{_who(alert.respondent_id)} at {account} went from {alert.before or 'better'} to {alert.to or 'worse'}"
            if alert.score is not UNSET:
                text += f": gave {alert.score}"
                text += "" if alert.previous_score is UNSET else f", was {alert.previous_score}"
        case "nps_fell":
            text = f"NPS of {account} fell"
            if alert.nps is not UNSET:
                text += "" if alert.previous_nps is UNSET else f" from {alert.previous_nps:g}"
                text += f" to {alert.nps:g}"
            text += f"{_window(alert, 'in')}, more than chance"
        case "nps_below":
            text = f"NPS of {account} is " + ("low" if alert.nps is UNSET else f"{alert.nps:g}") + _window(alert, "over")
            text += "" if alert.threshold is UNSET else f", below {alert.threshold:g}"
        case "no_promoters":
            text = f"Nobody at {account} is a promoter any more{_window(alert, 'in')}"
        case "silence":
            text = f"{_who(alert.respondent_id)} at {account} has fallen silent"
            text += "" if alert.last_response_at is UNSET else f": last answered on {alert.last_response_at[:10]}"
            text += "" if alert.usual_days is UNSET else f", usually every {alert.usual_days:g} days"
    return shorten(text, HEADLINE_CHARS)


def account_name(alert: AccountAlert) -> str:
    """What people call the account, or its id."""
    named = alert.account is not UNSET and alert.account.name is not UNSET
    return _name(str(alert.account.name) if named and alert.account is not UNSET else "") or _name(alert.account_id)


def _given(case: Case) -> str:
    """What the respondent said last."""
    last = case.responses[-1]
    before = _score_before(case.responses)
    again = "" if before is None else f" (was {before})"
    comment = "" if last.comment is UNSET else one_line(last.comment)
    said = f": {comment}" if comment else ", without a comment"
    return f"{_who(case.respondent_id)} gave {last.score}{again}{said}"


def _score_before(responses: list[CaseResponse]) -> int | None:
    """The score of the response before the last one, where it is another."""
    return responses[-2].score if len(responses) > 1 and responses[-2].score != responses[-1].score else None


def _who(respondent: object) -> str:
    return _name(respondent) if isinstance(respondent, str) else "Somebody"


def _owner(case: Case) -> str:
    return "nobody" if case.owner is UNSET else _name(case.owner)


def _name(text: str) -> str:
    return shorten(one_line(text), NAME_CHARS)


def _window(alert: AccountAlert, word: str) -> str:
    return "" if alert.window is UNSET else f" {word} {alert.window.removesuffix('d')} days"
