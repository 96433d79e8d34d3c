"""Validation: what every field of a response may be, and the reason and path of what is refused."""

from collections.abc import Mapping
from typing import Any

import pytest

from schemas.dead_letters import Reason
from schemas.events import MAX_COMMENT_BYTES, MAX_ID_CHARS, MAX_SEGMENTS
from tests.adapting import refused, response

MINIMAL = {"response_id": "r-1", "account_id": "acme", "score": 3, "responded_at": "2026-03-01T09:30:00.000Z"}


def minimal(**changes: Any) -> dict[str, Any]:
    """A canonical response with these fields; `...` leaves one out."""
    return {name: value for name, value in (MINIMAL | changes).items() if value is not ...}


# ------------------------------------------------------------------------------------------------------------------ scores

SCORES = [(str(score), score) for score in range(11)]


@pytest.mark.parametrize(
    ("given", "score"),
    [*SCORES, *((score, score) for _, score in SCORES), (9.0, 9), (0.0, 0), (-0.0, 0), (" 9 ", 9), ("\t10\n", 10)],
)
def test_what_is_a_score(given: Any, score: int) -> None:
    found = response(minimal(score=given))["score"]
    assert (found, type(found)) == (score, int)


@pytest.mark.parametrize(
    "given",
    [9.5, -1, 11, True, False, None, "", " ", "9.0", "09", "+9", "-1", "11", "٩", "nine", 1e300, 2**63, [9], {"score": 9}],
)
def test_what_is_no_score(given: Any) -> None:
    reason, message = refused(minimal(score=given))
    assert reason is Reason.BAD_SCORE
    assert message.startswith("score: ")


# ------------------------------------------------------------------------------------------------------- canonical: refused


