"""`npstream notify` on a real Kafka: every alert is delivered, each is recorded once, and what repeats can be told."""

import json
import os
import signal
import subprocess
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka import Producer

from npstream.broker import EmbeddedBroker
from npstream.notifying import book
from npstream.notifying.book import Entry, TransactionalBook
from npstream.raw_record import RawRecord
from schemas import topics
from schemas.examples import EXAMPLES
from schemas.times import format_time, parse_time
from tests.integration.alertmanager import alertmanager
from tests.integration.cluster import Cluster
from tests.integration.notifiers import Notifier
from tests.integration.topics_reading import read, settle
from tests.integration.workers import EMBEDDED, SESSION_TIMEOUT_MS, command, until
from tests.kafka.broker import KafkaBroker
from tests.kafka.topics import TopicAdmin
from tests.mail_server import Mailbox, mail_server_for_processes
from tests.receiver import Receiver, receiver

PATIENCE_S = 90.0
"""What is waited for takes seconds; the rest is for a busy machine."""
SECRET = b64encode(b"of the test").decode()
MANY = 10_000
ACCOUNTS = 500
HOUR_MS = 3_600_000


@pytest.fixture
def crm() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


def webhook(name: str, url: str, **fields: object) -> str:
    more = "".join(f"{field} = {json.dumps(value)}\n" for field, value in fields.items())
    return f'[sinks.{name}]\nkind = "webhook"\nurl = "{url}"\nsecret = "{SECRET}"\n{more}'


def care(folder: Path, *tables: str) -> Path:
    file = folder / "care.toml"
    file.write_text("".join(tables), encoding="utf-8")
    return file


def now_ms() -> int:
    return int(time.time() * 1000)


def alert(number: int, sink: str = "crm", **fields: Any) -> dict[str, Any]:
    now = now_ms()
    return {
        **EXAMPLES["Alert"],
        "delivery_id": f"d-{number}",
        "account_id": f"account-{number % ACCOUNTS}",
        "sink": sink,
        "created_at": format_time(now),
        "caused_at": format_time(now),
        "expires_at": format_time(now + HOUR_MS),
        **fields,
    }


def tell(cluster: Cluster, *events: dict[str, Any], topic: str = topics.ALERTS) -> None:
    """Send them, as quickly as it goes."""
    producer = Producer({"bootstrap.servers": cluster.connection.bootstrap, "partitioner": "murmur2_random", "linger.ms": 5})
    for event in events:
        producer.produce(topic, json.dumps(event).encode(), event["account_id"].encode(), on_delivery=_arrived)
        producer.poll(0)
    assert producer.flush(PATIENCE_S) == 0


def _arrived(error: object, message: object) -> None:
    assert error is None, error


def recorded(cluster: Cluster) -> Counter[tuple[str, str]]:
    """How often each outcome of each delivery is in nps.deliveries."""
    records = read(cluster.connection.bootstrap, topics.DELIVERIES)
    deliveries = [json.loads(record.value or b"") for record in records]
    return Counter((one["delivery_id"], one["outcome"]) for one in deliveries)


def delivered(cluster: Cluster) -> Counter[str]:
    return Counter({name: times for (name, outcome), times in recorded(cluster).items() if outcome == "delivered"})


def all_recorded(cluster: Cluster, count: int) -> None:
    until(lambda: len(delivered(cluster)) >= count, f"{count} deliveries are recorded", PATIENCE_S, poll_s=0.5)
    settle(cluster.connection.bootstrap, topics.DELIVERIES)


