"""Old responses count and alert nobody (`alert_max_age_days`): which events go out, and that the recount knows it too."""

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agents.rollups import Rollups
from agents.scoring import Scoring, ScoringSettings
from npstream.verification import OUTPUTS, Seen, verify
from schemas import topics
from schemas.times import DAY_MS, format_time, parse_time
from streams.test_driver import TestDriver
from tests.strategies import Round, rounds
from tests.verification import Played

NOON = parse_time("2026-05-20T12:00:00Z")
LIMIT = 14


def said(name: str, score: int, ago: int, **more: Any) -> dict[str, Any]:
    """A response of u-1 of acme of so many days ago."""
    body = {"response_id": name, "account_id": "acme", "respondent_id": "u-1", "score": score}
    return body | {"responded_at": format_time(NOON - ago * DAY_MS)} | more


def taken_back(name: str) -> dict[str, Any]:
    return {"kind": "retraction", "response_id": name, "account_id": "acme"}


class Fed:
    """What came of bodies, a minute apart."""

    def __init__(self, *bodies: dict[str, Any] | int, limit: int | None = LIMIT) -> None:
        """A number lets so many days pass."""
        self.driver = TestDriver([Scoring(ScoringSettings(alert_max_age_days=limit)), Rollups()], now=NOON)
        for body in bodies:
            if isinstance(body, int):
                self.driver.advance(body * DAY_MS)
                continue
            self.driver.now += 60_000
            self.driver.pipe(topics.RESPONSES, b"acme", json.dumps(body).encode())
            self.driver.run()

    def bodies(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(record.value or b"") for record in self.driver.sent(topic)]

    @property
    def told(self) -> list[str]:
        """The detractors, promoters and changes, in short."""
        detractors = [
            f"{one['response_id']} {'withdrawn' if one.get('withdrawn') else one['severity']} {one['revision']}"
            for one in self.bodies(topics.DETRACTORS)
        ]
        promoters = [f"{one['response_id']} promoter" for one in self.bodies(topics.PROMOTERS)]
        return detractors + promoters + [f"{one['from']} to {one['to']}" for one in self.bodies(topics.CHANGES)]

    def differences(self, limit: int | None = LIMIT) -> list[str]:
        """What the recount with a limit finds."""
        outputs = {topic: self.driver.sent(topic) for topic in OUTPUTS}
        cut = {0: len(self.driver.sent(topics.RESPONSES))}
        seen = Seen(self.driver.sent(topics.RESPONSES), outputs, cut, {}, self.driver.now)
        return [one.text for one in verify(seen, (7, 30, 90, 365), 90, 7, limit).differences]


CASES: dict[str, tuple[list[dict[str, Any] | int], list[str]]] = {
    "a detractor of the last day that counts": ([said("a", 1, LIMIT)], ["a critical 0"]),
    "one of the day before": ([said("a", 1, LIMIT + 1)], []),
    "old promoters": ([said("a", 9, 400), said("b", 10, 15)], []),
    "an old anonymous detractor": ([said("a", 1, 30, respondent_id=None)], []),
    "an old change of category": ([said("a", 9, 90), said("b", 2, 30)], []),
    "a change from an old response to one of today": (
        [said("a", 9, 90), said("b", 2, 0)],
        ["b critical 0", "promoter to detractor"],
    ),
    "what was never sent is not withdrawn by a correction": ([said("a", 1, 30), said("a", 9, 30)], []),
    "nor by a retraction": ([said("a", 1, 30), taken_back("a")], []),
    "nor revised": ([said("a", 1, 30), said("a", 1, 30, comment="Slow."), said("a", 5, 30)], []),
    "an old correction into a detractor": ([said("a", 9, 30), said("a", 1, 30)], []),
    "what was sent is withdrawn at any age": ([said("a", 1, 0), 30, taken_back("a")], ["a critical 0", "a withdrawn 1"]),
    "and by a correction": ([said("a", 1, 0), 30, said("a", 8, 0)], ["a critical 0", "a withdrawn 1"]),
    "and revised": ([said("a", 1, 0), 30, said("a", 4, 0, comment="Slow.")], ["a critical 0", "a high 1"]),
    "but does not come back once it is old": (
        [said("a", 1, 0), said("a", 8, 0), 30, said("a", 1, 0)],
        ["a critical 0", "a withdrawn 1", "detractor to passive"],
    ),
    "a passive that is a detractor once it is old": ([said("a", 8, 0), 30, said("a", 1, 0)], []),
    "an old response that turns out to be of today": ([said("a", 1, 30), said("a", 1, 1)], ["a critical 0"]),
    "one of today that turns out to be old": (
        [said("a", 1, 0), said("a", 1, 30, comment="Slow.")],
        ["a critical 0", "a critical 1"],
    ),
    "a change that takes back one that was told": (
        [said("a", 9, 2), said("b", 1, 0), said("b", 9, 30)],
        ["b critical 0", "b withdrawn 1", "a promoter", "promoter to detractor", "detractor to promoter"],
    ),
}


@pytest.mark.parametrize(("came", "told"), CASES.values(), ids=CASES)
def test_what_goes_out_of_old_responses_and_the_recount_agrees(came: list[dict[str, Any] | int], told: list[str]) -> None:
    fed = Fed(*came)
    assert fed.told == told
    assert fed.differences() == []
    assert fed.bodies(topics.SCORED)[0]["category"] in ("detractor", "passive", "promoter")


@pytest.mark.parametrize("limit", [0, None])
def test_without_a_limit_the_oldest_response_alerts(limit: int | None) -> None:
    fed = Fed(said("a", 1, 700), said("a", 9, 700), said("b", 9, 500), limit=limit)
    assert fed.told == ["a critical 0", "a withdrawn 1", "b promoter", "detractor to promoter"]
    assert fed.differences(limit) == []


def test_old_responses_count_and_are_reported_as_ever() -> None:
    came = [said("a", 9, 80), said("b", 2, 60), said("c", 8, 20), taken_back("c")]
    silent, loud = Fed(*came), Fed(*came, limit=None)
    assert silent.told == []
    assert len(loud.told) > 3
    for topic in (topics.SCORED, topics.ACCOUNT_ROLLUPS):
        assert silent.bodies(topic) == loud.bodies(topic)


def test_rows_and_firsts_know_the_old_responses() -> None:
    (detractor,) = Fed(said("a", 3, 90), said("b", 2, 0)).bodies(topics.DETRACTORS)
    assert (detractor["consecutive"], detractor["revision"]) == (2, 0)
    (promoter,) = Fed(said("a", 9, 90), said("b", 9, 0)).bodies(topics.PROMOTERS)
    assert (promoter["consecutive"], promoter.get("first")) == (2, None)


@pytest.mark.parametrize("came", [[said("a", 1, 30)], [said("a", 9, 30)], [said("a", 9, 40), said("b", 1, 30)]])
def test_an_event_that_should_not_have_been_sent_is_found_and_so_is_one_that_is_missing(came: list[dict[str, Any]]) -> None:
    assert Fed(*came, limit=None).differences(LIMIT) != []
    assert Fed(*came).differences(None) != []


@given(rounds(partitions=2, strays=True, erasures=True), st.sampled_from((None, 0, 1, 3, 30)))
def test_whatever_comes_the_events_are_those_of_the_recount(arrivals: list[Round], limit: int | None) -> None:
    played = Played([Scoring(ScoringSettings(alert_max_age_days=limit))], arrivals, 2)
    expected = played.recounted(alert_max_age=limit)
    assume(not expected.open_questions)
    assert played.event_differences(expected) == []
