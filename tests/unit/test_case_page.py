"""One case as a page: what it is, what was said, what happened, who was told, what was written to the respondent."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from npstream.case_book import CaseBook
from npstream.case_page import outcome, page
from npstream.case_story import Story
from schemas import topics
from schemas.examples import EXAMPLES
from streams.test_driver import Sent
from tests.case_records import NOW, case, event, record

NOTE = "I call them after lunch; they have had a hard month, and it is not the export."
AT_80 = """\
c-5b1d2f0a9c3e   3 critical   acknowledged   in 1 h 20 min
account         Acme (acme), gold, 48,000 a year, renewal 2026-04-30, NPS −12.5
respondent      u-17@acme.example, 2 detractor responses in a row, en
owner           csm@vendor.example, escalated once
opened          2026-03-02 09:30, 40 min ago
first response  due 2026-03-02 11:30, in 1 h 20 min
resolution      due 2026-03-04 09:30, in 1 d 23 h
segments        plan=enterprise region=emea segment=smb

Responses
2026-03-02 09:30   3  “The export is slow.”  performance, sentiment −0.30

History
2026-03-02 09:30  opened        to csm@vendor.example
2026-03-02 09:50  acknowledged  by csm@vendor.example  “I call them after lunch;
                                they have had a hard month, and it is not the
                                export.”
2026-03-02 11:30  breached      first response

Deliveries
2026-03-02 09:30  delivered  slack-csm  Acme: a detractor, score 3
2026-03-02 10:01  retrying   pager  503, no answer, attempt 2

Messages
2026-03-02 09:35  handed over  u-17@acme.example  “About your feedback”

Times are UTC.
"""
AT_140 = AT_80.replace("lunch;\n" + " " * 32, "lunch; ").replace("the\n" + " " * 32, "the ")


def found(*records: Sent, **fields: Any) -> Story:
    """The story of the example's case with these fields."""
    book = CaseBook()
    book.take([case(**fields)])
    story = Story(book.find("c-5b"))
    story.take(records)
    return story


def delivery(**fields: Any) -> Sent:
    return record(topics.DELIVERIES, "acme", {**EXAMPLES["Delivery"], **fields})


def outreach(**fields: Any) -> Sent:
    value = {name: member for name, member in {**EXAMPLES["Outreach"], **fields}.items() if member is not None}
    return record(topics.OUTREACH, "acme", value)


def shown(story: Story, width: int) -> str:
    out = Console(width=width, file=StringIO(), highlight=False)
    out.print(page(story, NOW))
    text = "".join(line.rstrip() + "\n" for line in out.file.getvalue().splitlines())  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


def busy() -> Story:
    return found(
        event("opened", "2026-03-02T09:30:00.000Z"),
        event("acknowledged", "2026-03-02T09:50:00.000Z", by="csm@vendor.example", note=NOTE),
        event("breached", "2026-03-02T11:30:00.000Z", due="first_response"),
        event("opened", "2026-03-02T09:30:00.000Z", case_id="c-other"),
        record(topics.CASE_EVENTS, "acme", b"no json"),
        record(topics.ALERTS, "acme", EXAMPLES["Alert"]),
        outreach(),
        outreach(case_id="c-other"),
        delivery(),
        delivery(delivery_id="d-2", sink="pager", attempt=1, outcome="retrying"),
        delivery(
            delivery_id="d-2",
            sink="pager",
            attempt=2,
            outcome="retrying",
            status=503,
            error="no answer",
            at="2026-03-02T10:01:00.000Z",
        ),
        delivery(delivery_id="d-3", keys=["c-other"]),
        delivery(account_id="globex"),
        state="acknowledged",
        escalated=1,
    )


@pytest.mark.parametrize(("width", "text"), [(80, AT_80), (140, AT_140)])
def test_a_page_says_everything_and_wraps_what_is_long(width: int, text: str) -> None:
    assert shown(busy(), width) == text


def test_as_json_nothing_is_left_out() -> None:
    document = busy().as_json(NOW)
    assert document["case"]["next_due"]["what"] == "first_response"
    assert [one["event"] for one in document["events"]] == ["opened", "acknowledged", "breached"]
    assert [(one["sink"], len(one["attempts"]), one["alert"] is None) for one in document["deliveries"]] == [
        ("slack-csm", 1, False),
        ("pager", 2, True),
    ]
    assert document["outreach"][0]["message"]["subject"] == "About your feedback"
    assert document["not_readable"] == []


ENDS = [
    # fields of the case                                            lines that tell it
    (
        {"first_response_at": "2026-03-02T10:10:00.000Z"},
        ["first response  2026-03-02 10:10, after 40 min"],
    ),
    (
        {"first_response_at": "2026-03-02T12:30:00.000Z"},
        ["first response  2026-03-02 12:30, after 3 h, 1 h late"],
    ),
    (
        {"state": "resolved", "closed_at": "2026-03-04T10:30:00.000Z", "root_cause": "pricing"},
        ["resolution      2026-03-04 10:30, after 2 d 1 h, 1 h late", "root cause      pricing"],
    ),
    (
        {"state": "withdrawn", "closed_at": "2026-03-02T10:00:00.000Z"},
        ["withdrawn       2026-03-02 10:00, after 30 min"],
    ),
    (
        {"state": "reopened", "closed_at": "2026-03-02T10:00:00.000Z"},
        ["resolution      due 2026-03-04 09:30, in 1 d 23 h"],
    ),
    ({"snoozed_until": "2026-03-03T10:00:00.000Z"}, ["snoozed until   2026-03-03 10:00"]),
    (
        {"recovered": {"response_id": "r-9", "to": "promoter", "score": 9, "at": "2026-03-05T10:00:00.000Z"}},
        ["recovered       promoter with 9, 2026-03-05 10:00"],
    ),
    ({"account": None, "owner": None, "respondent_id": None}, ["account         acme, NPS −12.5", "owner           nobody"]),
]


