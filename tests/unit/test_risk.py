"""Accounts at risk: what raises which alert, and what does not."""

import contextlib
import json
from typing import Any

import pytest

from agents.cooldowns import COOLDOWN
from agents.risk import Risk
from agents.risk_rules import RiskSettings
from schemas import topics
from schemas.codec import dumps
from schemas.erasures import entry_key, respondent_hash
from schemas.times import DAY_MS, format_time
from streams.changelog import state_prefix
from streams.processor import UnfitState, partition_of
from streams.test_driver import TestDriver
from tests.risk import NOON, Watched, alerts_of

NO_SILENCE = RiskSettings(kinds=frozenset({"downgrade", "nps_fell", "nps_below", "no_promoters"}))
ONE_DOWN = {
    "account_id": "acme",
    "respondent_id": "u-17",
    "response_id": "r-2",
    "from": "promoter",
    "to": "detractor",
    "score": 3,
    "previous_score": 9,
    "direction": "down",
    "cause": "response",
    "changed_at": format_time(NOON),
    "segments": {"plan": "enterprise"},
}
_WINDOW = {"promoters": 0, "passives": 0, "detractors": 20, "total": 20, "nps": -100.0, "low": -100.0, "high": -80.0}
ROLLUP = dumps(
    {
        "account_id": "acme",
        "as_of": format_time(NOON)[:10],
        "windows": {name: {"responses": _WINDOW, "respondents": _WINDOW} for name in ("7d", "90d")},
    }
)
TRACE = ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


def driver(settings: RiskSettings | None = None, partitions: int = 1) -> TestDriver:
    return TestDriver([Risk(settings)], now=NOON, partitions=partitions)


def changes(here: TestDriver, **fields: Any) -> list[dict[str, Any]]:
    """One category change comes; all alerts so far."""
    here.pipe(topics.CHANGES, b"acme", dumps(ONE_DOWN | fields), headers=(TRACE,))
    here.run()
    return alerts_of(here.sent(topics.ACCOUNT_ALERTS))


# Downgrades


@pytest.mark.parametrize(
    ("before", "after", "raised"),
    [
        (9, 8, ["downgrade elevated"]),
        (10, 7, ["downgrade elevated"]),
        (8, 6, ["downgrade high"]),
        (7, 0, ["downgrade high"]),
        (9, 6, ["downgrade critical"]),
        (10, 0, ["downgrade critical"]),
        (10, 9, []),
        (6, 0, []),
        (3, 8, []),
        (8, 9, []),
    ],
)
def test_a_lower_category_is_a_downgrade_as_severe_as_it_fell(before: int, after: int, raised: list[str]) -> None:
    watched = Watched()
    watched.says(before)
    watched.says(after)
    assert watched.kinds == raised


def test_a_first_response_is_no_downgrade_and_neither_is_an_anonymous_one() -> None:
    watched = Watched()
    watched.says(9, None)
    watched.says(0, None)
    watched.says(0, "u-2")
    assert watched.kinds == []


def test_what_a_downgrade_tells() -> None:
    here = driver()
    here.pipe(topics.ACCOUNTS, b"acme", dumps({"name": "Acme", "owner": "csm@vendor.example", "tier": "gold", "value": 48000}))
    assert changes(here) == [
        {
            "account_id": "acme",
            "alert_id": "a-4c9d0655c9304e46",
            "kind": "downgrade",
            "severity": "critical",
            "raised_at": "2026-05-20T12:00:00.000Z",
            "until": "2026-05-27T12:00:00.000Z",
            "respondent_id": "u-17",
            "from": "promoter",
            "to": "detractor",
            "score": 3,
            "previous_score": 9,
            "segments": {"plan": "enterprise"},
            "account": {"name": "Acme", "owner": "csm@vendor.example", "tier": "gold", "value": 48000},
        }
    ]
    (sent,) = here.sent(topics.ACCOUNT_ALERTS)
    assert (sent.key, sent.timestamp) == (b"acme", NOON)
    assert dict(sent.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": b"a-4c9d0655c9304e46",
        "ce_type": b"nps.account.alert",
        "ce_source": b"npstream",
        "ce_time": b"2026-05-20T12:00:00.000Z",
        "content-type": b"application/json",
        "traceparent": TRACE[1],
    }
    assert here.facts == {("account_alerts", "downgrade", "critical"): 1}


@pytest.mark.parametrize("cause", ["correction", "retraction"])
def test_a_change_that_is_no_response_raises_nothing(cause: str) -> None:
    assert changes(driver(), cause=cause) == []


