"""Wootric: JSON and bracketed forms, declines, and a flag that takes a response back."""

from collections.abc import Callable
from typing import Any

import pytest

from agents.intake import Intake
from agents.rollups import Rollups
from agents.scoring import Scoring
from schemas import topics
from schemas.codec import dumps, loads
from schemas.dead_letters import Reason
from schemas.times import parse_time
from schemas.vendors.adapter import SourceSettings
from streams.test_driver import TestDriver
from tests.adapting import read, refused, response
from tests.payloads import form, payload

NOW = parse_time("2026-03-01T09:30:00Z")


def wootric(given: Any = None, **changes: Any) -> dict[str, Any]:
    """A payload with other values in its response."""
    made: dict[str, Any] = payload("wootric") if given is None else given
    made["response"] = {name: value for name, value in (made["response"] | changes).items() if value is not ...}
    return made


def test_json_and_a_form_of_the_same_response_are_the_same_but_for_what_a_form_cuts_off() -> None:
    as_json, as_form = response(payload("wootric")), response(form("wootric"))
    cut = ("responded_at", "updated_at")
    assert {name: as_json[name] for name in as_json if name not in cut} == {
        name: as_form[name] for name in as_form if name not in cut
    }
    assert [as_form[name] for name in cut] == ["2026-02-14T11:05:09.000Z"] * 2  # 03:05:09 -0800
    assert [as_json[name] for name in cut] == ["2026-02-14T11:05:09.250Z"] * 2


@pytest.mark.parametrize(("score", "read_as"), [("0", 0), (" 10 ", 10), (7, 7), (7.0, 7)])
def test_numbers_may_be_text(score: Any, read_as: int) -> None:
    assert response(wootric(score=score))["score"] == read_as


@pytest.mark.parametrize("score", ["", None, ...])
def test_a_response_without_a_score_is_none(score: Any) -> None:
    assert refused(wootric(score=score))[0] is Reason.NO_SCORE


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (payload("wootric_decline"), Reason.NOT_A_RESPONSE),
        (form("wootric_decline"), Reason.NOT_A_RESPONSE),
        (payload("wootric") | {"event_name": "deleted"}, Reason.NOT_A_RESPONSE),
        (payload("wootric_csat"), Reason.NOT_NPS),
        (wootric(score="eleven"), Reason.BAD_SCORE),
        (wootric(created_at="2026-02-14"), Reason.BAD_TIME),
        (wootric(created_at="14 Feb 2026 03:05:09 -0800"), Reason.BAD_TIME),
        (wootric(id=...), Reason.MISSING_FIELD),
        (wootric(end_user_properties=None), Reason.NO_ACCOUNT),
    ],
)
def test_what_a_wootric_payload_is_refused_for(given: Any, reason: Reason) -> None:
    assert refused(given)[0] is reason


@pytest.mark.parametrize(
    ("flag", "taken_back"),
    [(True, True), ("true", True), (False, False), ("false", False), (None, False), ("", False), (..., False)],
)
def test_the_text_false_does_not_take_a_response_back(flag: Any, taken_back: bool) -> None:
    (found,) = read(wootric(excluded_from_calculations=flag))
    assert (found.get("kind") == "retraction") is taken_back
    assert ("score" in found) is not taken_back


@pytest.mark.parametrize(
    ("changes", "respondent_id"),
    [
        ({}, "ines@globex.example"),
        ({"email": None}, "crm-17"),
        ({"email": "", "external_id": ""}, "5512"),
        ({"email": ..., "external_id": ..., "end_user_id": ...}, None),
    ],
)
def test_who_answered(changes: dict[str, Any], respondent_id: str | None) -> None:
    assert response(wootric(**changes)).get("respondent_id") == respondent_id


def test_segments_are_named_as_properties_of_the_end_user() -> None:
    given = wootric(end_user_properties={"Account ID": "globex", "pricing_plan": "Enterprise"})
    assert "segments" not in response(given)
    settings = SourceSettings(segment_properties=("Pricing Plan",))
    assert response(given, settings=settings)["segments"] == {"pricing_plan": "Enterprise"}


def counted(given: Any, flags: list[tuple[int, Any]], batch: int) -> tuple[int, int]:
    """All responses and the detractors among them, after a response came in these states, each of a day in February."""
    driver = TestDriver([Intake(), Scoring(), Rollups()], now=NOW)
    for day, flag in flags:
        changes = {"excluded_from_calculations": flag, "updated_at": f"2026-02-{day} 09:00:00 -0800"}
        driver.pipe(topics.RAW, None, dumps(wootric(given, **changes) | {"event_name": "updated"}), timestamp=NOW)
    driver.run(batch)
    assert driver.sent(topics.DEAD_LETTERS) == []
    rollups = [record.value for record in driver.sent(topics.ACCOUNT_ROLLUPS)]
    if not rollups or rollups[-1] is None:
        return 0, 0
    counts = loads(rollups[-1])["windows"]["90d"]["responses"]
    return counts["total"], counts["detractors"]


@pytest.mark.parametrize(("make", "yes", "no"), [(payload, True, False), (form, "true", "false")], ids=["JSON", "form"])
@pytest.mark.parametrize("batch", [1, 7, 500])
def test_a_response_is_taken_back_while_it_is_excluded_and_counts_again_after_that(
    make: Callable[[str], Any], yes: Any, no: Any, batch: int
) -> None:
    """Through intake, scoring and rollups, in the order of the versions and against it."""
    for flags, counts in (
        ([(14, no)], (1, 1)),
        ([(14, no), (15, yes)], (0, 0)),
        ([(14, no), (15, yes), (16, no)], (1, 1)),
        ([(14, no), (15, yes), (16, no), (17, yes)], (0, 0)),
    ):
        assert counted(make("wootric"), flags, batch) == counts
        assert counted(make("wootric"), flags[::-1], batch) == counts