@pytest.mark.parametrize(("fields", "lines"), ENDS)
def test_how_it_stands_and_how_it_ended(fields: dict[str, Any], lines: list[str]) -> None:
    assert set(lines) <= set(shown(found(**fields), 120).splitlines())


HAPPENED = [
    # an event                                                                          its line, after the time
    (
        event("assigned", "2026-03-02T10:00:00.000Z", by="lee@vendor.example"),
        "assigned  by lee@vendor.example, to csm@vendor.example",
    ),
    (event("escalated", "2026-03-02T10:00:00.000Z"), "escalated  to csm@vendor.example"),
    (event("joined", "2026-03-02T10:00:00.000Z"), "joined  score 3"),
    (
        event("snoozed", "2026-03-02T10:00:00.000Z", {"snoozed_until": "2026-03-03T09:00:00.000Z"}, by="me"),
        "snoozed  by me, until 2026-03-03 09:00",
    ),
    (event("resolved", "2026-03-02T10:00:00.000Z", {"root_cause": "pricing"}, note="sorted"), "resolved  pricing  “sorted”"),
    (
        event(
            "recovered",
            "2026-03-02T10:00:00.000Z",
            {"recovered": {"response_id": "r-9", "to": "passive", "score": 8, "at": "2026-03-02T10:00:00.000Z"}},
        ),
        "recovered  passive with 8",
    ),
    (event("contacted", "2026-03-02T10:00:00.000Z", note="called"), "contacted  “called”"),
    (event("breached", "2026-03-02T10:00:00.000Z", due="resolution"), "breached  resolution"),
]


@pytest.mark.parametrize(("happened", "line"), HAPPENED)
def test_what_happened_in_a_line(happened: Sent, line: str) -> None:
    assert f"2026-03-02 10:00  {line}" in shown(found(happened), 120).splitlines()


MESSAGES = [
    ([outreach(status="suppressed", reason="cool-down")], "suppressed  cool-down"),
    ([outreach(), delivery(delivery_id="o-1c9e0b7f55aa", sink="smtp")], "delivered  u-17@acme.example  “About your feedback”"),
    (
        [outreach(), delivery(delivery_id="o-1c9e0b7f55aa", sink="smtp", outcome="failed", attempt=5, error="no such user")],
        "failed  u-17@acme.example  “About your feedback”  200, no such user, attempt 5",
    ),
    ([outreach(subject=None)], "handed over  u-17@acme.example"),
]


@pytest.mark.parametrize(("records", "line"), MESSAGES)
def test_what_became_of_a_message(records: list[Sent], line: str) -> None:
    assert f"2026-03-02 09:35  {line}" in shown(found(*records), 120).splitlines()


def test_what_is_on_its_way_is_said_and_what_cannot_be_read() -> None:
    story = found(record(topics.ALERTS, "acme", EXAMPLES["Alert"]))
    story.unread = [topics.OUTREACH]
    lines = shown(story, 120).splitlines()
    assert "2026-03-02 09:30  not yet  slack-csm  Acme: a detractor, score 3" in lines
    assert "not there, or not to be read: nps.outreach" in lines
    assert lines[lines.index("History") + 1] == "no event is left, or none can be read"
    assert "Messages" not in lines


def test_of_many_deliveries_the_newest_are_shown_and_no_reminders_that_went_well() -> None:
    alerts = [{**EXAMPLES["Alert"], "delivery_id": f"d-{n}", "title": f"news {n}"} for n in range(25)]
    again = [{**EXAMPLES["Alert"], "delivery_id": f"r-{n}", "title": "again", "refresh": True} for n in range(25)]
    story = found(
        *(record(topics.ALERTS, "acme", alert) for alert in (*alerts, *again)),
        *(delivery(delivery_id=f"{kind}-{n}") for kind in "dr" for n in range(24)),
    )
    lines = shown(story, 120).splitlines()
    told = [line.rpartition("  ")[2] for line in lines if "slack-csm" in line]
    assert told == [f"news {n}" for n in range(6, 25)] + ["again"]
    assert lines[lines.index("Deliveries") + 21] == "and 6 before them: --json has them all"
    assert len(story.as_json(NOW)["deliveries"]) == 50


def test_no_words_move_the_cursor() -> None:
    wild = "\x1b[2J\u202e\n\t"
    story = found(
        event("acknowledged", "2026-03-02T10:00:00.000Z", by=wild, note=wild),
        outreach(subject=wild, to=wild),
        delivery(sink=wild, error=wild, outcome="failed"),
        owner=wild,
        respondent_id=wild,
        root_cause=wild,
        account={"name": wild, "tier": wild},
        segments={"plan": wild},
    )
    assert all(c.isprintable() or c == "\n" for c in shown(story, 120))


def test_a_case_in_one_line_after_something_was_done() -> None:
    assert outcome(found().case, NOW).plain == (
        "c-5b1d2f0a9c3e  new  owner csm@vendor.example  first response due in 1 h 20 min"
    )
    assert outcome(found(state="resolved", owner=None).case, NOW).plain == "c-5b1d2f0a9c3e  resolved"
