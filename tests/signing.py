"""What survey platforms send: a body and the headers that prove who they are, after their documents and not after our code."""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from urllib.parse import quote

STANDARD_SECRET = "whsec_" + base64.b64encode(b"a key of the tests, 32 bytes lon").decode()
"""A Standard Webhooks secret: base64 with its prefix."""


def typeform(secret: str, body: bytes) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    return {"Typeform-Signature": "sha256=" + base64.b64encode(digest).decode()}


def surveymonkey(secret: str, body: bytes) -> dict[str, str]:
    client = secret.split("&")[0]
    digest = hmac.new(secret.encode(), body, hashlib.sha1).digest()
    return {"Sm-Apikey": client, "Sm-Signature": base64.b64encode(digest).decode()}


def wootric(secret: str, body: bytes) -> dict[str, str]:
    return {"X-Wootric-Signature": "sha1=" + hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()}


def formbricks(secret: str, body: bytes, age_s: int = 0) -> dict[str, str]:
    stamp = str(int(time.time()) - age_s)
    signed = b".".join([b"msg_1", stamp.encode(), body])
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {"webhook-id": "msg_1", "webhook-timestamp": stamp, "webhook-signature": f"v1,{digest}"}


def qualtrics_body(secret: str, message: str) -> bytes:
    """Qualtrics signs within the body."""
    digest = hmac.new(secret.encode(), message.encode(), hashlib.sha512).hexdigest()
    return f"HMAC={digest}&MSG={quote(message)}&Topic=brand.surveyengine.completedResponse.SV_t1".encode()


SIGNED: Mapping[str, tuple[str, bytes, dict[str, str]]] = {
    "typeform": ("tf-secret", b'{"event_id": "e1"}', typeform("tf-secret", b'{"event_id": "e1"}')),
    "surveymonkey": ("client-1&key", b'{"object_id": "7"}', surveymonkey("client-1&key", b'{"object_id": "7"}')),
    "wootric": ("w-token", b"response[id]=7", wootric("w-token", b"response[id]=7")),
    "qualtrics": ("shared key", qualtrics_body("shared key", '{"ResponseID":"R_1"}'), {}),
    "delighted": ("tok-en", b'{"event_id": "e2"}', {"X-Webhook-Secret": "tok-en"}),
}
"""For a vendor with each scheme that knows no time: a secret, a body, and the headers that prove it."""
