"""What care tells, each event in one line: cases, accounts at risk, alerts and what became of them, messages, comments. No I/O
here."""

from collections.abc import Callable
from typing import Any, Final

from rich.text import Text

from npstream.event_lines import CATEGORIES, Event, is_number, plain, quoted, score
from npstream.lines import NOTHING, signed
from npstream.tables_view import SEVERITIES
from schemas import topics

WORD: Final = 12
"""Characters of what happened: acknowledged."""
EVENTS: Final = {"breached": "bold red", "escalated": "red", "expired": "red", "resolved": "green", "recovered": "green"}
"""Colours of what happens to a case; the rest has none."""
OUTCOMES: Final = {"delivered": "green", "retrying": "yellow", "failed": "bold red", "expired": "red"}
"""Colours of what became of a delivery."""
TONES: Final = {"negative": "red", "neutral": "bright_black", "positive": "green"}
ARROW: Final = "\N{RIGHTWARDS ARROW}"


def _case(event: Any) -> Text:
    """What happened to a case, by whom, and what is said of it."""
    happened, case = plain(event), plain(event.get("case"))
    what = str(happened.get("event") or "")
    by = f"by {happened['by']}" if happened.get("by") else ""
    due = str(happened.get("due") or "").replace("_", " ")
    owner = f"{ARROW} {case['owner']}" if what in ("opened", "assigned", "escalated") and case.get("owner") else ""
    words = str(happened.get("note") or (_last_comment(event) if what in ("opened", "joined") else ""))
    return _line(
        Text.assemble((what.ljust(WORD), EVENTS.get(what, "")), "  ", _severity(case)),
        happened.get("account_id"),
        [due, by, owner, quoted(words)],
        [case.get("respondent_id") or "anonymous", happened.get("case_id")],
    )


def _rejection(event: Any) -> Text:
    """A command that changed nothing."""
    told = plain(event)
    reason = Text(f"{told.get('reason', '')!s:<{WORD}}  {told.get('command', '')!s:<11}", "red")
    return _line(reason, told.get("account_id"), [told.get("message")], [told.get("case_id")])


def _risk(event: Any) -> Text:
    """Why an account is at risk."""
    told = plain(event)
    kind = str(told.get("kind") or "")
    match kind:
        case "downgrade":
            why = f"{told.get('from', '')} {ARROW} {told.get('to', '')}"
        case "silence":
            usual = f", usually every {told['usual_days']:g} d" if is_number(told.get("usual_days")) else ""
            why = f"nothing since {str(told.get('last_response_at', ''))[:10]}{usual}"
        case "nps_below":
            why = f"NPS {_nps(told, 'nps')} below {_nps(told, 'threshold')}"
        case "nps_fell":
            why = f"NPS {_nps(told, 'previous_nps')} {ARROW} {_nps(told, 'nps')}"
        case _:
            why = ""
    window = f"in {told['window']}" if told.get("window") else ""
    return _line(
        Text.assemble(kind.replace("_", " ").ljust(WORD), "  ", _severity(told)),
        told.get("account_id"),
        [why, window],
        [told.get("respondent_id")],
    )


def _alert(event: Any) -> Text:
    """What is to be told to whom."""
    told = plain(event)
    status = str(told.get("status") or "")
    what = Text.assemble((status.ljust(WORD), "green" if status == "resolved" else ""), "  ", _severity(told))
    return _line(
        what, told.get("account_id"), [f"{ARROW} {told.get('sink', '')}", told.get("title")], [told.get("delivery_id")]
    )


def _delivery(event: Any) -> Text:
    """What became of an attempt."""
    told = plain(event)
    outcome, attempt = str(told.get("outcome") or ""), told.get("attempt")
    tried = f"attempt {attempt}" if attempt != 1 else ""
    return _line(
        Text.assemble((outcome.ljust(WORD), OUTCOMES.get(outcome, "")), f"  {told.get('status', '')!s:<8}"),
        told.get("account_id"),
        [f"{ARROW} {told.get('sink', '')}", tried, told.get("error")],
        [told.get("delivery_id")],
    )


def _outreach(event: Any) -> Text:
    """A message, or why there is none."""
    told = plain(event)
    status = str(told.get("status") or "")
    what = Text(f"{status:<{WORD}}  {told.get('reason', '')!s:<11}", "dim" if status == "suppressed" else "")
    to = told.get("to") or told.get("respondent_id")
    return _line(what, told.get("account_id"), [quoted(str(told.get("subject") or ""))], [to, told.get("case_id")])


def _comment(event: Any) -> Text:
    """What a comment is about, and how it sounds."""
    told = plain(event)
    unknown = NOTHING if told.get("comment") else "withdrawn"  # no tone: in a language that nobody here can judge
    tone, category = str(told.get("tone") or unknown), str(told.get("category") or "")
    mood = signed(told["sentiment"], 2) if is_number(told.get("sentiment")) else ""
    themes = event.get("themes")
    about = ", ".join(map(str, themes)) if isinstance(themes, list) else ""
    return _line(
        Text.assemble((score(told), CATEGORIES.get(category, "")), "  ", (f"{tone:<8} {mood:>5}", TONES.get(tone, "dim"))),
        told.get("account_id"),
        [about, quoted(str(told.get("comment") or ""))],
        [told.get("respondent_id") or "anonymous"],
    )


LINES: Final[dict[str, Callable[[Any], Text]]] = {
    topics.CASE_EVENTS: _case,
    topics.CASE_REJECTIONS: _rejection,
    topics.ACCOUNT_ALERTS: _risk,
    topics.ALERTS: _alert,
    topics.DELIVERIES: _delivery,
    topics.OUTREACH: _outreach,
    topics.COMMENTS: _comment,
}
"""How an event of each topic is told, given as the JSON object that it is."""


def _line(what: Text, account: Any, words: list[Any], who: list[Any]) -> Text:
    """What happened, to which account, the words that there are, and in the background whom or what it is about."""
    parts = [what, Text(str(account or "")), *(Text(str(word)) for word in words if word)]
    parts += [Text(str(one), "dim") for one in who if one]
    return Text("  ").join(parts)


def _severity(event: Event) -> Text:
    severity = str(event.get("severity") or "")
    return Text(severity.ljust(8), SEVERITIES.get(severity, ""))


def _last_comment(event: Any) -> str:
    """The last thing that was said in words."""
    case = event.get("case")
    responses = case.get("responses") if isinstance(case, dict) else None
    said = [plain(one).get("comment") for one in responses] if isinstance(responses, list) else []
    return next((str(one) for one in reversed(said) if one), "")


def _nps(event: Event, name: str) -> str:
    value = event.get(name)
    return (signed(value) if is_number(value) else "") or str(value)
