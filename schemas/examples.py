"""One example for each type of `schemas.events`, as it stands in the published contract."""

from typing import Any, Final

_WINDOW: Final[dict[str, Any]] = {
    "promoters": 7,
    "passives": 2,
    "detractors": 1,
    "total": 10,
    "nps": 60.0,
    "low": 7.0,
    "high": 85.3,
    "previous_nps": 40.0,
    "change": 20.0,
    "significant": False,
    "band": "excellent",
}
_EMPTY_WINDOW: Final[dict[str, Any]] = {"promoters": 0, "passives": 0, "detractors": 0, "total": 0, "previous_nps": 60.0}
_WINDOWS: Final[dict[str, Any]] = {
    "7d": {"responses": _EMPTY_WINDOW, "respondents": _EMPTY_WINDOW},
    "90d": {"responses": _WINDOW, "respondents": _WINDOW},
}
_SEGMENTS: Final = {"plan": "enterprise", "region": "emea", "segment": "smb"}
_ACCOUNT: Final = {"name": "Acme", "owner": "csm@vendor.example", "tier": "gold", "value": 48000}
_RESPONSE: Final[dict[str, Any]] = {
    "response_id": "r-1",
    "account_id": "acme",
    "score": 3,
    "responded_at": "2026-03-01T09:30:00.000Z",
    "respondent_id": "u-17@acme.example",
    "updated_at": "2026-03-01T09:31:00.000Z",
    "comment": "The export is slow.",
    "segments": _SEGMENTS,
    "survey_id": "relationship",
    "source": "typeform",
    "channel": "email",
    "locale": "en",
}

EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "Response": _RESPONSE,
    "Retraction": {
        "kind": "retraction",
        "response_id": "r-1",
        "account_id": "acme",
        "updated_at": "2026-03-02T08:00:00.000Z",
        "source": "canonical",
    },
    "Scored": {
        **_RESPONSE,
        "category": "detractor",
        "previous_category": "promoter",
        "previous_score": 9,
        "as_of": "2026-03-01",
        "change": "new",
    },
    "CategoryChange": {
        "account_id": "acme",
        "respondent_id": "u-17@acme.example",
        "response_id": "r-1",
        "from": "promoter",
        "to": "detractor",
        "score": 3,
        "previous_score": 9,
        "direction": "down",
        "cause": "response",
        "changed_at": "2026-03-01T09:30:00.000Z",
        "segments": _SEGMENTS,
        "account": _ACCOUNT,
    },
    "Detractor": {
        "account_id": "acme",
        "respondent_id": "u-17@acme.example",
        "response_id": "r-1",
        "score": 3,
        "severity": "high",
        "comment": "The export is slow.",
        "revision": 0,
        "consecutive": 2,
        "responded_at": "2026-03-01T09:30:00.000Z",
        "segments": _SEGMENTS,
        "account_nps": -12.5,
        "account": _ACCOUNT,
    },
    "Promoter": {
        "account_id": "acme",
        "respondent_id": "u-4@acme.example",
        "response_id": "r-2",
        "score": 10,
        "comment": "It just works.",
        "revision": 0,
        "consecutive": 1,
        "responded_at": "2026-03-01T10:15:00.000Z",
        "segments": _SEGMENTS,
        "account_nps": 60.0,
        "first": True,
        "account": _ACCOUNT,
    },
    "AccountRollup": {"account_id": "acme", "as_of": "2026-03-01", "windows": _WINDOWS},
    "SegmentRollup": {"dimension": "plan", "value": "enterprise", "as_of": "2026-03-01", "windows": _WINDOWS},
    "Cell": {"responses": [7, 2, 1]},
    "Erasure": {
        "account_id": "acme",
        "respondent_id": "u-17@acme.example",
        "counts": "remove",
        "requested_at": "2026-03-05T11:00:00.000Z",
    },
    "Erased": {
        "account_id": "acme",
        "respondent_hash": "d69f81852571489875c8dbb5edced6f5671b0e03bb16c53ab03ff2264e571474",
        "counts": "remove",
        "erased_at": "2026-03-05T11:00:00.250Z",
        "position": 1042,
    },
    "Contact": {"contact": "u-17@acme.example", "account_id": "acme"},
    "AccountFacts": {
        **_ACCOUNT,
        "segments": {"plan": "enterprise", "region": "emea"},
        "renewal_date": "2026-09-30",
        "time_zone": "Europe/Berlin",
        "contacts": ["u-17@acme.example", "u-4@acme.example"],
        "domains": ["acme.example"],
    },
}
