"""Statistics of cases: what happened within the bounds, each case once, times by severity."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npstream.case_statistics import CaseStatistics
from npstream.case_statistics_view import shown
from npstream.durations import HOUR_MS, MINUTE_MS
from schemas import topics
from schemas.times import DAY_MS, format_time, parse_time
from streams.test_driver import Sent
from tests.case_records import CASE, event, record

OPENED = parse_time(CASE["opened_at"])
AT_80 = """\
Cases of 30 days, 2026-02-10 09:30 to 2026-03-12 09:30 UTC

Severity  opened  first response                  resolution
                  median       90 %          met  median       90 %          met
critical       3  50 min       1 h          100%  23 h 45 min  1 d 19 h      50%
high           1  –                               –
elevated       0  –                               –
all            4  50 min       1 h          100%  23 h 45 min  1 d 19 h      50%

closed      2 resolved, 1 expired
reopened    1
recovered   1
breaches    1 of the first response, 0 of the resolution

Root causes of what was resolved
       1  pricing
       1  not given
"""


def at(hours: float) -> str:
    """So many hours after the opening."""
    return format_time(OPENED + int(hours * HOUR_MS))


def happened(kind: str, hours: float, case_id: str = "c-1", of: dict[str, Any] | None = None, **fields: Any) -> Sent:
    return event(kind, at(hours), {"case_id": case_id, **(of or {})}, case_id=case_id, **fields)


def counted(*records: Sent, since: int = OPENED - 20 * DAY_MS, until: int = OPENED + 10 * DAY_MS) -> CaseStatistics:
    found = CaseStatistics(since, until)
    found.take(records)
    return found


def month() -> CaseStatistics:
    answered = {"first_response_at": at(2 / 3)}
    return counted(
        *(happened("opened", 0, name) for name in ("c-1", "c-2", "c-3")),
        happened("opened", 1, "c-4", {"severity": "high"}),
        happened("contacted", 2 / 3, "c-1", answered),
        happened("contacted", 1, "c-2", {"first_response_at": at(1)}),
        happened("breached", 2, "c-3", due="first_response"),
        happened("resolved", 4, "c-1", answered),
        happened("reopened", 5, "c-1", answered),
        happened("resolved", 4.5, "c-2", {"first_response_at": at(1)}),
        happened("resolved", 48.01, "c-1", answered | {"root_cause": "pricing"}),
        happened("recovered", 60, "c-1", answered),
        happened("expired", 72, "c-4", {"severity": "high"}),
    )


def test_a_month_as_json() -> None:
    spread = {"cases": 2, "median_s": 50 * 60.0, "p90_s": 3600.0, "due": 2, "in_time": 2}
    resolution = {"cases": 2, "median_s": 85_518.0, "p90_s": 154_836.0, "due": 2, "in_time": 1}
    assert month().as_json() == {
        "from": "2026-02-10T09:30:00.000Z",
        "to": "2026-03-12T09:30:00.000Z",
        "opened": {"critical": 3, "high": 1, "elevated": 0, "all": 4},
        "closed": {"resolved": 2, "recovered": 0, "expired": 1, "withdrawn": 0},
        "reopened": 1,
        "recovered": 1,
        "breached": {"first_response": 1, "resolution": 0},
        "first_response": {"critical": spread, "all": spread},
        "resolution": {"critical": resolution, "all": resolution},
        "root_causes": [{"root_cause": "pricing", "cases": 1}, {"root_cause": None, "cases": 1}],
        "left_out": 0,
    }


def test_a_month_as_a_table() -> None:
    assert [row.plain for row in shown(month(), 80)] == AT_80.splitlines()


def test_a_quiet_month_says_so() -> None:
    assert shown(counted(), 80)[-1].plain == "Nothing happened to any case."


def test_what_happened_before_or_after_does_not_count() -> None:
    resolved = happened("resolved", 24, of={"first_response_at": at(1)})
    found = counted(happened("opened", 0), resolved, happened("expired", 300), since=OPENED + 2 * HOUR_MS)
    assert (found.opened.total(), found.closed, found.first_response()) == (0, {"resolved": 1}, {})
    assert found.resolution()["all"].median == DAY_MS


def test_a_recovery_closes_a_case_that_was_open() -> None:
    recovered = {"recovered": {"response_id": "r-9", "to": "passive", "score": 8, "at": at(3)}}
    found = counted(
        happened("recovered", 3, "c-1", recovered | {"state": "resolved", "closed_at": at(3)}),
        happened("resolved", 2, "c-2", {"state": "resolved", "closed_at": at(2)}),
        happened("recovered", 3, "c-2", recovered | {"state": "resolved", "closed_at": at(2)}),
    )
    assert (found.closed, found.recovered) == ({"recovered": 1, "resolved": 1}, 2)
    assert found.resolution()["all"].count == 1


def test_times_of_a_case_that_was_reopened_count_from_then_on() -> None:
    answer = {"first_response_at": at(102)}
    found = counted(
        happened("opened", 0),
        happened("resolved", 1),
        happened("reopened", 100),
        happened("contacted", 102, of=answer),
        happened("contacted", 103, of=answer),
        happened("resolved", 110, of=answer),
        since=OPENED + 101 * HOUR_MS,
    )
    assert (found.first_response()["all"].median, found.resolution()["all"].median) == (2 * HOUR_MS, 10 * HOUR_MS)


def test_without_due_times_none_is_met_or_missed() -> None:
    case = {name: value for name, value in CASE.items() if name != "resolution_due"}
    found = counted(event("resolved", at(1), case=case))
    spread = found.resolution()["all"]
    assert (spread.count, spread.due, spread.share) == (1, 0, None)
    assert shown(found, 80)[4].plain.rstrip().endswith("–")


def test_a_case_that_is_open_again_is_not_closed() -> None:
    found = counted(happened("resolved", 4), happened("reopened", 5))
    assert (found.closed, found.reopened, found.resolution()) == ({}, 1, {})


@pytest.mark.parametrize("value", [b"no json", {"account_id": "acme"}])
def test_what_is_no_event_is_left_out_and_said(value: Any) -> None:
    found = counted(happened("opened", 0), record(topics.CASE_EVENTS, "acme", value))
    assert (found.left_out, found.opened.total()) == (1, 1)
    assert shown(found, 80)[-1].plain == "left out: 1 record that npstream did not write"


def test_a_time_that_is_none_is_within_no_bounds() -> None:
    assert counted(event("opened", "2026-02-31T09:30:00.000Z")).opened.total() == 0


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=30, unique=True))
def test_nine_of_ten_are_within_the_90_percent_and_half_within_the_median(minutes: list[int]) -> None:
    found = counted(
        *(happened("resolved", number / 60, f"c-{number}") for number in minutes), until=OPENED + 10_001 * MINUTE_MS
    )
    spread = found.resolution()["all"]
    took = [int(number / 60 * HOUR_MS) for number in minutes]
    assert sum(one <= spread.p90 for one in took) >= 0.9 * len(took)
    assert sum(one < spread.p90 for one in took) < 0.9 * len(took)
    assert 2 * sum(one <= spread.median for one in took) >= len(took)
