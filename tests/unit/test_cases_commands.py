"""What somebody does about a case: each command is applied, a repeat, or refused with an answer; each with batches of 1, 7
and 500."""

import json
from typing import Any

import msgspec
import pytest

from agents.case_actions import REMEMBERED_COMMANDS
from agents.case_rules import CasesSettings
from agents.case_states import COMMANDS, State
from agents.strays import STRAY_HEADER
from schemas import topics
from schemas.cloudevents import TRACEPARENT
from schemas.times import format_time
from streams.processor import DAY_MS, partition_of
from tests.unit.test_cases import HOUR, MONDAY, Office

pytestmark = pytest.mark.parametrize("batch", [1, 7, 500])

FIELDS: dict[str, dict[str, Any]] = {
    "assign": {"owner": "me@vendor.example"},
    "resolve": {"root_cause": "pricing"},
    "snooze": {"until": format_time(MONDAY + 3 * DAY_MS)},
}
"""What each command needs besides."""
LEADS_TO: dict[State, tuple[str, ...]] = {
    State.NEW: (),
    State.ACKNOWLEDGED: ("acknowledge",),
    State.CONTACTED: ("contact",),
    State.RESOLVED: ("resolve",),
    State.REOPENED: ("resolve", "reopen"),
}
"""Commands that bring a new case into a state."""


def case_in(state: State, batch: int) -> Office:
    office = Office(batch).says("r-1", 3)
    if state is State.WITHDRAWN:
        office.says("r-1", 3, revision=1, withdrawn=True)
    elif state is State.EXPIRED:
        office.passes(days=90.1)
    else:
        for command in LEADS_TO[state]:
            office.does(command, **FIELDS.get(command, {}))
    assert office.case.state == state.value
    return office


def outcomes(office: Office) -> dict[str, int]:
    """Commands by outcome."""
    office.run()
    counts = dict.fromkeys(("applied", "repeated", "rejected"), 0)
    for name, amount in office.driver.facts.items():
        if name[0] == "case_commands":
            counts[name[2]] += amount
    return counts


@pytest.mark.parametrize("state", State)
def test_each_command_in_each_state_is_applied_or_refused_as_the_table_says(batch: int, state: State) -> None:
    for move in COMMANDS:
        office = case_in(state, batch)
        before, told = outcomes(office), len(office.events)
        fields = FIELDS.get(move.value, {}) | (
            {"until": format_time(office.driver.now + HOUR)} if move.value == "snooze" else {}
        )
        office.does(move.value, **fields)
        after, case = outcomes(office), office.case
        if state.allows(move):
            assert after["applied"] == before["applied"] + 1
            assert case.state == state.after(move).value
            assert (len(office.events), office.rejections) == (told + 1, [])
        else:
            (answer,) = office.rejections
            assert after["rejected"] == before["rejected"] + 1
            assert (answer.reason, answer.state, answer.command) == ("not allowed", state.value, move.value)
            assert len(office.events) == told


@pytest.mark.parametrize(
    ("state", "command", "message"),
    [
        (State.RESOLVED, "acknowledge", "a resolved case cannot be acknowledged: reopen it first"),
        (State.EXPIRED, "resolve", "an expired case cannot be resolved: reopen it first"),
        (State.ACKNOWLEDGED, "acknowledge", "an acknowledged case is acknowledged already: there is nothing to do"),
        (State.NEW, "reopen", "a new case is open: there is nothing to reopen"),
        (State.WITHDRAWN, "reopen", "a withdrawn case cannot be reopened, since what it was about was taken back: "),
        (State.WITHDRAWN, "contact", "a withdrawn case cannot be contacted, since what it was about was taken back: "),
    ],
)
def test_a_refusal_says_what_to_do(batch: int, state: State, command: str, message: str) -> None:
    office = case_in(state, batch).does(command, **FIELDS.get(command, {}))
    (answer,) = office.rejections
    assert answer.message.startswith(message)


def test_what_the_commands_set(batch: int) -> None:
    office = Office(batch).says("r-1", 3).passes(hours=1)
    office.does("acknowledge", note="On it.")
    assert office.case.acknowledged_at == office.case.updated_at
    assert (office.case.owner, office.case.note) == ("care@vendor.example", "On it.")
    office.does("contact").does("contact")
    assert office.case.first_response_at == office.events[2].at != office.events[3].at
    office.does("assign", owner="me@vendor.example").does("resolve", root_cause="pricing", note="A rebate.")
    case = office.case
    assert (case.owner, case.root_cause, case.note) == ("me@vendor.example", "pricing", "A rebate.")
    assert case.closed_at == case.updated_at
    told = [(event.event, event.by, event.command_id, event.note) for event in office.events]
    none = msgspec.UNSET
    assert told == [
        ("opened", none, none, none),
        ("acknowledged", "csm@vendor.example", "k-1", "On it."),
        ("contacted", "csm@vendor.example", "k-2", none),
        ("contacted", "csm@vendor.example", "k-3", none),
        ("assigned", "csm@vendor.example", "k-4", none),
        ("resolved", "csm@vendor.example", "k-5", "A rebate."),
    ]


