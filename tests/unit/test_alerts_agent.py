"""Alerts: who is told of what, and when."""

from dataclasses import replace
from typing import Any

import pytest
from msgspec import UNSET

from agents import alert_groups
from agents.alerts import Alerts
from agents.quiet_hours import QuietHours
from agents.routes import AlertsSettings, Route
from schemas import topics
from schemas.cloudevents import ALERT
from schemas.codec import dumps
from schemas.erasures import entry_key, respondent_hash
from schemas.times import format_time, parse_time
from streams.test_driver import TestDriver
from tests.alerting import DAY_MS, HOUR_MS, MINUTE_MS, NOW, SINKS, Desk, account_alert, case_event, told

ALL = Route("all", ("slack",))
AT_ONCE = replace(ALL, group_wait_s=0)
NIGHT = QuietHours(20 * 60, 7 * 60)
"""In UTC."""
EVENING = parse_time("2026-03-02T21:00:00.000Z")
MORNING = "2026-03-03T07:00:00.000Z"


def test_what_is_critical_is_told_at_once_and_all_that_is_known_of_it() -> None:
    desk = Desk(ALL)
    account = {"name": "Acme", "owner": "csm@vendor.example", "tier": "gold"}
    said: dict[str, Any] = {"comment": "The export is slow.", "themes": ["speed"], "account": account, "account_nps": -12.5}
    desk.happens("opened", **said)
    (alert,) = desk.alerts()
    assert (alert.account_id, alert.sink, alert.route, alert.status, alert.severity) == (
        "acme",
        "slack",
        "all",
        "firing",
        "critical",
    )
    assert alert.created_at == alert.caused_at == format_time(NOW)
    assert alert.expires_at == format_time(NOW + DAY_MS)
    assert (alert.account.name, alert.account.owner, alert.account_nps) == ("Acme", "csm@vendor.example", -12.5)  # type: ignore[union-attr]
    (item,) = alert.items
    assert (item.key, item.case_id, item.kind, item.what, item.state) == ("c-1", "c-1", "case", "opened", "new")
    assert (item.score, item.comment, item.themes, item.owner) == (3, "The export is slow.", ["speed"], "csm@vendor.example")
    assert (item.respondent_id, item.starts_at, item.ends_at) == ("u-17@acme.example", format_time(NOW), UNSET)


def test_the_record_is_a_cloud_event_with_the_id_of_the_delivery_and_the_trace_of_its_cause() -> None:
    desk = Desk(ALL)
    trace = ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    event = dumps(case_event("opened", NOW))
    desk.driver.pipe(topics.CASE_EVENTS, b"acme", event, NOW - 7, [trace])
    desk.driver.run()
    (record,) = desk.driver.sent(topics.ALERTS)
    headers = dict(record.headers)
    assert (record.key, record.timestamp) == (b"acme", NOW - 7)
    assert (headers["ce_type"].decode(), headers["ce_id"].decode()) == (ALERT, desk.alerts()[0].delivery_id)
    assert headers["traceparent"] == trace[1]


def test_without_routes_nobody_is_told_and_nothing_is_kept() -> None:
    desk = Desk()
    desk.happens("opened")
    desk.raises("nps_fell")
    desk.passes(DAY_MS)
    assert not desk.alerts()
    assert not desk.state()


def test_what_is_less_than_critical_waits_for_others() -> None:
    desk = Desk(ALL)
    desk.happens("opened", case_id="c-1", severity="high")
    desk.passes(20_000)
    desk.happens("opened", case_id="c-2", severity="elevated")
    assert not desk.alerts()
    desk.passes(10_000)
    (alert,) = desk.alerts()
    assert told([alert]) == [("c-1", "opened"), ("c-2", "opened")]
    assert (alert.severity, alert.caused_at) == ("high", format_time(NOW))


