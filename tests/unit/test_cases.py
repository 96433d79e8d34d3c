"""Cases: what respondents say, and what becomes of it; each with batches of 1, 7 and 500."""

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from agents.analysis import Analysis
from agents.case_kept import MOST_COMMENT_CHARS, MOST_RESPONSES
from agents.case_rules import CasesSettings
from agents.cases import Cases
from schemas import topics
from schemas.cases import Case, CaseEvent, CaseRejection
from schemas.cloudevents import TRACEPARENT
from schemas.codec import dumps
from schemas.erasures import respondent_hash
from schemas.examples import EXAMPLES
from schemas.times import format_time
from streams.processor import DAY_MS, partition_of
from streams.state import StagedState
from streams.test_driver import TestDriver

MONDAY = 1_772_443_800_000
"""2026-03-02T09:30:00Z."""
HOUR = 3_600_000
CHAIN = ("lead@vendor.example", "head@vendor.example")
SETTINGS = CasesSettings(default_owner="care@vendor.example", escalation=CHAIN)
DETRACTOR = EXAMPLES["Detractor"] | {"respondent_id": "u-1"}
BATCHES = pytest.mark.parametrize("batch", [1, 7, 500])


class Office:
    """A driver with the agent `cases`, the events it is made of, and its answers, each held against its type."""

    def __init__(self, batch: int = 500, settings: CasesSettings = SETTINGS, partitions: int = 1) -> None:
        self.batch = batch
        self.driver = TestDriver([Cases(settings)], now=MONDAY, partitions=partitions)
        self.commands = 0

    def put(self, topic: str, account: str, body: Any, **how: Any) -> "Office":
        self.driver.now += 1
        value = dumps(body) if isinstance(body, dict) else body
        self.driver.pipe(topic, account.encode(), value, **how)
        return self

    def says(self, response_id: str, score: int, who: str | None = "u-1", account: str = "acme", **fields: Any) -> "Office":
        """A detractor event; `days_ago` it was said."""
        said_at = self.driver.now - fields.pop("days_ago", 0) * DAY_MS
        body: dict[str, Any] = {"account_id": account, "response_id": response_id, "severity": "high", "revision": 0}
        body |= {"score": score, "consecutive": 1, "responded_at": format_time(said_at)}
        body |= {} if who is None else {"respondent_id": who}
        return self.put(topics.DETRACTORS, account, body | fields)

    def recovers(self, response_id: str, score: int = 9, who: str = "u-1", account: str = "acme", **fields: Any) -> "Office":
        """A category change by a new response."""
        said_at = self.driver.now - fields.pop("days_ago", 0) * DAY_MS
        body = {"account_id": account, "respondent_id": who, "response_id": response_id, "from": "detractor", "score": score}
        body |= {"to": "promoter" if score > 8 else "passive", "previous_score": 3, "direction": "up", "cause": "response"}
        return self.put(topics.CHANGES, account, body | {"changed_at": format_time(said_at)} | fields)

    def does(self, command: str, case_id: str | None = None, account: str = "acme", **fields: Any) -> "Office":
        """A command, about the only case unless an id is given."""
        if case_id is None:
            self.run()
            (case_id,) = self.cases
        self.commands += 1
        body = {"command_id": f"k-{self.commands}", "account_id": account, "case_id": case_id, "command": command}
        return self.put(topics.CASE_COMMANDS, account, body | {"by": "csm@vendor.example"} | fields)

    def learns(self, facts: dict[str, Any] | None, account: str = "acme", **how: Any) -> "Office":
        return self.put(topics.ACCOUNTS, account, facts, **how)

    def run(self) -> "Office":
        self.driver.run(self.batch)
        return self

    def passes(self, hours: float = 0, days: float = 0) -> "Office":
        self.run().driver.advance(round(hours * HOUR + days * DAY_MS))
        return self

    @property
    def events(self) -> list[CaseEvent]:
        self.run()
        return [msgspec.json.decode(e.value or b"", type=CaseEvent) for e in self.driver.sent(topics.CASE_EVENTS)]

    @property
    def story(self) -> str:
        """What happened, in one line."""
        return " ".join(event.event for event in self.events)

    @property
    def cases(self) -> dict[str, Case]:
        """The table nps.cases by case_id."""
        self.run()
        found = {k: msgspec.json.decode(v, type=Case) for k, v in self.driver.table(topics.CASES).items()}
        assert all(key == f"{case.account_id}|{case.case_id}".encode() for key, case in found.items())
        return {case.case_id: case for case in found.values()}

    @property
    def case(self) -> Case:
        """The only one."""
        (case,) = self.cases.values()
        return case

    @property
    def rejections(self) -> list[CaseRejection]:
        self.run()
        return [msgspec.json.decode(e.value or b"", type=CaseRejection) for e in self.driver.sent(topics.CASE_REJECTIONS)]

    def fact(self, *name: str) -> int:
        self.run()
        return self.driver.facts[name]

    def open_gauges(self) -> dict[tuple[str, str], float]:
        """Open cases by severity and state, as shown."""
        self.run()
        shown = {k[2:]: v for k, v in self.driver.gauges.items() if k[0] == "cases_open" and v}
        return {(severity, state): value for (severity, state), value in shown.items()}


