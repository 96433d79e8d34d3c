"""What a worker logs is for whoever runs it: each line once, whatever libraries repeat."""

import logging

import orjson
import pytest
from aiokafka.errors import KafkaError

from npstream import logs

pytestmark = pytest.mark.usefixtures("logging_as_it_was")

CONNECT = "Unable connect to node with id %s: %s"


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line.split(maxsplit=2)[2] for line in capsys.readouterr().err.splitlines()]


def test_a_library_that_repeats_itself_while_a_broker_is_away_is_heard_once(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("info", "text")
    for node in range(500):
        logging.getLogger("aiokafka").error(CONNECT, node, "Connection refused")
        logging.getLogger("aiokafka.consumer.fetcher").error("Failed fetch messages from %s: %s", node, "not ready")
    assert lines(capsys) == [
        "Unable connect to node with id 0: Connection refused",
        "Failed fetch messages from 0: not ready",
    ]


def test_it_is_heard_again_after_a_while(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    logs.set_up("info", "text")
    logging.getLogger("aiokafka").error(CONNECT, 1, "first")
    monkeypatch.setattr(logs, "REPEAT_S", 0.0)
    logging.getLogger("aiokafka").error(CONNECT, 1, "second")
    assert [line.rpartition(" ")[2] for line in lines(capsys)] == ["first", "second"]


def test_what_we_say_ourselves_is_never_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("info", "text")
    for _ in range(3):
        logging.getLogger("streams.task").warning("%s: the broker does not answer", "scoring-1")
    assert len(lines(capsys)) == 3


def test_at_level_debug_everything_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("debug", "text")
    for _ in range(3):
        logging.getLogger("aiokafka").error(CONNECT, 1, "Connection refused")
    assert len(lines(capsys)) == 3


@pytest.mark.parametrize("level", ["info", "debug"])
def test_whole_requests_are_logged_at_no_level_since_a_log_in_is_one(level: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(level, "text")
    logging.getLogger("aiokafka.conn").debug("Request %d: %s", 3, "SaslAuthenticateRequest(sasl_auth_bytes=b'hunter2')")
    assert lines(capsys) == []


def test_an_error_of_kafka_that_nobody_asked_for_has_been_told(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("info", "text")
    for error in (KafkaError("told"), ValueError("news")):
        logging.getLogger("asyncio").error("Future exception was never retrieved", exc_info=error)
    said = capsys.readouterr().err
    assert "ValueError: news" in said
    assert "told" not in said


def test_a_discarded_producers_own_tasks_are_nobodys_news_and_ours_are(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("info", "text")
    for where in ("/site-packages/aiokafka/producer/sender.py", "/streams/task.py"):
        logging.getLogger("asyncio").error("%s\ntask: <Task pending coro=<run() defined at %s:99>>", logs.DESTROYED, where)
    assert len(found := [line for line in capsys.readouterr().err.splitlines() if "task: " in line]) == 1
    assert "/streams/task.py" in found[0]


def test_each_line_of_one_of_several_processes_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("info", "text", process=2)
    logging.getLogger("npstream.worker").warning("stopped")
    logs.set_up("info", "json", process=2)
    logging.getLogger("npstream.worker").warning("stopped")
    text, line = capsys.readouterr().err.splitlines()
    assert text.endswith(" WARNING [2] stopped")
    assert orjson.loads(line)["process"] == 2
