"""POST /v1/responses: canonical responses of programs, checked before they are taken."""

import hmac
import re
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from agents.intake import IntakeSettings
from npstream.gateway.configuration import Credential
from npstream.gateway.limits import Rate, Room
from npstream.gateway.metrics import API
from npstream.gateway.reception import Reception, record_headers
from npstream.gateway.refusals import Refused, json_response
from npstream.gateway.signatures import bearer
from npstream.raw_record import RawRecord
from schemas import validation
from schemas.codec import loads
from schemas.dead_letters import Unusable
from schemas.vendors import canonical
from schemas.vendors.adapter import SourceSettings

MOST: Final = IntakeSettings().max_responses_per_record
"""Responses in one request: they travel as one record, so that all are taken, or none."""
CHALLENGE: Final = "Bearer"
_AS_IT_IS: Final = SourceSettings()
_FIELD: Final = re.compile(r"[a-z_]+(\.[a-z0-9_]+)?(?=:)")
"""How the message of a faulty response begins."""


class Responses:
    """The endpoint of programs that know npstream."""

    def __init__(self, tokens: tuple[Credential, ...], reception: Reception, rate: Rate) -> None:
        self._tokens = tokens
        self._reception = reception
        self._rate = rate

    async def receive(self, request: Request) -> Response:
        """Take one response or a list. 202 once Kafka has acknowledged them."""

        async def work(room: Room) -> Response:
            credential = self._authorised(request)
            self._reception.check_open()
            self._rate.take()
            body = await self._reception.body(request, room)
            accounts = checked(body, credential.account)
            # Of several accounts it is no matter which partition: intake sends each response to its account's.
            key = accounts[0].encode() if len(set(accounts)) == 1 else None
            headers = record_headers(request, canonical.NAME, credential.account, form=False)
            await self._reception.store(API, RawRecord(key, body, headers))
            return json_response({"accepted": len(accounts)}, 202)

        return await self._reception.answered(API, work)

    def _authorised(self, request: Request) -> Credential:
        given = (bearer(request.headers) or "").encode(errors="replace")
        fitting = [token for token in self._tokens if hmac.compare_digest(given, token.secret.encode())]
        if not fitting:
            raise Refused(401, "wrong or missing token: Authorization: Bearer", challenge=CHALLENGE)
        return fitting[0]


def checked(body: bytes, account: str | None) -> list[str]:
    """The accounts of all responses of a body, each of which intake will take. Raises Refused with 422, which names the field,
    and of several responses the first that is faulty."""
    try:
        payload = loads(body)
    except Unusable as error:
        raise Refused(422, f"the body is no JSON: {error}") from None
    if not isinstance(payload, list):
        return [_account(payload, account, None)]
    if not 1 <= len(payload) <= MOST:
        raise Refused(422, f"a list of {len(payload)} responses: 1 to {MOST} are taken at once")
    return [_account(one, account, index) for index, one in enumerate(payload)]


def _account(payload: Any, account: str | None, index: int | None) -> str:
    try:
        (draft,) = canonical.adapt(payload, _AS_IT_IS)
        response = validation.canonical(draft, canonical.NAME, None, account)
    except Unusable as error:
        found = _FIELD.match(str(error))
        raise Refused(422, str(error), field=found[0] if found else None, index=index) from None
    account_id: str = response["account_id"]
    return account_id
