"""What each kind of sink is sent: golden files, and what must hold whatever an alert says."""

import json
from base64 import b64encode
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from npstream.care.sinks import AlertmanagerTable, EmailTable, PagerDutyTable, SlackTable, WebhookTable
from npstream.notifying.answers import Refused
from npstream.notifying.orders import Order, outreach
from npstream.notifying.sinks import pagerduty as pagerduty_module
from npstream.notifying.sinks.alertmanager import NAMES, alertmanager
from npstream.notifying.sinks.http import Making, Request
from npstream.notifying.sinks.mail import mail
from npstream.notifying.sinks.pagerduty import pagerduty
from npstream.notifying.sinks.slack import escaped, slack
from npstream.notifying.sinks.webhook import webhook
from schemas.alerts import RiskKind
from schemas.examples import EXAMPLES
from schemas.times import format_time
from tests.golden_files import check_golden
from tests.notifying import NOW, Came, order

SECRET = b64encode(b"a secret of the test").decode()
ITEM: dict[str, Any] = EXAMPLES["Alert"]["items"][0]  # type: ignore[index]
SILENCE = {
    "key": "silence|u-4@acme.example",
    "kind": "silence",
    "what": "raised",
    "headline": "u-4@acme.example has not answered for 95 days; usual are 30",
    "severity": "elevated",
    "starts_at": "2026-03-02T09:00:00.000Z",
    "ends_at": "2026-03-02T13:00:00.000Z",
    "respondent_id": "u-4@acme.example",
}
EMAIL = EmailTable(host="mail.vendor.example", sender="npstream@vendor.example", to=["csm-team@vendor.example"], to_owner=True)

CASES = {
    "one": order(),
    "several": order(items=[{**ITEM, "ends_at": "2026-03-02T13:30:00.000Z"}, SILENCE], more=3, title="Acme: 5 things"),
    "resolved": order(
        status="resolved", title="Acme: resolved", items=[{**ITEM, "state": "resolved", "what": "resolved"}], delivery_id="d-2"
    ),
}
MAKINGS: dict[str, Making] = {
    "alertmanager": alertmanager(
        AlertmanagerTable(url="http://alertmanager:9093/", generator_url="https://crm.example/{account}/cases/{case}")
    ),
    "slack": slack(SlackTable(url="https://hooks.slack.example/services/T/B/x")),
    "pagerduty": pagerduty(PagerDutyTable(routing_key="r" * 32)),
    "webhook": webhook(WebhookTable(url="https://crm.example/hook", secret=SECRET)),
}


def body(request: Request) -> Any:
    return json.loads(request.body)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", MAKINGS)
def test_requests_are_those_of_the_golden_files(kind: str, case: str) -> None:
    request = MAKINGS[kind](CASES[case], NOW)
    check_golden(f"notify/{kind}-{case}.json", {"url": request.url, "headers": dict(request.headers), "body": body(request)})


def as_json(message: EmailMessage) -> dict[str, Any]:
    return {"headers": [[name, value] for name, value in message.items()], "text": message.get_content().splitlines()}


@pytest.mark.parametrize("case", CASES)
def test_mails_are_those_of_the_golden_files(case: str) -> None:
    check_golden(f"notify/email-{case}.json", as_json(mail(CASES[case], EMAIL)))


def first_touch(**fields: object) -> Order:
    read = outreach(Came(json.dumps({**EXAMPLES["Outreach"], **fields}).encode()))
    assert read is not None
    return read


def test_a_first_message_is_the_golden_one() -> None:
    check_golden("notify/email-outreach.json", as_json(mail(first_touch(), EMAIL)))


# --- what every sink must do ---


def test_a_repeat_has_the_same_body() -> None:
    for making in MAKINGS.values():
        assert making(CASES["several"], NOW).body == making(CASES["several"], NOW + 60_000).body
    assert mail(CASES["one"], EMAIL).as_bytes() == mail(CASES["one"], EMAIL).as_bytes()


@pytest.mark.parametrize("kind", MAKINGS)
def test_only_mail_writes_to_respondents(kind: str) -> None:
    with pytest.raises(Refused, match="cannot write to respondents"):
        MAKINGS[kind](first_touch(), NOW)


ODD = st.text(min_size=1, max_size=400) | st.sampled_from(
    ["a\r\nBcc: x@y.example", "<!channel>", "@here & <b>", "\u202e", "\0"]
)


@given(title=ODD, comment=ODD, name=ODD, identity=ODD.filter(lambda text: len(text) <= 200))
def test_whatever_people_wrote_makes_a_request_and_a_mail(title: str, comment: str, name: str, identity: str) -> None:
    made = order(title=title, delivery_id=identity, account={"name": name}, items=[{**ITEM, "comment": comment}])
    for making in MAKINGS.values():
        body(making(made, NOW))
    message = mail(made, EMAIL)
    assert "Bcc" not in message
    assert len(message["Subject"].splitlines()) == 1
    message.as_bytes()


# --- each ---


def test_alertmanager_hears_of_the_end_at_once_and_never_before_the_beginning() -> None:
    (sent,) = body(MAKINGS["alertmanager"](CASES["resolved"], NOW))
    assert sent["endsAt"] == format_time(NOW)
    later = order(status="resolved", items=[{**ITEM, "starts_at": format_time(NOW + 5_000)}])
    (sent,) = body(MAKINGS["alertmanager"](later, NOW))
    assert sent["endsAt"] == sent["startsAt"]


