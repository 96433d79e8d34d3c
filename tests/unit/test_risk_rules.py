"""The rules of risk, each by itself: what is decided from which numbers, and what can be set."""

import re
import statistics
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.account_standing import Standing, follow
from agents.risk_rules import (
    RiskSettings,
    day_after,
    is_old,
    no_promoters,
    nps_below,
    nps_fell,
    recent_window,
    silent_from,
    usual_interval,
)
from agents.risk_sources import Stats, Tables
from agents.statistics import window_stats
from npstream.care.file import CareFile
from npstream.care.risk import CooldownTable, RiskTable, risk_settings
from npstream.settings_sources import SettingsError
from schemas.times import DAY_MS

SETTINGS = RiskSettings()
times = st.lists(st.integers(0, 10**13), min_size=2, max_size=12).map(sorted)


def stats(*counts: int) -> Stats:
    """A window of promoters, passives, detractors, and perhaps the same before it."""
    return Stats(**{name: value for name, value in window_stats(*counts, *(0,) * (6 - len(counts))).items() if name != "band"})


@given(times)
def test_the_usual_interval_is_the_median(given: list[int]) -> None:
    assert usual_interval(given) == statistics.median(later - earlier for earlier, later in pairwise(given))


@given(times, st.integers(0, 100), st.floats(1, 100))
def test_a_silence_begins_after_both_bounds_and_is_noticed_on_the_next_day(given: list[int], least: int, factor: float) -> None:
    began = silent_from(given, RiskSettings(silence_min_days=least, silence_factor=factor))
    assert began >= given[-1] + least * DAY_MS
    assert began >= given[-1] + usual_interval(given)
    assert 0 < day_after(began) * DAY_MS - began <= DAY_MS


@pytest.mark.parametrize(
    ("counts", "fell", "below"),
    [
        ((5, 0, 5), None, False),
        ((4, 1, 5), None, True),
        ((4, 0, 5), None, None),
        ((0, 0, 0), None, None),
        ((10, 20, 70, 70, 20, 10), True, True),
        ((70, 20, 10, 10, 20, 70), False, False),
        ((50, 30, 20, 52, 28, 20), False, False),
        ((0, 0, 9, 90, 0, 0), None, None),
        ((0, 0, 10, 1, 0, 0), True, True),
        ((3000, 4000, 3000, 3001, 3999, 3000), False, False),
    ],
)
def test_rules_of_a_window(counts: tuple[int, ...], fell: bool | None, below: bool | None) -> None:
    assert (nps_fell(stats(*counts), SETTINGS), nps_below(stats(*counts), SETTINGS)) == (fell, below)


@pytest.mark.parametrize(
    ("counts", "had", "holds"),
    [
        ((0, 5, 5), True, True),
        ((0, 5, 5), False, False),
        ((0, 5, 4), True, None),
        ((0, 0, 0), True, None),
        ((1, 5, 5), True, False),
        ((1, 0, 0), True, False),
    ],
)
def test_the_rule_of_promoters(counts: tuple[int, ...], had: bool, holds: bool | None) -> None:
    assert no_promoters(stats(*counts), SETTINGS, had) is holds


@pytest.mark.parametrize(("threshold", "below"), [(-10.0, False), (-9.0, True), (0.0, True), (-9.1, False)])
def test_the_threshold_is_held_against_the_nps_as_it_is_shown(threshold: float, below: bool) -> None:
    assert nps_below(stats(5, 0, 6), RiskSettings(threshold=threshold)) is below  # -9.09, shown as -9.1


@pytest.mark.parametrize(
    ("day", "limit", "old"),
    [(86, 14, False), (85, 14, True), (100, 14, False), (101, 14, False), (0, None, False), (0, 0, False)],
)
def test_what_is_old(day: int, limit: int | None, old: bool) -> None:
    assert is_old(day, 100, limit) is old


@pytest.mark.parametrize(
    ("windows", "headline", "limit", "recent"),
    [
        ((7, 30, 90, 365), 90, 14, 7),
        ((7, 30, 90, 365), 90, 60, 30),
        ((7, 30, 90, 365), 30, 60, 7),
        ((30, 90, 365), 90, 14, 30),
        ((7, 30, 90, 365), 7, 14, None),
        ((7, 30, 90, 365), 90, None, None),
        ((7, 30, 90, 365), 90, 0, None),
    ],
)
def test_the_window_that_tells_news_from_old(
    windows: tuple[int, ...], headline: int, limit: int | None, recent: int | None
) -> None:
    assert recent_window(windows, headline, limit) == recent


def follows(
    before: Standing | None, counts: tuple[int, ...], recent: int, as_of: str = "1970-04-11"
) -> tuple[Standing, list[str]]:
    standing, told = follow(before, Tables(as_of, 100, stats(*counts), recent), 100, SETTINGS, lambda kind: False)
    return standing, list(told)


