"""What nps.accounts changes in what scoring counts and tells; each with batches of 1, 7 and 500."""

import json
from typing import Any

import pytest

from agents import keys
from agents.scoring import Scoring
from schemas import topics
from schemas.times import format_time
from streams.partitioner import partition_of
from streams.processor import DAY_MS
from streams.test_driver import TestDriver
from tests.unit.test_scoring import NOW, TODAY, Acme, response, retraction

pytestmark = pytest.mark.parametrize("batch", [1, 7, 500])

FACTS = {
    "name": "Acme Tools",
    "owner": "lee@vendor.example",
    "tier": "gold",
    "value": 12_500,
    "segments": {"plan": "pro", "region": "emea"},
    "renewal_date": "2026-11-30",
    "time_zone": "Europe/Vienna",
    "contacts": ["u-1", "buyer@acme.example"],
    "domains": ["acme.example"],
}
BRIEF = {"name": "Acme Tools", "owner": "lee@vendor.example", "tier": "gold", "value": 12_500}


def know(acme: Acme, facts: dict[str, Any] | bytes | None, key: bytes | None = b"acme", partition: int | None = None) -> Acme:
    """Send facts, and process them."""
    acme.driver.now += 1
    value = json.dumps(facts).encode() if isinstance(facts, dict) else facts
    acme.driver.pipe(topics.ACCOUNTS, key, value, partition=partition)
    acme.driver.run(acme.batch)
    return acme


def segments(acme: Acme) -> list[dict[str, str]]:
    """Of each scored response, in order."""
    return [event.get("segments", {}) for event in acme.events(topics.SCORED)]


def letters(acme: Acme) -> list[tuple[str, str]]:
    """Reason and message of each dead letter."""
    found = [{name: value.decode() for name, value in r.headers} for r in acme.driver.sent(topics.DEAD_LETTERS)]
    return [(headers["nps-reason"], headers["__connect.errors.exception.message"]) for headers in found]


def test_facts_fill_the_dimensions_that_a_response_does_not_name(batch: int) -> None:
    acme = know(Acme(batch), FACTS).send(response("r-1", 9, segments={"plan": "smb", "team": "a"}))
    assert segments(acme) == [{"plan": "smb", "team": "a", "region": "emea"}]
    assert [acme.segment(pair) for pair in ("plan=smb", "region=emea", "plan=pro")] == [[1, 0, 0], [1, 0, 0], None]


def test_facts_change_later_responses_alone(batch: int) -> None:
    acme = Acme(batch).send(response("r-1", 9, 3, respondent_id="u-2"))
    know(acme, FACTS).send(response("r-2", 9, 2))
    know(acme, {"segments": {"plan": "free"}}).send(response("r-3", 3, 1))
    know(acme, None).send(response("r-4", 8))
    assert segments(acme) == [{}, {"plan": "pro", "region": "emea"}, {"plan": "free"}, {}]
    assert [acme.segment(pair) for pair in ("plan=pro", "plan=free")] == [[1, 0, 0], [0, 0, 1]]
    assert acme.segment("plan=pro", kind="respondents") == [0, 0, 0]
    assert acme.driver.state("scoring").keys().isdisjoint({keys.FACTS + b"acme"})


def test_events_tell_whose_account_it_is_by_then(batch: int) -> None:
    acme = know(Acme(batch), FACTS).send(response("r-1", 10, 2))
    know(acme, {"owner": "kim@vendor.example", "segments": {}}).send(response("r-2", 1, 1))
    know(acme, {"time_zone": "UTC"}).send(response("r-3", 10))
    told = [[event.get("account") for event in acme.events(topic)] for topic in (topics.PROMOTERS, topics.DETRACTORS)]
    assert told == [[BRIEF, None], [{"owner": "kim@vendor.example"}]]
    assert [event.get("account") for event in acme.events(topics.CHANGES)] == [{"owner": "kim@vendor.example"}, None]
    assert all("account" not in event for event in acme.events(topics.SCORED))
    assert acme.events(topics.ACCOUNT_ROLLUPS)[-1].keys() == {"account_id", "as_of", "windows"}


def test_other_facts_make_no_correction_of_a_repeat(batch: int) -> None:
    once = response("r-1", 9, segments={"team": "a"})
    acme = know(Acme(batch).send(once), FACTS).send(once, once | {"updated_at": format_time(NOW + DAY_MS)})
    assert acme.facts("duplicates", "corrections") == [2, 0]
    assert segments(acme) == [{"team": "a"}]
    assert acme.segment("plan=pro") is None


def test_the_id_of_an_event_is_the_same_whatever_is_known(batch: int) -> None:
    once = response("r-1", 1, updated_at=format_time(NOW))
    known, unknown = (acme.send(once) for acme in (know(Acme(batch), FACTS), Acme(batch)))
    ids = [[dict(r.headers)["ce_id"] for r in acme.driver.sent(topics.DETRACTORS)] for acme in (known, unknown)]
    assert ids[0] == ids[1] != []