def test_a_correction_and_a_retraction_through_scoring_raise_nothing() -> None:
    watched = Watched()
    name = watched.says(9)
    watched.says(2, response_id=name)
    watched.says(9)
    watched.take_back("r-3")
    assert watched.kinds == []


@pytest.mark.parametrize(
    ("ago", "limit", "raised"), [(14, 14, 1), (15, 14, 0), (400, 14, 0), (400, None, 1), (400, 0, 1), (3, 2, 0)]
)
def test_an_old_change_raises_nothing(ago: int, limit: int | None, raised: int) -> None:
    here = driver(RiskSettings(alert_max_age_days=limit))
    assert len(changes(here, changed_at=format_time(NOON - ago * DAY_MS))) == raised


def test_a_respondent_is_told_of_once_a_week_and_others_are_not_held_back() -> None:
    watched = Watched(NO_SILENCE)
    watched.says(9)
    watched.says(7)
    watched.says(9, "u-2")
    watched.says(3, "u-2")
    assert watched.kinds == ["downgrade elevated", "downgrade critical"]
    watched.says(5)
    watched.says(9)
    watched.days(6)
    watched.says(5)
    watched.says(9)
    assert watched.kinds == []
    watched.days(1)
    watched.says(5)
    assert watched.kinds == ["downgrade critical"]


def test_a_cool_down_ends_to_the_millisecond() -> None:
    here = driver()
    assert len(changes(here)) == 1
    here.now += 7 * DAY_MS - 1
    assert len(changes(here, changed_at=format_time(here.now))) == 1
    here.now += 1
    assert len(changes(here, changed_at=format_time(here.now))) == 2


def test_without_a_cool_down_each_is_told() -> None:
    here = driver(RiskSettings(cooldown_days={"downgrade": 0}))
    changes(here)
    (_, second) = changes(here, response_id="r-3")
    assert second["until"] == second["raised_at"]


def test_a_cool_down_that_is_over_is_swept() -> None:
    here = driver()
    changes(here)
    assert [key for key in here.state("risk") if key.startswith(COOLDOWN)]
    here.advance(6 * DAY_MS)
    assert [key for key in here.state("risk") if key.startswith(COOLDOWN)]
    here.advance(DAY_MS)
    assert [key for key in here.state("risk") if key.startswith(COOLDOWN)] == []


# Figures of an account


def test_an_account_whose_nps_fell_by_more_than_chance() -> None:
    watched = Watched(RiskSettings(threshold=-100))
    watched.many(9, 20, ago=100)
    watched.many(0, 9)
    assert watched.kinds == []  # nine responses are no window to judge by
    watched.says(8, "u-1")
    (alert,) = watched.alerts
    assert {name: alert[name] for name in alert if name not in ("alert_id", "raised_at", "until")} == {
        "account_id": "acme",
        "kind": "nps_fell",
        "severity": "high",
        "window": "90d",
        "nps": -90.0,
        "previous_nps": 100.0,
        "low": -100.0,
        "high": -38.1,
    }
    watched.many(0, 5)
    watched.days(60)
    assert watched.kinds == ["nps_fell high"]  # while it holds it is told once


def test_a_fall_that_may_be_chance_is_none() -> None:
    watched = Watched(RiskSettings(threshold=-100))
    watched.many(9, 6, ago=100)
    watched.many(8, 4, ago=100)
    watched.many(9, 5)
    watched.many(8, 5)
    window = json.loads(watched.driver.table(topics.ACCOUNT_ROLLUPS)[b"acme"])["windows"]["90d"]["responses"]
    assert (window["change"], window["significant"]) == (-10.0, False)
    assert watched.kinds == []


def test_a_significant_rise_is_none() -> None:
    watched = Watched(RiskSettings(threshold=-100))
    watched.many(0, 20, ago=100)
    watched.many(9, 20)
    assert watched.kinds == []


def test_an_account_below_the_threshold_is_told_of_when_it_crosses_it() -> None:
    watched = Watched()
    watched.many(9, 5)
    watched.many(0, 5)
    assert watched.kinds == []  # 0 is not below 0
    watched.many(0, 1)
    (alert,) = watched.alerts
    assert {name: alert[name] for name in ("kind", "severity", "nps", "threshold", "window")} == {
        "kind": "nps_below",
        "severity": "high",
        "nps": -9.1,
        "threshold": 0.0,
        "window": "90d",
    }
    assert "previous_nps" not in alert
    watched.many(0, 1)
    watched.days(40)
    assert watched.kinds == ["nps_below high"]