@BATCHES
def test_a_detractor_opens_a_case(batch: int) -> None:
    office = Office(batch).learns({"owner": "csm@vendor.example", "name": "Acme", "tier": "gold", "contacts": ["u-1"]})
    office.says("r-1", 3, comment="The export is slow.", segments={"plan": "pro"}, locale="en", account_nps=-12.5)
    case = office.case
    assert (case.state, case.severity, case.owner, case.revision) == ("new", "high", "csm@vendor.example", 0)
    assert case.opened_at == "2026-03-02T09:30:00.002Z"
    assert (case.first_response_due, case.resolution_due) == ("2026-03-03T09:30:00.002Z", "2026-03-09T09:30:00.002Z")
    assert [(r.response_id, r.score, r.comment) for r in case.responses] == [("r-1", 3, "The export is slow.")]
    assert (case.segments, case.locale, case.account_nps) == ({"plan": "pro"}, "en", -12.5)
    assert msgspec.to_builtins(case.account) == {"name": "Acme", "owner": "csm@vendor.example", "tier": "gold"}
    assert office.story == "opened"
    assert office.fact("cases_opened", "high") == 1


@BATCHES
def test_events_and_cases_are_keyed_and_carry_what_they_must(batch: int) -> None:
    office = Office(batch)
    body = office.says("r-1", 3).run().driver.sent(topics.DETRACTORS)[0].value
    office.put(topics.DETRACTORS, "globex", (body or b"").replace(b"acme", b"globex"), headers=((TRACEPARENT, b"00-1-2-01"),))
    (_, event), (_, case) = office.run().driver.sent(topics.CASE_EVENTS), office.driver.sent(topics.CASES)
    headers = dict(event.headers)
    told = msgspec.json.decode(event.value or b"", type=CaseEvent)
    assert event.key == b"globex"
    assert case.key == f"globex|{told.case_id}".encode()
    assert (headers["ce_type"], headers["ce_id"]) == (b"nps.case.event", f"{told.case_id}-0".encode())
    assert headers["traceparent"] == b"00-1-2-01"
    assert headers["ce_time"].decode() == told.at
    assert event.timestamp == case.timestamp == office.driver.now
    assert told.case == office.cases[told.case_id]


