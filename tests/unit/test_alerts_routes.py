"""Routes: which sinks are told of what, and how the care file says so."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from agents.routes import AlertsSettings, Matter, Route, SinkTraits
from npstream.care.alerts import TRAITS, alerts_settings
from npstream.care.file import CareFile
from npstream.settings_sources import SettingsError

SINKS = {"slack": SinkTraits(), "mail": SinkTraits(), "oncall": SinkTraits(keeps_state=True, per_item=True)}
CASE = Matter("case", frozenset({"opened"}), "critical", "gold", "csm@v.example", {"plan": "pro"}, frozenset({"speed"}))
RISK = Matter("nps_fell", frozenset({"raised"}), "high")


@pytest.mark.parametrize(
    ("conditions", "case", "risk"),
    [
        ({}, True, True),
        ({"kinds": {"case"}}, True, False),
        ({"kinds": {"nps_fell", "silence"}}, False, True),
        ({"what": {"resolved"}}, False, True),
        ({"what": {"resolved", "opened"}}, True, True),
        ({"severities": {"critical"}}, True, False),
        ({"severities": {"high", "elevated"}}, False, True),
        ({"tiers": {"gold", "silver"}}, True, False),
        ({"owners": {"csm@v.example"}}, True, False),
        ({"owners": {"other@v.example"}}, False, False),
        ({"segments": {"plan": {"pro", "team"}}}, True, False),
        ({"segments": {"plan": {"team"}}}, False, False),
        ({"segments": {"plan": {"pro"}, "region": {"emea"}}}, False, False),
        ({"themes": {"speed", "price"}}, True, False),
        ({"themes": {"price"}}, False, False),
    ],
)
def test_a_route_matches_when_all_its_conditions_hold(conditions: dict[str, Any], case: bool, risk: bool) -> None:
    route = Route("r", ("slack",), **conditions)
    assert (route.matches(CASE), route.matches(RISK)) == (case, risk)


def test_the_first_route_that_matches_decides_unless_it_goes_on() -> None:
    never = Route("never", ("slack", "mail", "oncall"), severities=frozenset({"elevated"}))
    first = Route("first", ("slack",), goes_on=True)
    second = Route("second", ("slack", "mail"))
    third = Route("third", ("oncall",))
    found = AlertsSettings((never, first, second, third), SINKS).sinks_of(CASE)
    assert {sink: route.name for sink, route in found.items()} == {"slack": "first", "mail": "second"}


def care(text: str) -> CareFile:
    return CareFile(Path("care.toml"), tomllib.loads(text))


EXAMPLE = """
[sinks.oncall]
kind = "pagerduty"
[sinks.slack-csm]
kind = "slack"
url = { env = "NOT_SET_HERE" }
[sinks.alertmanager]
kind = "alertmanager"

[[alerts.routes]]
name = "critical"
severity = "critical"
sinks = ["oncall", "slack-csm"]
group_interval_s = 60
continue = true