def test_an_account_that_is_first_known_below_the_threshold_is_told_of() -> None:
    watched = Watched()
    watched.many(0, 10)
    assert watched.kinds == ["nps_below high"]


def test_it_is_told_again_only_after_it_was_better() -> None:
    watched = Watched(NO_SILENCE)
    watched.many(0, 10)
    watched.many(9, 12)
    watched.days(35)
    assert watched.kinds == ["nps_below high"]
    watched.many(0, 5)
    assert watched.kinds == ["nps_below high"]


def test_what_begins_to_hold_in_its_cool_down_is_told_when_that_is_over_if_it_still_holds() -> None:
    watched = Watched(NO_SILENCE)
    watched.many(0, 10)
    watched.many(9, 12)
    watched.many(0, 5)
    watched.days(29)
    assert watched.kinds == ["nps_below high"]
    watched.days(2)
    assert watched.kinds == ["nps_below high"]
    watched.days(20)
    assert watched.kinds == []


def test_what_holds_no_longer_when_its_cool_down_is_over_is_not_told() -> None:
    watched = Watched(NO_SILENCE)
    watched.many(0, 10)
    watched.many(9, 12)
    watched.many(0, 5)
    watched.many(9, 5)
    watched.days(40)
    assert watched.kinds == ["nps_below high"]


def test_an_account_that_has_no_promoters_left() -> None:
    watched = Watched(RiskSettings(threshold=-100))
    watched.many(9, 3)
    watched.days(60)
    watched.many(8, 10)
    watched.days(29)
    assert watched.kinds == []
    watched.days(1)  # the promoters' day leaves the window
    (alert,) = watched.alerts
    assert (alert["kind"], alert["severity"], alert["nps"], alert["window"]) == ("no_promoters", "critical", 0.0, "90d")


def test_one_that_never_had_any_has_not_lost_them() -> None:
    watched = Watched()
    watched.many(8, 20)
    watched.days(40)
    assert watched.kinds == []


def test_of_few_responses_nothing_is_concluded() -> None:
    watched = Watched()
    watched.many(9, 2)
    watched.days(60)
    watched.many(0, 7)
    watched.days(40)
    assert watched.kinds == []


def test_an_account_whose_tables_are_empty_begins_anew() -> None:
    watched = Watched(NO_SILENCE)
    watched.many(0, 10)
    assert b"Aacme" in watched.state
    watched.days(2)
    watched.driver.advance(740 * DAY_MS)
    assert watched.state == {}
    watched.many(0, 10)
    assert watched.kinds == ["nps_below high", "nps_below high"]


def test_respondents_are_counted_where_that_is_set() -> None:
    by_responses, by_respondents = Watched(NO_SILENCE), Watched(RiskSettings(kinds=NO_SILENCE.kinds, counting="respondents"))
    for watched in (by_responses, by_respondents):
        for _ in range(12):
            watched.says(0, "u-1")
        watched.many(9, 9)
    assert by_responses.kinds == ["nps_below high"]
    assert by_respondents.kinds == []


# A backfill


def test_a_year_of_history_wakes_nobody() -> None:
    watched = Watched()
    for ago in range(365, 14, -5):
        watched.many(9 if ago > 90 else 2, 3, ago=ago)
    for ago in (200, 170, 140):
        watched.says(9, "u-regular", ago=ago)
    watched.days(20)
    assert watched.kinds == []


def test_what_history_has_shown_is_known_and_what_comes_after_it_is_news() -> None:
    watched = Watched(NO_SILENCE)
    watched.many(2, 30, ago=30)
    watched.days(1)
    watched.many(2, 1)
    assert watched.kinds == []  # it was below before
    watched.many(9, 40)
    watched.many(2, 20)
    assert watched.kinds == ["nps_below high"]


def test_a_rollup_that_is_read_long_after_its_day_is_no_news() -> None:
    rollup = json.loads(ROLLUP)
    for ago, raised in ((14, 1), (15, 0)):
        here = driver()
        here.advance(0)
        as_of = format_time(NOON - ago * DAY_MS)[:10]
        here.pipe(topics.ACCOUNT_ROLLUPS, b"acme", dumps(rollup | {"as_of": as_of}))
        here.run()
        assert len(here.sent(topics.ACCOUNT_ALERTS)) == raised


# Accounts