@BATCHES
@pytest.mark.parametrize(
    ("scores", "consecutive", "facts", "severity"),
    [
        ([0], 1, {}, "critical"),
        ([2], 1, {}, "critical"),
        ([3], 1, {}, "high"),
        ([4], 1, {}, "high"),
        ([5], 1, {}, "elevated"),
        ([6], 1, {}, "elevated"),
        ([6], 2, {}, "high"),
        ([6], 3, {}, "high"),
        ([6], 1, {"tier": "gold"}, "high"),
        ([6], 1, {"tier": "silver"}, "elevated"),
        ([6], 1, {"value": 50_000}, "high"),
        ([6], 1, {"value": 49_999.5}, "elevated"),
        ([6], 1, {"renewal_date": "2026-03-02"}, "high"),
        ([6], 1, {"renewal_date": "2026-05-01"}, "high"),
        ([6], 1, {"renewal_date": "2026-05-02"}, "elevated"),
        ([6], 1, {"renewal_date": "2026-03-01"}, "elevated"),
        ([6], 2, {"tier": "gold"}, "critical"),
        ([6], 2, {"tier": "gold", "value": 50_000, "renewal_date": "2026-03-02"}, "critical"),
        ([6, 3], 1, {}, "high"),
        ([3, 6], 1, {}, "high"),
        ([6, 3, 6], 1, {}, "high"),
    ],
)
def test_severity_is_that_of_the_score_raised_by_what_makes_it_worse(
    batch: int, scores: list[int], consecutive: int, facts: dict[str, Any], severity: str
) -> None:
    office = Office(batch, replace(SETTINGS, raise_tiers=frozenset({"gold"}), raise_value=50_000)).learns(facts)
    for number, score in enumerate(scores):
        office.says(f"r-{number}", score, consecutive=consecutive)
    assert office.case.severity == severity


@BATCHES
def test_a_repeat_joins_the_open_case_and_makes_due_times_earlier_if_it_is_worse(batch: int) -> None:
    office = Office(batch).says("r-1", 6)
    before = office.case
    office.passes(hours=1).says("r-2", 6, consecutive=2, comment="Still slow.")
    raised = office.case
    assert (before.severity, raised.severity, raised.consecutive, raised.revision) == ("elevated", "high", 2, 1)
    assert raised.first_response_due == "2026-03-03T10:30:00.002Z"
    assert str(raised.first_response_due) < str(before.first_response_due)
    office.says("r-3", 6, consecutive=1)
    again = office.case
    assert again.severity == "high", "a repeat is never a reason for less"
    assert (again.first_response_due, again.resolution_due) == (raised.first_response_due, raised.resolution_due)
    assert [r.response_id for r in again.responses] == ["r-1", "r-2", "r-3"]
    assert office.story == "opened joined joined"


@BATCHES
def test_a_correction_replaces_what_was_said_and_may_make_the_case_less_severe(batch: int) -> None:
    office = Office(batch).says("r-1", 1, comment="Bad")
    due = office.case.first_response_due
    office.says("r-1", 5, revision=1, comment="Not so bad")
    assert (office.case.severity, office.case.first_response_due) == ("elevated", due)
    assert [(r.score, r.comment) for r in office.case.responses] == [(5, "Not so bad")]
    assert office.story == "opened joined"


@BATCHES
def test_what_was_told_before_changes_nothing(batch: int) -> None:
    office = Office(batch).says("r-1", 3).says("r-1", 2, revision=1).says("r-2", 3)
    story = office.story
    office.says("r-1", 3).says("r-1", 2, revision=1).says("r-2", 3)
    assert office.story == story == "opened joined joined"
    office.does("resolve", root_cause="pricing").says("r-1", 3).says("r-2", 3)
    assert office.case.state == "resolved"
    office.passes(days=15).says("r-9", 3).does("resolve", sorted(office.cases)[0], root_cause="x")
    office.does("resolve", sorted(office.cases)[1], root_cause="x").says("r-1", 3).says("r-2", 3)
    assert {case.state for case in office.cases.values()} == {"resolved"}, "nor in an earlier case"
    assert len(office.cases) == 2


@BATCHES
def test_anonymous_responses_have_a_case_each(batch: int) -> None:
    office = Office(batch).says("r-1", 3, None).says("r-2", 3, None).says("r-1", 2, None, revision=1)
    assert sorted(len(case.responses) for case in office.cases.values()) == [1, 1]
    assert office.story == "opened opened joined"
    office.says("r-1", 2, None, revision=2, withdrawn=True)
    assert sorted(case.state for case in office.cases.values()) == ["new", "withdrawn"]


