"""From counts to NPS, interval, change and band.

The golden figures follow from the formulas in docs/scoring.md: for 10, 20 and 70 the adjusted mean is 60/103 and its squared
error (81.5/103 - (60/103)^2)/103, so the interval is 58.25 ± 12.98.
"""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.categories import CATEGORIES, CATEGORY_OF, SEVERITY_OF
from agents.statistics import adjusted, rounded, variance, window_json, window_stats
from schemas.events import WindowStats

NOTHING = (0, 0, 0)
counts = st.tuples(*[st.integers(0, 50)] * 3)


def test_categories_and_severities_have_their_edges_where_the_contract_says() -> None:
    names = [CATEGORIES[CATEGORY_OF[score]] for score in range(11)]
    assert names == ["detractor"] * 7 + ["passive"] * 2 + ["promoter"] * 2
    assert SEVERITY_OF == ("critical", "critical", "critical", "high", "high", "elevated", "elevated")


def test_ten_detractors_twenty_passives_seventy_promoters() -> None:
    stats = window_stats(70, 20, 10, *NOTHING)
    assert stats == {
        "promoters": 70,
        "passives": 20,
        "detractors": 10,
        "total": 100,
        "nps": 60.0,
        "low": 45.3,
        "high": 71.2,
        "band": "excellent",
    }
    mean, _ = adjusted(70, 20, 10)
    assert round(100 * mean, 2) == 58.25


def test_the_variance_of_one_detractor_two_passives_three_promoters_is_five_ninths() -> None:
    assert variance(3, 2, 1) == pytest.approx(5 / 9)


@pytest.mark.parametrize(
    ("numerator", "denominator", "expected"),
    [
        (100, 3, 33.3),
        (200, 3, 66.7),
        (1, 20, 0.1),  # 0.05: half away from zero
        (-1, 20, -0.1),
        (1, 21, 0.0),
        (-1, 21, 0.0),  # no -0.0
        (1, 4, 0.3),  # 0.25, which rounds to 0.2 where halves go to the even
        (-100, 1, -100.0),
    ],
)
def test_ratios_round_half_away_from_zero(numerator: int, denominator: int, expected: float) -> None:
    assert str(rounded(numerator, denominator)) == str(expected)


@pytest.mark.parametrize(
    ("promoters", "passives", "detractors", "band"),
    [
        (0, 999, 1, "needs work"),  # -0.1
        (0, 99_999, 1, "needs work"),  # rounds to 0.0, but is below it
        (0, 1, 0, "good"),
        (20, 80, 0, "good"),
        (20_001, 79_999, 0, "favourable"),  # 20.001, rounds to 20.0
        (49_999, 50_001, 0, "favourable"),  # 49.999, rounds to 50.0
        (50, 50, 0, "excellent"),
        (79_999, 20_001, 0, "excellent"),
        (80, 20, 0, "world class"),
        (1, 0, 0, "world class"),
    ],
)
def test_bands_are_those_of_the_unrounded_nps(promoters: int, passives: int, detractors: int, band: str) -> None:
    assert window_stats(promoters, passives, detractors, *NOTHING)["band"] == band


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        # 33.33... less 66.66...: the change is of the unrounded ones, -33.3 and not -33.4
        ((1, 2, 0), (2, 1, 0), {"nps": 33.3, "previous_nps": 66.7, "change": -33.3, "significant": False}),
        ((50, 0, 0), (0, 0, 50), {"nps": 100.0, "previous_nps": -100.0, "change": 200.0, "significant": True}),
        # adjusted means 60/103 and 30/103 are 0.291 apart, 1.96 errors are 0.208
        ((70, 20, 10), (55, 20, 25), {"nps": 60.0, "previous_nps": 30.0, "change": 30.0, "significant": True}),
        # 60/103 and 40/103: 0.194 apart, 1.96 errors are 0.202
        ((70, 20, 10), (60, 20, 20), {"nps": 60.0, "previous_nps": 40.0, "change": 20.0, "significant": False}),
    ],
)
def test_a_change_is_to_the_window_before(
    now: tuple[int, int, int], before: tuple[int, int, int], expected: dict[str, object]
) -> None:
    stats = window_stats(*now, *before)
    assert {name: stats[name] for name in expected} == expected


def test_an_empty_window_before_leaves_out_the_comparison() -> None:
    assert {"previous_nps", "change", "significant"}.isdisjoint(window_stats(1, 1, 1, *NOTHING))


def test_an_empty_window_has_zero_counts_and_only_the_nps_of_the_one_before() -> None:
    zero = {"promoters": 0, "passives": 0, "detractors": 0, "total": 0}
    assert window_stats(*NOTHING, *NOTHING) == zero
    assert window_stats(*NOTHING, 1, 0, 0) == zero | {"previous_nps": 100.0}


@given(counts, counts)
def test_statistics_are_what_their_type_says(now: tuple[int, int, int], before: tuple[int, int, int]) -> None:
    text = window_json(*now, *before)
    assert json.loads(text) == window_stats(*now, *before)
    stats = msgspec.json.decode(text, type=WindowStats)
    assert b"-0.0" not in text
    if stats.total:
        assert stats.low <= stats.high


@given(counts, counts)
def test_detractors_and_promoters_are_each_others_mirror(now: tuple[int, int, int], before: tuple[int, int, int]) -> None:
    stats = window_stats(*now, *before)
    mirror = window_stats(*now[::-1], *before[::-1])
    for name, other in {"nps": "nps", "low": "high", "high": "low", "previous_nps": "previous_nps", "change": "change"}.items():
        assert stats.get(name) == (-mirror[other] if other in mirror else None)
    assert stats.get("significant") == mirror.get("significant")
