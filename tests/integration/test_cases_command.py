"""npstream cases on real brokers: what the topics hold is shown, a command is sent home, and its answer is waited for. The
tests answer in the agent's place."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from npstream.clock import now_ms
from npstream.reading import Reader
from schemas import topics
from schemas.examples import EXAMPLES
from schemas.times import format_time
from streams.partitioner import partition_of
from tests.case_records import CASE, event, morning
from tests.integration.cluster import PARTITIONS, Cluster, Message, Run

CASE_ID = CASE["case_id"]
READY_S = 30.0
"""The one who answers listens within a second; the rest is for a busy machine."""

Answer = Callable[[dict[str, Any]], tuple[str, dict[str, Any]]]


def done(command: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """As the agent answers what it has carried out."""
    case = {**CASE, "state": "acknowledged", "revision": 1}
    fields = {name: command[name] for name in ("account_id", "case_id", "command_id", "by")}
    return topics.CASE_EVENTS, {**fields, "event": "acknowledged", "at": "2026-03-02T09:50:00.000Z", "case": case}


def refused(command: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """As the agent answers what it cannot."""
    return topics.CASE_REJECTIONS, {**EXAMPLES["CaseRejection"], "command_id": command["command_id"]}


@contextmanager
def answering(cluster: Cluster, answer: Answer) -> Iterator[list[dict[str, Any]]]:
    """Answer each command that is sent meanwhile, after something that is no answer to it; the commands, as they come."""
    commands: list[dict[str, Any]] = []
    ready, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        async with (
            Reader(cluster.connection, [topics.CASE_COMMANDS]) as reader,
            AIOKafkaProducer(**cluster.connection.aiokafka, acks="all") as producer,
        ):
            async for records in reader.follow(0.05):
                ready.set()
                if stop.is_set():
                    return
                for record in records:
                    command = json.loads(record.value or b"")
                    commands.append(command)
                    topic, value = answer(command)
                    for one in ({**value, "command_id": "of somebody else"}, value):
                        await producer.send_and_wait(topic, json.dumps(one).encode(), record.key)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(READY_S), "nobody listens for commands"
    try:
        yield commands
    finally:
        stop.set()
        thread.join(READY_S)


def cases() -> list[Message]:
    """Four cases, keyed as the agent does, though not routed: each is where its key leads."""
    return [(one.key, one.value, ()) for one in morning()]


def happened(*events: Any) -> list[Message]:
    return [(one.key, one.value, ()) for one in events]


def test_the_cases_are_listed_and_one_is_shown(cluster: Cluster, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(cluster, "cases") == 0
    assert capsys.readouterr().out.startswith("No cases. One opens when a detractor answers")
    cluster.send(topics.CASES, cases())
    assert run(cluster, "cases") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["Case", "c-77aa01", "c-5b1d2f", "c-88aa01"]
    assert lines[-1].startswith("3 open: 1 critical, 1 high, 1 elevated; 3 overdue, oldest ")
    assert run(cluster, "cases", "--severity", "critical", "--all", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["case_id"] for one in document["cases"]] == [CASE_ID, "c-99aa01c3d5e8"]
    assert document["cases"][0]["next_due"]["overdue"]
    assert document["summary"]["by_severity"] == {"critical": 1}

    cluster.send(
        topics.CASE_EVENTS,
        happened(
            event("opened", "2026-03-02T09:30:00.000Z"),
            event("acknowledged", "2026-03-02T09:50:00.000Z", by="kim@vendor.example", note="I call them."),
            event("opened", "2026-03-02T09:30:00.000Z", account_id="globex"),
        ),
    )
    cluster.send(topics.ALERTS, [(b"acme", json.dumps(EXAMPLES["Alert"]).encode(), ())])
    cluster.send(topics.DELIVERIES, [(b"acme", json.dumps(EXAMPLES["Delivery"]).encode(), ())])
    cluster.send(topics.OUTREACH, [(b"acme", json.dumps(EXAMPLES["Outreach"]).encode(), ())])
    assert run(cluster, "cases", "show", "c-5") == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert "2026-03-02 09:50  acknowledged  by kim@vendor.example  “I call them.”" in lines
    assert "2026-03-02 09:30  delivered  slack-csm  Acme: a detractor, score 3" in lines
    assert "2026-03-02 09:35  handed over  u-17@acme.example  “About your feedback”" in lines
    assert run(cluster, "cases", "show", CASE_ID, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["event"] for one in document["events"]] == ["opened", "acknowledged"]
    assert len(document["deliveries"]) == len(document["outreach"]) == 1

    assert run(cluster, "cases", "show", "c-") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"npstream: c- is the beginning of several cases: {CASE_ID} of Acme, c-77aa01c3d5e8 of Globex")
    assert run(cluster, "cases", "show", "c-0") == 2
    assert capsys.readouterr().err.startswith("npstream: there is no case c-0: ")


def test_a_command_is_sent_home_and_its_answer_is_told(cluster: Cluster, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.send(topics.CASES, cases())
    with answering(cluster, done) as commands:
        arguments = ["cases", "acknowledge", "c-5b", "--by", "kim@vendor.example", "--note", "I call them."]
        assert run(cluster, *arguments) == 0
        out, err = capsys.readouterr()
        assert (out.startswith(f"{CASE_ID}  acknowledged  owner csm@vendor.example  first response due late by "), err) == (
            True,
            "",
        )

        # With an id of one's own it is sent once.
        assert run(cluster, *arguments, "--command-id", "ticket-1", "--json") == 0
        first = json.loads(capsys.readouterr().out)
        assert run(cluster, *arguments, "--command-id", "ticket-1", "--json") == 0
        again = json.loads(capsys.readouterr().out)
    assert run(cluster, "cases", "acknowledge", "c-99", "--command-id", "ticket-1") == 2
    assert capsys.readouterr().err == (
        f"npstream: the command_id ticket-1 is that of a command about case {CASE_ID}: give another\n"
    )
    assert (first["outcome"], first["answered_before"], again["answered_before"]) == ("done", False, True)
    assert first["answer"] == again["answer"]
    assert [command["command_id"] for command in commands] == [commands[0]["command_id"], "ticket-1"]
    assert commands[1] == {
        "command_id": "ticket-1",
        "account_id": "acme",
        "case_id": CASE_ID,
        "command": "acknowledge",
        "by": "kim@vendor.example",
        "note": "I call them.",
    }
    records = cluster.records(topics.CASE_COMMANDS)
    assert [(r.key, r.partition) for r in records] == [(b"acme", partition_of(b"acme", PARTITIONS))] * 2


def test_a_rejection_is_told_and_what_was_rejected_may_be_tried_again(
    cluster: Cluster, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.send(topics.CASES, cases())
    with answering(cluster, refused):
        assert run(cluster, "cases", "acknowledge", "c-99", "--command-id", "ticket-2") == 1
    line = "npstream: rejected: a resolved case cannot be acknowledged: reopen it first\n"
    assert capsys.readouterr() == ("", line)
    with answering(cluster, done):
        assert run(cluster, "cases", "acknowledge", "c-5b", "--command-id", "ticket-2") == 0
    assert capsys.readouterr().err == ""
    assert len(cluster.records(topics.CASE_COMMANDS)) == 2


def test_without_a_worker_the_command_waits_and_is_answered_later(
    cluster: Cluster, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.send(topics.CASES, cases())
    arguments = ["cases", "snooze", "c-5b", "--until", "2d", "--command-id", "ticket-3"]
    assert run(cluster, *arguments, "--timeout", "0.5") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("npstream: sent, but nobody answered within 0.5 s: is a worker with the agent care running?")
    assert line.endswith(f"npstream cases show {CASE_ID} tells, and so does the same with --command-id ticket-3")
    (record,) = cluster.records(topics.CASE_COMMANDS)
    topic, answer = done(json.loads(record.value))
    cluster.send(topic, [(record.key, json.dumps(answer).encode(), ())])
    assert run(cluster, *arguments) == 0
    assert capsys.readouterr().err.endswith(": nothing was sent\n")
    assert run(cluster, "cases", "reopen", "c-99", "--no-wait") == 0
    assert capsys.readouterr().out.startswith("sent, as ")
    assert [json.loads(r.value)["command"] for r in cluster.records(topics.CASE_COMMANDS)] == ["snooze", "reopen"]


def test_what_is_not_committed_is_no_answer(
    transactional: Cluster, run: Run, app_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    transactional.send(topics.CASES, cases())
    command = {"command_id": "ticket-4", "account_id": "acme", "case_id": CASE_ID, "by": "kim@vendor.example"}
    topic, answer = done(command)
    transactional.send(topic, [(b"acme", json.dumps(answer).encode(), ())], app_id, commit=False)
    assert run(transactional, "cases", "acknowledge", "c-5b", "--command-id", "ticket-4", "--timeout", "0.2") == 1
    assert "nobody answered" in capsys.readouterr().err


def test_statistics_of_what_happened_lately(cluster: Cluster, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    hour = 3_600_000
    opened = now_ms() - 48 * hour
    case = {"opened_at": format_time(opened), "first_response_at": format_time(opened + hour), "root_cause": "pricing"}
    case["first_response_due"] = format_time(opened + 2 * hour)
    cluster.send(
        topics.CASE_EVENTS,
        happened(
            event("opened", "2020-03-02T09:30:00.000Z"),
            event("opened", format_time(opened)),
            event("contacted", format_time(opened + hour), case),
            event("resolved", format_time(opened + 30 * hour), case),
        ),
    )
    assert run(cluster, "cases", "stats", "--days", "7", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["opened"]["all"], document["closed"]["resolved"]) == (1, 1)
    assert document["first_response"]["all"] == {"cases": 1, "median_s": 3600.0, "p90_s": 3600.0, "due": 1, "in_time": 1}
    assert document["root_causes"] == [{"root_cause": "pricing", "cases": 1}]
    assert run(cluster, "cases", "stats", "--days", "1") == 0
    out = capsys.readouterr().out
    assert "closed      1 resolved" in out
    assert "       1  pricing" in out


def test_tail_follows_what_care_tells(cluster: Cluster, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    told = {
        "cases": (topics.CASE_EVENTS, "CaseEvent", "opened"),
        "rejections": (topics.CASE_REJECTIONS, "CaseRejection", "not allowed"),
        "risks": (topics.ACCOUNT_ALERTS, "AccountAlert", "nps fell"),
        "alerts": (topics.ALERTS, "Alert", "firing"),
        "deliveries": (topics.DELIVERIES, "Delivery", "delivered"),
        "outreach": (topics.OUTREACH, "Outreach", "send"),
        "comments": (topics.COMMENTS, "Comment", " 3  negative"),
    }
    for name, (topic, kind, word) in told.items():
        cluster.send(topic, [(b"acme", json.dumps(EXAMPLES[kind]).encode(), ())])
        assert run(cluster, "tail", name, "--no-follow") == 0
        (line,) = capsys.readouterr().out.splitlines()
        assert line.startswith(f"2026-03-01 09:30:00  {word}"), name