@BATCHES
def test_respondents_of_two_accounts_are_two(batch: int) -> None:
    office = Office(batch).says("r-1", 3).says("r-1", 3, account="globex")
    assert len(office.cases) == 2
    assert len({case.case_id for case in office.cases.values()}) == 2


@BATCHES
def test_a_resolved_case_is_reopened_within_days_and_its_times_begin_anew(batch: int) -> None:
    office = Office(batch).says("r-1", 3).does("contact").does("resolve", root_cause="pricing", note="Rebate.")
    office.passes(days=13.9).says("r-2", 3)
    case = office.case
    assert (case.state, case.note) == ("reopened", "Rebate.")
    absent = (case.root_cause, case.closed_at, case.first_response_at, case.acknowledged_at, case.breached)
    assert absent == (msgspec.UNSET,) * 5
    assert case.opened_at == "2026-03-02T09:30:00.001Z"
    assert case.first_response_due == "2026-03-16T17:00:00.000Z", "eight hours from Monday morning on"
    assert [r.response_id for r in case.responses] == ["r-1", "r-2"]
    assert office.story == "opened contacted resolved reopened"


@BATCHES
def test_later_another_case_is_opened(batch: int) -> None:
    office = Office(batch).says("r-1", 3).does("resolve", root_cause="pricing")
    office.passes(days=14.1).says("r-2", 3)
    assert sorted(case.state for case in office.cases.values()) == ["new", "resolved"]
    assert office.story == "opened resolved opened"


@BATCHES
def test_withdrawing_one_of_two_responses_revises_the_case_and_of_the_last_one_closes_it(batch: int) -> None:
    office = Office(batch).says("r-1", 1).says("r-2", 5, comment="Slow.")
    office.says("r-1", 1, revision=1, withdrawn=True, consecutive=1).says("r-1", 1)
    assert ([r.response_id for r in office.case.responses], office.case.severity) == (["r-2"], "elevated")
    office.says("r-2", 5, revision=1, withdrawn=True, consecutive=0)
    case = office.case
    assert (case.state, case.closed_at) == ("withdrawn", case.updated_at)
    assert [(r.response_id, r.comment) for r in case.responses] == [("r-2", msgspec.UNSET)], (
        "what it was about, without the words"
    )
    assert office.story == "opened joined changed withdrawn"
    assert office.fact("cases_closed", "withdrawn") == 1
    office.says("r-2", 5, revision=0)
    assert office.story == "opened joined changed withdrawn", "told before"
    office.says("r-2", 5, revision=2)
    assert office.story == "opened joined changed withdrawn opened"


@BATCHES
def test_a_withdrawal_of_what_is_in_no_open_case_changes_nothing(batch: int) -> None:
    office = Office(batch).says("r-1", 1, withdrawn=True).says("r-2", 3).says("r-1", 1, revision=1, withdrawn=True)
    office.does("resolve", root_cause="x").says("r-2", 3, revision=1, withdrawn=True)
    assert office.story == "opened resolved"


@BATCHES
@pytest.mark.parametrize(("score", "to"), [(7, "passive"), (9, "promoter")])
def test_a_recovery_resolves_the_open_case(batch: int, score: int, to: str) -> None:
    office = Office(batch).says("r-1", 3).passes(hours=1).recovers("r-2", score)
    case = office.case
    assert (case.state, case.closed_at) == ("resolved", case.updated_at)
    assert isinstance(case.recovered, msgspec.Struct)
    assert msgspec.to_builtins(case.recovered) | {"at": ""} == {"response_id": "r-2", "to": to, "score": score, "at": ""}
    assert office.story == "opened recovered"
    assert [office.fact("recoveries", "high", "open"), office.fact("cases_closed", "recovered")] == [1, 1]


