"""The commands that send and show records, on real brokers: what is sent is there, what was never committed is not shown."""

import asyncio
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.statistics import window_stats
from npstream.broker import HOST, EmbeddedBroker, free_port
from schemas import topics
from tests.integration.cluster import Cluster, Message, Run

ROOT = Path(__file__).parents[2]
PATIENCE_S = 30.0
"""Everything here takes a second or two; the rest is for a busy machine."""


def rollup(of: dict[str, str], *counts: int) -> bytes:
    windows = {"90d": {"responses": window_stats(*counts), "respondents": window_stats(*counts)}}
    return json.dumps({**of, "as_of": "2026-03-01", "windows": windows}).encode()


def account(name: str, *counts: int) -> Message:
    return name.encode(), rollup({"account_id": name}, *counts), ()


def detractor(number: int) -> Message:
    event = {
        "account_id": f"account-{number}", "response_id": f"r-{number}", "score": 1, "severity": "critical", "revision": 0,
        "consecutive": 1, "responded_at": "2026-03-01T09:30:00.000Z",
    }  # fmt: skip
    return f"account-{number}".encode(), json.dumps(event).encode(), [("ce_id", b"%d" % number)]


# --- produce ---


def test_produce_sends_every_record_with_key_and_headers(
    cluster: Cluster, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "".join(f"r-{n},account-{n % 3},{n % 11},2026-03-01T09:30:00Z,x\n" for n in range(1000))
    (tmp_path / "a.csv").write_text(f"response_id,account_id,score,responded_at,note\n{rows}")
    (tmp_path / "b.jsonl").write_text('{"event_id":"e"}\nno json\n')
    assert run(cluster, "produce", "--source", "canonical", str(tmp_path / "a.csv"), str(tmp_path / "b.jsonl")) == 0
    out, err = capsys.readouterr()
    assert out.startswith("sent 1,002 records to nps.responses.raw in ")
    assert err == f"{tmp_path / 'a.csv'}: ignored columns note (--column COLUMN=FIELD uses one)\n"
    records = cluster.records(topics.RAW)
    assert sorted(json.loads(r.value)["response_id"] for r in records if b"response_id" in r.value) == sorted(
        f"r-{n}" for n in range(1000)
    )
    assert {r.key for r in records} == {b"account-0", b"account-1", b"account-2", b"e", None}
    assert {tuple(r.headers) for r in records} == {(("nps-source", b"canonical"),)}
    assert all(abs(r.timestamp / 1000 - time.time()) < 600 for r in records)
    assert b"no json" in {r.value for r in records}


def test_produce_takes_no_longer_than_it_may_and_says_what_is_wrong(
    cluster: Cluster, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.jsonl").write_text("{}\n")
    file = str(tmp_path / "a.jsonl")
    nowhere = f"{HOST}:{free_port()}"
    for arguments, words in (
        (["produce", "--topic", "nps.nothing", file], "has no topic nps.nothing: run npstream topics create"),
        (["--bootstrap", nowhere, "produce", "--timeout", "2", file], f"no broker answers at {nowhere}"),
        (["produce", "--rate", "soon", file], "'soon' is no number of records per second"),
        (["produce", "--map", "score", file], "'score' is not COLUMN=FIELD"),
        (["produce", "--map", "a=score", "--source", "delighted", file], "--column is for tables"),
    ):
        assert run(cluster, *arguments) != 0
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line
    assert cluster.records(topics.RAW) == []


def test_produce_gives_up_in_one_line_when_the_broker_goes_away() -> None:
    with EmbeddedBroker() as own:
        cluster = Cluster(own.bootstrap)
        arguments = ["--bootstrap", own.bootstrap, "produce", "--timeout", "1", "-"]
        with subprocess.Popen(
            [sys.executable, "-m", "npstream", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdin is not None
            try:
                process.stdin.write(b"{}\n")
                process.stdin.flush()
                deadline = time.monotonic() + PATIENCE_S
                while not cluster.records(topics.RAW):
                    assert time.monotonic() < deadline, "the first line was not sent before the next one came"
                own.stop()
                out, err = process.communicate(b"{}\n" * 1000, timeout=PATIENCE_S)
            finally:
                process.kill()
    (line,) = err.decode().splitlines()
    assert "answers no more, for 1 s; 1 of " in line
    assert (process.returncode, out) == (1, b"")


# --- tail ---


def test_tail_shows_the_newest_and_says_everything_as_json(
    cluster: Cluster, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.send(topics.DETRACTORS, map(detractor, range(50)))
    assert run(cluster, "tail", "detractors", "-n", "3", "--json") == 0
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [document["key"] for document in documents] == ["account-47", "account-48", "account-49"]
    assert documents[2]["value"]["severity"] == "critical"
    assert documents[2]["headers"] == [["ce_id", "49"]]
    assert documents[2]["timestamp"] == "2026-03-01T09:30:00.049Z"
    assert {"topic", "partition", "offset"} <= documents[2].keys()
    assert run(cluster, "tail", "detractors", "-n", "2") == 0
    assert [line.split()[4] for line in capsys.readouterr().out.splitlines()] == ["account-48", "account-49"]


def test_tail_passes_over_markers_and_never_shows_what_was_aborted(
    transactional: Cluster, run: Run, capsys: pytest.CaptureFixture[str], app_id: str
) -> None:
    # One transaction a record: every second offset is a marker. Then as many that are aborted.
    transactional.send(topics.DETRACTORS, map(detractor, range(40)), app_id)
    transactional.send(topics.DETRACTORS, map(detractor, range(100, 140)), app_id, commit=False)
    assert run(transactional, "tail", "detractors", "-n", "30", "--json") == 0
    keys = [json.loads(line)["key"] for line in capsys.readouterr().out.splitlines()]
    assert keys == [f"account-{number}" for number in range(10, 40)]


def test_tail_follows_until_it_is_interrupted(cluster: Cluster, app_id: str) -> None:
    cluster.send(topics.PROMOTERS, [detractor(0)])
    arguments = ["--bootstrap", cluster.connection.bootstrap, "tail", "promoters", "--follow", "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "npstream", *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            first = json.loads(process.stdout.readline())
            cluster.send(topics.PROMOTERS, [detractor(1)])
            second = json.loads(process.stdout.readline())
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
    assert (first["key"], second["key"]) == ("account-0", "account-1")
    assert (process.returncode, err) == (0, "")


# --- top ---


def filled(cluster: Cluster) -> None:
    accounts: list[Message] = [account(f"account-{n}", n, 1, 1, 1, 1, 1) for n in range(9)]
    accounts += [account("account-3", 0, 0, 9, 1, 1, 1), (b"account-4", None, ())]
    cluster.send(topics.ACCOUNT_ROLLUPS, accounts)
    cluster.send(topics.SEGMENT_ROLLUPS, [(b"plan=pro", rollup({"dimension": "plan", "value": "pro"}, 5, 5, 5, 1, 1, 1), ())])
    cluster.send(topics.DETRACTORS, map(detractor, range(5)))


def test_top_as_json_is_the_last_rollup_of_each_key(cluster: Cluster, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    filled(cluster)
    assert run(cluster, "top", "--json", "--sort", "nps") == 0
    snapshot = json.loads(capsys.readouterr().out)
    assert [account["account_id"] for account in snapshot["accounts"]] == [
        f"account-{number}" for number in (3, 0, 1, 2, 5, 6, 7, 8)
    ]
    assert len(snapshot["segments"]) == 1
    assert [event["account_id"] for event in snapshot["detractors"]] == [f"account-{number}" for number in (4, 3, 2, 1, 0)]


def test_top_prints_its_tables_once(cluster: Cluster, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    filled(cluster)
    assert run(cluster, "top", "--once", "-n", "4") == 0
    out = capsys.readouterr().out
    for words in ("8 accounts", "Accounts 4/8", "plan=pro", "Detractors", "−100.0", "needs work"):
        assert words in out
    assert run(cluster, "top", "--once", "--account", "account-3") == 0
    out = capsys.readouterr().out
    assert "90d respondents" in out
    assert "account-5" not in out


def test_top_of_an_empty_system_says_what_to_do(
    cluster: Cluster, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(cluster, "top", "--once") == 0
    assert "no responses yet: npstream produce FILE" in capsys.readouterr().out
    cluster.send(topics.RAW, [(None, b"{}", ())] * 3)
    assert run(cluster, "top", "--once") == 0
    assert "3 records wait to be scored: npstream worker" in capsys.readouterr().out


def test_top_does_not_take_the_marker_of_a_transaction_for_a_record(
    transactional: Cluster, run: Run, capsys: pytest.CaptureFixture[str], app_id: str
) -> None:
    transactional.send(topics.RESPONSES, [(b"acme", b"{}", ())], app_id)
    (only,) = transactional.records(topics.RESPONSES)
    group = f"{app_id}-scoring"
    asyncio.run(_commit(transactional, group, only.partition, only.offset))
    assert run(transactional, "top", "--once") == 0
    assert "lag 2" in capsys.readouterr().out  # the record, and behind it the marker
    asyncio.run(_commit(transactional, group, only.partition, only.offset + 1))
    assert run(transactional, "top", "--once") == 0
    assert "lag 0" in capsys.readouterr().out
    transactional.send(topics.RAW, [(b"acme", b"{}", ())])
    assert run(transactional, "top", "--once") == 0
    assert "lag 1" in capsys.readouterr().out


async def _commit(cluster: Cluster, group: str, partition: int, offset: int) -> None:
    options = cluster.connection.aiokafka
    async with AIOKafkaConsumer(group_id=group, enable_auto_commit=False, **options) as consumer:
        consumer.assign([TopicPartition(topics.RESPONSES, partition)])
        await consumer.commit({TopicPartition(topics.RESPONSES, partition): offset})


@pytest.mark.parametrize("leave", [b"q", b"\x03"])
def test_top_fills_a_terminal_follows_what_comes_and_leaves_it_as_it_was(cluster: Cluster, leave: bytes) -> None:
    filled(cluster)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    before = termios.tcgetattr(theirs)
    process = subprocess.Popen(
        [sys.executable, "-m", "npstream", "--bootstrap", cluster.connection.bootstrap, "top"],
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color"},
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0) and None,
    )
    try:
        _until(ours, b"sorted by responses")
        cluster.send(topics.DETRACTORS, [detractor(77)])
        _until(ours, b"account-77")
        os.write(ours, b"s")
        _until(ours, b"sorted by nps")
        os.write(ours, leave)
        _until(ours, b"\x1b[?1049l")  # back from the alternate screen
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.wait(PATIENCE_S)
    assert termios.tcgetattr(theirs) == before


def _until(terminal: int, words: bytes) -> None:
    """Read what the terminal shows until it has shown the words."""
    os.set_blocking(terminal, False)
    seen = b""
    deadline = time.monotonic() + PATIENCE_S
    while words not in seen:
        assert time.monotonic() < deadline, f"{words!r} was not shown, but {seen[-2000:]!r}"
        try:
            seen += os.read(terminal, 65_536)
        except BlockingIOError:
            time.sleep(0.01)
