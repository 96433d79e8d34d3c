"""A record as people see it: one tidy line, one JSON document, or a page; never a control character."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npstream.commands.tail import TOPICS
from npstream.dead_letters import Position, parse_reason, sent_back
from npstream.failures import UserError
from npstream.record_view import as_json, as_line, as_page
from schemas import topics
from schemas.dead_letters import Reason, dead_letter_headers
from schemas.examples import EXAMPLES
from schemas.times import parse_time
from streams.processor import Headers
from streams.test_driver import Sent

NOW = parse_time("2026-03-01T09:30:00.000Z")


def record(topic: str, value: object, headers: Headers = (), timestamp: int = NOW) -> Sent:
    data = value if isinstance(value, bytes) or value is None else json.dumps(value).encode()
    return Sent(topic, 3, 42, timestamp, b"acme", data, headers)


def letter(reason: str, message: str = "score: 11 is no score", headers: Headers = ()) -> Sent:
    came_as = Sent(topics.RAW, 1, 7, NOW, b"acme", b"{}", headers)
    return record(topics.DEAD_LETTERS, b"{}", dead_letter_headers(came_as, "validate", reason, None, message))


CASE_EVENT, RISK = EXAMPLES["CaseEvent"], EXAMPLES["AccountAlert"]
ACME: dict[str, Any] = {"account_id": "acme", "respondent_id": "u-1", "response_id": "r-1"}
SHOWN = sorted(
    {*CASE_EVENT, *RISK, *EXAMPLES["Detractor"], *EXAMPLES["CategoryChange"], *EXAMPLES["Scored"], *EXAMPLES["CaseRejection"]}
    | {*EXAMPLES["Alert"], *EXAMPLES["Delivery"], *EXAMPLES["Outreach"], *EXAMPLES["Comment"], "by", "due", "error", "reason"}
)
"""Members of events that lines show."""


@pytest.mark.parametrize(
    ("shown", "line"),
    [
        (
            record(
                topics.DETRACTORS,
                {**ACME, "score": 3, "severity": "high", "consecutive": 2, "comment": "slow", "account_nps": -12.5},
            ),
            " 3 high ×2        acme  “slow”  u-1  NPS −12.5",
        ),
        (
            record(topics.DETRACTORS, {"account_id": "acme", "score": 6, "severity": "elevated", "consecutive": 1}),
            " 6 elevated       acme  anonymous",
        ),
        (
            record(topics.DETRACTORS, {**ACME, "score": 6, "severity": "elevated", "withdrawn": True}),
            " 6 withdrawn      acme  u-1",
        ),
        (record(topics.PROMOTERS, {**ACME, "score": 10, "first": True}), "10 first time     acme  u-1"),
        (record(topics.PROMOTERS, {**ACME, "score": 9, "account_nps": 40}), " 9 again          acme  u-1  NPS +40.0"),
        (
            record(topics.CHANGES, {**ACME, "from": "promoter", "to": "detractor", "cause": "response"}),
            " promoter → detractor  response    acme  u-1",
        ),
        (
            record(topics.CHANGES, {**ACME, "from": "passive", "to": None, "cause": "retraction"}),
            "  passive → nothing    retraction  acme  u-1",
        ),
        (
            record(topics.SCORED, {**ACME, "score": 8, "category": "passive", "change": "correction"}),
            " 8 passive    correction  acme  u-1",
        ),
        (
            record(topics.CASE_EVENTS, EXAMPLES["CaseEvent"]),
            "opened        critical  acme  → csm@vendor.example  “The export is slow.”  u-17@acme.example  c-5b1d2f0a9c3e",
        ),
        (
            record(topics.CASE_EVENTS, CASE_EVENT | {"event": "acknowledged", "by": "kim", "note": "I call them."}),
            "acknowledged  critical  acme  by kim  “I call them.”  u-17@acme.example  c-5b1d2f0a9c3e",
        ),
        (
            record(topics.CASE_EVENTS, {**CASE_EVENT, "event": "breached", "due": "first_response"}),
            "breached      critical  acme  first response  u-17@acme.example  c-5b1d2f0a9c3e",
        ),
        (record(topics.CASE_EVENTS, {"event": "joined", "case": [1]}), "joined                    anonymous"),
        (
            record(topics.CASE_REJECTIONS, EXAMPLES["CaseRejection"]),
            "not allowed   acknowledge  acme  a resolved case cannot be acknowledged: reopen it first  c-5b1d2f0a9c3e",
        ),
        (record(topics.ACCOUNT_ALERTS, RISK), "nps fell      high      acme  NPS +40.0 → −12.5  in 90d"),
        (
            record(topics.ACCOUNT_ALERTS, {**ACME, "kind": "nps_below", "severity": "critical", "nps": -1.5, "threshold": 0}),
            "nps below     critical  acme  NPS −1.5 below 0.0  u-1",
        ),
        (
            record(
                topics.ACCOUNT_ALERTS, {**ACME, "kind": "downgrade", "severity": "high", "from": "promoter", "to": "passive"}
            ),
            "downgrade     high      acme  promoter → passive  u-1",
        ),
        (
            record(
                topics.ACCOUNT_ALERTS,
                {**ACME, "kind": "silence", "severity": "elevated", "last_response_at": "2026-01-01T", "usual_days": 30.0},
            ),
            "silence       elevated  acme  nothing since 2026-01-01, usually every 30 d  u-1",
        ),
        (
            record(topics.ACCOUNT_ALERTS, {"account_id": "acme", "kind": "no_promoters", "severity": "high", "window": "90d"}),
            "no promoters  high      acme  in 90d",
        ),
        (
            record(topics.ALERTS, EXAMPLES["Alert"]),
            "firing        critical  acme  → slack-csm  Acme: a detractor, score 3  d-77aa01c3d5e8",
        ),
        (record(topics.DELIVERIES, EXAMPLES["Delivery"]), "delivered     200       acme  → slack-csm  d-77aa01c3d5e8"),
        (
            record(topics.DELIVERIES, {**EXAMPLES["Delivery"], "outcome": "retrying", "attempt": 2, "error": "no answer"}),
            "retrying      200       acme  → slack-csm  attempt 2  no answer  d-77aa01c3d5e8",
        ),
        (
            record(topics.OUTREACH, EXAMPLES["Outreach"]),
            "send                       acme  “About your feedback”  u-17@acme.example  c-5b1d2f0a9c3e",
        ),
        (
            record(topics.OUTREACH, {**ACME, "status": "suppressed", "reason": "opted out", "case_id": "c-1"}),
            "suppressed    opted out    acme  u-1  c-1",
        ),
        (
            record(topics.COMMENTS, EXAMPLES["Comment"]),
            " 3  negative −0.30  acme  performance  “The export is slow.”  u-17@acme.example",
        ),
        (record(topics.COMMENTS, ACME), "    withdrawn        acme  u-1"),
        (
            record(topics.COMMENTS, {**ACME, "score": 3, "comment": "Zu teuer.", "themes": ["pricing"]}),
            " 3  –               acme  pricing  “Zu teuer.”  u-1",
        ),
        (letter("bad score"), "bad score      3-42     score: 11 is no score"),
        (record(topics.SCORED, b"\xff\xff"), "2 bytes that are no JSON object"),
        (record(topics.SCORED, [1]), "3 bytes that are no JSON object"),
    ],
)
def test_a_record_in_one_line(shown: Sent, line: str) -> None:
    assert as_line(shown).plain == f"2026-03-01 09:30:00  {line}"


@pytest.mark.parametrize(
    ("today", "time"), [("2026-03-01", "09:30:00  "), ("2026-03-02", "2026-03-01"), ("", "2026-03-01 09:30:00")]
)
def test_the_time_is_as_short_as_it_can_be(today: str, time: str) -> None:
    assert as_line(record(topics.PROMOTERS, {**ACME, "score": 9}), today).plain.startswith(time + "  ")


@given(st.sampled_from(list(TOPICS.values())), st.binary())
def test_any_bytes_are_shown_and_none_move_the_cursor(topic: str, value: bytes) -> None:
    shown = record(topic, value, [("header", value), ("nps-reason", value)])
    for text in (as_line(shown), *as_page(shown)):
        assert all(c.isprintable() for c in text.plain)
    assert json.loads(json.dumps(as_json(shown)))["offset"] == 42


NESTED = st.lists(st.none() | st.dictionaries(st.just("comment"), st.text())) | st.dictionaries(
    st.sampled_from(["responses", "severity", "owner"]), st.lists(st.integers()) | st.text()
)


@given(st.dictionaries(st.sampled_from(SHOWN), st.text() | st.integers() | st.none() | NESTED))
def test_an_event_of_any_content_is_shown(event: dict[str, Any]) -> None:
    for topic in TOPICS.values():
        assert all(c.isprintable() for c in as_line(record(topic, event)).plain)


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        (b'{"a":1}', {"value": {"a": 1}}),
        (b"words", {"value": "words"}),
        (b"\xff\x00", {"value_base64": "/wA="}),
        (None, {"value": None}),
    ],
)
def test_json_says_everything_and_loses_no_byte(value: bytes | None, fields: dict[str, Any]) -> None:
    assert as_json(record(topics.RAW, value, [("h", b"1"), ("h", b"2")])) == {
        "topic": topics.RAW,
        "partition": 3,
        "offset": 42,
        "timestamp": "2026-03-01T09:30:00.000Z",
        "key": "acme",
        "headers": [["h", "1"], ["h", "2"]],
        **fields,
    }


def test_a_page_shows_headers_and_a_pretty_value() -> None:
    page = [text.plain for text in as_page(record(topics.RAW, {"a": [1]}, [("h", b"1")]))]
    assert page == [
        "nps.responses.raw-3-42",
        "time: 2026-03-01T09:30:00.000Z",
        "key: acme",
        "h: 1",
        "size: 10 bytes",
        "",
        "{",
        '  "a": [',
        "    1",
        "  ]",
        "}",
    ]


def test_a_dump_of_much_is_cut_and_says_so() -> None:
    page = [text.plain for text in as_page(record(topics.RAW, bytes(range(256)) * 20))]
    assert page[6] == "00000010  10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f  ................"
    assert page[-1] == "... 1,024 bytes more"


def test_a_letter_goes_back_as_it_came() -> None:
    came_with: Headers = [("nps-source", b"typeform"), ("nps-replayed", b"1"), ("traceparent", b"00-1")]
    back = sent_back(letter("bad score", headers=came_with), None)
    assert (back.key, back.value, back.timestamp) == (b"acme", b"{}", NOW)
    assert list(back.headers) == [("nps-source", b"typeform"), ("traceparent", b"00-1"), ("nps-replayed", b"1")]


def test_an_account_replaces_the_one_that_it_came_with() -> None:
    back = sent_back(letter("no account", headers=[("nps-account", b" ")]), "acme")
    assert list(back.headers) == [("nps-replayed", b"1"), ("nps-account", b"acme")]


@pytest.mark.parametrize("reason", list(Reason))
def test_only_what_was_too_early_gets_another_time(reason: Reason) -> None:
    assert sent_back(letter(reason), None).timestamp == (None if reason == "future" else NOW)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("3-42", Position(topics.DEAD_LETTERS, 3, 42)),
        ("nps.responses.dlq-3-42", Position(topics.DEAD_LETTERS, 3, 42)),
        ("my-topic-7-0", Position("my-topic", 7, 0)),
    ],
)
def test_a_position_with_and_without_its_topic(text: str, position: Position) -> None:
    assert Position.parse(text) == position


@pytest.mark.parametrize("text", ["", "3", "a-b", "3-42-", "-1-2-x", "t--4", "3-\u0664\u0662", "3-42\n"])
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is no position"):
        Position.parse(text)


@pytest.mark.parametrize("text", ["no account", "no_account", "No-Account", "  no account "])
def test_a_reason_as_people_write_it(text: str) -> None:
    assert parse_reason(text) == "no account"