@BATCHES
def test_a_recovery_is_credited_to_a_closed_case_once(batch: int) -> None:
    office = Office(batch).says("r-1", 3).does("resolve", root_cause="pricing").passes(days=100)
    office.recovers("r-2").recovers("r-3")
    assert office.story == "opened resolved recovered"
    assert (office.case.state, office.fact("recoveries", "high", "closed")) == ("resolved", 1)


@BATCHES
def test_a_recovery_is_none_of_a_case_that_was_closed_long_ago_or_withdrawn(batch: int) -> None:
    office = Office(batch).says("r-1", 3).does("resolve", root_cause="pricing").passes(days=181).recovers("r-2")
    assert office.story == "opened resolved"
    office = Office(batch).says("r-1", 3).says("r-1", 3, revision=1, withdrawn=True).recovers("r-2")
    assert office.story == "opened withdrawn"


@BATCHES
@pytest.mark.parametrize(
    "fields",
    [
        {"cause": "correction"},
        {"cause": "retraction"},
        {"from": "passive"},
        {"to": "detractor", "score": 3},
        {"to": None},
        {"who": "u-2"},
        {"account": "globex"},
        {"days_ago": 1},
    ],
)
def test_other_changes_are_no_recovery(batch: int, fields: dict[str, Any]) -> None:
    office = Office(batch).says("r-1", 3).recovers("r-2", **fields)
    assert office.story == "opened"


@BATCHES
def test_a_recovery_that_is_read_before_its_detractor_waits_for_it(batch: int) -> None:
    office = Office(batch).recovers("r-2").says("r-1", 3, days_ago=1)
    assert office.story == "opened recovered"
    assert (office.case.state, office.fact("recoveries", "high", "open")) == ("resolved", 1)
    assert {key[:1] for key in office.driver.state("cases")} == {b"C", b"D", b"P"}


@BATCHES
def test_it_does_not_wait_for_ever_nor_for_what_is_said_later(batch: int) -> None:
    office = Office(batch).recovers("r-2").passes(hours=24.1).says("r-1", 3, days_ago=3)
    assert office.story == "opened"
    office = Office(batch).recovers("r-2").says("r-3", 3)
    assert office.story == "opened"
    office = Office(batch).recovers("r-2", days_ago=20).says("r-1", 3)
    assert office.story == "opened", "old news does not wait"
    office = Office(batch).recovers("r-2", days_ago=3).recovers("r-4", days_ago=1).says("r-3", 3, days_ago=2)
    assert office.story == "opened recovered", "the last one waits"


@BATCHES
def test_what_was_said_before_a_recovery_and_is_read_after_it_reopens_nothing(batch: int) -> None:
    office = Office(batch).says("r-1", 3, days_ago=3).recovers("r-3").says("r-2", 1, days_ago=1)
    assert (office.story, office.case.state) == ("opened recovered", "resolved")


@BATCHES
def test_a_recovery_that_is_corrected_to_a_detractors_score_was_none(batch: int) -> None:
    office = Office(batch).says("r-1", 3).recovers("r-2")
    office.says("r-2", 2, responded_at=msgspec.to_builtins(office.case.recovered)["at"])
    assert (office.story, office.case.recovered) == ("opened recovered reopened", msgspec.UNSET)


@BATCHES
def test_a_detractor_again_has_not_recovered(batch: int) -> None:
    office = Office(batch).says("r-1", 3).recovers("r-2").says("r-3", 2)
    assert (office.case.state, office.case.recovered) == ("reopened", msgspec.UNSET)
    office.recovers("r-4")
    assert office.story == "opened recovered reopened recovered"


@BATCHES
@pytest.mark.parametrize(("limit", "days_ago", "opened"), [(14, 14, 1), (14, 15, 0), (0, 400, 1), (None, 400, 1)])
def test_old_news_opens_no_case(batch: int, limit: int | None, days_ago: int, opened: int) -> None:
    office = Office(batch, replace(SETTINGS, alert_max_age_days=limit)).says("r-1", 3, days_ago=days_ago)
    assert len(office.events) == opened