def test_the_worst_comes_first_and_what_does_not_fit_is_counted() -> None:
    desk = Desk(replace(ALL, group_wait_s=60, max_items=2))
    for number, severity in enumerate(["elevated", "high", "critical", "high"]):
        desk.happens("opened", case_id=f"c-{number}", severity=severity)
    desk.passes(MINUTE_MS)
    (alert,) = desk.alerts()
    assert [(item.key, item.severity) for item in alert.items] == [("c-2", "critical"), ("c-1", "high")]
    assert alert.more == 2
    assert desk.counted("told") == 4


def test_between_two_deliveries_about_an_account_lies_the_interval() -> None:
    desk = Desk(ALL)
    desk.happens("opened", case_id="c-1")
    desk.passes(10_000)
    desk.happens("opened", case_id="c-2")
    desk.happens("opened", case_id="c-3")
    desk.happens("opened", case_id="c-4", account_id="globex")
    assert [alert.account_id for alert in desk.alerts()] == ["acme", "globex"]
    desk.passes(289_999)
    assert len(desk.alerts()) == 2
    desk.passes(1)
    assert told(desk.alerts()[2:]) == [("c-2", "opened"), ("c-3", "opened")]
    desk.passes(HOUR_MS)
    desk.happens("opened", case_id="c-5")
    assert told(desk.alerts()[3:]) == [("c-5", "opened")]


def test_whoever_adds_to_a_group_that_is_due_tells_it_though_no_tick_came() -> None:
    desk = Desk(ALL)
    desk.happens("opened", case_id="c-1", severity="high")
    desk.driver.now += MINUTE_MS
    desk.happens("opened", case_id="c-2", severity="high")
    assert told(desk.alerts()) == [("c-1", "opened"), ("c-2", "opened")]


def test_a_later_state_of_what_waits_takes_its_place() -> None:
    desk = Desk(replace(ALL, group_wait_s=60))
    desk.happens("opened", revision=0, severity="high")
    desk.passes(30_000)
    desk.happens("escalated", revision=1, opened_at=format_time(NOW + 5), severity="high")
    desk.passes(30_000)
    (alert,) = desk.alerts()
    (item,) = alert.items
    assert (item.what, item.starts_at, alert.caused_at) == ("escalated", format_time(NOW), format_time(NOW))
    assert (desk.counted("told"), desk.counted("overtaken")) == (1, 1)


def test_what_becomes_critical_while_it_waits_is_told_at_once() -> None:
    desk = Desk(ALL)
    desk.happens("opened", severity="elevated")
    desk.happens("joined", severity="critical", revision=1)
    (alert,) = desk.alerts()
    assert (told([alert]), alert.severity) == ([("c-1", "joined")], "critical")


def test_of_two_groups_of_a_sink_the_one_that_is_told_sooner_has_the_later_state() -> None:
    slow = Route("slow", ("slack",), what=frozenset({"joined"}), group_wait_s=3_600)
    desk = Desk(slow, Route("soon", ("slack",), group_wait_s=60))
    desk.happens("opened")
    desk.happens("joined", revision=1)
    desk.passes(MINUTE_MS)
    assert [(alert.route, alert.items[0].what) for alert in desk.alerts()] == [("soon", "joined")]
    desk.passes(2 * HOUR_MS)
    assert len(desk.alerts()) == 1


@pytest.mark.parametrize(
    ("events", "whats"),
    [
        ([("opened", "high"), ("acknowledged", "high"), ("contacted", "high"), ("changed", "high")], ["opened"]),
        ([("opened", "high"), ("breached", "high"), ("escalated", "high")], ["opened", "breached", "escalated"]),
        ([("opened", "high"), ("joined", "high")], ["opened"]),
        ([("opened", "high"), ("joined", "critical")], ["opened", "joined"]),
        ([("opened", "high"), ("joined", "elevated")], ["opened"]),
        ([("opened", "high"), ("resolved", "high"), ("reopened", "high")], ["opened", "reopened"]),
        ([("joined", "high")], ["joined"]),
    ],
)
def test_people_are_told_of_what_they_have_to_act_on(events: list[tuple[str, str]], whats: list[str]) -> None:
    desk = Desk(replace(AT_ONCE, group_interval_s=0))
    for revision, (event, severity) in enumerate(events):
        desk.happens(event, severity=severity, revision=revision)
    assert [what for _, what in told(desk.alerts())] == whats


