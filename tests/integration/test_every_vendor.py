"""Every payload of every vendor, signed, through the gateway and a real Kafka: a scored response, or the reason why not. What
webhooks leave out is fetched from a stand-in of the vendors' APIs."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from npstream.child import Child
from npstream.sources_file import read_sources
from schemas import forms, topics
from schemas.codec import loads
from schemas.dead_letters import REASON_HEADER, Unusable
from schemas.vendors import ADAPTERS
from schemas.vendors.adapter import Incomplete, SourceSettings
from schemas.vendors.requests import requests_for
from tests import signing
from tests.adapting import read
from tests.integration.cluster import PARTITIONS, Cluster
from tests.integration.gateways import Gateway
from tests.integration.workers import Workers, command, environment, until
from tests.payloads import FORMS, NAMES, form, payload, raw, raw_form
from tests.vendor_stand_in import TOKEN, StandIn, stand_in_for_processes

PATIENCE_S = 120.0
"""What is waited for takes some seconds."""
SECRETS = {
    "typeform": "tf-secret",
    "surveymonkey": "client-1&key",
    "wootric": "w-token",
    "qualtrics": "shared key",
    "formbricks": signing.STANDARD_SECRET,
    **dict.fromkeys(("canonical", "delighted", "asknicely", "retently", "posthog"), "tok-en"),
}


def _within(secret: str, body: bytes) -> dict[str, str]:
    """The body itself is signed."""
    return {}


def _shown(secret: str, body: bytes) -> dict[str, str]:
    """Of a vendor that does not sign."""
    return {"X-Webhook-Secret": secret}


PROOFS: Mapping[str, Callable[[str, bytes], dict[str, str]]] = {
    "typeform": signing.typeform,
    "surveymonkey": signing.surveymonkey,
    "wootric": signing.wootric,
    "formbricks": signing.formbricks,
    "qualtrics": _within,
}
SOURCES = '[sources.formbricks]\nscore_fields = ["recommend"]\n[sources.posthog]\nsegment_properties = ["plan"]\n'


class Webhook(NamedTuple):
    """What a vendor posts."""

    name: str
    vendor: str
    body: bytes
    headers: dict[str, str]
    payload: Any


def webhooks() -> Iterator[Webhook]:
    """All of them. Qualtrics posts nothing but forms, so its JSON is what its API says."""
    for name in NAMES:
        vendor = name.partition("_")[0]
        if vendor != "qualtrics":
            yield _signed(name, vendor, raw(name), {"Content-Type": "application/json"}, payload(name))
    for name in FORMS:
        vendor, body = name.partition("_")[0], raw_form(name).rstrip(b"\n")
        if vendor == "qualtrics":
            body = signing.qualtrics_body(SECRETS[vendor], json.dumps(form("qualtrics")["MSG"]))
        yield _signed(name, vendor, body, {"Content-Type": forms.CONTENT_TYPE}, forms.loads_form(body))


def _signed(name: str, vendor: str, body: bytes, headers: dict[str, str], given: Any) -> Webhook:
    prove = PROOFS.get(vendor, _shown)
    return Webhook(name, vendor, body, headers | prove(SECRETS[vendor], body), given)


def outcomes(webhook: Webhook, settings: SourceSettings) -> tuple[set[tuple[str, str]], list[str]]:
    """What has to come of one: account and id of its responses, and the reason of its dead letter."""
    given = webhook.payload if isinstance(webhook.payload, list) else [webhook.payload]
    found: set[tuple[str, str]] = set()
    for one in given:
        try:
            responses = read(one, source=webhook.vendor, settings=settings, account="acme")
        except Unusable as error:
            return set(), [error.reason.value]
        except Incomplete:
            responses = read(payload(f"{webhook.vendor}_fetched"), source=webhook.vendor, settings=settings, account="acme")
        found |= {(response["account_id"], response["response_id"]) for response in responses}
    return found, []


def answers_for(server: StandIn) -> None:
    """What the vendors' APIs say of the responses whose ids the webhooks carry."""
    for vendor, webhook in (("surveymonkey", payload("surveymonkey")), ("qualtrics", form("qualtrics"))):
        whole = payload(f"{vendor}_fetched")
        with pytest.raises(Incomplete) as raised:
            ADAPTERS[vendor].adapt(webhook, SourceSettings())
        for request in requests_for(vendor, raised.value.ids):
            answer = whole[request.name]
            server.answers[request.path] = {"result": answer} if vendor == "qualtrics" else answer


def test_every_payload_becomes_a_scored_response_or_tells_why_not(transactional: Cluster, tmp_path: Path, app_id: str) -> None:
    bootstrap = transactional.connection.bootstrap
    (tmp_path / "sources.toml").write_text(SOURCES, encoding="utf-8")
    (tmp_path / "gateway.toml").write_text(
        "".join(f"[vendors.{vendor}]\nsecrets = [{json.dumps(secret)}]\n" for vendor, secret in SECRETS.items()),
        encoding="utf-8",
    )
    sources = read_sources(str(tmp_path / "sources.toml"))
    sent = list(webhooks())
    expected: set[tuple[str, str]] = set()
    reasons: Counter[str] = Counter()
    for webhook in sent:
        responses, refused = outcomes(webhook, sources.settings.get(webhook.vendor, SourceSettings()))
        expected |= responses
        reasons.update(refused)
    assert set(SECRETS) == {webhook.vendor for webhook in sent}

    common = {"sources_file": tmp_path / "sources.toml", "default_account": "acme", "partitions": PARTITIONS}
    with (
        stand_in_for_processes() as server,
        Gateway(bootstrap, tmp_path, gateway_file=tmp_path / "gateway.toml", **common) as gateway,
        Workers(bootstrap, app_id, tmp_path, **common) as workers,
    ):
        answers_for(server)
        urls = {"surveymonkey_url": server.url, "qualtrics_url": server.url, "fetch_http_port": 0, "fetch_per_minute": 6000}
        tokens = {"surveymonkey_token": TOKEN, "qualtrics_token": TOKEN}
        log = tmp_path / "fetch.log"
        log.touch()
        fetching = Child([sys.executable, "-m", "npstream", "fetch"], log, environment(bootstrap, app_id, urls | tokens))
        try:
            assert command(bootstrap, app_id, "topics", "create", settings={"partitions": PARTITIONS}).returncode == 0
            worker = workers.start()
            gateway.ready()
            for webhook in sent:
                answer = gateway.post(f"/webhooks/{webhook.vendor}", webhook.body, webhook.headers)
                assert (webhook.name, answer.status, answer.json) == (webhook.name, 200, {"accepted": 1})
            worker.wait_ready()
            until(lambda: _scored(transactional) >= expected, "all responses are scored", PATIENCE_S, poll_s=1.0)
            until(lambda: _dead(transactional).total() >= reasons.total(), "all others tell why", PATIENCE_S, poll_s=1.0)
        finally:
            fetching.kill()
            print(log.read_text(encoding="utf-8"))
    assert _scored(transactional) == expected
    assert _dead(transactional) == reasons
    assert [loads(record.value) for record in transactional.records(topics.INCOMPLETE) if record.value[:1] == b"{"]
    assert TOKEN not in log.read_text(encoding="utf-8")


def _scored(cluster: Cluster) -> set[tuple[str, str]]:
    found = [loads(record.value) for record in cluster.records(topics.SCORED)]
    return {(one["account_id"], one["response_id"]) for one in found}


def _dead(cluster: Cluster) -> Counter[str]:
    return Counter(dict(record.headers)[REASON_HEADER].decode() for record in cluster.records(topics.DEAD_LETTERS))