@BATCHES
def test_old_news_reopens_no_case_but_joins_and_leaves_an_open_one(batch: int) -> None:
    office = Office(batch).says("r-1", 3).says("r-0", 1, days_ago=200, comment="Again")
    assert [r.response_id for r in office.case.responses] == ["r-0", "r-1"]
    office.says("r-0", 1, days_ago=200, revision=1, withdrawn=True).does("resolve", root_cause="x")
    office.says("r-00", 1, days_ago=200)
    assert office.story == "opened joined changed resolved"


@BATCHES
def test_a_replay_of_all_events_wakes_nobody(batch: int) -> None:
    office = Office(batch).says("r-1", 3).does("resolve", root_cause="x").passes(days=20).says("r-2", 3)
    office.does("resolve", max(office.cases.values(), key=lambda case: case.opened_at).case_id, root_cause="x")
    before = office.story
    for record in office.run().driver.sent(topics.DETRACTORS):
        office.driver.pipe(record.topic, record.key, record.value, record.timestamp)
    assert office.story == before


@BATCHES
def test_the_owner_follows_the_account_until_somebody_is_chosen(batch: int) -> None:
    office = Office(batch).says("r-1", 3).says("r-2", 3, "u-2")
    assert {case.owner for case in office.cases.values()} == {"care@vendor.example"}
    chosen, other = sorted(office.cases)
    office.does("assign", chosen, owner="me@vendor.example").learns({"owner": "csm@vendor.example"})
    assert [office.cases[one].owner for one in (chosen, other)] == ["me@vendor.example", "csm@vendor.example"]
    office.learns(None)
    assert [office.cases[one].owner for one in (chosen, other)] == ["me@vendor.example", "care@vendor.example"]
    assert office.cases[chosen].account is msgspec.UNSET
    assert office.story == "opened opened assigned changed changed changed changed"


@BATCHES
def test_facts_that_no_case_needs_change_nothing_and_closed_cases_stay_as_they_are(batch: int) -> None:
    office = Office(batch).learns({"name": "Acme"}).says("r-1", 3).learns({"name": "Acme", "domains": ["acme.example"]})
    assert office.story == "opened"
    office.does("resolve", root_cause="x").learns({"name": "Acme Ltd"})
    assert office.story == "opened resolved"
    assert msgspec.to_builtins(office.case.account) == {"name": "Acme"}


@BATCHES
def test_facts_come_to_many_cases_a_few_at_once(batch: int) -> None:
    office = Office(batch, replace(SETTINGS, share=30))
    for number in range(120):
        office.says(f"r-{number}", 3, f"u-{number}")
    office.learns({"owner": "csm@vendor.example"})
    owned = [case for case in office.cases.values() if case.owner == "csm@vendor.example"]
    assert 0 < len(owned) < 120
    office.driver.restart()
    office.passes()
    assert {case.owner for case in office.cases.values()} == {"csm@vendor.example"}
    assert office.story.count("changed") == 120


@BATCHES
@pytest.mark.parametrize("faulty", [b"{", b"[]", b'{"owner": 7}', b'{"renewal_date": "2026-02-30"}'])
def test_faulty_facts_and_those_of_another_partition_change_nothing(batch: int, faulty: bytes) -> None:
    office = Office(batch, partitions=4).says("r-1", 3).learns({"owner": "csm@vendor.example"})
    away = (partition_of(b"acme", 4) + 1) % 4
    office.put(topics.ACCOUNTS, "acme", faulty).learns({"owner": "other@vendor.example"}, partition=away)
    assert office.case.owner == "csm@vendor.example"
    assert not office.driver.sent(topics.DEAD_LETTERS)


@BATCHES
@pytest.mark.parametrize(
    "value",
    [None, b"", b"{", b"[]", b"{}", b'"x"', b"[" * 3000, b"\xff", b'{"account_id": "acme", "response_id": "r", "score": 3}'],
)
@pytest.mark.parametrize("topic", [topics.DETRACTORS, topics.CHANGES])
def test_a_faulty_event_is_a_dead_letter(batch: int, topic: str, value: bytes | None) -> None:
    office = Office(batch).put(topic, "acme", value).says("r-1", 3)
    assert office.story == "opened"
    (letter,) = office.driver.sent(topics.DEAD_LETTERS)
    assert letter.value == value