def test_a_route_may_want_other_events_than_the_usual_ones() -> None:
    desk = Desk(replace(AT_ONCE, what=frozenset({"joined", "resolved"}), group_interval_s=0))
    for revision, event in enumerate(["opened", "joined", "acknowledged", "resolved"]):
        desk.happens(event, revision=revision)
    joined, resolved = desk.alerts()
    assert told([joined, resolved]) == [("c-1", "joined"), ("c-1", "resolved")]
    assert (joined.status, resolved.status) == ("firing", "resolved")
    assert resolved.items[0].ends_at == format_time(NOW)
    assert desk.counted("no route") == 2


def test_what_is_closed_while_it_waits_is_told_no_more() -> None:
    desk = Desk(replace(ALL, group_wait_s=60))
    desk.happens("opened", case_id="c-1")
    desk.happens("opened", case_id="c-2")
    desk.happens("resolved", case_id="c-1", revision=1)
    desk.passes(MINUTE_MS)
    assert told(desk.alerts()) == [("c-2", "opened")]
    assert desk.counted("closed") == 1


def test_in_quiet_hours_all_waits_but_what_is_critical() -> None:
    desk = Desk(replace(AT_ONCE, quiet=(NIGHT,), group_interval_s=0), now=EVENING)
    desk.happens("opened", case_id="c-1", severity="high")
    desk.happens("opened", case_id="c-2", severity="elevated")
    desk.passes(HOUR_MS, tick=MINUTE_MS)
    desk.happens("opened", case_id="c-3", severity="critical")
    assert told(desk.alerts()) == [("c-3", "opened")]
    desk.happens("withdrawn", case_id="c-2", revision=1)
    desk.passes(9 * HOUR_MS, tick=MINUTE_MS)
    _, alert = desk.alerts()
    assert (told([alert]), alert.created_at) == ([("c-1", "opened")], MORNING)
    assert alert.caused_at == format_time(EVENING)


def test_what_was_due_when_the_quiet_hours_began_waits_for_their_end() -> None:
    before = parse_time("2026-03-02T19:59:45.000Z")
    desk = Desk(replace(ALL, quiet=(NIGHT,)), now=before)
    desk.happens("opened", severity="high")
    desk.passes(MINUTE_MS)
    desk.happens("opened", case_id="c-2", severity="high")
    assert not desk.alerts()
    desk.passes(12 * HOUR_MS, tick=HOUR_MS)
    assert told(desk.alerts()) == [("c-1", "opened"), ("c-2", "opened")]


def test_what_could_have_been_told_before_the_quiet_hours_but_for_a_late_tick_waits_too() -> None:
    desk = Desk(replace(ALL, quiet=(NIGHT,)), now=parse_time("2026-03-02T19:59:20.000Z"))
    desk.happens("opened", severity="high")
    desk.passes(5 * MINUTE_MS)
    assert not desk.alerts()
    desk.passes(12 * HOUR_MS)
    assert told(desk.alerts()) == [("c-1", "opened")]


def test_what_is_old_when_it_comes_is_told_to_nobody() -> None:
    desk = Desk(ALL)
    desk.pipe(topics.CASE_EVENTS, case_event("opened", NOW - DAY_MS - 1))
    desk.pipe(topics.ACCOUNT_ALERTS, account_alert("silence", NOW - DAY_MS - 1))
    desk.pipe(topics.CASE_EVENTS, case_event("opened", NOW - DAY_MS, case_id="c-2"))
    desk.driver.run()
    assert told(desk.alerts()) == [("c-2", "opened")]
    assert desk.counted("expired") == 2