@pytest.mark.parametrize(
    ("changes", "reason", "told"),
    [
        ({"response_id": ...}, Reason.MISSING_FIELD, "response_id: missing"),
        ({"response_id": None}, Reason.MISSING_FIELD, "response_id: missing"),
        ({"response_id": ""}, Reason.BAD_ID, "response_id: empty"),
        ({"response_id": "r" * (MAX_ID_CHARS + 1)}, Reason.BAD_ID, "response_id: 501 characters"),
        ({"response_id": True}, Reason.WRONG_TYPE, "response_id: true is not text"),
        ({"response_id": 7.5}, Reason.WRONG_TYPE, "response_id: 7.5 is not text"),
        ({"response_id": 1e20}, Reason.WRONG_TYPE, "is not text"),
        ({"response_id": ["r-1"]}, Reason.WRONG_TYPE, "response_id: a list is not text"),
        ({"account_id": ...}, Reason.NO_ACCOUNT, "account_id: neither"),
        ({"account_id": None}, Reason.NO_ACCOUNT, "account_id: neither"),
        ({"account_id": ""}, Reason.NO_ACCOUNT, "account_id: neither"),
        ({"account_id": {"id": "acme"}}, Reason.WRONG_TYPE, "account_id: an object is not text"),
        ({"score": ...}, Reason.MISSING_FIELD, "score: missing"),
        ({"responded_at": ...}, Reason.MISSING_FIELD, "responded_at: missing"),
        ({"responded_at": None}, Reason.MISSING_FIELD, "responded_at: missing"),
        ({"responded_at": ""}, Reason.MISSING_FIELD, "responded_at: missing"),
        ({"responded_at": "2026-03-01T09:30:00"}, Reason.BAD_TIME, "responded_at: '2026-03-01T09:30:00' has no zone"),
        ({"responded_at": "2026-02-30T09:30:00.000Z"}, Reason.BAD_TIME, "responded_at: "),
        ({"responded_at": True}, Reason.BAD_TIME, "responded_at: True is no time"),
        ({"updated_at": "yesterday"}, Reason.BAD_TIME, "updated_at: 'yesterday' is no time"),
        ({"comment": 7}, Reason.WRONG_TYPE, "comment: 7 is not text"),
        ({"comment": "x" * (MAX_COMMENT_BYTES + 1)}, Reason.TOO_LARGE, "comment: 65537 bytes"),
        ({"comment": "€" * (MAX_COMMENT_BYTES // 3 + 1)}, Reason.TOO_LARGE, "comment: 65538 bytes"),
        ({"segments": ["smb"]}, Reason.WRONG_TYPE, "segments: a list is not an object"),
        ({"segments": {"Plan": "smb"}}, Reason.BAD_SEGMENT, "segments: 'Plan' is no dimension"),
        ({"segments": {"": "smb"}}, Reason.BAD_SEGMENT, "segments: '' is no dimension"),
        ({"segments": {"plan\n": "smb"}}, Reason.BAD_SEGMENT, "is no dimension"),
        ({"segments": {"d" * 41: "smb"}}, Reason.BAD_SEGMENT, "is no dimension"),
        ({"segments": {"plan": ["smb"]}}, Reason.BAD_SEGMENT, "segments.plan: a list is no text"),
        ({"segments": {"plan": "s" * 501}}, Reason.BAD_SEGMENT, "segments.plan: 501 characters"),
        ({"segment": {}}, Reason.BAD_SEGMENT, "segments.segment: an object is no text"),
        ({"segments": {f"d{i}": "x" for i in range(MAX_SEGMENTS + 1)}}, Reason.BAD_SEGMENT, "segments: 21 pairs"),
        ({"segments": {f"d{i}": "x" for i in range(MAX_SEGMENTS)}, "segment": "x"}, Reason.BAD_SEGMENT, "21 pairs"),
        ({"respondent_id": False}, Reason.WRONG_TYPE, "respondent_id: false is not text"),
        ({"survey_id": {}}, Reason.WRONG_TYPE, "survey_id: an object is not text"),
        ({"source": []}, Reason.WRONG_TYPE, "source: a list is not text"),
        ({"channel": "c" * 501}, Reason.BAD_ID, "channel: 501 characters"),
        ({"locale": [1]}, Reason.WRONG_TYPE, "locale: a list is not text"),
        ({"kind": "survey"}, Reason.NOT_A_RESPONSE, "kind: 'survey'"),
        ({"kind": 1}, Reason.NOT_A_RESPONSE, "kind: 1 is neither"),
    ],
)  # fmt: skip
def test_what_a_canonical_response_is_refused_for(changes: Mapping[str, Any], reason: Reason, told: str) -> None:
    found, message = refused(minimal(**changes), source="canonical")
    assert found is reason
    assert told in message
    assert len(message) < 200


# ------------------------------------------------------------------------------------------------------ canonical: accepted


def test_the_least_response() -> None:
    assert response(MINIMAL) == MINIMAL | {"source": "canonical"}


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"response_id": 17}, "response_id", "17"),
        ({"response_id": 17.0}, "response_id", "17"),
        ({"response_id": 0}, "response_id", "0"),
        ({"response_id": "r" * MAX_ID_CHARS}, "response_id", "r" * MAX_ID_CHARS),
        ({"response_id": "|=:\0 ☃"}, "response_id", "|=:\0 ☃"),
        ({"account_id": 18446744073709551615}, "account_id", "18446744073709551615"),
        ({"responded_at": 1772357400}, "responded_at", "2026-03-01T09:30:00.000Z"),
        ({"responded_at": 1772357400123}, "responded_at", "2026-03-01T09:30:00.123Z"),
        ({"responded_at": "2026-03-01T10:30:00+01:00"}, "responded_at", "2026-03-01T09:30:00.000Z"),
        ({"updated_at": "2026-03-01T09:30:00.5Z"}, "updated_at", "2026-03-01T09:30:00.500Z"),
        ({"comment": "€" * (MAX_COMMENT_BYTES // 3)}, "comment", "€" * (MAX_COMMENT_BYTES // 3)),
        ({"comment": " spaces stay "}, "comment", " spaces stay "),
        ({"segment": "smb"}, "segments", {"segment": "smb"}),
        ({"segment": "smb", "segments": {"plan": "free"}}, "segments", {"plan": "free", "segment": "smb"}),
        ({"segment": "smb", "segments": {"segment": "mid"}}, "segments", {"segment": "mid"}),
        ({"segments": {"seats": 25, "share": 0.5, "trial": True, "whole": 3.0}}, "segments",
         {"seats": "25", "share": "0.5", "trial": "true", "whole": "3"}),
        ({"segments": {"plan": "free", "region": None, "tier": ""}}, "segments", {"plan": "free"}),
        ({"segments": {f"d{i}": "x" for i in range(MAX_SEGMENTS)}}, "segments", {f"d{i}": "x" for i in range(MAX_SEGMENTS)}),
        ({"source": "intercom"}, "source", "intercom"),
        ({"kind": "response"}, "score", 3),
        ({"locale": "de-AT"}, "locale", "de-AT"),
    ],
)  # fmt: skip
def test_what_a_canonical_response_may_be(changes: Mapping[str, Any], field: str, value: Any) -> None:
    assert response(minimal(**changes))[field] == value


@pytest.mark.parametrize("field", ["respondent_id", "updated_at", "comment", "segments", "segment", "survey_id", "channel"])
@pytest.mark.parametrize("empty", [None, "", {}])
def test_empty_optional_fields_are_left_out(field: str, empty: Any) -> None:
    if empty == {} and field != "segments":
        assert refused(minimal(**{field: empty}))[0] in (Reason.WRONG_TYPE, Reason.BAD_TIME, Reason.BAD_SEGMENT)
    else:
        assert response(minimal(**{field: empty})) == MINIMAL | {"source": "canonical"}


def test_unknown_fields_are_not_kept() -> None:
    assert response(minimal(sentiment="bad", extra={"deep": [1]})) == MINIMAL | {"source": "canonical"}


def test_the_header_names_an_account_only_where_the_payload_names_none() -> None:
    assert response(minimal(account_id=...), source="canonical", account="globex")["account_id"] == "globex"
    assert response(minimal(), account="globex")["account_id"] == "acme"


def test_a_retraction_has_an_identity_and_a_version_alone() -> None:
    given = {"kind": "retraction", "response_id": 7, "account_id": "acme", "updated_at": 1772357400, "score": "any"}
    assert response(given) == {
        "kind": "retraction",
        "response_id": "7",
        "account_id": "acme",
        "updated_at": "2026-03-01T09:30:00.000Z",
        "source": "canonical",
    }
    assert "updated_at" not in response({"kind": "retraction", "response_id": "r-1", "account_id": "acme"})