@pytest.mark.parametrize(
    ("correction", "counted"),
    [
        ({"score": 3}, {"plan": "smb", "region": "emea"}),  # names none: keeps its own, and the account's as they were
        ({"segments": {"team": "a"}}, {"plan": "pro", "region": "emea", "team": "a"}),
        ({"segments": {"plan": "free", "region": "apac"}}, {"plan": "free", "region": "apac"}),
    ],
)
def test_a_correction_keeps_the_facts_of_its_response(batch: int, correction: dict[str, Any], counted: dict[str, str]) -> None:
    acme = know(Acme(batch), FACTS).send(response("r-1", 9, segments={"plan": "smb"}))
    know(acme, {"segments": {"plan": "later", "region": "later", "more": "later"}})
    acme.send(response("r-1", 9) | correction)
    assert segments(acme)[-1] == counted
    pairs = {f"{dimension}={value}" for dimension, value in counted.items()}
    for pair in ("plan=smb", "plan=pro", "plan=free", "region=emea", "region=apac", "team=a", "plan=later", "more=later"):
        assert (sum(acme.segment(pair) or ()) == 1) == (pair in pairs), pair


def test_a_retraction_takes_out_what_was_put_in(batch: int) -> None:
    acme = know(Acme(batch), FACTS).send(response("r-1", 2))
    know(acme, {"segments": {"plan": "later"}}).send(retraction("r-1"))
    assert segments(acme) == [{"plan": "pro", "region": "emea"}] * 2
    assert acme.driver.table(topics.SEGMENT_ROLLUPS) == {}
    acme.send(response("r-1", 9, updated_at=format_time(NOW + DAY_MS)))
    assert segments(acme)[-1] == {"plan": "later"}, "what comes again after it is counted anew"
    assert acme.segment("plan=later") == [1, 0, 0]


def test_a_late_response_cuts_the_one_before_it_short_in_its_own_segments(batch: int) -> None:
    acme = know(Acme(batch), FACTS).send(response("r-1", 9, 5))
    know(acme, {"segments": {"plan": "free"}}).send(response("r-3", 3, 1), response("r-2", 8, 3))
    assert [acme.segment(pair, kind="respondents") for pair in ("plan=pro", "plan=free")] == [[0, 0, 0], [0, 0, 1]]
    assert [acme.segment(pair) for pair in ("plan=pro", "plan=free")] == [[1, 0, 0], [0, 1, 1]]


def test_a_response_has_twenty_pairs_at_most_its_own_first(batch: int) -> None:
    own = {f"own_{number:02}": "x" for number in range(18)}
    acme = know(Acme(batch), {"segments": {f"{letter}_crm": "y" for letter in "dcbazyx"}}).send(
        response("r-1", 9, segments=own), response("r-2", 9, segments=own | {"own_18": "x", "own_19": "x"})
    )
    assert segments(acme) == [own | {"a_crm": "y", "b_crm": "y"}, own | {"own_18": "x", "own_19": "x"}]


@pytest.mark.parametrize("counts", ["keep", "remove"])
def test_who_is_erased_counts_in_the_accounts_segments_or_no_more(batch: int, counts: str) -> None:
    acme = know(Acme(batch), FACTS).send(response("r-1", 2, 1), response("r-2", 9, respondent_id="u-2"))
    know(acme, {"segments": {"plan": "later"}})
    command = {"account_id": "acme", "respondent_id": "u-1", "counts": counts}
    acme.driver.pipe(topics.ERASURES, b"acme", json.dumps(command).encode())
    acme.driver.run(batch)
    assert acme.segment("plan=pro") == [1, 0, 1 if counts == "keep" else 0]
    assert not [key for key, value in acme.driver.state("scoring").items() if b"u-1" in key or b"u-1" in value]


def test_an_erasure_knows_the_last_response_before_it_whatever_lies_between(batch: int) -> None:
    acme = Acme(batch)
    acme.driver.pipe(topics.RESPONSES, b"acme", json.dumps(response("r-1", 9)).encode())
    for _ in range(3):
        acme.driver.pipe(topics.ACCOUNTS, b"acme", json.dumps(FACTS).encode())
    acme.driver.pipe(topics.ERASURES, b"acme", b'{"account_id": "acme", "respondent_id": "u-1"}')
    acme.driver.run(batch)
    (entry,) = [json.loads(value) for value in acme.driver.table(topics.ERASURES).values()]
    assert entry["position"] == 1