def test_a_sink_that_holds_what_is_open_is_told_when_it_is_over_and_others_are_not() -> None:
    desk = Desk(replace(ALL, sinks=("slack", "alertmanager", "pagerduty")))
    desk.happens("opened")
    desk.passes(HOUR_MS)
    desk.happens("resolved", revision=1)
    ends = [(alert.sink, alert.status, alert.items[0].ends_at, alert.items[0].state) for alert in desk.alerts()[3:]]
    now = format_time(desk.now)
    assert ends == [("alertmanager", "resolved", now, "resolved"), ("pagerduty", "resolved", now, "resolved")]


def test_what_was_never_told_is_not_told_to_be_over() -> None:
    desk = Desk(replace(ALL, sinks=("pagerduty",), severities=frozenset({"critical"})))
    desk.happens("opened", severity="high")
    desk.happens("resolved", severity="critical", revision=1)
    desk.passes(HOUR_MS)
    assert not desk.alerts()


@pytest.mark.parametrize("late", [0, 3 * DAY_MS])
def test_that_something_is_over_is_told_however_late(late: int) -> None:
    desk = Desk(replace(ALL, sinks=("pagerduty",)))
    desk.happens("opened")
    desk.passes(HOUR_MS + late)
    desk.pipe(topics.CASE_EVENTS, case_event("expired", NOW + HOUR_MS, revision=1))
    desk.driver.run()
    assert [alert.status for alert in desk.alerts()] == ["firing", "resolved"]


def test_a_case_that_is_reopened_before_its_end_was_told_goes_on_and_its_end_is_told_later() -> None:
    desk = Desk(replace(ALL, sinks=("pagerduty",)))
    desk.happens("opened")
    desk.happens("resolved", revision=1)
    desk.happens("reopened", revision=2)
    desk.happens("resolved", revision=3)
    desk.passes(HOUR_MS)
    assert [(alert.status, alert.items[0].what) for alert in desk.alerts()] == [("firing", "opened"), ("resolved", "resolved")]
    assert not desk.state().keys() - {key for key in desk.state() if key[:1] in b"SD"}


def test_a_sink_that_takes_one_thing_at_a_time_gets_a_delivery_for_each_with_a_key_of_its_own() -> None:
    desk = Desk(replace(ALL, sinks=("pagerduty",)))
    desk.happens("opened", case_id="c-1")
    desk.happens("opened", case_id="c-2")
    desk.happens("escalated", case_id="c-1", revision=1)
    assert [alert.dedup_key for alert in desk.alerts()] == ["acme|pagerduty|c-1", "acme|pagerduty|c-2"]
    desk.passes(5 * MINUTE_MS)
    assert [alert.dedup_key for alert in desk.alerts()[2:]] == ["acme|pagerduty|c-1"]


def test_a_sink_that_forgets_is_told_again_until_it_is_over() -> None:
    desk = Desk(replace(ALL, sinks=("alertmanager",), group_interval_s=0))
    desk.happens("opened", case_id="c-1", severity="critical")
    desk.happens("opened", case_id="c-2", severity="critical")
    assert [alert.items[0].ends_at for alert in desk.alerts()] == [format_time(NOW + 15 * MINUTE_MS)] * 2
    desk.passes(10 * MINUTE_MS, tick=MINUTE_MS)
    again = desk.refreshed()
    assert [alert.created_at for alert in again] == [format_time(NOW + 5 * MINUTE_MS), format_time(NOW + 10 * MINUTE_MS)]
    assert [[item.key for item in alert.items] for alert in again] == [["c-1", "c-2"]] * 2
    assert {item.ends_at for item in again[1].items} == {format_time(NOW + 25 * MINUTE_MS)}
    assert len({alert.delivery_id for alert in again}) == 2
    assert {alert.dedup_key for alert in again}.isdisjoint(alert.dedup_key for alert in desk.alerts())
    desk.happens("resolved", case_id="c-1", revision=1)
    desk.passes(5 * MINUTE_MS, tick=MINUTE_MS)
    assert [[item.key for item in alert.items] for alert in desk.refreshed()[2:]] == [["c-2"]]
    desk.happens("resolved", case_id="c-2", revision=1)
    desk.passes(DAY_MS, tick=MINUTE_MS)
    assert len(desk.refreshed()) == 3


