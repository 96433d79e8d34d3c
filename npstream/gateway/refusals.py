"""Why a request is refused: a status, a sentence for who reads the vendor's log, and when to come again."""

import math
from typing import Any, Final

from starlette.responses import Response

from schemas.codec import dumps

JSON: Final = "application/json"


class Refused(Exception):
    """Nothing of the request was kept. The sentence shows no secret, and of a body at most the faulty value of `field`."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        field: str | None = None,
        index: int | None = None,
        retry_after_s: float | None = None,
        challenge: str | None = None,
        allow: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.field = field
        """The faulty field of a response."""
        self.index = index
        """Which of several responses is faulty."""
        self.retry_after_s = retry_after_s
        self.challenge = challenge
        """What proof is asked for, with 401."""
        self.allow = allow
        """Which methods there are, with 405."""

    def response(self) -> Response:
        """As it is sent."""
        body: dict[str, Any] = {"detail": self.detail}
        if self.field is not None:
            body["field"] = self.field
        if self.index is not None:
            body["index"] = self.index
        headers = {}
        if self.retry_after_s is not None:
            headers["retry-after"] = str(max(1, math.ceil(self.retry_after_s)))  # RFC 9110, section 10.2.3: whole seconds
        if self.challenge is not None:
            headers["www-authenticate"] = self.challenge
        if self.allow is not None:
            headers["allow"] = self.allow
        return json_response(body, self.status, headers)


def json_response(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer in JSON."""
    return Response(dumps(body), status, headers, media_type=JSON)