@BATCHES
@pytest.mark.parametrize(
    "fields",
    [
        {"score": 7},
        {"score": 11},
        {"severity": "low"},
        {"revision": 10**30},
        {"consecutive": 2**63},
        {"responded_at": "2026-13-01T00:00:00.000Z"},
        {"responded_at": 1},
        {"account_id": "globex"},
        {"comment": "\ud800"},
    ],
)
def test_so_is_one_that_says_what_cannot_be(batch: int, fields: dict[str, Any]) -> None:
    office = Office(batch, partitions=4)
    assert partition_of(b"globex", 4) != partition_of(b"acme", 4)
    office.put(topics.DETRACTORS, "acme", json.dumps(DETRACTOR | fields).encode()).says("r-2", 3)
    assert office.story == "opened"
    assert len(office.driver.sent(topics.DEAD_LETTERS)) == 1


@BATCHES
def test_an_erased_respondents_cases_are_gone_without_a_word(batch: int) -> None:
    office = Office(batch).says("r-1", 3, "u-erased", comment="It is me").does("resolve", root_cause="x")
    office.passes(days=20).says("r-2", 3, "u-erased").says("r-3", 3, "u-2")
    told = len(office.events)
    office.put(topics.ERASURES, "acme", {"account_id": "acme", "respondent_id": "u-erased"})
    assert [case.respondent_id for case in office.cases.values()] == ["u-2"]
    assert len(office.events) == told
    state = office.driver.state("cases")
    hashed = bytes.fromhex(respondent_hash("acme", "u-erased"))
    assert [k for k, v in state.items() if b"u-erased" in k + v or hashed in k + v or b"It is me" in v] == []
    assert office.open_gauges() == {("high", "new"): 1}
    assert office.passes(days=500).story.split()[told:] == [*["breached", "escalated"] * 2, "expired"]


@BATCHES
def test_an_entry_of_the_list_erases_too_and_nonsense_does_not(batch: int) -> None:
    office = Office(batch).says("r-1", 3)
    for nonsense in (None, b"{", b"[]", b"{}", b'{"account_id": "acme"}', b'{"account_id": 7, "respondent_id": "u-1"}'):
        office.put(topics.ERASURES, "acme", nonsense)
    office.put(topics.ERASURES, "acme", {"account_id": "acme", "respondent_id": "u-2"})
    assert len(office.cases) == 1
    office.put(topics.ERASURES, "acme", {"account_id": "acme", "respondent_hash": respondent_hash("acme", "u-1")})
    assert office.cases == {}
    marks = sorted([b"D", b"D", b"G", b"X", b"X"])
    assert sorted(key[:1] for key in office.driver.state("cases")) == marks
    office.recovers("r-2").put(topics.ERASURES, "acme", {"account_id": "acme", "respondent_id": "u-1"})
    assert sorted(key[:1] for key in office.run().driver.state("cases")) == marks
    office.passes(days=60)
    assert office.driver.state("cases").keys() == {b"G"}


@BATCHES
def test_what_is_read_of_somebody_after_the_erasure_opens_nothing_and_waits_for_nothing(batch: int) -> None:
    office = Office(batch).put(topics.ERASURES, "acme", {"account_id": "acme", "respondent_id": "u-1"}).run()
    office.says("r-1", 3).says("r-1", 3, revision=1).recovers("r-2").says("r-3", 3, who=None).says("r-4", 3, account="globex")
    assert [case.respondent_id for case in office.run().cases.values()] == [msgspec.UNSET, "u-1"]
    assert {case.account_id for case in office.cases.values() if case.respondent_id == "u-1"} == {"globex"}
    assert [key for key in office.driver.state("cases") if key[:1] == b"U"] == []