def test_many_open_things_are_told_again_in_shares() -> None:
    desk = Desk(replace(ALL, sinks=("alertmanager",), group_interval_s=0), share=1)
    for number in range(120):
        desk.happens("opened", case_id=f"c-{number}")
    desk.passes(5 * MINUTE_MS)
    again = desk.refreshed()
    assert sorted(len(alert.items) for alert in again) == [20, 50, 50]
    assert len({alert.dedup_key for alert in again}) == 3


def test_a_sink_that_holds_what_is_open_is_told_of_all_of_a_group() -> None:
    desk = Desk(replace(ALL, sinks=("alertmanager",), group_wait_s=60, max_items=1))
    for number in range(70):
        desk.happens("opened", case_id=f"c-{number}")
    desk.passes(MINUTE_MS)
    assert [(len(alert.items), alert.more) for alert in desk.alerts()] == [(50, 0), (20, 0)]
    assert len({alert.delivery_id for alert in desk.alerts()}) == 2


def test_an_account_at_risk_is_told_until_its_cool_down_ends() -> None:
    desk = Desk(replace(ALL, sinks=("slack", "alertmanager", "pagerduty")))
    desk.raises("no_promoters")
    desk.passes(30_000)
    ends = {alert.sink: alert.items[0].ends_at for alert in desk.alerts()}
    week = format_time(NOW + 7 * DAY_MS)
    assert ends == {"slack": week, "pagerduty": week, "alertmanager": format_time(desk.now + 15 * MINUTE_MS)}
    desk.passes(8 * DAY_MS, tick=5 * MINUTE_MS)
    assert {item.ends_at for item in desk.refreshed()[-1].items} == {week}
    assert [(alert.sink, alert.status) for alert in desk.alerts()[3:]] == [("pagerduty", "resolved")]
    desk.passes(DAY_MS)
    assert not desk.state()


def test_the_same_risk_raised_again_is_the_same_thing() -> None:
    desk = Desk(replace(ALL, sinks=("pagerduty",), group_wait_s=0))
    desk.raises("nps_fell", window="90d")
    desk.passes(7 * DAY_MS - 1)
    desk.raises("nps_fell", window="90d")
    desk.passes(2)
    first, second = desk.alerts()
    assert first.items[0].key == second.items[0].key
    assert {alert.status for alert in desk.alerts()} == {"firing"}
    desk.passes(7 * DAY_MS)
    assert [alert.status for alert in desk.alerts()] == ["firing", "firing", "resolved"]


def test_what_begins_anew_before_its_end_was_told_goes_on() -> None:
    desk = Desk(replace(ALL, sinks=("pagerduty",)))
    desk.raises("silence", until=format_time(NOW + HOUR_MS))
    desk.passes(HOUR_MS - 10_000, tick=MINUTE_MS)
    desk.raises("silence", until=format_time(NOW + 3 * HOUR_MS), alert_id="a-2")
    desk.passes(MINUTE_MS, tick=5_000)
    assert [alert.status for alert in desk.alerts()] == ["firing", "firing"]
    desk.passes(3 * HOUR_MS, tick=MINUTE_MS)
    assert [alert.status for alert in desk.alerts()] == ["firing", "firing", "resolved"]


def test_what_was_over_by_itself_while_it_waited_is_told_no_more() -> None:
    desk = Desk(replace(ALL, quiet=(NIGHT,)), now=EVENING)
    desk.raises("silence", until=format_time(EVENING + HOUR_MS))
    desk.passes(12 * HOUR_MS)
    assert not desk.alerts()
    assert desk.counted("closed") == 1
    assert not desk.state()


