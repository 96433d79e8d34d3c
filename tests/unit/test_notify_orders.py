"""What a record says is to be delivered: to whom, until when, and which records are nobody's."""

import json
import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from npstream.care.sinks import SlackTable
from npstream.notifying.metrics import NotifyMetrics
from npstream.notifying.orders import alerts_to, outreach
from npstream.notifying.record import Attempt, dead_letter, delivery_record
from npstream.notifying.running import planned
from npstream.settings import Settings
from schemas import topics
from schemas.dead_letters import Reason, Unusable, original_headers
from schemas.examples import EXAMPLES
from schemas.times import parse_time
from tests.notifying import NOW, Came, came, order


def test_an_alert_is_read_by_the_lane_of_its_sink_alone() -> None:
    record = came(3, "d-1", sink="here")
    found = alerts_to("here")(record)
    assert found is not None
    assert (found.delivery_id, found.account_id, found.keys) == ("d-1", "acme", ("c-5b1d2f0a9c3e",))
    assert found.caused_ms == parse_time("2026-03-02T09:30:00.000Z")
    assert alerts_to("elsewhere")(record) is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Reason.EMPTY),
        (b"", Reason.EMPTY),
        (b"{", Reason.NOT_JSON),
        (b"\xff", Reason.NOT_JSON),
        (b"[]", Reason.WRONG_TYPE),
        (b"{}", Reason.WRONG_TYPE),
        (b'{"sink": 3}', Reason.WRONG_TYPE),
        (b'{"sink": "x", "deep": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", Reason.TOO_DEEP),
    ],
)
def test_what_no_lane_can_read_is_buried_by_one(value: bytes | None, reason: Reason) -> None:
    assert alerts_to("here")(Came(value)) is None
    with pytest.raises(Unusable) as raised:
        alerts_to("here", buries=True)(Came(value))
    assert raised.value.reason is reason


def test_what_is_addressed_and_wrong_is_buried_by_its_own_lane() -> None:
    broken = json.dumps({**EXAMPLES["Alert"], "sink": "here", "items": []}).encode()
    with pytest.raises(Unusable):
        alerts_to("here")(Came(broken))
    assert alerts_to("first", buries=True)(Came(broken)) is None
    badly_timed = came(0, "d-1", expires_at="2026-02-30T09:30:00.000Z")
    with pytest.raises(Unusable) as raised:
        alerts_to("here")(badly_timed)
    assert raised.value.reason is Reason.BAD_TIME


def test_alerts_to_a_sink_that_there_is_not_are_counted_once_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    registry = CollectorRegistry()
    sinks = {name: SlackTable(url="https://x.example") for name in ("one", "two", "three")}
    lanes = planned(Settings(), sinks, None, NotifyMetrics(registry))
    for record in (came(0, "d-1", sink="nowhere"), came(1, "d-2", sink="nowhere"), came(2, "d-3", sink="two")):
        for lane in lanes:
            lane.reading(record)
    assert registry.get_sample_value("npstream_notify_unaddressed_total") == 2
    assert [record.message for record in caplog.records] == [
        "alerts are for a sink 'nowhere', which the care file does not name: nobody delivers them"
    ]


def test_a_lane_is_a_group_of_its_own() -> None:
    sinks = {name: SlackTable(url="https://x.example") for name in ("one", "two")}
    lanes = planned(Settings(app_id="app"), sinks, "two", NotifyMetrics(CollectorRegistry()))
    assert [(lane.sink, lane.topic, lane.group) for lane in lanes] == [
        ("one", topics.ALERTS, "app-notify-one"),
        ("two", topics.ALERTS, "app-notify-two"),
        ("two", topics.OUTREACH, "app-outreach-two"),
    ]


def test_only_messages_that_are_to_be_sent_are() -> None:
    message = EXAMPLES["Outreach"]
    found = outreach(Came(json.dumps(message).encode()))
    assert found is not None
    assert (found.delivery_id, found.keys) == ("o-1c9e0b7f55aa", ("c-5b1d2f0a9c3e",))
    assert found.expires_ms == parse_time("2026-03-02T21:30:00.000Z")
    assert outreach(Came(json.dumps({**message, "status": "suppressed", "reason": "answered"}).encode())) is None
    with pytest.raises(Unusable):
        outreach(Came(b"{"))


def test_the_record_of_a_delivery_follows_from_what_caused_it() -> None:
    record = came(3, "d-1")
    record = Came(record.value, 3, [("traceparent", b"00-1-2-00")], timestamp=NOW - 5)
    topic, made = delivery_record(record, order(delivery_id="d-1"), "here", Attempt("retrying", 2, NOW, 503, "answers\n503"))
    assert (topic, made.key, made.timestamp, made.partition) == (topics.DELIVERIES, b"acme", NOW - 5, None)
    headers = dict(made.headers)
    assert (headers["ce_type"], headers["ce_id"], headers["traceparent"]) == (b"nps.delivery", b"d-1-retrying-2", b"00-1-2-00")
    assert json.loads(made.value or b"") == {
        "delivery_id": "d-1", "account_id": "acme", "sink": "here", "attempt": 2, "outcome": "retrying",
        "at": "2026-03-02T09:30:00.500Z", "status": 503, "error": "answers 503", "keys": ["c-5b1d2f0a9c3e"],
    }  # fmt: skip
    _, repeated = delivery_record(record, order(delivery_id="d-1"), "here", Attempt("delivered", 1, NOW + 9_000, 200))
    assert dict(repeated.headers)["ce_id"] == b"d-1-delivered"


def test_a_dead_letter_is_the_order_as_it_came() -> None:
    record = Came(b"{", 3, [("a", b"b")], partition=2)
    topic, letter = dead_letter(record, Unusable(Reason.NOT_JSON, "no JSON"))
    assert (topic, letter.key, letter.value, letter.partition, letter.timestamp) == (topics.DEAD_LETTERS, b"acme", b"{", 2, NOW)
    assert dict(letter.headers)["nps-reason"] == b"not json"
    assert original_headers(letter.headers) == [("a", b"b")]
    _, letter = dead_letter(record, ValueError("answers 400"))
    assert dict(letter.headers)["nps-reason"] == b"not delivered"
    assert dict(letter.headers)["__connect.errors.stage"] == b"deliver"


def test_its_metrics_are_documented_as_they_are_declared() -> None:
    registry = CollectorRegistry()
    NotifyMetrics(registry)
    declared = {family.name + ("_total" if family.type == "counter" else "") for family in registry.collect()}
    text = (Path(__file__).parents[2] / "docs" / "delivery.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(npstream_\w+)` \|", text, re.MULTILINE)) == declared
