"""Silence: a respondent who used to answer is told of once when that has become a silence, and not before."""

from typing import Any

import pytest

from agents.risk import Risk
from agents.risk_rules import RiskSettings
from agents.silence import DUE, FORGOTTEN_DAYS, RHYTHM
from schemas import topics
from schemas.codec import dumps
from schemas.times import DAY_MS, format_time
from streams.test_driver import TestDriver
from tests.risk import NOON, Watched, alerts_of

MIDNIGHT = NOON - NOON % DAY_MS
ONLY_SILENCE = frozenset({"silence"})


class Answers:
    """Scored responses of u-1, straight to risk."""

    def __init__(self, **settings: Any) -> None:
        self.driver = TestDriver([Risk(RiskSettings(kinds=ONLY_SILENCE, **settings))], now=NOON)

    def scored(self, name: str, ago: float, change: str = "new", score: int = 8, **more: Any) -> None:
        """One comes, given so many days ago."""
        body = {"response_id": name, "account_id": "acme", "respondent_id": "u-1", "score": score, "as_of": "2026-05-20"}
        body |= {"responded_at": format_time(int(self.driver.now - ago * DAY_MS)), "change": change} | more
        self.driver.pipe(topics.SCORED, b"acme", dumps({name: value for name, value in body.items() if value is not None}))
        self.driver.run()

    def every(self, days: int, count: int = 3, last_ago: int = 0) -> None:
        """So many responses, so many days apart."""
        for number in range(count):
            self.scored(f"r-{number}", last_ago + (count - 1 - number) * days)

    def day_of_alert(self, most: int = 500) -> int | None:
        """After how many days from now on one more is raised; None if none is."""
        before = len(self.driver.sent(topics.ACCOUNT_ALERTS))
        for day in range(1, most + 1):
            self.driver.advance(DAY_MS)
            if len(self.driver.sent(topics.ACCOUNT_ALERTS)) > before:
                return day
        return None

    @property
    def alerts(self) -> list[dict[str, Any]]:
        return alerts_of(self.driver.sent(topics.ACCOUNT_ALERTS))

    def keys(self, prefix: bytes) -> list[bytes]:
        return [key for key in self.driver.state("risk") if key.startswith(prefix)]


def test_what_a_silence_tells() -> None:
    watched = Watched()
    watched.driver.pipe(topics.ACCOUNTS, b"acme", dumps({"name": "Acme", "segments": {"plan": "smb"}}))
    for score in (7, 8, 9):
        watched.says(score, "u-17")
        watched.days(30)
    watched.days(30)
    assert watched.alerts == []
    watched.days(1)
    (alert,) = watched.alerts
    assert alert == {
        "account_id": "acme",
        "alert_id": "a-bd9c64bdf40868a7",
        "kind": "silence",
        "severity": "high",
        "raised_at": "2026-09-18T12:03:00.000Z",
        "until": "2026-10-18T12:03:00.000Z",
        "respondent_id": "u-17",
        "score": 9,
        "last_response_at": "2026-07-19T12:02:00.000Z",
        "usual_days": 30.0,
        "segments": {"plan": "smb"},
        "account": {"name": "Acme"},
    }
    (sent,) = watched.driver.sent(topics.ACCOUNT_ALERTS)
    assert (sent.key, sent.timestamp) == (b"acme", watched.driver.now)
    assert watched.driver.facts["account_alerts", "silence", "high"] == 1
    watched.days(400)
    assert len(watched.alerts) == 1


@pytest.mark.parametrize(
    ("intervals", "settings", "day"),
    [
        ([30, 30], {}, 61),  # noticed on the first day that begins after twice 30 days
        ([20, 40], {}, 61),  # the median of two is between them
        ([30, 30, 300], {}, 61),
        ([90, 90, 1], {}, 181),
        ([1, 1, 1, 1], {}, 31),  # 30 days at least
        ([0, 0], {}, 31),
        ([1, 1], {"silence_min_days": 5}, 6),
        ([10, 10], {"silence_factor": 1.5, "silence_min_days": 0}, 16),
        ([30], {}, None),
        ([], {}, None),
        ([30], {"silence_responses": 2}, 61),
        ([30, 30], {"silence_responses": 4}, None),
        ([100] + [10] * 11, {"silence_min_days": 0}, 21),
        ([100] * 40 + [10] * 11, {"silence_min_days": 0}, 21),  # only the last dozen count
    ],
)
def test_the_day_on_which_a_silence_is_noticed(intervals: list[int], settings: dict[str, Any], day: int | None) -> None:
    here = Answers(**settings)
    ago = sum(intervals)
    for number, interval in enumerate([*intervals, 0]):
        here.scored(f"r-{number}", ago)
        ago -= interval
    assert here.day_of_alert() == day