def test_times_are_observed_from_the_beginning(batch: int) -> None:
    office = Office(batch).says("r-1", 3).passes(hours=1).does("contact").passes(hours=1).does("contact")
    office.does("resolve", root_cause="x").passes(days=1).does("reopen").passes(hours=2).does("contact").run()
    seen = [(name, severity, round(seconds)) for name, severity, seconds in office.driver.observations]
    first, resolution = "case_first_response_seconds", "case_resolution_seconds"
    assert seen == [(first, "high", 3600), (resolution, "high", 7200), (first, "high", 7200)]


@pytest.mark.parametrize("command", ["acknowledge", "contact"])
def test_who_takes_it_up_owns_a_case_that_nobody_owns(batch: int, command: str) -> None:
    office = Office(batch, CasesSettings()).says("r-1", 3)
    assert office.case.owner is msgspec.UNSET
    office.does(command, by="me@vendor.example").learns({"owner": "csm@vendor.example"})
    assert office.case.owner == "me@vendor.example"
    assert office.case.acknowledged_at == office.events[1].at


def test_the_same_command_again_changes_nothing_and_is_not_refused(batch: int) -> None:
    office = Office(batch).says("r-1", 3).does("resolve", root_cause="pricing")
    for _ in range(3):
        office.does("resolve", command_id="k-1", root_cause="other")
    assert office.story == "opened resolved"
    assert office.case.root_cause == "pricing"
    assert (outcomes(office), office.rejections) == ({"applied": 1, "repeated": 3, "rejected": 0}, [])
    office.driver.restart()
    office.does("reopen").does("resolve", command_id="k-1", root_cause="other")
    assert office.story == "opened resolved reopened"


def test_one_that_was_refused_may_come_again(batch: int) -> None:
    office = Office(batch).says("r-1", 3).does("reopen", command_id="again").does("resolve", root_cause="x")
    office.does("reopen", command_id="again")
    assert office.story == "opened resolved reopened"
    assert outcomes(office) == {"applied": 2, "repeated": 0, "rejected": 1}


def test_so_many_commands_are_remembered(batch: int) -> None:
    office = Office(batch).says("r-1", 3)
    for number in range(REMEMBERED_COMMANDS + 1):
        office.does("assign", command_id=f"n-{number}", owner=f"o-{number}")
    office.does("assign", command_id="n-1", owner="repeated").does("assign", command_id="n-0", owner="forgotten")
    assert office.case.owner == "forgotten"
    assert outcomes(office) == {"applied": REMEMBERED_COMMANDS + 2, "repeated": 1, "rejected": 0}


GOOD = {"command_id": "k-1", "account_id": "acme", "case_id": "c-1", "command": "acknowledge", "by": "csm@vendor.example"}


def changed(**fields: Any) -> bytes:
    return json.dumps({name: value for name, value in (GOOD | fields).items() if value is not ...}).encode()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "the record has no value: send a command as JSON"),
        (b"", "no JSON: "),
        (b"{", "no JSON: "),
        (b"\xff", "no JSON: "),
        (b"[" * 3000, "no JSON: "),
        (b"[]", "no JSON object: send one with command_id, account_id, case_id, command and by"),
        (b"{}", "object missing required field `command_id`"),
        (changed(by=...), "object missing required field `by`"),
        (changed(by=""), "object missing required field `by`"),
        (changed(case_id=None), "object missing required field `case_id`"),
        (changed(account_id=7), "account_id: expected `str`, got `int`"),
        (changed(command="close"), "command: none of acknowledge, assign, contact, resolve, reopen, snooze"),
        (changed(command=7), "command: expected `str`, got `int`"),
        (changed(command_id="k" * 501), "command_id: expected `str` of length <= 500"),
        (changed(note="n" * 4001), "note: expected `str` of length <= 4000"),
        (changed(command="assign"), "owner: missing, and assign needs it"),
        (changed(command="assign", owner=""), "owner: missing, and assign needs it"),
        (changed(command="resolve"), "root_cause: missing, and resolve needs it"),
        (changed(command="snooze"), "until: missing, and snooze needs it"),
        (changed(command="snooze", until="tomorrow"), "until: 'tomorrow' is no time: expected RFC 3339"),
        (changed(command="snooze", until="2026-03-04T09:00:00"), "until: '2026-03-04T09:00:00' has no zone"),
    ],
)
def test_what_is_no_command_is_refused_with_what_is_wrong(batch: int, value: bytes | None, message: str) -> None:
    office = Office(batch).put(topics.CASE_COMMANDS, "acme", value)
    (answer,) = office.rejections
    assert answer.reason == "bad command"
    assert answer.message.startswith(message)
    assert (answer.partition, answer.offset) == (0, 0)
    said = json.loads(value) if value and value.startswith(b'{"') else {}
    told = {name: getattr(answer, name) for name in ("command_id", "account_id", "case_id")}
    right = {name: value if isinstance(value, str) and 0 < len(value) <= 500 else msgspec.UNSET for name, value in said.items()}
    assert told == {name: right.get(name, msgspec.UNSET) for name in told}
    assert outcomes(office) == {"applied": 0, "repeated": 0, "rejected": 1}
    assert {name[1] for name in office.driver.facts if name[0] == "case_commands"} <= {"unknown", *(m.value for m in COMMANDS)}