@pytest.mark.parametrize(
    ("key", "value", "reason", "names"),
    [
        (b"acme", b"no json", "not json", ""),
        (b"acme", b"[]", "wrong type", "the record"),
        (b"acme", b'{"name": 7}', "wrong type", "name: "),
        (b"acme", b'{"value": "much"}', "wrong type", "value: "),
        (b"acme", b'{"value": true}', "wrong type", "value: "),
        (b"acme", b'{"value": -1}', "wrong type", "value: "),
        (b"acme", b'{"segments": {"Plan": "pro"}}', "bad segment", "segments: "),
        (b"acme", b'{"segments": {"plan": 7}}', "bad segment", "segments: "),
        (b"acme", b'{"segments": ["plan"]}', "bad segment", "segments: "),
        (b"acme", json.dumps({"segments": {f"d{n}": "x" for n in range(21)}}).encode(), "bad segment", "segments: "),
        (b"acme", b'{"renewal_date": "30.11.2026"}', "bad time", "renewal_date: "),
        (b"acme", b'{"renewal_date": "2026-02-30"}', "bad time", "renewal_date: "),
        (b"acme", b'{"time_zone": "Vienna, Austria"}', "bad time", "time_zone: "),
        (b"acme", b'{"contacts": "u-1"}', "wrong type", "contacts: "),
        (b"acme", b'{"domains": ["@acme.example"]}', "wrong type", "domains: "),
        (None, b"{}", "missing field", "key: "),
        (b"", b"{}", "bad id", "key: "),
        (b"\xff", b"{}", "bad id", "key: "),
    ],
)
def test_a_faulty_record_is_a_dead_letter_and_changes_nothing(
    batch: int, key: bytes | None, value: bytes, reason: str, names: str
) -> None:
    acme = know(know(Acme(batch), FACTS), value, key, 0).send(response("r-1", 9))
    ((found, message),) = letters(acme)
    assert found == reason
    assert message.startswith(names)
    assert segments(acme) == [{"plan": "pro", "region": "emea"}]


def test_what_is_null_empty_or_unknown_is_as_good_as_absent(batch: int) -> None:
    facts = {"name": "", "owner": None, "segments": {"plan": "", "region": None, "team": "a"}, "mood": [1]}
    acme = know(Acme(batch), facts).send(response("r-1", 10))
    assert letters(acme) == []
    assert segments(acme) == [{"team": "a"}]
    assert "account" not in acme.events(topics.PROMOTERS)[0]


@pytest.mark.parametrize("value", [json.dumps(FACTS).encode(), None])
def test_facts_away_from_home_are_a_dead_letter(batch: int, value: bytes | None) -> None:
    away = 1 - partition_of(b"acme", 2)
    acme = Acme(batch, partitions=2)
    know(acme, {"segments": {"plan": "free"}})
    know(acme, value, partition=away).send(response("r-1", 9))
    assert [reason for reason, _ in letters(acme)] == ["stray"]
    assert segments(acme) == [{"plan": "free"}]
    assert len(acme.driver.sent(topics.ACCOUNTS)) == 2, "nothing is sent home: it might overtake newer facts"


def test_no_contact_gets_into_the_state(batch: int) -> None:
    acme = know(Acme(batch), FACTS)
    state = acme.driver.state("scoring")
    assert keys.FACTS + b"acme" in state
    assert not [value for value in state.values() if b"buyer" in value or b"u-1" in value]


def test_facts_stay_after_a_restart_and_lead_in_a_state_made_anew(batch: int) -> None:
    acme = know(Acme(batch).send(response("r-1", 9, 1)), FACTS)
    acme.driver.restart()
    acme.send(response("r-2", 9))
    assert segments(acme) == [{}, {"plan": "pro", "region": "emea"}]
    acme.driver.start_anew()
    acme.driver.run(batch)
    assert segments(acme)[2:] == [{"plan": "pro", "region": "emea"}] * 2, "those of then are not known any more"
    assert acme.segment("plan=pro") == [2, 0, 0]


def test_facts_do_not_move_the_clock(batch: int) -> None:
    driver = TestDriver([Scoring()], now=NOW)
    driver.pipe(topics.ACCOUNTS, b"acme", json.dumps(FACTS).encode(), NOW)
    early = json.dumps(response("r-1", 9, 100)).encode()
    driver.pipe(topics.RESPONSES, b"acme", early, NOW - 100 * DAY_MS)
    driver.run(batch)
    (scored,) = [json.loads(record.value or b"") for record in driver.sent(topics.SCORED)]
    assert scored["as_of"] == format_time((TODAY - 100) * DAY_MS)[:10]


def test_what_facts_did_is_counted(batch: int) -> None:
    acme = know(know(know(know(Acme(batch), FACTS), FACTS), {"tier": "iron"}), None)
    counted = {fact[1]: n for fact, n in acme.driver.facts.items() if fact[0] == "account_facts"}
    assert counted == {"changed": 2, "unchanged": 1, "deleted": 1}