def test_what_mostly_old_responses_have_brought_is_known_without_being_told() -> None:
    standing, told = follows(None, (0, 0, 30), 10)
    assert told == []
    assert follows(standing, (0, 0, 31), 11)[1] == []
    assert follows(None, (0, 0, 30), 15)[1] == ["nps_below"]
    before, _ = follows(None, (5, 0, 5), 10)
    assert follows(before, (5, 0, 6), 10)[1] == []
    assert follows(before, (5, 0, 7), 11)[1] == ["nps_below"]
    assert follows(before, (5, 0, 7), 10, "1970-04-12")[1] == ["nps_below"]  # from one day to the next nothing tells


def test_a_correction_is_news_whatever_the_age_of_the_response() -> None:
    before, _ = follows(None, (5, 0, 5), 10)
    assert follows(before, (4, 1, 5), 10)[1] == ["nps_below"]


def test_a_window_that_does_not_tell_changes_nothing() -> None:
    before, told = follows(None, (0, 0, 10), 10)
    assert told == ["nps_below"]
    before, told = follows(before, (0, 0, 9), 9)
    assert told == []
    assert follows(before, (0, 0, 10), 10)[1] == []


def test_all_that_begins_to_hold_is_told_in_one_order() -> None:
    before, _ = follows(None, (20, 0, 0), 20)
    assert follows(before, (0, 5, 20, 20, 0, 0), 25)[1] == ["nps_fell", "nps_below", "no_promoters"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"min_responses": 0}, "min_responses"),
        ({"headline_days": 0}, "headline_days"),
        ({"share": 0}, "share"),
        ({"silence_min_days": -1}, "silence_min_days"),
        ({"silence_responses": 1}, "silence_responses"),
        ({"silence_responses": 13}, "silence_responses"),
        ({"silence_factor": 0.5}, "silence_factor"),
        ({"silence_factor": float("nan")}, "silence_factor"),
        ({"silence_factor": float("inf")}, "silence_factor"),
        ({"cooldown_days": {"silence": -1}}, "cooldown_days.silence"),
        ({"cooldown_days": {"silence": 4000}}, "cooldown_days.silence"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RiskSettings(**changes)


# The care file


def read(**table: Any) -> RiskSettings:
    return risk_settings(CareFile(tables={"risk": table}), (7, 30, 90, 365), 90, 14)


def test_without_a_care_file_all_is_as_it_stands_in_the_docs() -> None:
    assert risk_settings(CareFile(), (7, 30, 90, 365), 90, 14) == RiskSettings()
    assert RiskSettings().cooldown_days == {"downgrade": 7, "nps_fell": 30, "nps_below": 30, "no_promoters": 30, "silence": 30}


def test_the_example_in_the_docs_is_all_that_can_be_set_at_its_defaults() -> None:
    page = (Path(__file__).parents[2] / "docs" / "risk.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    table = tomllib.loads(example)["risk"]
    assert table.keys() == set(RiskTable.__struct_fields__)
    assert table["cooldown_days"].keys() == set(CooldownTable.__struct_fields__)
    assert read(**table) == RiskSettings()


def test_the_care_file_sets_it() -> None:
    found = read(
        kinds=["silence", "nps_below"],
        counting="respondents",
        threshold=20,
        min_responses=30,
        silence_responses=4,
        silence_factor=3,
        silence_min_days=45,
        cooldown_days={"silence": 90},
    )
    assert found == RiskSettings(
        kinds=frozenset({"silence", "nps_below"}),
        counting="respondents",
        threshold=20.0,
        min_responses=30,
        silence_responses=4,
        silence_factor=3.0,
        silence_min_days=45,
        cooldown_days={"silence": 90},
    )
    assert found.cooldown_days["downgrade"] == 7


def test_what_scoring_is_set_to_holds_here_too() -> None:
    found = risk_settings(CareFile(), (14, 60), 60, 30)
    assert (found.headline_days, found.recent_days, found.alert_max_age_days) == (60, 14, 30)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"treshold": 0}, "risk: there is no key 'treshold' here"),
        ({"threshold": 101}, "risk.threshold: expected a number <= 100.0"),
        ({"threshold": "low"}, "risk.threshold: expected a number, got text"),
        ({"kinds": ["downgrades"]}, r"risk.kinds\[0\]: 'downgrades' is none of"),
        ({"kinds": ["silence", "silence"]}, "risk.kinds: silence is named twice"),
        ({"counting": "people"}, "risk.counting: 'people' is none of"),
        ({"silence_responses": 1}, "risk.silence_responses: expected a whole number >= 2"),
        ({"silence_factor": 0}, "risk.silence_factor: expected a number >= 1"),
        ({"cooldown_days": 30}, "risk.cooldown_days: expected a table, got a whole number"),
        ({"cooldown_days": {"silence": -1}}, "risk.cooldown_days.silence: expected a whole number >= 0"),
        ({"cooldown_days": {"silent": 1}}, "risk.cooldown_days: there is no key 'silent' here"),
    ],
)
def test_what_is_wrong_in_the_care_file_is_named(table: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read(**table)
