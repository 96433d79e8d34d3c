"""Who sends: each platform's signature is verified over the body as it came, and nothing else than the right one fits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npstream.gateway.signatures import SCHEMES, SHARED, USUAL, Delivery, Scheme
from tests import signing
from tests.signing import SIGNED, STANDARD_SECRET

FIVE_MINUTES_S = 300
MARGIN_S = 30
"""So far from the edge that a busy machine does not carry a test over it."""


def scheme(vendor: str) -> Scheme:
    return SCHEMES[USUAL.get(vendor, SHARED)]


def delivery(body: bytes, headers: dict[str, str], token: str | None = None) -> Delivery:
    return Delivery({name.lower(): value for name, value in headers.items()}, body, token)


@pytest.mark.parametrize("vendor", SIGNED)
def test_what_a_vendor_signs_fits_its_secret_and_no_other(vendor: str) -> None:
    secret, body, headers = SIGNED[vendor]
    assert scheme(vendor).fits(delivery(body, headers), secret)
    assert not scheme(vendor).fits(delivery(body, headers), secret + "x")


@pytest.mark.parametrize("vendor", ["typeform", "surveymonkey", "wootric"])
def test_a_body_with_one_byte_changed_no_longer_fits(vendor: str) -> None:
    secret, body, headers = SIGNED[vendor]
    for at in range(len(body)):
        changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        assert not scheme(vendor).fits(delivery(changed, headers), secret)


@pytest.mark.parametrize("vendor", [vendor for vendor in SIGNED if vendor != "qualtrics"])
def test_without_its_header_nothing_fits(vendor: str) -> None:
    secret, body, _ = SIGNED[vendor]
    assert not scheme(vendor).fits(delivery(body, {}), secret)


WRONG = """
typeform      Typeform-Signature    the digest without sha256=
typeform      Typeform-Signature    sha256=
typeform      Typeform-Signature    sha512=AAAA
surveymonkey  Sm-Signature          =
wootric       X-Wootric-Signature   sha1=
wootric       X-Wootric-Signature   sha256=00
wootric       X-Wootric-Signature   ümlaut
delighted     Authorization         Bearer
delighted     Authorization         Basic tok-en
delighted     X-Webhook-Secret      tok-en,tok-en
"""


@pytest.mark.parametrize("case", WRONG.strip().splitlines())
def test_a_proof_in_another_form_does_not_fit(case: str) -> None:
    vendor, header, value = case.split(maxsplit=2)
    secret, body, _ = SIGNED[vendor]
    assert not scheme(vendor).fits(delivery(body, {header: value}), secret)


@pytest.mark.parametrize(
    ("headers", "token"),
    [({"X-Webhook-Secret": "tok-en"}, None), ({"Authorization": "Bearer tok-en"}, None), ({}, "tok-en")],
)
def test_a_shared_secret_may_come_in_two_headers_or_in_the_path(headers: dict[str, str], token: str | None) -> None:
    assert SCHEMES[SHARED].fits(delivery(b"{}", headers, token), "tok-en")
    assert not SCHEMES[SHARED].fits(delivery(b"{}", headers, token), "other")


# Qualtrics


def test_the_digest_of_qualtrics_may_be_in_capitals() -> None:
    secret, body, _ = SIGNED["qualtrics"]
    digest, rest = body.removeprefix(b"HMAC=").split(b"&", 1)
    assert scheme("qualtrics").fits(delivery(b"HMAC=" + digest.upper() + b"&" + rest, {}), secret)


@pytest.mark.parametrize("body", [b"", b"MSG=1", b"HMAC=00", b"\xff=\xfe", b'{"HMAC": "", "MSG": ""}', b"a=&" * 2000])
def test_a_form_without_a_right_digest_of_qualtrics_does_not_fit(body: bytes) -> None:
    assert not scheme("qualtrics").fits(delivery(body, {}), "shared key")


def test_a_message_that_is_put_behind_the_signed_one_does_not_count() -> None:
    secret, body, _ = SIGNED["qualtrics"]
    assert not scheme("qualtrics").fits(delivery(body + b"&MSG=%7B%22ResponseID%22%3A%22R_2%22%7D", {}), secret)


# Standard Webhooks, as Formbricks signs


@pytest.mark.parametrize("age_s", [0, FIVE_MINUTES_S - MARGIN_S, -(FIVE_MINUTES_S - MARGIN_S)])
def test_a_webhook_of_the_last_five_minutes_fits(age_s: int) -> None:
    assert scheme("formbricks").fits(delivery(b"{}", signing.formbricks(STANDARD_SECRET, b"{}", age_s)), STANDARD_SECRET)


@pytest.mark.parametrize("age_s", [FIVE_MINUTES_S + MARGIN_S, -(FIVE_MINUTES_S + MARGIN_S), 86_400])
def test_a_webhook_of_another_time_is_a_replay_and_does_not_fit(age_s: int) -> None:
    assert not scheme("formbricks").fits(delivery(b"{}", signing.formbricks(STANDARD_SECRET, b"{}", age_s)), STANDARD_SECRET)


def test_a_timestamp_that_is_not_the_signed_one_does_not_fit() -> None:
    old = signing.formbricks(STANDARD_SECRET, b"{}", 86_400)
    fresh = signing.formbricks(STANDARD_SECRET, b"{}")
    assert not scheme("formbricks").fits(
        delivery(b"{}", old | {"webhook-timestamp": fresh["webhook-timestamp"]}), STANDARD_SECRET
    )


def test_of_several_signatures_one_has_to_fit() -> None:
    headers = signing.formbricks(STANDARD_SECRET, b"{}")
    headers["webhook-signature"] = "v1,AAAA v2,ignored " + headers["webhook-signature"]
    assert scheme("formbricks").fits(delivery(b"{}", headers), STANDARD_SECRET)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("value", ["", "nonsense", "inf", "-1", "1e400", "v1,ümlaut", "v1"])
def test_a_header_of_the_standard_with_nonsense_does_not_fit(name: str, value: str) -> None:
    headers = signing.formbricks(STANDARD_SECRET, b"{}") | {name: value}
    assert not scheme("formbricks").fits(delivery(b"{}", headers), STANDARD_SECRET)


# Secrets, and whatever comes


FAULTY = """
surveymonkey  key-alone
surveymonkey  &key
surveymonkey  client&
standard      whsec_
standard      not base64 at all!
"""


@pytest.mark.parametrize("case", FAULTY.strip().splitlines())
def test_a_secret_that_cannot_be_one_is_said_to_be_so_without_being_shown(case: str) -> None:
    name, secret = case.split(maxsplit=1)
    fault = SCHEMES[name].fault(secret)
    assert fault is not None
    assert fault == SCHEMES[name].fault("!")


@pytest.mark.parametrize(("name", "secret"), [("surveymonkey", "a&b"), ("standard", STANDARD_SECRET), ("typeform", "any")])
def test_a_secret_that_can_be_one_has_no_fault(name: str, secret: str) -> None:
    assert SCHEMES[name].fault(secret) is None


NAMES = st.sampled_from(
    ["typeform-signature", "sm-signature", "x-wootric-signature", "webhook-id", "webhook-timestamp", "webhook-signature",
     "x-webhook-secret", "authorization"]
)  # fmt: skip


@pytest.mark.parametrize("name", SCHEMES)
@given(
    body=st.binary(max_size=60),
    headers=st.dictionaries(NAMES, st.text(st.characters(max_codepoint=255), max_size=40)),
    token=st.none() | st.text(max_size=10),
)
def test_whatever_comes_a_scheme_says_no_and_raises_nothing(
    name: str, body: bytes, headers: dict[str, str], token: str | None
) -> None:
    assert not SCHEMES[name].fits(Delivery(headers, body, token), STANDARD_SECRET)