def learned(facts: bytes | None, partition: int | None = None) -> dict[str, Any]:
    """What an alert of acme tells, given that good facts came first, and then these."""
    here = driver(partitions=2)
    here.pipe(topics.ACCOUNTS, b"acme", dumps({"owner": "csm@vendor.example", "segments": {"plan": "smb"}}))
    here.pipe(topics.ACCOUNTS, b"acme", facts, partition=partition)
    here.run()
    (alert,) = changes(here)
    return alert


@pytest.mark.parametrize("faulty", [b"{", b"[]", b'{"value": "much"}', b'{"segments": {"Plan": "smb"}}'])
def test_faulty_facts_change_nothing(faulty: bytes) -> None:
    assert learned(faulty)["account"] == {"owner": "csm@vendor.example"}


def test_facts_at_another_partition_than_their_accounts_change_nothing() -> None:
    elsewhere = 1 - partition_of(b"acme", 2)
    assert learned(dumps({"owner": "other@vendor.example"}), elsewhere)["account"] == {"owner": "csm@vendor.example"}


def test_facts_are_taken_back() -> None:
    assert "account" not in learned(None)


def test_alerts_without_an_event_have_the_segments_of_the_account() -> None:
    watched = Watched()
    watched.driver.pipe(topics.ACCOUNTS, b"acme", dumps({"name": "Acme", "segments": {"plan": "smb", "region": "emea"}}))
    watched.many(0, 10)
    (alert,) = watched.alerts
    assert alert["segments"] == {"plan": "smb", "region": "emea"}
    assert alert["account"] == {"name": "Acme"}


# Erasure


def erase(here: TestDriver, who: str, account: str = "acme") -> None:
    here.pipe(topics.ERASURES, account.encode(), dumps({"account_id": account, "respondent_id": who}))
    here.run()


def of_respondents(state: dict[bytes, bytes]) -> list[bytes]:
    """The keys of the state that are of a respondent, but for the marks of who was erased."""
    return [key for key in state if key[:1] in b"RDC"]


def test_nothing_is_left_of_who_is_erased() -> None:
    watched = Watched()
    for ago in (5, 3, 1):
        watched.says(9, "u-1", ago=ago)
    watched.says(3, "u-1")
    watched.says(9, "u-2")
    assert len(of_respondents(watched.state)) == 4
    erase(watched.driver, "u-1")
    assert len(of_respondents(watched.state)) == 1
    assert not any(b"u-1" in value for value in watched.state.values())
    watched.days(60)
    assert [one["respondent_id"] for one in watched.alerts] == ["u-1"]  # the downgrade before it


def test_what_is_read_after_an_erasure_and_was_sent_before_it_is_dropped() -> None:
    here = driver()
    erase(here, "u-17")
    assert changes(here) == []
    scored = {"response_id": "r-1", "account_id": "acme", "respondent_id": "u-17", "score": 9, "as_of": "2026-05-20"}
    here.pipe(topics.SCORED, b"acme", dumps(scored | {"responded_at": format_time(NOON), "change": "new"}))
    here.run()
    assert of_respondents(here.state("risk")) == []
    here.advance(60 * DAY_MS)
    assert [key for key in here.state("risk") if key != b"T"] == []


def test_an_entry_of_the_list_erases_as_a_command_does() -> None:
    watched = Watched()
    watched.says(9)
    hashed = respondent_hash("acme", "u-1")
    entry = {"account_id": "acme", "respondent_hash": hashed, "counts": "keep", "erased_at": format_time(NOON), "position": 0}
    watched.driver.pipe(topics.ERASURES, entry_key("acme", hashed), dumps(entry))
    watched.driver.run()
    assert of_respondents(watched.state) == []


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"account_id": "acme"}', b'{"account_id": "acme", "respondent_hash": "zz"}', b'{"account_id": 7}']
)
def test_what_is_no_erasure_is_ignored(body: bytes) -> None:
    here = driver()
    here.pipe(topics.ERASURES, b"acme", body)
    here.run()
    assert here.state("risk") == {}


def test_an_erasure_at_another_partition_than_its_accounts_is_left_to_scoring() -> None:
    here = driver(partitions=2)
    elsewhere = 1 - partition_of(b"acme", 2)
    body = dumps({"account_id": "acme", "respondent_id": "u-1"})
    here.pipe(topics.ERASURES, b"acme", body, partition=elsewhere)
    here.run()
    assert here.state("risk", elsewhere) == {}


# What cannot be read


