"""`npstream dlq` on real brokers: it shows any letter, and a replay sends each one once, as it came."""

import json
import time

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas import topics
from schemas.dead_letters import dead_letter_headers
from streams.test_driver import Sent
from tests.integration.cluster import NOW, Cluster, Headers, Message, Run


def letter(number: int, reason: str, value: bytes = b"{", headers: Headers = (), source: str = topics.RAW) -> Message:
    came_as = Sent(source, 0, 100 + number, NOW, None, value, headers)
    return b"key-%d" % number, value, dead_letter_headers(came_as, "validate", reason, None, f"fault {number}")


def test_dlq_list_shows_why_and_counts_by_reason(cluster: Cluster, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.send(topics.DEAD_LETTERS, [letter(n, "bad score" if n % 3 else "no account") for n in range(9)])
    assert run(cluster, "dlq", "list", "-n", "2") == 0
    out = capsys.readouterr().out
    for words in ("fault 8", "bad score", "validate", "nps.responses.raw-0-108", "the newest 2 of 9", "6  bad score"):
        assert words in out
    assert "fault 6" not in out
    assert run(cluster, "dlq", "list", "--reason", "no_account", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert [entry["message"] for entry in listed["dead_letters"]] == ["fault 0", "fault 3", "fault 6"]
    assert listed["by_reason"] == {"no account": 3}
    assert run(cluster, "dlq", "list", "--reason", "sunspots") == 2
    assert "'sunspots' is no reason; reasons are" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "words"),
    [(b'{"score":11}', '  "score": 11'), (b"\xff\x00half a \x1b[31m", "ff 00 68 61 6c 66"), (b"plain words", "plain words")],
)
def test_dlq_show_makes_any_value_readable(
    cluster: Cluster, run: Run, capsys: pytest.CaptureFixture[str], value: bytes, words: str
) -> None:
    cluster.send(topics.DEAD_LETTERS, [letter(0, "bad score", value, [("nps-source", b"canonical")])])
    (record,) = cluster.records(topics.DEAD_LETTERS)
    assert run(cluster, "dlq", "show", f"{record.partition}-{record.offset}") == 0
    out = capsys.readouterr().out
    for part in (words, "nps-source: canonical", "nps-reason: bad score", "__connect.errors.offset: 100"):
        assert part in out
    assert "\x1b" not in out
    assert run(cluster, "dlq", "show", f"{record.partition}-{record.offset + 1}") == 2
    assert "there is no record nps.responses.dlq-" in capsys.readouterr().err


def test_dlq_replay_sends_each_letter_once_as_it_came(cluster: Cluster, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    came_with: Headers = [("nps-source", b"canonical"), ("traceparent", b"00-1")]
    cluster.send(topics.DEAD_LETTERS, [letter(n, "bad score", b"value %d" % n, came_with) for n in range(5)])
    assert run(cluster, "dlq", "replay", "--dry-run") == 0
    assert "would send 5 dead letters" in capsys.readouterr().out
    assert cluster.records(topics.RAW) == []
    assert run(cluster, "dlq", "replay", "--yes") == 0
    assert "sent 5 dead letters" in capsys.readouterr().out
    assert [(r.timestamp, r.key, r.value, list(r.headers)) for r in cluster.records(topics.RAW)] == [
        (NOW + n, b"key-%d" % n, b"value %d" % n, [*came_with, ("nps-replayed", b"1")]) for n in range(5)
    ]
    assert run(cluster, "dlq", "replay", "--yes") == 0
    assert "nothing to replay" in capsys.readouterr().out
    assert run(cluster, "dlq", "replay", "--yes", "--again") == 0
    assert len(cluster.records(topics.RAW)) == 10
    assert run(cluster, "dlq", "replay", "--yes") == 0
    assert len(cluster.records(topics.RAW)) == 10


def test_dlq_replay_of_one_reason_leaves_the_others_for_later(cluster: Cluster, run: Run) -> None:
    cluster.send(topics.DEAD_LETTERS, [letter(n, "bad score" if n % 2 else "no account", b"%d" % n) for n in range(6)])
    assert run(cluster, "dlq", "replay", "--yes", "--reason", "no-account", "--account", "acme") == 0
    sent = cluster.records(topics.RAW)
    assert [r.value for r in sent] == [b"0", b"2", b"4"]
    assert {tuple(r.headers) for r in sent} == {(("nps-replayed", b"1"), ("nps-account", b"acme"))}
    assert run(cluster, "dlq", "replay", "--yes", "--reason", "no-account") == 0
    assert run(cluster, "dlq", "replay", "--yes") == 0
    assert sorted(r.value for r in cluster.records(topics.RAW)) == [b"%d" % n for n in range(6)]
    cluster.send(topics.DEAD_LETTERS, [letter(9, "no account", b"9")])
    assert run(cluster, "dlq", "replay", "--yes") == 0
    assert [r.value for r in cluster.records(topics.RAW)].count(b"9") == 1
    assert len(cluster.records(topics.RAW)) == 7


def test_dlq_replay_of_named_letters_sends_these_alone_and_remembers_nothing(
    cluster: Cluster, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.send(topics.DEAD_LETTERS, [letter(n, "bad score", b"%d" % n) for n in range(6)])
    chosen = [r for r in cluster.records(topics.DEAD_LETTERS) if r.value in (b"1", b"4")]
    positions = [f"{r.partition}-{r.offset}" for r in chosen]
    assert run(cluster, "dlq", "replay", "--yes", *positions) == 0
    assert run(cluster, "dlq", "replay", "--yes", *positions) == 0
    assert sorted(r.value for r in cluster.records(topics.RAW)) == [b"1", b"1", b"4", b"4"]
    assert run(cluster, "dlq", "replay", "--dry-run") == 0
    assert "would send 6 dead letters" in capsys.readouterr().out
    assert run(cluster, "dlq", "replay", "0-999999") == 2
    assert "there is no dead letter nps.responses.dlq-0-999999" in capsys.readouterr().err


def test_dlq_replay_knows_only_our_topics_and_gives_the_future_another_time(
    cluster: Cluster, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    letters = [
        letter(1, "future", b"early", source=topics.RESPONSES),
        letter(2, "bad score", b"elsewhere", source="payments"),
        (b"k", b"no headers", ()),
    ]
    cluster.send(topics.DEAD_LETTERS, letters)
    assert run(cluster, "dlq", "replay", "--yes") == 0
    out, err = capsys.readouterr()
    assert "sent 1 dead letter" in out
    assert err.startswith("2 dead letters do not say which of our topics they came from")
    (record,) = cluster.records(topics.RESPONSES)
    assert abs(record.timestamp / 1000 - time.time()) < 600
    assert cluster.records(topics.RAW) == []


def test_a_replay_that_fails_before_its_commit_has_sent_nothing_and_forgotten_nothing(
    transactional: Cluster, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    transactional.send(topics.DEAD_LETTERS, [letter(n, "bad score", b"%d" % n) for n in range(4)])

    async def fails(producer: AIOKafkaProducer) -> None:
        raise KafkaError("the broker went away")

    with monkeypatch.context() as patched:
        patched.setattr(AIOKafkaProducer, "commit_transaction", fails)
        assert run(transactional, "dlq", "replay", "--yes") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "0 dead letters were sent" in line
    assert transactional.records(topics.RAW, settled=False) == []
    assert run(transactional, "dlq", "replay", "--yes") == 0
    assert sorted(r.value for r in transactional.records(topics.RAW)) == [b"0", b"1", b"2", b"3"]