@pytest.mark.parametrize("command", [True, False])
def test_of_an_erased_respondent_nothing_is_told_but_that_it_is_over(command: bool) -> None:
    desk = Desk(replace(ALL, sinks=("slack", "alertmanager", "pagerduty")))
    desk.happens("opened", case_id="c-1", comment="Private.")
    desk.happens("opened", case_id="c-2", comment="Private.")
    desk.happens("opened", case_id="c-3", respondent_id="u-4@acme.example")
    hashed = respondent_hash("acme", "u-17@acme.example")
    erasure = {"account_id": "acme", **({"respondent_id": "u-17@acme.example"} if command else {"respondent_hash": hashed})}
    desk.driver.pipe(topics.ERASURES, entry_key("acme", hashed), dumps(erasure), partition=0)
    desk.driver.run()
    assert not any(b"Private" in value or b"u-17" in value for value in desk.state().values())
    before = len(desk.alerts())
    desk.passes(HOUR_MS, tick=MINUTE_MS)
    after = desk.alerts()[before:]
    assert all(b"u-17" not in (record.value or b"") for record in desk.driver.sent(topics.ALERTS)[before:])
    assert [(a.sink, a.status, told([a])) for a in after if a.sink == "slack"] == [("slack", "firing", [("c-3", "opened")])]
    over = {(a.sink, item.key, item.what, item.state) for a in after for item in a.items if item.what == "erased"}
    assert over == {
        ("alertmanager", "c-1", "erased", "withdrawn"),
        ("pagerduty", "c-1", "erased", "withdrawn"),
        ("pagerduty", "c-2", "erased", "withdrawn"),
    }
    assert {item.key for alert in desk.refreshed()[-2:] for item in alert.items} == {"c-3"}


def test_an_erased_respondent_is_forgotten_though_the_routes_are_no_more() -> None:
    desk = Desk(replace(ALL, sinks=("alertmanager", "pagerduty"), group_interval_s=0))
    desk.happens("opened", case_id="c-1", severity="critical")
    desk.happens("opened", case_id="c-2", severity="high")
    (task,) = desk.driver._tasks
    task.processor = Alerts()
    desk.driver.restart()
    desk.driver.pipe(
        topics.ERASURES, b"acme|x", dumps({"account_id": "acme", "respondent_id": "u-17@acme.example"}), partition=0
    )
    desk.driver.run()
    assert not any(b"u-17" in value for value in desk.state().values())


def test_erasures_come_first_and_do_not_move_the_clock() -> None:
    assert Alerts.leading == (topics.ERASURES,)
    driver = TestDriver([Alerts(AlertsSettings((ALL,), SINKS))], now=NOW)
    driver.pipe(topics.ERASURES, b"acme|x", dumps({"account_id": "acme", "respondent_id": "u-1"}), NOW + DAY_MS)
    driver.pipe(topics.ERASURES, b"x", dumps({"account_id": "a" * 100_000, "respondent_id": "u-1"}), NOW + DAY_MS)
    driver.pipe(topics.CASE_EVENTS, b"acme", dumps(case_event("opened", NOW)), NOW)
    driver.run()
    (record,) = driver.sent(topics.ALERTS)
    assert dict(record.headers)["ce_time"].decode() == format_time(NOW)


BROKEN = [
    b"",
    b"{",
    b"\xff",
    b"[" * 2_000,
    b"[]",
    b"{}",
    dumps(case_event("opened", NOW) | {"at": "2026-13-02T09:30:00.000Z"}),
    dumps(case_event("opened", NOW, opened_at="2026-13-02T09:30:00.000Z")),
    dumps(case_event("opened", NOW, responses=[])),
    dumps(account_alert("silence", NOW, until="2026-02-30T09:30:00.000Z")),
]