def test_alertmanager_has_one_alert_of_a_case_whose_severity_has_changed() -> None:
    worse = {**ITEM, "severity": "critical", "was": "high"}
    posted = [
        (one["labels"]["severity"], one.get("endsAt")) for one in body(MAKINGS["alertmanager"](order(items=[worse]), NOW))
    ]
    assert [severity for severity, _ in posted] == ["high", "critical"]
    assert posted[0][1] == format_time(NOW)
    resolved = order(status="resolved", items=[{**worse, "state": "resolved"}])
    assert [one["labels"]["severity"] for one in body(MAKINGS["alertmanager"](resolved, NOW))] == ["high"]


def test_alertmanager_tells_two_respondents_of_an_account_apart() -> None:
    other = {**SILENCE, "key": "silence|u-5@acme.example"}
    first, second = body(MAKINGS["alertmanager"](order(items=[SILENCE, other]), NOW))
    assert first["labels"] != second["labels"]


def test_alertmanager_has_a_name_for_every_kind() -> None:
    for kind in NAMES:
        (sent,) = body(MAKINGS["alertmanager"](order(items=[{**SILENCE, "kind": kind}]), NOW))
        assert sent["labels"]["alertname"] == NAMES[kind]
    assert set(NAMES) == {"case", *get_args(RiskKind)}


@pytest.mark.parametrize(
    ("table", "header"),
    [
        (AlertmanagerTable(url="http://a"), None),
        (AlertmanagerTable(url="http://a", token="t"), "Bearer t"),
        (AlertmanagerTable(url="http://a", username="u", password="p"), "Basic " + b64encode(b"u:p").decode()),
    ],
)
def test_alertmanager_is_opened_by_what_the_table_has(table: AlertmanagerTable, header: str | None) -> None:
    assert alertmanager(table)(CASES["one"], NOW).headers.get("Authorization") == header


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("a < b & c > d", "a &lt; b &amp; c &gt; d"),
        ("<!channel> <https://x.example|here>", "&lt;!channel&gt; &lt;https://x.example|here&gt;"),
        ("two\nlines", "two lines"),
        ("@channel and @here, mail@here.example", "@\u200bchannel and @\u200bhere, mail@\u200bhere.example"),
        ("csm@vendor.example", "csm@vendor.example"),
    ],
)
def test_slack_shows_what_people_wrote_and_does_nothing_of_it(written: str, shown: str) -> None:
    assert escaped(written) == shown


def test_slack_gets_no_more_than_it_takes() -> None:
    items = [{**ITEM, "key": f"c-{number}", "comment": "x" * 60_000, "headline": "h" * 60_000} for number in range(200)]
    sent = body(MAKINGS["slack"](order(items=items, title="t" * 60_000), NOW))
    assert len(sent["blocks"]) <= 50
    assert all(len(block["text"]["text"]) <= 3_000 for block in sent["blocks"] if block["type"] == "section")
    assert "and 190 more" in sent["text"]


def test_pagerduty_gets_no_more_than_it_takes() -> None:
    items = [{**ITEM, "key": f"c-{number}", "comment": "x" * 2_000} for number in range(200)]
    long = order(items=items, title="t" * 60_000, dedup_key="k" * 400)
    sent = body(MAKINGS["pagerduty"](long, NOW))
    assert len(sent["payload"]["summary"]) == pagerduty_module.SUMMARY_CHARS
    assert len(sent["dedup_key"]) <= pagerduty_module.KEY_CHARS
    assert sent["payload"]["custom_details"]["more"] == 150
    assert sent["dedup_key"] != body(MAKINGS["pagerduty"](order(dedup_key="k" * 399), NOW))["dedup_key"]


def test_a_webhook_is_signed_as_a_library_of_the_standard_checks_it() -> None:
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    request = MAKINGS["webhook"](CASES["one"], now_ms)
    data = Webhook(SECRET).verify(request.body, dict(request.headers))
    assert data["type"] == "nps.alert"
    assert data["data"] == EXAMPLES["Alert"]
    assert request.headers["webhook-id"] == EXAMPLES["Alert"]["delivery_id"]  # type: ignore[index]


def test_mail_goes_to_each_address_once_and_to_owners_that_are_addresses() -> None:
    owners = ["CSM-team@vendor.example", "csm@vendor.example", "somebody"]
    made = order(items=[{**ITEM, "key": str(number), "owner": owner} for number, owner in enumerate(owners)])
    assert mail(made, EMAIL)["To"] == "csm-team@vendor.example, csm@vendor.example"


def test_mail_that_nobody_would_get_is_refused() -> None:
    nobody = EmailTable(host="h", sender="npstream@vendor.example")
    for made in (order(), first_touch(to="u-17"), first_touch(to="a@b.example, c@d.example")):
        with pytest.raises(Refused, match="nobody to send it to"):
            mail(made, nobody)


def test_an_id_that_is_no_part_of_an_address_is_hashed() -> None:
    identity = mail(order(delivery_id="acme|ünïcode"), EMAIL)["Message-ID"]
    assert identity.isascii()
    assert identity.endswith("@vendor.example>")
    assert mail(order(delivery_id="acme|other"), EMAIL)["Message-ID"] != identity