@pytest.mark.parametrize(("score", "severity"), [(10, "high"), (9, "high"), (8, "elevated"), (0, "elevated")])
def test_a_promoter_who_is_silent_is_worse_than_others(score: int, severity: str) -> None:
    here = Answers()
    for number, ago in enumerate((60, 30, 0)):
        here.scored(f"r-{number}", ago, score=score)
    here.day_of_alert()
    assert here.alerts[0]["severity"] == severity


def test_it_is_told_once_and_a_new_response_begins_anew() -> None:
    here = Answers()
    here.every(30)
    assert here.day_of_alert() == 61
    assert here.day_of_alert() is None
    here = Answers()
    here.every(30)
    assert here.day_of_alert() == 61
    here.scored("r-9", 0)
    assert here.day_of_alert() == 61  # intervals of 30, 30 and 61 days
    assert [one["last_response_at"] for one in here.alerts] == [format_time(NOON), format_time(NOON + 61 * DAY_MS)]


def test_a_response_in_time_is_no_silence() -> None:
    here = Answers()
    here.every(30)
    for number in range(10):
        here.driver.advance(55 * DAY_MS)
        here.scored(f"s-{number}", 0)
    assert here.alerts == []


def test_a_shorter_interval_brings_the_day_nearer() -> None:
    here = Answers()
    here.every(100)
    assert [int.from_bytes(key[1:5], "big") for key in here.keys(DUE)] == [NOON // DAY_MS + 201]
    for number in range(4):
        here.driver.advance(DAY_MS)
        here.scored(f"s-{number}", 0)
    assert len(here.keys(DUE)) == 1
    assert here.day_of_alert() == 31


def test_anonymous_responses_have_no_rhythm() -> None:
    here = Answers()
    for number, ago in enumerate((60, 30, 0)):
        here.scored(f"r-{number}", ago, respondent_id=None)
    assert here.driver.state("risk") == {}


def test_responses_beyond_the_history_are_not_counted() -> None:
    here = Answers()
    for number, ago in enumerate((800, 770, 740)):
        here.scored(f"r-{number}", ago, change="expired")
    assert here.driver.state("risk") == {}


def test_late_responses_are_counted_in_their_place() -> None:
    here = Answers()
    here.scored("r-1", 0)
    here.scored("r-2", 20, change="late")
    here.scored("r-3", 40, change="late")
    assert here.day_of_alert() == 41
    assert here.alerts[0]["usual_days"] == 20.0


def test_a_correction_moves_a_response() -> None:
    here = Answers()
    here.every(30)
    here.scored("r-1", 58, change="correction")  # intervals of 2 and 58 days now
    here.scored("r-2", 0, change="correction", score=10)
    assert here.day_of_alert() == 61
    assert here.alerts[0]["score"] == 10
    here = Answers()
    here.every(30)
    here.scored("r-2", 25, change="correction")  # given 25 days earlier, and so 5 days after the one before
    assert here.day_of_alert() == 11


@pytest.mark.parametrize("change", ["retraction", "expired"])
def test_a_response_that_counts_no_longer_is_taken_away(change: str) -> None:
    here = Answers()
    here.every(30, 4)
    here.scored("r-3", 0, change=change)
    assert here.day_of_alert() == 31  # the last one was given 30 days ago
    here = Answers()
    here.every(30)
    for number in range(3):
        here.scored(f"r-{number}", 0, change=change)
    assert here.driver.state("risk") == {}


def test_a_retraction_of_what_was_never_seen_changes_nothing() -> None:
    here = Answers()
    here.every(30)
    before = here.driver.state("risk")
    here.scored("r-9", 0, change="retraction")
    here.scored("r-9", 0, change="retraction", respondent_id=None, responded_at=None, score=None)
    assert here.driver.state("risk") == before


def test_a_correction_in_a_silence_is_no_sign_of_life() -> None:
    here = Answers(cooldown_days={"silence": 0})
    here.every(30)
    assert here.day_of_alert() == 61
    here.scored("r-2", 20, change="correction")
    assert here.day_of_alert() is None


def test_a_retraction_takes_back_a_sign_of_life_and_the_silence_before_it_is_known() -> None:
    here = Answers(cooldown_days={"silence": 0})
    here.every(30)
    assert here.day_of_alert() == 61
    here.scored("r-9", 0)
    here.scored("r-9", 0, change="retraction")
    assert here.day_of_alert() is None


def test_a_silence_within_the_cool_down_of_another_is_not_told() -> None:
    here = Answers(silence_min_days=1, cooldown_days={"silence": 60})
    here.every(5)
    assert here.day_of_alert() == 11
    here.scored("r-9", 0)
    assert here.day_of_alert() is None


def test_silences_of_history_are_known_and_not_told() -> None:
    here = Answers()
    here.every(30, last_ago=75)  # a silence for 15 days
    assert here.day_of_alert() is None
    here = Answers()
    here.every(30, last_ago=72)
    assert here.day_of_alert() == 1
    here = Answers()
    here.every(30, last_ago=75)
    here.driver.advance(DAY_MS)
    here.scored("r-9", 0)
    assert here.day_of_alert() == 61  # and who answers again is waited for as ever


def test_without_an_age_limit_every_silence_is_told() -> None:
    here = Answers(alert_max_age_days=None)
    here.every(30, last_ago=300)
    assert here.day_of_alert() == 1


def test_a_worker_that_was_away_tells_of_what_it_has_missed_unless_it_is_old() -> None:
    here = Answers()
    here.every(30)
    here.driver.advance(74 * DAY_MS)
    assert len(here.alerts) == 1
    here = Answers()
    here.every(30)
    here.driver.advance(75 * DAY_MS)
    assert here.alerts == []


def test_a_restart_forgets_no_silence_and_repeats_none() -> None:
    here = Answers()
    here.every(30)
    here.driver.advance(60 * DAY_MS)
    here.driver.restart()
    assert here.day_of_alert() == 1
    here.driver.restart()
    assert here.day_of_alert() is None


@pytest.mark.parametrize("share", [1, 2, 7, 1000])
def test_many_silences_are_told_in_bounded_shares(share: int) -> None:
    here = Answers(share=share)
    for who in range(20):
        for number, ago in enumerate((60, 30, 0)):
            here.scored(f"r-{who}-{number}", ago, respondent_id=f"u-{who}")
    assert here.day_of_alert() == 61
    assert sorted(one["respondent_id"] for one in here.alerts) == sorted(f"u-{who}" for who in range(20))
    assert here.keys(DUE) == []


def test_a_day_is_gone_through_once() -> None:
    here = Answers()
    here.driver.now = MIDNIGHT
    here.driver.advance(0)
    here.every(30)
    state = here.driver.changelog("risk")
    here.driver.advance(DAY_MS - 1)
    assert here.driver.changelog("risk") == state
    here.driver.advance(1)
    assert here.driver.changelog("risk") != state


def test_one_value_and_one_entry_of_the_index_are_kept_of_a_respondent_and_no_more_than_a_dozen_times() -> None:
    here = Answers()
    for number in range(100):
        here.scored(f"r-{number}" + "x" * 400, 100 - number, comment="The export is slow.")
    state = here.driver.state("risk")
    assert sorted(key[:1] for key in state) == [DUE, RHYTHM]
    assert sum(len(key) + len(value) for key, value in state.items()) < 400
    assert not any(b"export" in value or b"xxx" in value for value in state.values())


def test_who_has_not_answered_for_years_is_forgotten() -> None:
    here = Answers()
    here.scored("r-1", 0)
    here.driver.advance(DAY_MS)
    here.driver.advance(FORGOTTEN_DAYS * DAY_MS - DAY_MS)
    assert len(here.keys(RHYTHM)) == 1
    here.driver.advance(17 * DAY_MS)
    assert here.keys(RHYTHM) == []


def test_who_is_forgotten_before_the_silence_leaves_no_entry_of_the_index() -> None:
    here = Answers()
    here.every(500)
    assert len(here.keys(DUE)) == 1
    here.driver.advance((FORGOTTEN_DAYS + 17) * DAY_MS)
    assert here.keys(RHYTHM) == here.keys(DUE) == []