def test_what_nobody_reads_is_ignored_and_times_may_have_other_forms(batch: int) -> None:
    office = Office(batch).says("r-1", 3).does("snooze", until="2026-03-05T10:00:00+01:00", note=None, more={"x": 1})
    assert office.case.snoozed_until == "2026-03-05T09:00:00.000Z"


def test_a_case_that_is_not_there_is_told(batch: int) -> None:
    office = Office(batch).says("r-1", 3).does("acknowledge", "c-none").does("acknowledge", "é" * 500)
    office.does("acknowledge", next(iter(office.cases)), account="globex")
    assert [answer.reason for answer in office.rejections] == ["no such case"] * 3
    assert office.story == "opened"


@pytest.mark.parametrize(
    ("until", "is_right"),
    [(0, False), (1000, True), (90 * DAY_MS, True), (90 * DAY_MS + 1000, False), (-DAY_MS, False)],
)
def test_a_snooze_ends_within_the_time_that_a_case_has(batch: int, until: int, is_right: bool) -> None:
    office = Office(batch).says("r-1", 3).run()
    office.does("snooze", until=format_time(office.driver.now + 1 + until))
    assert [answer.message.partition(":")[0] for answer in office.rejections] == [] if is_right else ["until"]


def test_only_the_last_case_of_a_respondent_can_be_reopened(batch: int) -> None:
    office = Office(batch).says("r-1", 3).does("resolve", root_cause="x").passes(days=20).says("r-2", 3)
    first, last = sorted(office.cases, key=lambda one: office.cases[one].opened_at)
    office.does("resolve", last, root_cause="x").does("reopen", first).does("reopen", last)
    (answer,) = office.rejections
    assert answer.message == f"the respondent has a later case, {last}: go on with that one"
    assert [office.cases[one].state for one in (first, last)] == ["resolved", "reopened"]


def test_a_command_at_another_partition_is_sent_home_once(batch: int) -> None:
    office = Office(batch, partitions=4).says("r-1", 3)
    home = partition_of(b"acme", 4)
    value = changed(case_id=next(iter(office.cases)))
    office.put(topics.CASE_COMMANDS, "acme", value, partition=(home + 1) % 4, headers=((TRACEPARENT, b"00-1-2-01"),))
    assert office.story == "opened acknowledged"
    sent = [record for record in office.driver.sent(topics.CASE_COMMANDS) if record.partition == home]
    assert [(record.key, dict(record.headers)) for record in sent] == [
        (b"acme", {TRACEPARENT: b"00-1-2-01", STRAY_HEADER: b"1"})
    ]
    assert (outcomes(office), office.fact("strays")) == ({"applied": 1, "repeated": 0, "rejected": 0}, 1)
    office.put(topics.CASE_COMMANDS, "acme", value, partition=(home + 1) % 4, headers=((STRAY_HEADER, b"1"),))
    (answer,) = office.rejections
    assert (answer.reason, answer.command_id) == ("stray", "k-1")
    assert outcomes(office) == {"applied": 1, "repeated": 0, "rejected": 1}


def test_answers_are_keyed_by_the_account_if_it_can_be_read(batch: int) -> None:
    office = Office(batch, partitions=4).does("acknowledge", "c-1").run()
    office.put(topics.CASE_COMMANDS, "acme", b"{", partition=2).put(topics.CASE_COMMANDS, "x", changed(by=...), partition=2)
    answers = office.run().driver.sent(topics.CASE_REJECTIONS)
    home = partition_of(b"acme", 4)
    assert sorted((a.key, a.partition) for a in answers) == sorted([(b"acme", home), (b"acme", 2), (b"acme", home)])
    ids = {dict(answer.headers)["ce_id"] for answer in answers}
    assert len(ids) == 3
    assert {dict(answer.headers)["ce_type"] for answer in answers} == {b"nps.case.rejection"}
