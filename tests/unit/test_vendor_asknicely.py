"""AskNicely: text for everything, no event type, and the same id again when a comment comes."""

from typing import Any

import pytest

from schemas.dead_letters import Reason
from schemas.vendors.adapter import SourceSettings
from tests.adapting import refused, response
from tests.payloads import payload


def asknicely(person: dict[str, Any] | None = None, **question: Any) -> dict[str, Any]:
    """A payload with other values in its person and its question."""
    made: dict[str, Any] = payload("asknicely")
    made["person"] |= person or {}
    made["question"] = {name: value for name, value in (made["question"] | question).items() if value is not ...}
    return made


def test_everything_is_text_times_too() -> None:
    found = response(asknicely(responded="1771067109", score="0"))
    assert (found["score"], found["responded_at"]) == (0, "2026-02-14T11:05:09.000Z")


def test_a_comment_that_comes_later_is_the_same_response_whose_version_is_its_arrival() -> None:
    first, again = response(payload("asknicely")), response(payload("asknicely_again"))
    assert first["response_id"] == again["response_id"]
    assert first["comment"] != again["comment"]
    assert "updated_at" not in first | again


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (payload("asknicely_unanswered"), Reason.NO_SCORE),
        (asknicely(score=""), Reason.NO_SCORE),
        (asknicely(score="n/a"), Reason.BAD_SCORE),
        (asknicely(responded="soon"), Reason.BAD_TIME),
        (asknicely(responded="99999999999999"), Reason.BAD_TIME),
        (asknicely(id=...), Reason.MISSING_FIELD),
        (asknicely({"account_id": ""}), Reason.NO_ACCOUNT),
    ],
)
def test_what_an_asknicely_payload_is_refused_for(given: Any, reason: Reason) -> None:
    assert refused(given, source="asknicely")[0] is reason


def test_a_segment_is_what_it_was_when_the_question_was_asked() -> None:
    assert response(asknicely({"segment": "smb"}, segment="enterprise"))["segments"]["segment"] == "enterprise"
    assert response(asknicely({"segment": "smb"}, segment=None))["segments"]["segment"] == "smb"


def test_custom_fields_of_the_person_are_properties() -> None:
    settings = SourceSettings(account_properties=("company_c",), segment_properties=("Country",))
    found = response(asknicely({"company_c": "initech"}), settings=settings)
    assert found["account_id"] == "initech"
    assert found["segments"] == {"country": "FR", "segment": "enterprise"}


def test_who_has_no_address_is_known_by_an_id() -> None:
    assert response(asknicely({"email": ""}))["respondent_id"] == "88120"
