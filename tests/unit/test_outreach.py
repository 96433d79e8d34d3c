"""First touch: when a message is planned, when it is sent, what keeps it back, and what is on record of it."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from agents.outreach import FirstTouch
from agents.outreach_hours import MessageHours
from agents.outreach_rules import FirstTouchSettings, Message
from npstream.zones import zone_named
from schemas import topics
from schemas.cases import Case, CaseEvent
from schemas.erasures import entry_key, respondent_hash
from schemas.examples import EXAMPLES
from schemas.outreach import Outreach
from schemas.times import format_time, parse_time
from streams.partitioner import partition_of
from streams.processor import DAY_MS
from streams.test_driver import Sent, TestDriver

MINUTE = 60_000
HOUR = 60 * MINUTE
START = int(datetime(2026, 3, 2, 9, 30, tzinfo=UTC).timestamp() * 1000)
"""A Monday."""
ALWAYS = MessageHours(0, 1440)
LEE = "lee@acme.example"


def render(case: Case, now: int) -> Message:
    """A template of the tests: it tells what it was given."""
    return Message(f"about {case.case_id}", f"{case.responses[-1].comment} at {format_time(now)}", case.severity, "en")


def settings(**changes: Any) -> FirstTouchSettings:
    return FirstTouchSettings(**{"render": render, "hours": ALWAYS, **changes})


class Desk:
    """An agent, and the cases of which it hears."""

    def __init__(self, *, batch: int = 500, partitions: int = 1, now: int = START, **changes: Any) -> None:
        self.driver = TestDriver([FirstTouch(settings(**changes))], now=now, partitions=partitions)
        self.batch = batch
        self.cases: dict[str, Case] = {}

    def tell(self, event: str, case_id: str = "c-1", by: str | None = None, lain: int = 0, **fields: Any) -> "Desk":
        """An event of a case, at the driver's time; what it is about has lain unread for so many ms. Fields are the case's from
        now on."""
        at = format_time(self.driver.now)
        if case_id not in self.cases:
            example = EXAMPLES["Case"] | {"case_id": case_id, "respondent_id": LEE, "opened_at": at}
            self.cases[case_id] = msgspec.convert(example, Case)
        case = self.cases[case_id]
        case = msgspec.structs.replace(case, **{"revision": case.revision + 1, "updated_at": at, **fields})
        self.cases[case_id] = case
        told = CaseEvent(account_id=case.account_id, case_id=case_id, event=event, at=at, case=case)  # type: ignore[arg-type]
        if by is not None:
            told.by = by
        headers = [("traceparent", b"00-trace")]
        value, since = msgspec.json.encode(told), self.driver.now - lain
        self.driver.pipe(topics.CASE_EVENTS, case.account_id.encode(), value, since, headers=headers)
        self.driver.run(self.batch)
        return self

    def prefer(self, outreach: bool, respondent: str = LEE, account: str = "acme") -> "Desk":
        value = json.dumps({"account_id": account, "respondent_id": respondent, "outreach": outreach}).encode()
        partition = partition_of(account.encode(), self.driver.partitions)
        self.driver.pipe(topics.PREFERENCES, f"{account}|{respondent}".encode(), value, partition=partition)
        self.driver.run(self.batch)
        return self

    def erase(self, respondent: str = LEE, account: str = "acme") -> "Desk":
        hashed = respondent_hash(account, respondent)
        value = json.dumps({"account_id": account, "respondent_hash": hashed, "erased_at": "now", "counts": "keep"}).encode()
        partition = partition_of(account.encode(), self.driver.partitions)
        self.driver.pipe(topics.ERASURES, entry_key(account, hashed), value, partition=partition)
        self.driver.run(self.batch)
        return self

    def wait(self, ms: int, step: int = MINUTE) -> "Desk":
        """Let time pass, as it does for a worker that runs."""
        until = self.driver.now + ms
        while self.driver.now < until:
            self.driver.advance(min(step, until - self.driver.now))
        return self

    @property
    def records(self) -> list[Sent]:
        return self.driver.sent(topics.OUTREACH)

    @property
    def told(self) -> list[Outreach]:
        return [msgspec.json.decode(record.value or b"", type=Outreach) for record in self.records]

    @property
    def outcomes(self) -> list[str]:
        return ["sent" if told.status == "send" else str(told.reason) for told in self.told]


# When a message is sent


@pytest.mark.parametrize("batch", [1, 7, 500])
def test_a_detractor_is_sent_a_message_after_the_delay(batch: int) -> None:
    desk = Desk(batch=batch, delay_minutes=5).tell("opened")
    desk.wait(5 * MINUTE - 1)
    assert desk.told == []
    desk.wait(1)
    (told,) = desk.told
    assert told == Outreach(
        outreach_id=told.outreach_id,
        account_id="acme",
        case_id="c-1",
        respondent_id=LEE,
        status="send",
        to=LEE,
        reply_to="csm@vendor.example",
        locale="en",
        template="critical",
        subject="about c-1",
        text="The export is slow. at 2026-03-02T09:35:00.000Z",
        created_at="2026-03-02T09:35:00.000Z",
        expires_at="2026-03-02T21:35:00.000Z",
    )
    desk.wait(DAY_MS, HOUR)
    assert len(desk.told) == 1
    assert desk.driver.facts["outreach", "sent"] == 1
    assert desk.driver.observations == [("outreach_delay_seconds", 300.0)]


def test_it_is_an_event_that_follows_from_its_cause() -> None:
    def once() -> Sent:
        (record,) = Desk().tell("opened").wait(5 * MINUTE).records
        return record

    record, again = once(), once()
    headers = dict(record.headers)
    assert record.key == b"acme"
    assert headers["ce_type"] == b"nps.outreach"
    assert headers["ce_id"].decode() == json.loads(record.value or b"")["outreach_id"]
    assert headers["traceparent"] == b"00-trace"
    assert again == record


def test_what_is_known_when_it_is_due_is_what_the_message_says() -> None:
    desk = Desk().tell("opened").wait(MINUTE)
    said = msgspec.structs.replace(desk.cases["c-1"].responses[0], comment="It is slow at night.")
    desk.tell("joined", responses=[said], owner="kim@vendor.example").wait(5 * MINUTE)
    (told,) = desk.told
    assert (told.text or "").startswith("It is slow at night.")
    assert told.reply_to == "kim@vendor.example"


@pytest.mark.parametrize(("owner", "reply_to"), [("lee", "success@vendor.example"), (msgspec.UNSET, "success@vendor.example")])
def test_without_an_owner_who_has_an_address_replies_go_where_the_settings_say(owner: Any, reply_to: str) -> None:
    desk = Desk(reply_to="success@vendor.example").tell("opened", owner=owner).wait(5 * MINUTE)
    assert [told.reply_to for told in desk.told] == [reply_to]
    desk = Desk().tell("opened", owner=owner).wait(5 * MINUTE)
    assert [told.reply_to for told in desk.told] == [msgspec.UNSET]


def test_a_case_that_its_respondent_reopens_is_answered_too_and_one_that_a_person_reopens_is_not() -> None:
    desk = Desk(cooldown_days=0).tell("opened").wait(5 * MINUTE)
    contacted = format_time(desk.driver.now)
    desk.tell("contacted", state="contacted", first_response_at=contacted).tell("resolved", state="resolved")
    desk.wait(DAY_MS, HOUR).tell("reopened", by="csm@vendor.example", state="reopened").wait(HOUR)
    assert desk.outcomes == ["sent"]
    desk.tell("reopened", state="reopened").wait(5 * MINUTE)
    assert desk.outcomes == ["sent", "sent"]


def test_what_joins_an_open_case_plans_nothing() -> None:
    desk = Desk(cooldown_days=0).tell("opened").wait(5 * MINUTE).tell("joined").tell("changed").wait(HOUR)
    assert desk.outcomes == ["sent"]


def test_an_anonymous_response_has_nobody_to_write_to() -> None:
    desk = Desk().tell("opened", respondent_id=msgspec.UNSET).wait(HOUR)
    assert desk.told == []
    assert desk.driver.sent(topics.DEAD_LETTERS) == []


# What keeps it back

CASES: Sequence[tuple[str, list[tuple[str, dict[str, Any]]], dict[str, Any]]] = [
    ("answered", [("contacted", {"state": "contacted", "first_response_at": "2026-03-02T09:31:00.000Z"})], {}),
    ("answered", [("resolved", {"state": "resolved", "first_response_at": "2026-03-02T09:31:00.000Z"})], {}),
    ("closed", [("withdrawn", {"state": "withdrawn"})], {}),
    ("closed", [("recovered", {"state": "resolved"})], {}),
    ("no address", [("changed", {"respondent_id": LEE})], {"respondent_id": "u-17"}),
]


@pytest.mark.parametrize(("reason", "events", "opened"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_what_happens_before_it_is_due_decides(
    reason: str, events: list[tuple[str, dict[str, Any]]], opened: dict[str, Any]
) -> None:
    desk = Desk().tell("opened", **opened).wait(MINUTE)
    for event, fields in events:
        desk.tell(event, **fields | opened)
    desk.wait(10 * MINUTE)
    assert desk.outcomes == [reason]
    (told,) = desk.told
    assert (told.to, told.subject, told.text, told.expires_at) == (msgspec.UNSET,) * 4
    assert desk.driver.facts["outreach", reason] == 1
    assert desk.driver.facts["outreach", "sent"] == 0


def test_an_acknowledged_case_is_not_an_answer() -> None:
    desk = Desk().tell("opened").tell("acknowledged", state="acknowledged", acknowledged_at="2026-03-02T09:30:00.000Z")
    assert desk.wait(5 * MINUTE).outcomes == ["sent"]


def test_who_opted_out_is_left_alone_until_that_is_taken_back() -> None:
    desk = Desk(cooldown_days=0).prefer(False).tell("opened").wait(5 * MINUTE)
    assert desk.outcomes == ["opted out"]
    desk.prefer(True).tell("opened", "c-2").wait(5 * MINUTE)
    assert desk.outcomes == ["opted out", "sent"]


def test_an_opt_out_holds_for_a_message_that_is_planned_already() -> None:
    assert Desk().tell("opened").wait(MINUTE).prefer(False).wait(5 * MINUTE).outcomes == ["opted out"]


def test_there_is_one_message_in_a_cool_down_and_one_after_it() -> None:
    desk = Desk(cooldown_days=30).tell("opened").wait(5 * MINUTE)
    desk.tell("withdrawn", state="withdrawn").wait(29 * DAY_MS, HOUR).tell("opened", "c-2").wait(HOUR)
    assert desk.outcomes == ["sent", "cool-down"]
    desk.tell("withdrawn", "c-2", state="withdrawn").wait(DAY_MS, HOUR).tell("opened", "c-3").wait(HOUR)
    assert desk.outcomes == ["sent", "cool-down", "sent"]


def test_an_account_gets_so_many_messages_on_a_utc_day() -> None:
    desk = Desk(account_cap=2)
    for number in range(4):
        desk.tell("opened", f"c-{number}", respondent_id=f"u-{number}@acme.example")
    desk.tell("opened", "c-9", account_id="globex", respondent_id="u-9@globex.example").wait(10 * MINUTE)
    assert desk.outcomes == ["sent", "sent", "account cap", "account cap", "sent"]
    desk.wait(DAY_MS, HOUR).tell("opened", "c-5", respondent_id="u-5@acme.example").wait(10 * MINUTE)
    assert desk.outcomes[-1] == "sent"


def test_a_partition_sends_no_more_than_its_share_of_the_daily_cap() -> None:
    desk = Desk(daily_cap=9, account_cap=100, partitions=4)
    home = partition_of(b"acme", 4)
    for number in range(5):
        desk.tell("opened", f"c-{number}", respondent_id=f"u-{number}@acme.example")
    assert desk.wait(10 * MINUTE).outcomes == ["sent", "sent", "daily cap", "daily cap", "daily cap"]
    assert {record.partition for record in desk.records} == {home}


def test_where_partitions_are_many_each_still_sends_one() -> None:
    desk = Desk(daily_cap=1, partitions=12).tell("opened").tell("opened", "c-2", respondent_id="kim@acme.example")
    assert desk.wait(10 * MINUTE).outcomes == ["sent", "daily cap"]


@pytest.mark.parametrize(("late", "outcome"), [(12 * HOUR - MINUTE, "sent"), (12 * HOUR, "too late")])
def test_a_message_that_would_come_too_late_is_none(late: int, outcome: str) -> None:
    desk = Desk(latest_h=12).tell("opened")
    desk.driver.now += 5 * MINUTE + late - 1
    assert desk.wait(1).outcomes == [outcome]


def test_old_events_that_are_read_again_write_to_nobody() -> None:
    desk = Desk().tell("opened").wait(5 * MINUTE).wait(40 * DAY_MS, DAY_MS)
    desk.driver.start_anew()
    desk.driver.run()
    desk.wait(10 * MINUTE)
    assert desk.outcomes == ["sent", "too late"]
    first, again = desk.told
    assert first.outreach_id == again.outreach_id


def test_a_case_of_the_same_respondent_ends_the_plan_of_the_one_before() -> None:
    desk = Desk().tell("opened").tell("withdrawn", state="withdrawn").wait(MINUTE).tell("opened", "c-2")
    assert [(told.case_id, told.reason) for told in desk.told] == [("c-1", "closed")]
    desk.wait(10 * MINUTE)
    assert [told.case_id for told in desk.told] == ["c-1", "c-2"]
    assert desk.outcomes == ["closed", "sent"]


# Hours


def berlin(name: str | None) -> Any:
    return zone_named(name or "Europe/Berlin")


@pytest.mark.parametrize(
    ("opened", "zone", "sent"),
    [
        ("2026-03-02T09:30:00.000Z", "Europe/Berlin", "2026-03-02T09:35:00.000Z"),
        ("2026-03-02T04:00:00.000Z", "Europe/Berlin", "2026-03-02T07:00:00.000Z"),
        ("2026-03-02T18:54:00.000Z", "Europe/Berlin", "2026-03-02T18:59:00.000Z"),
        ("2026-03-02T18:56:00.000Z", "Europe/Berlin", "2026-03-03T07:00:00.000Z"),
        ("2026-03-02T18:56:00.000Z", "America/New_York", "2026-03-02T19:01:00.000Z"),
        ("2026-03-02T09:30:00.000Z", "America/New_York", "2026-03-02T13:00:00.000Z"),
        ("2026-03-02T18:56:00.000Z", None, "2026-03-03T07:00:00.000Z"),
    ],
)
def test_messages_are_sent_in_the_hours_of_the_account(opened: str, zone: str | None, sent: str) -> None:
    desk = Desk(now=parse_time(opened), hours=MessageHours(8 * 60, 20 * 60, berlin))
    account = msgspec.structs.replace(
        msgspec.convert(EXAMPLES["Case"], Case).account, time_zone=msgspec.UNSET if zone is None else zone
    )
    desk.tell("opened", account=account).wait(DAY_MS)
    assert [told.created_at for told in desk.told] == [sent]
    assert desk.outcomes == ["sent"]


def test_after_an_outage_it_waits_for_the_hours_too() -> None:
    desk = Desk(now=parse_time("2026-03-02T18:00:00.000Z"), hours=MessageHours(8 * 60, 20 * 60, zone_named), latest_h=24)
    desk.tell("opened", account=msgspec.structs.replace(msgspec.convert(EXAMPLES["Case"], Case).account, time_zone="UTC"))
    desk.driver.now += 6 * HOUR
    assert [told.created_at for told in desk.wait(DAY_MS).told] == ["2026-03-03T08:00:00.000Z"]


# Restarts and outages


def test_after_an_outage_what_happened_meanwhile_is_read_first() -> None:
    desk = Desk().tell("opened")
    desk.driver.now += HOUR
    desk.driver.restart()
    desk.driver.advance(1000)  # the first look at the clock, before anything is read
    assert desk.told == []
    desk.tell("contacted", state="contacted", first_response_at="2026-03-02T09:40:00.000Z").wait(3 * MINUTE)
    assert desk.outcomes == ["answered"]


def test_a_plan_outlasts_a_restart_and_a_batch_that_is_lost() -> None:
    desk = Desk().tell("opened").wait(MINUTE)
    desk.driver.restart()
    desk.wait(MINUTE)
    value = msgspec.json.encode(
        CaseEvent(account_id="acme", case_id="c-1", event="changed", at=format_time(desk.driver.now), case=desk.cases["c-1"])
    )
    desk.driver.pipe(topics.CASE_EVENTS, b"acme", value)
    desk.driver.abandon()
    desk.driver.run()
    assert desk.wait(10 * MINUTE).outcomes == ["sent"]


def test_more_than_a_share_of_them_is_decided_on_in_turns() -> None:
    desk = Desk(daily_cap=10_000, account_cap=10_000)
    for number in range(450):
        case = msgspec.convert(EXAMPLES["Case"] | {"case_id": f"c-{number}", "respondent_id": f"u-{number}@acme.example"}, Case)
        event = CaseEvent(account_id="acme", case_id=case.case_id, event="opened", at=format_time(START), case=case)
        desk.driver.pipe(topics.CASE_EVENTS, b"acme", msgspec.json.encode(event))
    desk.driver.run()
    assert desk.wait(5 * MINUTE).outcomes == ["sent"] * 450


def test_what_is_over_is_swept_away() -> None:
    desk = Desk(cooldown_days=30).tell("opened").wait(10 * MINUTE)
    assert {key[:1] for key in desk.driver.state("outreach")} == {b"R", b"A", b"G", b"S"}
    desk.wait(31 * DAY_MS, HOUR)
    assert {key[:1] for key in desk.driver.state("outreach")} == {b"G", b"S"}


# Erasure


@pytest.mark.parametrize("batch", [1, 7, 500])
def test_of_an_erased_respondent_nothing_is_left_and_nothing_is_sent(batch: int) -> None:
    desk = Desk(batch=batch, cooldown_days=30).prefer(True).tell("opened").wait(5 * MINUTE)
    desk.tell("withdrawn", state="withdrawn").tell("opened", "c-2").prefer(False)
    told = desk.told
    desk.erase()
    assert [key for key, value in desk.driver.state("outreach").items() if LEE.encode() in key + value] == []
    assert desk.driver.table(topics.PREFERENCES) == {}
    desk.wait(DAY_MS, HOUR)
    assert desk.told == told
    desk.tell("opened", "c-3").wait(HOUR)
    desk.prefer(False)
    assert desk.told == told
    assert desk.driver.table(topics.PREFERENCES) == {}


def test_a_state_made_anew_writes_to_nobody_who_was_erased() -> None:
    desk = Desk().tell("opened").erase().prefer(False)
    desk.driver.start_anew()
    desk.driver.run()
    assert desk.wait(DAY_MS, HOUR).told == []
    assert [key for key, value in desk.driver.state("outreach").items() if LEE.encode() in key + value] == []


@pytest.mark.parametrize("value", [b"{", b"{}", b'{"account_id": "acme", "respondent_hash": "zz"}', None])
def test_what_is_no_erasure_changes_nothing(value: bytes | None) -> None:
    desk = Desk().tell("opened")
    desk.driver.pipe(topics.ERASURES, b"acme|zz", value)
    desk.driver.run()
    assert desk.wait(10 * MINUTE).outcomes == ["sent"]


# Bad records


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "not json"),
        (b"", "not json"),
        (b"{", "not json"),
        (b"\xff", "not json"),
        (b"[]", "wrong type"),
        (b'{"account_id": "acme"}', "wrong type"),
        (msgspec.json.encode(EXAMPLES["CaseEvent"] | {"at": "2026-99-99T09:30:00.000Z"}), "bad time"),
        (msgspec.json.encode(EXAMPLES["CaseEvent"] | {"case": EXAMPLES["Case"] | {"responses": []}}), "wrong type"),
    ],
)
def test_what_is_no_case_event_is_a_dead_letter(value: bytes | None, reason: str) -> None:
    desk = Desk()
    desk.driver.pipe(topics.CASE_EVENTS, b"acme", value)
    desk.tell("opened").wait(10 * MINUTE)
    (letter,) = desk.driver.sent(topics.DEAD_LETTERS)
    assert (letter.value, dict(letter.headers)["nps-reason"].decode()) == (value, reason)
    assert desk.outcomes == ["sent"]


def test_an_event_at_another_partition_than_its_accounts_is_a_dead_letter() -> None:
    desk = Desk(partitions=3)
    away = (partition_of(b"acme", 3) + 1) % 3
    desk.driver.pipe(topics.CASE_EVENTS, b"acme", msgspec.json.encode(EXAMPLES["CaseEvent"]), partition=away)
    desk.driver.run()
    assert [dict(letter.headers)["nps-reason"] for letter in desk.driver.sent(topics.DEAD_LETTERS)] == [b"stray"]
    assert desk.wait(10 * MINUTE).told == []


def test_a_template_that_fails_is_counted() -> None:
    def failing(case: Case, now: int) -> Message:
        return render(case, now)._replace(failed="enterprise")

    desk = Desk(render=failing).tell("opened").wait(5 * MINUTE)
    assert desk.outcomes == ["sent"]
    assert desk.driver.facts["outreach_template_errors", "enterprise"] == 1


def test_what_has_lain_unread_for_days_is_answered_by_nobody_although_its_case_is_opened_now() -> None:
    desk = Desk().tell("opened", lain=5 * DAY_MS).wait(HOUR)
    assert desk.outcomes == ["too late"]
