"""Headlines and titles: one line that a person likes to read."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.alert_items import COMMENT_CHARS, account_news, case_news
from agents.alert_records import Telling, Told, title
from agents.headlines import HEADLINE_CHARS, one_line, shorten
from schemas.codec import dumps
from schemas.events import AccountBrief
from schemas.examples import EXAMPLES
from tests.alerting import NOW, account_alert, case_event

TWICE = [
    {"response_id": "r-1", "score": 5, "responded_at": "2026-03-01T09:30:00.000Z"},
    {"response_id": "r-2", "score": 2, "responded_at": "2026-03-02T09:30:00.000Z", "comment": "It got worse."},
]
RECOVERED = {"response_id": "r-9", "to": "promoter", "score": 9, "at": "2026-03-02T09:30:00.000Z"}


@pytest.mark.parametrize(
    ("event", "said", "headline"),
    [
        ("opened", {"comment": "The export is slow."}, "u-17@acme.example gave 3: The export is slow."),
        ("opened", {}, "u-17@acme.example gave 3, without a comment"),
        ("opened", {"comment": "\u202e\x07\n"}, "u-17@acme.example gave 3, without a comment"),
        ("opened", {"comment": "Slow.\r\n\tAnd   late."}, "u-17@acme.example gave 3: Slow. And late."),
        ("opened", {"comment": "<!channel> *now*"}, "u-17@acme.example gave 3: <!channel> *now*"),
        ("joined", {"responses": TWICE}, "u-17@acme.example gave 2 (was 5): It got worse."),
        ("reopened", {"comment": "Again."}, "Reopened: u-17@acme.example gave 3: Again."),
        ("breached", {"due": "first_response"}, "No first response in time: u-17@acme.example gave 3, without a comment"),
        ("breached", {"due": "resolution"}, "Not resolved in time: u-17@acme.example gave 3, without a comment"),
        ("escalated", {"owner": "lead@v.example"}, "Escalated to lead@v.example: u-17@acme.example gave 3, without a comment"),
        ("assigned", {"owner": "csm@v.example"}, "Assigned to csm@v.example: u-17@acme.example gave 3, without a comment"),
        ("resolved", {"root_cause": "pricing"}, "Resolved (pricing): u-17@acme.example gave 3, without a comment"),
        ("resolved", {}, "Resolved: u-17@acme.example gave 3, without a comment"),
        ("recovered", {"recovered": RECOVERED}, "Recovered: u-17@acme.example gave 9, was 3"),
        ("withdrawn", {}, "Withdrawn: u-17@acme.example gave 3, without a comment"),
        (
            "snoozed",
            {"snoozed_until": "2026-03-05T09:30:00.000Z"},
            "Snoozed until 2026-03-05: u-17@acme.example gave 3, without a comment",
        ),
        ("acknowledged", {}, "Acknowledged: u-17@acme.example gave 3, without a comment"),
    ],
)
def test_what_happened_to_a_case(event: str, said: dict[str, Any], headline: str) -> None:
    assert case_news(dumps(case_event(event, NOW, **said))).item.headline == headline


def test_somebody_without_a_name_is_somebody() -> None:
    event = case_event("opened", NOW)
    del event["case"]["respondent_id"]
    assert case_news(dumps(event)).item.headline == "Somebody gave 3, without a comment"


@pytest.mark.parametrize(
    ("kind", "fields", "headline"),
    [
        (
            "nps_fell",
            {"nps": -12.5, "previous_nps": 40.0, "window": "90d", "account": {"name": "Acme"}},
            "NPS of Acme fell from 40 to -12.5 in 90 days, more than chance",
        ),
        ("nps_fell", {}, "NPS of acme fell, more than chance"),
        ("nps_below", {"nps": -12.5, "threshold": 0.0, "window": "90d"}, "NPS of acme is -12.5 over 90 days, below 0"),
        ("no_promoters", {"window": "90d"}, "Nobody at acme is a promoter any more in 90 days"),
        (
            "downgrade",
            {"respondent_id": "u-17", "from": "promoter", "to": "detractor", "score": 3, "previous_score": 9},
            "u-17 at acme went from promoter to detractor: gave 3, was 9",
        ),
        (
            "silence",
            {"respondent_id": "u-4", "last_response_at": "2026-01-03T09:00:00.000Z", "usual_days": 30.0},
            "u-4 at acme has fallen silent: last answered on 2026-01-03, usually every 30 days",
        ),
    ],
)
def test_an_account_at_risk(kind: str, fields: dict[str, Any], headline: str) -> None:
    assert account_news(dumps(account_alert(kind, NOW, **fields))).item.headline == headline


@pytest.mark.parametrize(
    ("text", "most", "short"),
    [
        ("as it is", 8, "as it is"),
        ("cut between words", 14, "cut between…"),
        ("cut, then said", 6, "cut…"),
        ("oneverylongwordindeed", 10, "oneverylo…"),
        ("a pneumonoultramicroscopic", 10, "a pneumon…"),
    ],
)
def test_long_texts_are_cut_between_words_where_that_is_possible(text: str, most: int, short: str) -> None:
    assert shorten(text, most) == short


@given(st.text(max_size=400), st.text(min_size=1, max_size=400))
def test_a_headline_is_one_line_and_not_long(comment: str, respondent: str) -> None:
    said = {"comment": comment} if comment else {}
    event = case_event("opened", NOW, respondent_id=respondent, **said)
    try:
        value = dumps(event)
    except TypeError:
        return  # lone surrogates are no text
    item = case_news(value).item
    assert 0 < len(item.headline) <= HEADLINE_CHARS
    assert len(item.headline.splitlines()) == 1
    assert item.comment == (comment or item.comment)


def test_a_comment_is_told_as_far_as_people_read() -> None:
    item = case_news(dumps(case_event("opened", NOW, comment="word " * 5_000))).item
    assert len(str(item.comment)) <= COMMENT_CHARS


def test_signs_that_turn_the_order_of_others_are_taken_out_and_those_that_join_stay() -> None:
    assert one_line("a\u202eb\u2066c") == "a b c"
    assert one_line("👩\u200d💻 می\u200cخواهم") == "👩\u200d💻 می\u200cخواهم"


def telling(*told: Told, more: int = 0, again: str | None = None, account: AccountBrief | None = None) -> Telling:
    return Telling("acme", "slack", "all", 0, 0, told, more, again, account)


def one(over: bool = False, **said: Any) -> Told:
    return Told(case_news(dumps(case_event("opened", NOW, **said))).item, "0", NOW, over)


RISK = Told(account_news(dumps(EXAMPLES["AccountAlert"])).item, "0", NOW, False)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (telling(one(), account=AccountBrief(name="Acme")), "Acme: u-17@acme.example gave 3, without a comment"),
        (telling(one()), "acme: u-17@acme.example gave 3, without a comment"),
        (telling(RISK), "NPS of Acme fell from 40 to -12.5 in 90 days, more than chance"),
        (telling(one(), one(severity="high")), "acme: 2 cases, 1 critical"),
        (telling(one(severity="high"), more=3), "acme: 4 cases"),
        (telling(one(), RISK), "acme: 2 alerts, 1 critical"),
        (telling(one(over=True), one(over=True)), "acme: 2 cases closed"),
        (telling(one(), one(), again="0.0"), "acme: 2 cases still open"),
    ],
)
def test_a_delivery_has_a_title(given: Telling, text: str) -> None:
    assert title(given) == text
