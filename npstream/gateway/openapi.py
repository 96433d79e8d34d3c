"""The OpenAPI document of the gateway: what may be sent, as the published contract has it, and what each status means."""

from typing import Any, Final

from pydantic import BaseModel, Field

from npstream.gateway.responses import MOST
from schemas import contract, forms

Json = dict[str, Any]

SCHEMAS: Final = ("Response", "Retraction")
"""What POST /v1/responses takes, of the contract's types."""
BEARER: Final = "bearer"
"""The name of the security scheme."""


class Accepted(BaseModel):
    """Everything is in Kafka, acknowledged by all replicas."""

    accepted: int = Field(ge=0, description="how many were stored; 0 for a vendor's trial")


class Problem(BaseModel):
    """Nothing was stored."""

    detail: str = Field(description="what is wrong, and of what")
    field: str | None = Field(None, description="the faulty field of a response")
    index: int | None = Field(None, ge=0, description="which of several responses is faulty, from 0")


_RETRY: Final[Json] = {"Retry-After": {"description": "seconds", "schema": {"type": "integer", "minimum": 1}}}
_CODES: Final[dict[int, str]] = {
    400: "the body did not arrive whole",
    401: "the proof is missing or wrong, too old, or none can be given since no secret is set",
    404: "no vendor of this name",
    405: "another method",
    408: "the body did not arrive in time",
    413: "the body is too long",
    422: "the body cannot be read, or a response has a faulty field",
    429: "too many requests of this sender",
    503: "Kafka has not acknowledged, or too much is in flight: send it again",
}


def answers(*codes: int) -> dict[int | str, Json]:
    """The refusals of an operation."""
    return {
        code: {
            "model": Problem,
            "description": _CODES[code],
            **({"headers": _RETRY} if code in (429, 503) else {}),
        }
        for code in codes
    }


def _reference(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


WEBHOOK: Final[Json] = {
    "requestBody": {
        "required": True,
        "description": "The vendor's payload. Its signature, shared secret or token proves who sends it.",
        "content": {
            "application/json": {"schema": {"type": ["object", "array"]}},
            forms.CONTENT_TYPE: {"schema": {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}}},
        },
    }
}
"""What POST /webhooks/{vendor} takes."""

RESPONSES: Final[Json] = {
    "security": [{BEARER: []}],
    "requestBody": {
        "required": True,
        "description": "One response or retraction, or a list of them. docs/payloads.md says what else is taken as a value, "
        "such as epoch numbers for times. A response_id that comes again is a duplicate or a correction: a request may be "
        "repeated.",
        "content": {
            "application/json": {
                "schema": {
                    "anyOf": [
                        *map(_reference, SCHEMAS),
                        {"type": "array", "minItems": 1, "maxItems": MOST, "items": {"anyOf": [*map(_reference, SCHEMAS)]}},
                    ]
                }
            }
        },
    },
}
"""What POST /v1/responses takes."""


def completed(document: Json) -> Json:
    """The document with the contract's schemas and the way to log in."""
    components = document.setdefault("components", {})
    published = contract.asyncapi()["components"]["schemas"]
    components.setdefault("schemas", {}).update({name: published[name] for name in SCHEMAS})
    components["securitySchemes"] = {BEARER: {"type": "http", "scheme": "bearer"}}
    return document