[[alerts.routes]]
name = "by-day"
sinks = "slack-csm"
kinds = ["case", "silence"]
what = ["opened", "resolved"]
tiers = "gold"
owners = ["csm@vendor.example"]
themes = ["pricing"]
segments = { plan = "enterprise", region = ["emea", "apac"] }
group_wait_s = 120
max_items = 5
expires_h = 48
quiet = [
    { from = "20:00", to = "07:00", zone = "Europe/Berlin" },
    { days = ["sat", "sun"], from = "00:00", to = "24:00", zone = "Europe/Berlin", except = ["critical", "high"] },
]
"""


def test_a_care_file_says_all_of_it() -> None:
    settings = alerts_settings(care(EXAMPLE))
    critical, by_day = settings.routes
    assert critical == Route(
        "critical", ("oncall", "slack-csm"), goes_on=True, severities=frozenset({"critical"}), group_interval_s=60
    )
    assert (by_day.kinds, by_day.what) == ({"case", "silence"}, {"opened", "resolved"})
    assert (by_day.tiers, by_day.owners, by_day.themes) == ({"gold"}, {"csm@vendor.example"}, {"pricing"})
    assert by_day.segments == {"plan": {"enterprise"}, "region": {"emea", "apac"}}
    assert (by_day.group_wait_s, by_day.group_interval_s, by_day.max_items, by_day.expires_h) == (120, 300, 5, 48)
    nights, weekends = by_day.quiet
    assert (nights.begins, nights.ends, len(nights.days), nights.excepted) == (1200, 420, 7, {"critical"})
    assert (weekends.begins, weekends.ends, weekends.days, weekends.excepted) == (0, 1440, {5, 6}, {"critical", "high"})
    assert settings.sinks == {
        "oncall": SinkTraits(keeps_state=True, per_item=True),
        "slack-csm": SinkTraits(),
        "alertmanager": SinkTraits(keeps_state=True, forgets_after_s=900),
    }


def test_without_a_file_nobody_is_told() -> None:
    assert alerts_settings(CareFile()) == AlertsSettings()


def test_every_kind_of_sink_has_traits() -> None:
    assert set(TRAITS) == {"alertmanager", "slack", "pagerduty", "email", "webhook"}


ROUTE = '[sinks.slack-csm]\nkind = "slack"\n[[alerts.routes]]\nname = "all"\nsinks = ["slack-csm"]\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            ROUTE.replace('["slack-csm"]', '["slack-cms"]'),
            "alerts.routes[0].sinks: there is no sink 'slack-cms'; did you mean slack-csm?",
        ),
        (ROUTE.replace('["slack-csm"]', '["zz"]'), "alerts.routes[0].sinks: there is no sink 'zz'; there are slack-csm"),
        (ROUTE.replace('["slack-csm"]', "[]"), "alerts.routes[0].sinks: name one at least"),
        ('[[alerts.routes]]\nname = "all"\nsinks = "a"', "alerts.routes[0].sinks: there is no sink 'a'; there is none"),
        (ROUTE.replace('"slack"', '"slak"'), "sinks.slack-csm.kind: there is no kind of sink 'slak'; did you mean slack?"),
        (
            ROUTE.replace('kind = "slack"', ""),
            "sinks.slack-csm: it needs a kind: one of alertmanager, pagerduty, slack, email, webhook",
        ),
        ("sinks = 7", "sinks: write a table for each, such as [sinks.slack-csm]"),
        (ROUTE + 'severity = "hgh"', "alerts.routes[0].severity: there is no severity 'hgh'; did you mean high?"),
        (ROUTE + 'kinds = ["cases"]', "alerts.routes[0].kinds: there is no kind 'cases'; did you mean case?"),
        (ROUTE + 'what = "open"', "alerts.routes[0].what: there is no such event of cases 'open'; did you mean opened?"),
        (
            ROUTE + 'what = "opened"\nkinds = "silence"',
            "alerts.routes[0].what: it is about cases, which are none of its kinds",
        ),
        (ROUTE + "max_items = 51", "alerts.routes[0].max_items: expected a whole number <= 50"),
        (ROUTE + "group_wait_s = -1", "alerts.routes[0].group_wait_s: expected a whole number >= 0"),
        (ROUTE + "expires_h = 0", "alerts.routes[0].expires_h: expected a whole number >= 1"),
        (ROUTE + "sevrity = 7", "alerts.routes[0]: there is no key 'sevrity' here"),
        (
            ROUTE + 'quiet = { from = "8 pm", to = "07:00" }',
            "alerts.routes[0].quiet.from: '8 pm' is no time of day: write 20:00, or 24:00 for the end of the day",
        ),
        (
            ROUTE + 'quiet = { days = "sunday", from = "20:00", to = "07:00" }',
            "alerts.routes[0].quiet.days: there is no day 'sunday'; did you mean sun?",
        ),
        (ROUTE + 'quiet = { days = [], from = "20:00", to = "07:00" }', "alerts.routes[0].quiet.days: name one at least"),
        (
            ROUTE + 'quiet = { from = "20:00", to = "07:00", zone = "Europe/Berln" }',
            "alerts.routes[0].quiet.zone: 'Europe/Berln': no such time zone here; use one like Europe/Berlin, or UTC",
        ),
        (
            ROUTE + 'quiet = { from = "00:00", to = "24:00" }',
            "alerts: route all: it is always quiet, what is high would never be told",
        ),
        (ROUTE + ROUTE[ROUTE.index("[[") :], "alerts.routes[1].name: 'all' is the name of another route too"),
        (ROUTE.replace('"all"', '"All of it"'), "alerts.routes[0].name: expected text matching regex"),
    ],
)
def test_a_mistake_is_one_line_that_says_where_it_is_and_what_to_do(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as error:
        alerts_settings(care(text))
    assert str(error.value).startswith(f"care_file care.toml: {message}")
    assert len(str(error.value).splitlines()) == 1


def test_quiet_hours_may_begin_at_the_end_of_a_day() -> None:
    (route,) = alerts_settings(care(ROUTE + 'quiet = { days = "fri", from = "24:00", to = "12:00" }')).routes
    assert (route.quiet[0].begins, route.quiet[0].days) == (0, {5})


def test_routes_without_their_sinks_are_refused() -> None:
    with pytest.raises(ValueError, match="route a: there is no sink slack"):
        AlertsSettings((Route("a", ("slack",)),))
    with pytest.raises(ValueError, match="same name"):
        AlertsSettings((Route("a", ("slack",)), Route("a", ("mail",))), SINKS)
