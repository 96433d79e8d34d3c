"""What passing time does to a case: each thing once, whether ticks come often, late, or after a restart."""

from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest

from agents.case_rules import CasesSettings, Due
from npstream.care.cases import cases_settings
from npstream.care.file import CareFile
from schemas import topics
from schemas.times import format_time
from streams.processor import DAY_MS
from tests.unit.test_cases import CHAIN, HOUR, MONDAY, SETTINGS, Office

pytestmark = pytest.mark.parametrize("batch", [1, 7, 500])


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def until(office: Office, text: str, restart: bool = False) -> Office:
    """Let time pass up to a moment of March 2026."""
    if restart:
        office.run().driver.restart()
    return office.passes(hours=(at(f"2026-03-{text}") - office.driver.now) / HOUR)


@pytest.mark.parametrize("restart", [False, True])
def test_a_due_time_that_passes_is_told_once_and_escalates(batch: int, restart: bool) -> None:
    office = Office(batch).says("r-1", 2)
    until(office, "02T11:30", restart)
    assert office.story == "opened"
    until(office, "02T11:31", restart)
    case = office.case
    assert office.story == "opened breached escalated"
    assert [event.due for event in office.events] == [msgspec.UNSET, "first_response", "first_response"]
    assert (case.owner, case.escalated, case.breached) == (CHAIN[0], 1, ["first_response"])
    until(office, "03T11:30", restart)
    assert office.story == "opened breached escalated"
    until(office, "03T11:32", restart)
    assert (office.story, office.case.owner) == ("opened breached escalated escalated", CHAIN[1])
    until(office, "04T09:29", restart)
    assert office.story == "opened breached escalated escalated", "the chain is used up"
    until(office, "04T09:31", restart)
    assert office.case.breached == ["first_response", "resolution"]
    until(office, "31T00:00", restart)
    assert office.story == "opened breached escalated escalated breached"
    assert [office.fact("case_breaches", due, "critical") for due in ("first_response", "resolution")] == [1, 1]
    assert office.fact("case_escalations") == 2


def test_whoever_contacts_the_customer_in_time_has_until_the_resolution(batch: int) -> None:
    office = Office(batch).says("r-1", 2).does("contact")
    until(office, "04T09:29")
    assert office.story == "opened contacted"
    until(office, "04T09:31")
    assert (office.case.breached, office.case.owner) == (["resolution"], CHAIN[0])


def test_a_contact_ends_the_escalation_of_the_first_response(batch: int) -> None:
    office = Office(batch).says("r-1", 2)
    until(office, "02T11:31").does("contact")
    until(office, "04T09:29")
    assert office.story == "opened breached escalated contacted"
    until(office, "04T09:31")
    assert office.case.owner == CHAIN[1]


def test_a_resolved_case_has_no_due_times(batch: int) -> None:
    office = Office(batch).says("r-1", 2).does("resolve", root_cause="x").passes(days=30)
    assert office.story == "opened resolved"


def test_without_a_chain_nobody_else_is_told(batch: int) -> None:
    office = Office(batch, CasesSettings()).says("r-1", 2).passes(days=30)
    assert office.story == "opened breached breached"


def test_what_is_due_comes_before_the_command_that_comes_late(batch: int) -> None:
    office = Office(batch).says("r-1", 2).run()
    office.driver.now = at("2026-03-02T12:00")
    office.does("contact")
    assert office.story == "opened breached escalated contacted", "although no tick came before it"


def test_after_an_outage_each_due_time_is_told_once_and_the_next_owner_gets_time(batch: int) -> None:
    office = Office(batch, replace(SETTINGS, escalation=("a", "b", "c", "d", "e"))).says("r-1", 2)
    until(office, "20T12:00")
    assert office.story == "opened breached escalated breached escalated"
    until(office, "23T11:59")
    assert office.case.owner == "b"
    until(office, "23T12:01")
    assert office.case.owner == "c"


def test_a_snooze_moves_what_is_due_in_it_to_its_end(batch: int) -> None:
    office = Office(batch).says("r-1", 2).does("snooze", until="2026-03-03T12:00:00Z")
    assert office.case.first_response_due == office.case.snoozed_until == "2026-03-03T12:00:00.000Z"
    assert office.case.resolution_due == "2026-03-04T09:30:00.001Z"
    until(office, "03T11:59")
    assert office.story == "opened snoozed"
    until(office, "03T12:01")
    assert office.story == "opened snoozed breached escalated"


def test_a_snooze_puts_the_escalation_off_and_takes_no_breach_back(batch: int) -> None:
    office = Office(batch).says("r-1", 2)
    until(office, "02T11:31").does("snooze", until="2026-03-06T12:00:00Z")
    assert (office.case.breached, office.case.first_response_due) == (["first_response"], "2026-03-02T11:30:00.001Z")
    until(office, "06T11:59")
    assert office.story == "opened breached escalated snoozed"
    until(office, "06T12:01")
    assert office.story == "opened breached escalated snoozed breached escalated"


