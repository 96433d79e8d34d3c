"""How survey platforms sign their webhooks: one table of schemes. Each looks at the body as it came, byte for byte, and
compares in constant time.

| scheme | source |
|---|---|
| typeform | https://www.typeform.com/developers/webhooks/secure-your-webhooks/ |
| surveymonkey | https://github.com/SurveyMonkey/public_api_docs, includes/_webhooks.md, "Webhook Callbacks" |
| wootric | https://github.com/Wootric/slate, source/includes/_webhooks.md, "Security" |
| standard | https://www.standardwebhooks.com, as its library `standardwebhooks` does it; Formbricks signs so |
| qualtrics | undocumented; as https://github.com/kyma-incubator/connector-tools, qualtrics-event-gw/pkg/hmac, verifies it |
"""

import hmac
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError, WebhookVerificationError

from schemas.forms import MOST_FIELDS


class Delivery(NamedTuple):
    """What a signature can be of."""

    headers: Mapping[str, str]
    """By name in lower case."""
    body: bytes
    token: str | None = None
    """What stands behind the vendor in the path."""


def never(secret: str) -> str | None:
    """Nothing is wrong with any secret."""
    return None


class Scheme(NamedTuple):
    """One way to prove who sends."""

    proof: str
    """Where the proof stands, for people."""
    fits: Callable[[Delivery, str], bool]
    """Whether a delivery is proved by a secret. Raises nothing, whatever comes."""
    fault: Callable[[str], str | None] = never
    """What is wrong with a secret itself, in words that do not show it."""


def _typeform(delivery: Delivery, secret: str) -> bool:
    digest = b64encode(hmac.digest(secret.encode(), delivery.body, "sha256"))
    return _same(delivery.headers.get("typeform-signature"), b"sha256=" + digest)


def _surveymonkey(delivery: Delivery, secret: str) -> bool:
    return _same(delivery.headers.get("sm-signature"), b64encode(hmac.digest(secret.encode(), delivery.body, "sha1")))


def _surveymonkey_fault(secret: str) -> str | None:
    client, separator, key = secret.partition("&")
    return None if client and separator and key else "is not CLIENT_ID&SECRET: SurveyMonkey signs with both"


def _wootric(delivery: Delivery, secret: str) -> bool:
    digest = hmac.digest(secret.encode(), delivery.body, "sha1").hex()
    return _same(delivery.headers.get("x-wootric-signature"), b"sha1=" + digest.encode())


def _qualtrics(delivery: Delivery, secret: str) -> bool:
    """Of the field MSG, once decoded: the field HMAC is SHA-512 in hex. Of a field that comes twice the last counts, as for
    intake."""
    try:
        fields = dict(parse_qsl(delivery.body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS))
    except ValueError:
        return False
    if "MSG" not in fields:
        return False
    return _same(fields.get("HMAC", "").lower(), hmac.digest(secret.encode(), fields["MSG"].encode(), "sha512").hex().encode())


STANDARD_HEADERS: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")
_BASE64: Final = re.compile(r"(whsec_)?[A-Za-z0-9+/]+={0,2}")


def _standard(delivery: Delivery, secret: str) -> bool:
    """The library refuses timestamps that are more than five minutes away."""
    headers = {name: delivery.headers.get(name, "") for name in STANDARD_HEADERS}
    try:
        Webhook(secret).verify(delivery.body, headers, json_parse=False)
    except (WebhookVerificationError, ValueError):  # the latter for what is no UTF-8, no base64, or lacks its version
        return False
    return True


def _standard_fault(secret: str) -> str | None:
    fault = "is no base64, with or without whsec_ before it"
    if not _BASE64.fullmatch(secret):
        return fault  # the library leaves out what is none, and makes another key of it
    try:
        Webhook(secret)
    except (ValueError, EmptyWebhookSecretError):
        return fault
    return None


BEARER: Final = "bearer "


def bearer(headers: Mapping[str, str]) -> str | None:
    """The token of an Authorization header."""
    given = headers.get("authorization", "")
    return given[len(BEARER) :].strip() if given[: len(BEARER)].lower() == BEARER else None


def _shared(delivery: Delivery, secret: str) -> bool:
    shown = (delivery.headers.get("x-webhook-secret"), bearer(delivery.headers), delivery.token)
    return any(_same(one, secret.encode()) for one in shown)


def _same(given: str | None, expected: bytes) -> bool:
    """Whether they are the same, in a time that tells nothing of the secret. What is missing is like an empty text."""
    return hmac.compare_digest((given or "").encode(errors="replace"), expected)


SHARED: Final = "shared"
SCHEMES: Final[Mapping[str, Scheme]] = {
    "typeform": Scheme("Typeform-Signature: sha256=BASE64", _typeform),
    "surveymonkey": Scheme("Sm-Signature: BASE64", _surveymonkey, _surveymonkey_fault),
    "wootric": Scheme("X-Wootric-Signature: sha1=HEX", _wootric),
    "standard": Scheme("webhook-signature, -id and -timestamp, at most 5 minutes old", _standard, _standard_fault),
    "qualtrics": Scheme("HMAC in the form", _qualtrics),
    SHARED: Scheme("X-Webhook-Secret, Authorization: Bearer, or /webhooks/VENDOR/TOKEN", _shared),
}
"""Every scheme by the name that it has in gateway_file."""

USUAL: Final[Mapping[str, str]] = {
    "typeform": "typeform",
    "surveymonkey": "surveymonkey",
    "wootric": "wootric",
    "formbricks": "standard",
    "qualtrics": "qualtrics",
}
"""The scheme of a vendor that signs; who is not here has a shared secret."""