@pytest.mark.parametrize("value", [None, *BROKEN])
@pytest.mark.parametrize("topic", [topics.CASE_EVENTS, topics.ACCOUNT_ALERTS])
def test_a_record_that_cannot_be_read_is_counted_and_changes_nothing(topic: str, value: bytes | None) -> None:
    desk = Desk(ALL)
    desk.driver.pipe(topic, b"acme", value)
    desk.happens("opened")
    assert told(desk.alerts()) == [("c-1", "opened")]
    assert desk.driver.facts[("alerts_unreadable",)] == 1


def test_a_record_at_another_partition_than_its_accounts_changes_nothing() -> None:
    driver = TestDriver([Alerts(AlertsSettings((ALL,), SINKS))], now=NOW, partitions=4)
    for partition in range(4):
        driver.pipe(topics.CASE_EVENTS, b"acme", dumps(case_event("opened", NOW)), partition=partition)
    driver.run()
    assert len(driver.sent(topics.ALERTS)) == 1
    assert driver.facts[("alerts_unreadable",)] == 3


def test_a_repeat_after_an_abandoned_batch_has_the_same_ids() -> None:
    def ids(abandons: bool) -> list[str]:
        desk = Desk(replace(ALL, sinks=("slack", "alertmanager")))
        for number in range(3):
            desk.pipe(topics.CASE_EVENTS, case_event("opened", NOW, case_id=f"c-{number}"))
        if abandons:
            desk.driver.abandon()
        desk.driver.run()
        desk.passes(5 * MINUTE_MS)
        if abandons:
            desk.driver.restart()
        desk.passes(5 * MINUTE_MS)
        return [alert.delivery_id for alert in desk.alerts(refreshes=True)]

    assert ids(True) == ids(False)
    assert len(set(ids(False))) == len(ids(False))


def test_a_lane_remembers_so_many_and_counts_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_groups, "MOST_WAITING", 3)
    desk = Desk(replace(ALL, group_wait_s=60))
    for number in range(5):
        desk.happens("opened", case_id=f"c-{number}")
    desk.passes(MINUTE_MS)
    (alert,) = desk.alerts()
    assert (len(alert.items), alert.more) == (3, 2)
    assert (desk.counted("told"), desk.counted("beyond")) == (3, 2)


def test_a_route_or_a_sink_that_is_no_more_tells_nothing_and_leaves_nothing() -> None:
    desk = Desk(replace(ALL, sinks=("slack", "alertmanager", "pagerduty"), group_interval_s=0))
    desk.happens("opened", case_id="c-1")
    desk.happens("opened", case_id="c-2", severity="high")
    (task,) = desk.driver._tasks
    task.processor = Alerts(AlertsSettings((Route("other", ("mail",)),), {"mail": SINKS["mail"]}))
    desk.driver.restart()
    before = len(desk.alerts(refreshes=True))
    desk.passes(32 * DAY_MS)
    assert len(desk.alerts(refreshes=True)) == before
    desk.passes(32 * DAY_MS)
    assert not desk.state()


def test_a_sink_is_told_the_end_by_another_route_where_the_one_that_told_the_beginning_is_no_more() -> None:
    desk = Desk(replace(ALL, sinks=("pagerduty",)))
    desk.happens("opened")
    (task,) = desk.driver._tasks
    task.processor = Alerts(AlertsSettings((Route("other", ("pagerduty",)),), SINKS))
    desk.driver.restart()
    desk.passes(HOUR_MS)
    desk.happens("resolved", revision=1)
    assert [(alert.route, alert.status) for alert in desk.alerts()] == [("all", "firing"), ("other", "resolved")]


def test_long_ids_make_keys_that_sinks_take() -> None:
    desk = Desk(replace(ALL, sinks=("pagerduty",)))
    desk.happens("opened", account_id="a" * 400, case_id="c" * 400)
    (alert,) = desk.alerts()
    assert len(alert.dedup_key) <= 255