def test_what_the_respondent_says_wakes_a_snoozed_case(batch: int) -> None:
    office = Office(batch).says("r-1", 2).does("snooze", until="2026-03-20T12:00:00Z").says("r-2", 2)
    case = office.case
    assert (case.snoozed_until, case.first_response_due) == (msgspec.UNSET, "2026-03-02T11:30:00.003Z")


def test_due_times_follow_the_accounts_clock_and_the_vendors_where_nobody_knows_it(batch: int) -> None:
    settings = cases_settings(CareFile(None, {"cases": {"hours": {"zone": "Europe/Berlin"}}}), 14)
    office = Office(batch, settings)
    zones = {"acme": "America/New_York", "globex": "Mars/Base", "initech": None}
    for account, zone in zones.items():
        office.learns({"time_zone": zone}, account).says("r-1", 2, account=account)
    due = {case.account_id: str(case.first_response_due)[:16] for case in office.cases.values()}
    assert due == {"acme": "2026-03-02T16:00", "globex": "2026-03-02T11:30", "initech": "2026-03-02T11:30"}


def test_a_case_that_nobody_touches_expires(batch: int) -> None:
    office = Office(batch).says("r-1", 2).passes(days=50).does("assign", owner="me@vendor.example").passes(days=89)
    assert office.case.state == "new"
    office.passes(days=1.1)
    assert (office.case.state, office.case.closed_at) == ("expired", office.case.updated_at)
    assert office.fact("cases_closed", "expired") == 1
    office.says("r-2", 2)
    assert len(office.cases) == 2, "an expired case is over"


def test_a_closed_case_is_kept_for_a_while(batch: int) -> None:
    office = Office(batch).says("r-1", 2).does("resolve", root_cause="x").says("r-2", 3, None).passes(days=91).passes(days=308)
    assert sorted(case.state for case in office.cases.values()) == ["expired", "resolved"]
    office.passes(days=2)
    assert [case.state for case in office.cases.values()] == ["expired"]
    office.passes(days=91)
    assert office.cases == {}
    assert office.driver.state("cases").keys() == {b"G"}
    assert [record.value for record in office.driver.sent(topics.CASES)].count(None) == 2


def test_cases_of_one_respondent_are_forgotten_one_after_the_other(batch: int) -> None:
    office = Office(batch).says("r-1", 2).does("resolve", root_cause="x").passes(days=20).says("r-2", 2)
    office.does("resolve", max(office.cases.values(), key=lambda case: case.opened_at).case_id, root_cause="x")
    office.passes(days=385)
    assert len(office.cases) == 1
    office.says("r-3", 2).passes(days=100)
    assert [case.state for case in office.cases.values()] == ["expired"]


def test_ticks_work_off_a_share_at_a_time(batch: int) -> None:
    office = Office(batch, replace(SETTINGS, share=3))
    for number in range(10):
        office.says(f"r-{number}", 2, f"u-{number}")
    office.passes(days=30)
    assert office.story.count("breached") == 20
    assert office.story.count("escalated") == 20
    office.passes(days=91).passes(days=401)
    assert office.cases == {}


def test_longer_settings_put_off_what_stands_in_the_index(batch: int) -> None:
    office = Office(batch).says("r-1", 2).passes(days=89)
    longer = Office(batch, replace(SETTINGS, expire_days=120, keep_days=500))
    longer.driver.restore("cases", office.driver.changelog("cases"))
    longer.driver.now = office.driver.now
    longer.passes(days=10)
    assert longer.story == ""
    longer.passes(days=30)
    assert longer.story == "expired"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"due": {"critical": Due(60, 59)}}, "due.critical: the resolution must not be due before the first response"),
        ({"due": {"critical": Due(0, 59)}}, "due.critical: the resolution must not be due before the first response"),
        ({"reopen_days": -1}, "reopen_days: -1 is less than 0"),
        ({"expire_days": 0}, "expire_days: 0 is not positive"),
        ({"keep_days": 100}, "keep_days: 100 is less than reopen_days or recovery_days"),
    ],
)
def test_settings_that_contradict_each_other(batch: int, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SETTINGS, **changes)  # type: ignore[arg-type]


def test_times_are_told_as_they_are_noticed(batch: int) -> None:
    office = Office(batch).says("r-1", 2)
    until(office, "02T15:00")
    noticed = format_time(at("2026-03-02T15:00"))
    assert [event.at for event in office.events[1:]] == [noticed] * 2
    assert {r.timestamp for r in office.driver.sent(topics.CASE_EVENTS)[1:]} == {at("2026-03-02T15:00")}
    assert at("2026-03-02T15:00") < MONDAY + DAY_MS


def test_what_was_done_in_time_during_an_outage_is_no_breach(batch: int) -> None:
    office = Office(batch).says("r-1", 0).run()
    (case_id,) = office.cases
    resolve = {"command_id": "k-1", "account_id": "acme", "case_id": case_id, "command": "resolve", "root_cause": "speed"}
    office.put(topics.CASE_COMMANDS, "acme", resolve | {"by": "csm@vendor.example"})
    office.driver.restart()
    office.driver.advance(3 * DAY_MS)
    office.passes(days=3)
    assert office.story == "opened resolved"
