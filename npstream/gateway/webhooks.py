"""POST /webhooks/{vendor}: what a survey platform sends, as it came, once it is proved who sends it."""

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from npstream.gateway import bodies
from npstream.gateway.configuration import Credential, Vendor
from npstream.gateway.limits import Rate, Room
from npstream.gateway.metrics import UNKNOWN
from npstream.gateway.reception import Reception, record_headers
from npstream.gateway.refusals import Refused, json_response
from npstream.gateway.signatures import Delivery
from npstream.raw_record import RawRecord
from schemas.codec import loads
from schemas.dead_letters import Unusable

HANDSHAKES: Final[Mapping[str, object]] = {"formbricks": {"event": "testEndpoint"}}
"""What a vendor posts to see whether somebody answers, before it makes the webhook and its secret. Nothing of it is kept.
Source: https://github.com/formbricks/formbricks, apps/web/modules/integrations/webhooks/lib/webhook.ts, testEndpoint."""
HANDSHAKE_BYTES: Final = 200
"""Longer bodies are none."""


class Webhooks:
    """All vendors' webhooks."""

    def __init__(self, vendors: Mapping[str, Vendor], reception: Reception, rate_per_s: float, burst: int) -> None:
        self._vendors = vendors
        self._reception = reception
        self._rates = {name: Rate(vendor.rate_per_s or rate_per_s, vendor.burst or burst) for name, vendor in vendors.items()}

    async def receive(self, request: Request, name: str, token: str | None) -> Response:
        """Take one webhook. 200 once Kafka has acknowledged it."""
        vendor = self._vendors.get(name)

        async def work(room: Room) -> Response:
            if vendor is None:
                raise Refused(404, "no vendor of this name: see npstream gateway --check")
            return await self._receive(request, vendor, token, room)

        return await self._reception.answered(UNKNOWN if vendor is None else name, work)

    async def known(self, name: str) -> Response:
        """Answer a vendor that asks whether somebody is here before it sends anything (SurveyMonkey: HEAD)."""
        if name not in self._vendors:
            return Refused(404, "no vendor of this name: see npstream gateway --check").response()
        return json_response({"accepted": 0})

    async def _receive(self, request: Request, vendor: Vendor, token: str | None, room: Room) -> Response:
        if vendor.closed and vendor.name not in HANDSHAKES:
            raise _closed()
        self._reception.check_open()
        body = await self._reception.body(request, room)
        if _is_handshake(vendor.name, body):
            return json_response({"accepted": 0})
        account = _proved(vendor, Delivery(request.headers, body, token)).account
        # After the proof: what strangers send must not use up the rate of who may send.
        self._rates[vendor.name].take()
        form = bodies.is_form(request.headers, body)
        bodies.check_readable(form, body)
        # The account as the key keeps its responses in order. Without one, any partition will do.
        key = account.encode() if account is not None else None
        await self._reception.store(vendor.name, RawRecord(key, body, record_headers(request, vendor.name, account, form)))
        return json_response({"accepted": 1})


def _closed() -> Refused:
    """401 and not 404: that is final for some vendors, and this is mended by a setting."""
    return Refused(401, "no secret is set for this vendor, so nobody can be it: see docs/gateway.md")


def _proved(vendor: Vendor, delivery: Delivery) -> Credential:
    """The credential that fits. Raises Refused with 401."""
    if vendor.open:
        return Credential("", vendor.account)
    if vendor.closed or vendor.scheme is None:
        raise _closed()
    for credential in vendor.credentials:
        if vendor.scheme.fits(delivery, credential.secret):
            return credential
    raise Refused(401, f"wrong or missing proof: {vendor.scheme.proof}")


def _is_handshake(name: str, body: bytes) -> bool:
    expected = HANDSHAKES.get(name)
    if expected is None or len(body) > HANDSHAKE_BYTES:
        return False
    try:
        return bool(loads(body) == expected)
    except Unusable:
        return False