@BATCHES
def test_a_case_has_the_latest_responses_with_comments_that_are_not_too_long(batch: int) -> None:
    office = Office(batch)
    for number in range(MOST_RESPONSES + 5):
        office.says(f"r-{number:02}", 3, comment="x" * (MOST_COMMENT_CHARS + 1), days_ago=number % 2)
    responses = office.case.responses
    assert len(responses) == MOST_RESPONSES
    assert {len(str(r.comment)) for r in responses} == {MOST_COMMENT_CHARS}
    assert [r.responded_at for r in responses] == sorted(r.responded_at for r in responses)


@BATCHES
def test_what_a_comment_is_about_is_asked_of_whoever_knows(batch: int) -> None:
    def analyse(comment: str, locale: str | None) -> Analysis:
        return Analysis((f"{comment} in {locale}",), -0.5)

    office = Office(batch, replace(SETTINGS, analyse=analyse)).says("r-1", 3, comment="slow", locale="en").says("r-2", 3)
    assert [(r.themes, r.sentiment) for r in office.case.responses] == [(["slow in en"], -0.5), (msgspec.UNSET, msgspec.UNSET)]


@BATCHES
def test_gauges_are_shown_again_after_a_restart(batch: int) -> None:
    office = Office(batch).says("r-1", 3)
    office.does("acknowledge").says("r-2", 1, "u-2")
    shown = office.open_gauges()
    assert shown == {("high", "acknowledged"): 1, ("critical", "new"): 1}
    assert office.driver.gauges["cases_oldest_timestamp_seconds", "0"] == (MONDAY + 1) / 1000
    office.driver.gauges.clear()
    office.driver.restart()
    assert office.passes().open_gauges() == shown
    assert office.driver.gauges["cases_oldest_timestamp_seconds", "0"] == (MONDAY + 1) / 1000
    office.driver.restart()
    office.passes().driver.gauges.clear()
    assert office.put(topics.CASE_COMMANDS, "acme", b"{").open_gauges() == shown, (
        "a tick in which nothing happens is not reported"
    )
    office.passes(days=91)
    assert office.open_gauges() == {}
    assert ("cases_oldest_timestamp_seconds", "0") not in office.driver.gauges


@BATCHES
def test_gauges_are_right_after_as_many_cases_were_opened_as_a_tick_has_closed(batch: int) -> None:
    office = Office(batch).says("r-1", 3)
    office.passes(hours=1).does("acknowledge").says("r-2", 3, "u-2").passes(days=50)
    office.does("assign", next(one for one, case in office.cases.items() if case.state == "acknowledged"), owner="me")
    before = office.open_gauges()
    office.passes(days=41)
    assert office.open_gauges() == {("high", "acknowledged"): 1}
    assert office.says("r-3", 3, "u-3").open_gauges() == before == {("high", "acknowledged"): 1, ("high", "new"): 1}


def test_no_value_holds_more_than_its_type_says() -> None:
    office = Office().learns({"owner": "csm@vendor.example"}).says("r-1", 3).does("snooze", until=format_time(MONDAY + DAY_MS))
    for record in office.run().driver.sent(topics.CASES):
        assert json.loads(record.value or b"").keys() <= set(Case.__struct_fields__)


def test_nothing_looks_through_the_state_once_it_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    office, scans = Office(), list[bytes]()
    scan = StagedState.scan

    def counted(state: StagedState, prefix: bytes, after: bytes, limit: int) -> list[bytes]:
        scans.append(prefix)
        return scan(state, prefix, after, limit)

    monkeypatch.setattr(StagedState, "scan", counted)
    office.says("r-1", 3).passes()
    opened = list(scans)
    office.says("r-2", 3).does("snooze", until=format_time(office.driver.now + HOUR)).learns({"owner": "csm@vendor.example"})
    office.says("r-2", 3, revision=1, withdrawn=True).recovers("r-3").passes(days=3)
    office.put(topics.ERASURES, "acme", {"account_id": "acme", "respondent_id": "u-1"}).passes(days=500)
    assert (sorted(opened), scans) == ([b"D", b"O", b"S"], opened)