def test_a_delivery_stays_below_what_a_broker_takes() -> None:
    desk = Desk(replace(ALL, group_wait_s=60, max_items=50))
    segments = {f"d{number}": "☃" * 500 for number in range(20)}
    for number in range(50):
        desk.happens("opened", case_id=f"c-{number}", comment="☃" * 20_000, segments=segments)
    desk.passes(MINUTE_MS)
    (record,) = desk.driver.sent(topics.ALERTS)
    (alert,) = desk.alerts()
    assert len(record.value or b"") < 1_000_000
    assert len(alert.items) + alert.more == 50


def test_what_an_outage_kept_waiting_for_too_long_is_told_to_nobody() -> None:
    desk = Desk(ALL)
    desk.happens("opened", severity="high")
    desk.driver.restart()
    desk.passes(DAY_MS + HOUR_MS)
    assert not desk.alerts()
    assert desk.counted("expired") == 1
    desk.happens("breached", severity="high", revision=1)
    desk.passes(MINUTE_MS)
    assert told(desk.alerts()) == [("c-1", "breached")]


def test_a_weekend_without_telling_is_not_held_against_what_waits() -> None:
    weekend = QuietHours(0, 1440, frozenset((4, 5, 6)))
    desk = Desk(replace(ALL, quiet=(weekend,)), now=parse_time("2026-03-06T09:00:00.000Z"))
    desk.happens("opened", severity="high")
    desk.passes(4 * DAY_MS, tick=HOUR_MS)
    assert told(desk.alerts()) == [("c-1", "opened")]


def test_an_old_record_that_is_read_late_is_no_news_although_it_happens_now() -> None:
    """A case of ten days ago is opened now, in a state that is made anew: its detractor has lain in the topic since."""
    desk = Desk(ALL)
    desk.happens("opened", account_id="globex")
    old = case_event("opened", desk.now)
    desk.driver.pipe(topics.CASE_EVENTS, b"acme", dumps(old), desk.now - 10 * DAY_MS)
    desk.driver.run()
    assert [alert.account_id for alert in desk.alerts()] == ["globex"]
    assert desk.counted("expired") == 1


@pytest.mark.parametrize("waits", [0, 60])
def test_a_sink_that_holds_what_is_open_hears_under_which_severity_it_held_it(waits: int) -> None:
    desk = Desk(replace(ALL, sinks=("alertmanager",), group_wait_s=waits, group_interval_s=0))
    for event, severity in (("opened", "high"), ("joined", "critical"), ("resolved", "elevated")):
        desk.happens(event, severity=severity, revision=len(desk.alerts()))
        desk.passes(MINUTE_MS)
    items = [alert.items[0] for alert in desk.alerts()]
    assert [(item.what, item.severity, item.was) for item in items] == [
        ("opened", "high", UNSET),
        ("joined", "critical", "high"),
        ("resolved", "elevated", "critical"),
    ]


def test_what_is_told_again_is_held_under_its_present_severity() -> None:
    desk = Desk(replace(ALL, sinks=("alertmanager",), group_wait_s=0, group_interval_s=0))
    desk.happens("opened", severity="high")
    desk.happens("joined", severity="critical", revision=1)
    desk.passes(HOUR_MS, tick=MINUTE_MS)
    assert {(alert.items[0].severity, alert.items[0].was) for alert in desk.refreshed()} == {("critical", UNSET)}


def test_a_case_that_is_reopened_before_its_end_was_told_is_held_under_what_it_was() -> None:
    desk = Desk(replace(ALL, sinks=("alertmanager",), group_wait_s=60, group_interval_s=0))
    desk.happens("opened", severity="high")
    desk.passes(MINUTE_MS)
    desk.happens("resolved", severity="high", revision=1)
    desk.happens("reopened", severity="critical", revision=2)
    desk.passes(MINUTE_MS)
    last = desk.alerts()[-1].items[0]
    assert (last.what, last.severity, last.was) == ("reopened", "critical", "high")