def test_an_alert_is_delivered_signed_and_recorded(transactional: Cluster, tmp_path: Path, app_id: str, crm: Receiver) -> None:
    file = care(tmp_path, webhook("crm", crm.url))
    with Notifier(transactional.connection.bootstrap, app_id, file) as notifier:
        notifier.ready()
        tell(transactional, alert(1), alert(2, sink="nobody's"), alert(3))
        all_recorded(transactional, 2)
        assert crm.taken == {"d-1": 1, "d-3": 1}
        (first, *_) = [
            record for record in read(transactional.connection.bootstrap, topics.DELIVERIES) if b'"d-1"' in record.value
        ]
        assert (first.header("ce_type"), first.header("ce_id")) == ("nps.delivery", "d-1-delivered")
        told = json.loads(first.value or b"")
        assert (told["attempt"], told["status"], told["sink"]) == (1, 200, "crm")
        assert notifier.sample("npstream_deliveries_total", sink="crm", outcome="delivered") == 2
        assert notifier.sample("npstream_delivery_delay_seconds_count", sink="crm") == 2
        until(lambda: notifier.sample("npstream_notify_unaddressed_total") == 1, "the other one is counted", PATIENCE_S)
        assert notifier.logged('alerts are for a sink "nobody\'s"')
        assert notifier.terminate() == 0
        assert SECRET not in notifier.log
    # What was delivered and passed over is not read again, and what came meanwhile is.
    tell(transactional, alert(4))
    with Notifier(transactional.connection.bootstrap, app_id, file) as notifier:
        all_recorded(transactional, 3)
        assert crm.taken == {"d-1": 1, "d-3": 1, "d-4": 1}
        assert notifier.terminate() == 0