@pytest.mark.parametrize("topic", [topics.SCORED, topics.CHANGES, topics.ACCOUNT_ROLLUPS])
@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b"[" * 5000,
        b'{"a":' * 5000,
        b'{"account_id": 7}',
        b'{"account_id": "acme", "respondent_id": "u", "response_id": "r", "change": "new", "score": 3, "responded_at": "?"}',
        b'{"account_id": "acme", "respondent_id": "u", "response_id": "r", "change": "new", "responded_at": 7}',
        b'{"account_id":"acme","respondent_id":"u","response_id":"r","change":"new","responded_at":"2026-05-20T12:00:00Z"}',
        b'{"account_id": "acme", "as_of": "someday", "windows": {}}',
        b'{"account_id": "acme", "as_of": "2026-05-20", "windows": {"90d": 7}}',
        b'{"account_id": "acme", "as_of": "2026-05-20", "windows": {"90d": {"responses": {}, "respondents": {}}}}',
    ],
)
def test_what_cannot_be_read_is_counted_and_changes_nothing(topic: str, value: bytes) -> None:
    here = driver()
    here.pipe(topic, b"acme", value)
    here.run()
    assert here.facts == {("risk_unreadable",): 1}
    assert here.state("risk") == {}
    assert len(changes(here)) == 1  # and the next record is read


@pytest.mark.parametrize("topic", [topics.SCORED, topics.CHANGES])
def test_a_record_without_a_value_cannot_be_read(topic: str) -> None:
    here = driver()
    here.pipe(topic, b"acme", None)
    here.run()
    assert here.facts == {("risk_unreadable",): 1}


@pytest.mark.parametrize("key", [None, b"", b"\xff", b"x" * 2001])
def test_a_rollup_whose_key_is_no_account_cannot_be_read(key: bytes | None) -> None:
    here = driver()
    here.pipe(topics.ACCOUNT_ROLLUPS, key, None)
    here.run()
    assert here.facts == {("risk_unreadable",): 1}


@pytest.mark.parametrize(
    "value",
    [b"", b"\x00", b"\xc1", b"\x90", b"\x93\xa1u\x90\x00", b"\x94\xa1u\x91\x93\x01\xa1a\x63\x00\xff", b"9" * 30, b"\xff" * 40],
)
def test_a_damaged_state_refuses_the_task_and_nothing_else(value: bytes) -> None:
    scored = {"account_id": "acme", "respondent_id": "u-17", "score": 9, "as_of": "2026-05-20", "change": "new"}

    def begun() -> TestDriver:
        here = driver()
        here.pipe(topics.ACCOUNTS, b"acme", dumps({"name": "Acme"}))
        for name in ("r-0", "r-1", "r-2"):
            here.pipe(topics.SCORED, b"acme", dumps(scored | {"response_id": name, "responded_at": format_time(NOON)}))
        here.pipe(topics.CHANGES, b"acme", dumps(ONE_DOWN))
        here.pipe(topics.ACCOUNT_ROLLUPS, b"acme", ROLLUP)
        here.run()
        here.advance(1)
        return here

    keys = sorted(begun().state("risk"))
    assert {key[:1] for key in keys} == {b"A", b"C", b"D", b"F", b"R", b"T"}
    for key in keys:
        here = begun()
        here.restore("risk", here.changelog("risk") | {state_prefix("risk") + key: b"\x01" + value})
        with contextlib.suppress(UnfitState):
            here.pipe(topics.SCORED, b"acme", dumps(scored | {"response_id": "r-3", "responded_at": format_time(NOON)}))
            for who in ("u-17", "u-18"):
                here.pipe(topics.CHANGES, b"acme", dumps(ONE_DOWN | {"respondent_id": who}))
            here.pipe(topics.ACCOUNT_ROLLUPS, b"acme", ROLLUP)
            here.run()
            here.advance(61 * DAY_MS)


# What is switched off


def test_only_the_kinds_that_are_wanted_are_raised_and_nothing_is_kept_for_others() -> None:
    watched = Watched(RiskSettings(kinds=frozenset({"downgrade"})))
    watched.says(9, "u-1")
    watched.says(0, "u-1")
    watched.many(0, 20)
    assert watched.kinds == ["downgrade critical"]
    assert [key[:1] for key in watched.state] == [b"C"]
    watched = Watched(RiskSettings(kinds=frozenset({"nps_below"})))
    watched.says(9, "u-1")
    watched.says(0, "u-1")
    watched.many(0, 20)
    assert watched.kinds == ["nps_below high"]