def test_killed_in_the_middle_of_10_000_alerts_each_is_delivered_and_recorded_once(
    transactional: Cluster, tmp_path: Path, app_id: str, crm: Receiver
) -> None:
    bootstrap = transactional.connection.bootstrap
    file = care(tmp_path, webhook("crm", crm.url, at_once=16))
    crm.delay_s = 0.005  # so that some are always under way
    tell(transactional, *(alert(number) for number in range(MANY)))
    for share in (1, 2, 3):
        with Notifier(bootstrap, app_id, file) as notifier:
            until(lambda aim=share * MANY // 5: len(crm.taken) >= aim, f"{share} fifths are delivered", PATIENCE_S)
            notifier.kill()
        # What is recorded as delivered at this point must not be delivered again.
        settled = {name: crm.taken[name] for name in delivered(transactional)}
        assert settled
        if share == 1:
            first_settled = settled
    with Notifier(bootstrap, app_id, file) as notifier:
        all_recorded(transactional, MANY)
        assert notifier.terminate() == 0
    names = {f"d-{number}" for number in range(MANY)}
    assert set(crm.taken) == names
    assert {name: times for name, times in delivered(transactional).items() if times != 1} == {}
    assert set(delivered(transactional)) == names
    assert {name: crm.taken[name] for name in settled} == settled
    assert {name: crm.taken[name] for name in first_settled} == first_settled
    # Repeats there are, of what was under way at a kill; a receiver that remembers ids can tell them.
    repeats = crm.taken.total() - MANY
    print(f"{repeats} of {MANY} were delivered twice or more, all under the same webhook-id")
    assert crm.wrong == []
    assert all(len(bodies) == 1 for bodies in crm.bodies.values())
    assert repeats <= 3 * (16 + 2 * 500)


def test_a_sink_that_is_away_holds_up_nobody_else_and_gets_all_when_it_is_back(
    transactional: Cluster, tmp_path: Path, app_id: str, crm: Receiver
) -> None:
    with receiver() as other:
        file = care(tmp_path, webhook("crm", crm.url), webhook("other", other.url))
        with Notifier(transactional.connection.bootstrap, app_id, file) as notifier:
            notifier.ready()
            tell(transactional, alert(0), alert(1, sink="other"))
            all_recorded(transactional, 2)
            crm.deafen()
            crm.refused = {"d-4"}
            tell(transactional, *(alert(number, sink=("crm", "other")[number % 2]) for number in range(2, 402)))
            until(lambda: notifier.sample("npstream_notify_sink_up", sink="crm") == 0, "it is known to be away", PATIENCE_S)
            until(lambda: len(other.taken) == 201, "the other sink has all of its own", PATIENCE_S)
            assert notifier.sample("npstream_notify_sink_up", sink="other") == 1
            assert notifier.sample("npstream_notify_waiting", sink="crm") > 0
            # From refusing connections to refusing deliveries, and not one attempt after the other.
            crm.status = 503
            crm.listen()
            until(lambda: crm.asked >= 3, "it is asked again", PATIENCE_S)
            began, asked = time.monotonic(), crm.asked
            crm.status = 200
            all_recorded(transactional, 401)
            print(f"back: {crm.asked - asked} deliveries in {time.monotonic() - began:.1f} s")
            assert len(crm.taken) == 200
            assert set(crm.taken.values()) == {1}
            outcomes = recorded(transactional)
            assert outcomes["d-4", "failed"] == 1
            assert max(outcomes.values()) < 50
            assert any(outcome == "retrying" for _, outcome in outcomes)
            assert notifier.sample("npstream_notify_sink_up", sink="crm") == 1
            assert len(notifier.logged("deliveries wait")) == 1
            assert len(notifier.logged("answers again")) == 1
            # What it refused is a dead letter, and goes out once the cause is mended.
            (letter,) = read(transactional.connection.bootstrap, topics.DEAD_LETTERS)
            assert (letter.header("nps-reason"), json.loads(letter.value or b"")["delivery_id"]) == ("not delivered", "d-4")
            crm.refused = set()
            done = command(transactional.connection.bootstrap, app_id, "dlq", "replay", "--reason", "not delivered", "--yes")
            assert done.returncode == 0, done.stderr
            all_recorded(transactional, 402)
            assert crm.taken["d-4"] == 1
            assert notifier.terminate() == 0


def test_one_that_was_stopped_for_longer_than_its_session_records_nothing_when_it_comes_back(
    transactional: Cluster, tmp_path: Path, app_id: str, crm: Receiver
) -> None:
    bootstrap = transactional.connection.bootstrap
    count = 3_000
    file = care(tmp_path, webhook("crm", crm.url))
    crm.delay_s = 0.02
    with Notifier(bootstrap, app_id, file) as stopped, Notifier(bootstrap, app_id, file) as other:
        stopped.ready()
        other.ready()
        tell(transactional, *(alert(number) for number in range(count)))
        until(
            lambda: min(one.sample("npstream_deliveries_total", outcome="delivered") for one in (stopped, other)) > 50,
            "both deliver",
            PATIENCE_S,
        )
        stopped.pause()
        before = len(delivered(transactional))
        time_over = time.monotonic() + 2 * SESSION_TIMEOUT_MS / 1000
        until(
            lambda: time.monotonic() > time_over and len(delivered(transactional)) > before,
            "its session is over, and the other one records",
            PATIENCE_S,
            poll_s=0.2,
        )
        stopped.resume()
        crm.delay_s = 0.0
        all_recorded(transactional, count)
        assert stopped.alive
        assert other.alive
        assert stopped.terminate() == 0
        assert other.terminate() == 0
    found = delivered(transactional)
    assert set(found) == {f"d-{number}" for number in range(count)}
    assert {name: times for name, times in found.items() if times != 1} == {}
    print(f"{crm.taken.total() - count} of {count} were delivered twice")
    assert crm.wrong == []


def outcome(name: str, offset: int) -> Entry:
    return Entry(offset, (topics.DELIVERIES, RawRecord(b"acme", json.dumps({"delivery_id": name}).encode())))


async def test_two_that_believe_they_have_the_same_partition_record_each_delivery_once(
    transactional: Cluster, app_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A group cannot keep out who has lost a partition and does not know it yet: the transactional id does."""
    monkeypatch.setattr(book, "FENCED_PAUSE_S", 0.1)
    where, connection = TopicPartition(topics.ALERTS, 0), transactional.connection
    async with AIOKafkaConsumer(group_id=app_id, enable_auto_commit=False, **connection.aiokafka) as consumer:
        first, second = (TransactionalBook(connection, app_id, where, consumer.committed) for _ in range(2))
        try:
            assert await first.open() == 0
            await first.write([outcome("a-0", 0)], 1)
            assert await second.open() == 1
            await second.write([outcome("b-1", 1)], 2)
            # The first one has delivered these as well, and knows of nothing.
            await first.write([outcome("a-1", 1), outcome("a-2", 2)], 3)
            await second.write([outcome("b-2", 2), outcome("b-3", 3)], 4)
            await first.write([outcome("a-3", 3)], 4)
            assert (first.floor, second.floor) == (4, 4)
            assert await consumer.committed(where) == 4
        finally:
            await first.close()
            await second.close()
    names = [json.loads(record.value or b"")["delivery_id"] for record in read(connection.bootstrap, topics.DELIVERIES)]
    assert sorted(names) == ["a-0", "a-2", "b-1", "b-3"]


def test_asked_to_end_it_does_not_wait_for_a_sink_that_is_away(
    transactional: Cluster, tmp_path: Path, app_id: str, crm: Receiver
) -> None:
    crm.deafen()
    with Notifier(transactional.connection.bootstrap, app_id, care(tmp_path, webhook("crm", crm.url))) as notifier:
        notifier.ready()
        tell(transactional, *(alert(number) for number in range(50)))
        until(lambda: notifier.logged("deliveries wait"), "the sink is known to be away", PATIENCE_S)
        began = time.monotonic()
        assert notifier.terminate() == 0
        assert time.monotonic() - began < 10.0
    assert delivered(transactional) == {}


def test_while_the_broker_is_away_it_waits_and_an_end_comes_all_the_same(tmp_path: Path, app_id: str, crm: Receiver) -> None:
    with KafkaBroker() as kafka:
        cluster = Cluster(kafka.bootstrap)
        file = care(tmp_path, webhook("crm", crm.url))
        with Notifier(kafka.bootstrap, app_id, file) as notifier:
            notifier.ready()
            tell(cluster, *(alert(number) for number in range(100)))
            all_recorded(cluster, 100)
            crm.delay_s = 0.05
            tell(cluster, *(alert(number) for number in range(100, 400)))
            until(lambda: len(crm.taken) > 120, "it delivers", PATIENCE_S)
            kafka.kill()
            until(lambda: notifier.logged("recording deliveries of"), "it notices", PATIENCE_S)
            crm.delay_s = 0.0
            kafka.restart()
            all_recorded(cluster, 400)
            assert set(delivered(cluster).values()) == {1}
            os.kill(kafka.pid, signal.SIGSTOP)
            try:
                assert notifier.terminate() == 0
            finally:
                os.kill(kafka.pid, signal.SIGCONT)
    print(f"{crm.taken.total() - 400} of 400 were delivered twice")


def test_a_real_alertmanager_has_what_fires_and_forgets_what_is_resolved(
    transactional: Cluster, tmp_path: Path, app_id: str
) -> None:
    with alertmanager() as there:
        file = care(tmp_path, f'[sinks.am]\nkind = "alertmanager"\nurl = "{there.url}"\n')
        with Notifier(transactional.connection.bootstrap, app_id, file) as notifier:
            notifier.ready()
            ends = format_time(now_ms() + HOUR_MS)
            item = {**EXAMPLES["Alert"]["items"][0], "starts_at": format_time(now_ms()), "ends_at": ends}  # type: ignore[index]
            silence = {"key": "silence|u-4", "kind": "silence", "what": "raised", "headline": "u-4 says nothing",
                       "severity": "elevated", "starts_at": format_time(now_ms()), "ends_at": ends}  # fmt: skip
            tell(transactional, alert(1, sink="am", items=[item, silence]))
            until(lambda: len(there.alerts()) == 2, "both are there", PATIENCE_S)
            found = {one["labels"]["alertname"]: one for one in there.alerts()}
            case = found["NpsCase"]
            assert case["labels"] == {
                "alertname": "NpsCase", "account": "account-1", "severity": "critical", "kind": "case",
                "case": "c-5b1d2f0a9c3e",
            }  # fmt: skip
            assert parse_time(case["endsAt"]) == parse_time(ends)
            assert case["annotations"]["summary"] == "u-17@acme.example gave 3: The export is slow."
            assert found["NpsSilence"]["labels"]["key"] == "silence|u-4"
            # The same again is no second alert; the end of one leaves the other.
            tell(transactional, alert(2, sink="am", items=[item], refresh=True))
            tell(
                transactional,
                alert(3, sink="am", status="resolved", items=[{**item, "state": "resolved"}], account_id="account-1"),
            )
            all_recorded(transactional, 3)
            until(
                lambda: (
                    sorted((one["labels"]["kind"], one["labels"]["account"]) for one in there.alerts())
                    == [("case", "account-2"), ("silence", "account-1")]
                ),
                "what is resolved is gone",
                PATIENCE_S,
            )
            assert notifier.terminate() == 0


def test_mail_goes_to_those_who_look_after_customers_and_first_messages_to_respondents(
    transactional: Cluster, tmp_path: Path, app_id: str
) -> None:
    mailbox = Mailbox()
    with mail_server_for_processes(mailbox) as port:
        file = care(
            tmp_path,
            f'[sinks.mail]\nkind = "email"\nhost = "127.0.0.1"\nport = {port}\ntls = "none"\n'
            'sender = "npstream@vendor.example"\nto = ["csm-team@vendor.example"]\nto_owner = true\n',
            '[first_touch]\nsend_by = "mail"\n',
        )
        now = now_ms()
        message = {**EXAMPLES["Outreach"], "created_at": format_time(now), "expires_at": format_time(now + HOUR_MS)}
        suppressed = {**message, "outreach_id": "o-2", "status": "suppressed", "reason": "answered"}
        too_late = {**message, "outreach_id": "o-3", "expires_at": format_time(now - 1)}
        mailbox.answers.append("450 not now")
        with Notifier(transactional.connection.bootstrap, app_id, file) as notifier:
            notifier.ready()
            tell(transactional, alert(1, sink="mail"))
            tell(transactional, message, suppressed, too_late, topic=topics.OUTREACH)
            all_recorded(transactional, 2)
            until(lambda: recorded(transactional)["o-3", "expired"] == 1, "what is too late is recorded", PATIENCE_S)
            assert notifier.terminate() == 0
    by_identity = {str(mail["Message-ID"]): mail for mail in mailbox.mails}
    assert set(by_identity) == {"<d-1@vendor.example>", "<o-1c9e0b7f55aa@vendor.example>"}
    assert by_identity["<d-1@vendor.example>"]["To"] == "csm-team@vendor.example, csm@vendor.example"
    assert by_identity["<o-1c9e0b7f55aa@vendor.example>"].get_content().strip() == "Hello, thank you for telling us."
    assert sum(times for (_, outcome), times in recorded(transactional).items() if outcome == "retrying") >= 1


def test_without_transactions_alerts_are_delivered_and_recorded_all_the_same(
    embedded: EmbeddedBroker, tmp_path: Path, app_id: str, crm: Receiver
) -> None:
    cluster = Cluster(embedded.bootstrap)
    tell(cluster, *(alert(number) for number in range(200)))
    file = care(tmp_path, webhook("crm", crm.url))
    for count in (200, 400):
        with Notifier(embedded.bootstrap, app_id, file, **EMBEDDED) as notifier:
            until(lambda aim=count: len(delivered(cluster)) == aim, "all are recorded", PATIENCE_S, poll_s=0.5)
            assert notifier.logged("this broker has no transactions")
            assert notifier.terminate() == 0
        tell(cluster, *(alert(number) for number in range(count, 2 * count)))
    assert set(crm.taken) == {f"d-{number}" for number in range(400)}
    assert set(crm.taken.values()) == {1}  # orderly ends repeat nothing


def run(bootstrap: str, app_id: str, file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return command(bootstrap, app_id, "notify", *arguments, settings={"care_file": file, "notify_http_port": 0})


def test_a_test_delivery_says_what_the_sink_answered(tmp_path: Path, app_id: str, crm: Receiver) -> None:
    file = care(tmp_path, webhook("crm", crm.url))
    done = run("127.0.0.1:1", app_id, file, "--test", "crm")
    assert (done.returncode, done.stdout) == (0, "sink crm answered 200\n")
    assert len(crm.taken) == 1
    crm.status = 403
    done = run("127.0.0.1:1", app_id, file, "--test", "crm")
    assert (done.returncode, done.stderr) == (1, "npstream: sink crm: answers 403; check its table in the care file\n")


def test_a_missing_topic_ends_it_with_what_to_do(transactional: Cluster, tmp_path: Path, app_id: str) -> None:
    TopicAdmin(transactional.connection.bootstrap).delete(topics.DELIVERIES)
    done = run(transactional.connection.bootstrap, app_id, care(tmp_path, webhook("crm", "http://127.0.0.1:1")))
    assert done.returncode == 2
    assert f"has no topic {topics.DELIVERIES}: run npstream topics create" in done.stderr.splitlines()[-1]
