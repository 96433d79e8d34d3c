"""The examples do what they say: run as a reader would run them, on real Kafka and with a worker."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest
from aiokafka import AIOKafkaProducer

from schemas import topics
from schemas.examples import EXAMPLES as CONTRACT
from streams.partitioner import partition_of
from tests.conftest import Broker
from tests.integration.topics_reading import read, settle
from tests.integration.workers import PARTITIONS, Workers, until
from tests.integration.world import Sending, World

EXAMPLES = Path(__file__).parents[2] / "examples"
CLIENTS = ("aiokafka", "confluent")
PATIENCE_S = 60.0
"""Each step takes a second or three; the rest is for a busy machine."""
TOLD = {
    "aiokafka": {
        "u-17@acme.example of acme gave a 3, high: The export is slow.",
        "ines.duarte@globex.example of globex gave a 1, critical: Nobody answers.",
    },
    "confluent": {
        "u-18@acme.example of acme gave a 5, elevated: The export is slow.",
        "joao.reis@globex.example of globex gave a 0, critical: Nobody answers.",
    },
}
"""What a consumer prints of what each producer sends."""

EXAMPLE_CASE = CONTRACT["Case"]
ACKNOWLEDGED = "c-5b1d2f0a9c3e of acme is acknowledged, by csm@vendor.example\n"
REJECTED = "rejected: a resolved case cannot be acknowledged: reopen it first\n"


def produce(client: str, bootstrap: str) -> str:
    """Run a producer to its end; what it printed."""
    command = [sys.executable, EXAMPLES / f"produce_{client}.py", "--bootstrap", bootstrap]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=True).stdout


class Consumer:
    """An example that follows detractors."""

    def __init__(self, client: str, bootstrap: str, group: str, output: Path) -> None:
        self._output = output
        program = EXAMPLES / f"detractors_{client}.py"
        # Its stderr is ours: libraries say there that a coordinator is not there yet.
        with output.open("wb") as stdout:
            self._process = subprocess.Popen(
                [sys.executable, program, "--bootstrap", bootstrap, "--group", group], stdin=subprocess.DEVNULL, stdout=stdout
            )

    @property
    def told(self) -> list[str]:
        """The lines it printed."""
        return self._output.read_text(encoding="utf-8").splitlines()

    def tells(self, lines: int) -> list[str]:
        """Wait until it has printed so many lines; all of them."""
        until(lambda: len(self.told) >= lines, f"{lines} lines of {self.told}", PATIENCE_S)
        return self.told

    def ended(self) -> int:
        """SIGTERM, and its exit code."""
        self._process.terminate()
        return self._process.wait(PATIENCE_S)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def consuming(client: str, bootstrap: str, group: str, output: Path) -> Iterator[Consumer]:
    consumer = Consumer(client, bootstrap, group, output)
    try:
        yield consumer
    finally:
        consumer.kill()


def test_what_the_producers_send_is_told_by_the_consumers(kafka: Broker, app_id: str, tmp_path: Path) -> None:
    World(kafka.bootstrap, app_id)
    with ExitStack() as stack:
        worker = stack.enter_context(Workers(kafka.bootstrap, app_id, tmp_path)).start()
        consumers = [
            stack.enter_context(consuming(client, kafka.bootstrap, f"{app_id}-{client}", tmp_path / f"{client}.txt"))
            for client in CLIENTS
        ]
        for client in CLIENTS:
            assert produce(client, kafka.bootstrap) == "sent 2 responses\n"
        worker.wait_ready()
        for consumer in consumers:
            assert set(consumer.tells(4)) == TOLD["aiokafka"] | TOLD["confluent"]
            assert consumer.ended() == 0
    raw = read(kafka.bootstrap, topics.RAW)
    assert len(raw) == 4
    # whichever client sent it
    assert [record.partition for record in raw] == [partition_of(record.key or b"", PARTITIONS) for record in raw]
    assert read(kafka.bootstrap, topics.DEAD_LETTERS) == []


def committed(bootstrap: str, group: str) -> bool:
    """Whether the group has committed an offset of detractors."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    asked = [confluent_kafka.TopicPartition(topics.DETRACTORS, number) for number in range(PARTITIONS)]
    found = consumer.committed(asked, PATIENCE_S)
    consumer.close()
    return any(partition.offset >= 0 for partition in found)


async def announce(bootstrap: str, *rounds: tuple[bool, tuple[str, ...]]) -> None:
    """Send detractor events as a worker does: of each round, whether its transaction commits, and the ids of its events."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=f"announcing-{rounds[0][1][0]}") as producer:
        for commits, ids in rounds:
            await producer.begin_transaction()
            for event_id in ids:
                event = {"account_id": "acme", "respondent_id": event_id, "response_id": "r", "score": 6, "revision": 0}
                event |= {"severity": "elevated"}
                await producer.send_and_wait(
                    topics.DETRACTORS, json.dumps(event).encode(), b"acme", headers=[("ce_id", event_id.encode())]
                )
            await (producer.commit_transaction() if commits else producer.abort_transaction())


@pytest.mark.parametrize("client", CLIENTS)
def test_a_consumer_tells_committed_events_once_and_goes_on_where_it_was(
    client: str, kafka: Broker, app_id: str, tmp_path: Path
) -> None:
    World(kafka.bootstrap, app_id)
    rounds = ((True, ("first", "first", "second")), (False, ("taken back",)), (True, ("first", "third")))
    asyncio.run(announce(kafka.bootstrap, *rounds))
    assert len(read(kafka.bootstrap, topics.DETRACTORS, committed=False)) == 6
    with consuming(client, kafka.bootstrap, app_id, tmp_path / "one.txt") as consumer:
        told = [f"{respondent} of acme gave a 6, elevated: " for respondent in ("first", "second", "third")]
        assert consumer.tells(3) == told
        until(lambda: committed(kafka.bootstrap, app_id), "committed", PATIENCE_S)
        assert consumer.ended() == 0
        assert consumer.told == told
    asyncio.run(announce(kafka.bootstrap, (True, ("fourth",))))
    with consuming(client, kafka.bootstrap, app_id, tmp_path / "two.txt") as consumer:
        assert consumer.tells(1) == ["fourth of acme gave a 6, elevated: "]
        assert consumer.ended() == 0


@pytest.mark.parametrize("client", CLIENTS)
def test_what_is_not_handled_is_not_committed(client: str, kafka: Broker, app_id: str, tmp_path: Path) -> None:
    World(kafka.bootstrap, app_id)
    broken = (EXAMPLES / f"detractors_{client}.py").read_text(encoding="utf-8")
    broken = re.sub(r"(def handle\(.*?\) -> None:\n)", r"\1    raise RuntimeError(event_id)\n", broken)
    program = tmp_path / "broken.py"
    program.write_text(broken, encoding="utf-8")
    asyncio.run(announce(kafka.bootstrap, (True, ("first",))))
    command = [sys.executable, str(program), "--bootstrap", kafka.bootstrap, "--group", app_id]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 1
    assert "RuntimeError: first" in done.stderr
    assert not committed(kafka.bootstrap, app_id)
    with consuming(client, kafka.bootstrap, app_id, tmp_path / "mended.txt") as consumer:
        assert consumer.tells(1) == ["first of acme gave a 6, elevated: "]


def acknowledging(bootstrap: str, command_id: str) -> "subprocess.Popen[str]":
    """The example that acknowledges a case."""
    about = {"account": "acme", "case": EXAMPLE_CASE["case_id"], "by": "csm@vendor.example", "id": command_id}
    options = [word for name, value in about.items() for word in (f"--{name}", value)]
    return subprocess.Popen(
        [sys.executable, EXAMPLES / "case_commands_confluent.py", "--bootstrap", bootstrap, *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("command_id", "topic", "answer", "code", "out", "err"),
    [
        ("ticket-4711", topics.CASE_EVENTS, {"event": "acknowledged", "by": "csm@vendor.example"}, 0, ACKNOWLEDGED, ""),
        ("ticket-4712", topics.CASE_REJECTIONS, CONTRACT["CaseRejection"], 1, "", REJECTED),
    ],
)
def test_a_case_is_acknowledged_from_another_system(
    command_id: str, topic: str, answer: dict[str, Any], code: int, out: str, err: str, kafka: Broker, app_id: str
) -> None:
    world = World(kafka.bootstrap, app_id)
    # A broker that has just made topics may not know yet that it leads them.
    settle(kafka.bootstrap, topics.CASE_COMMANDS, topics.CASE_EVENTS, topics.CASE_REJECTIONS)
    with acknowledging(kafka.bootstrap, command_id) as process:
        try:
            until(lambda: read(kafka.bootstrap, topics.CASE_COMMANDS) or process.poll(), "the command", PATIENCE_S)
            (command,) = read(kafka.bootstrap, topics.CASE_COMMANDS)
            assert command.partition == partition_of(b"acme", PARTITIONS)
            assert json.loads(command.value or b"") == {
                "command_id": command_id,
                "account_id": "acme",
                "case_id": EXAMPLE_CASE["case_id"],
                "command": "acknowledge",
                "by": "csm@vendor.example",
            }
            case = {**EXAMPLE_CASE, "state": "acknowledged"}
            for one in ("of somebody else", command_id):
                value = {"account_id": "acme", "case": case, **answer, "command_id": one}
                world.send([Sending(topic, json.dumps(value).encode(), b"acme")])
            printed, told = process.communicate(timeout=PATIENCE_S)
            assert (printed, process.returncode) == (out, code)
            assert told.endswith(err), "after what librdkafka may say of a coordinator that is not there yet"
        finally:
            process.kill()


def test_the_readme_shows_what_the_examples_print() -> None:
    shown = (EXAMPLES / "README.md").read_text(encoding="utf-8").splitlines()
    assert {"sent 2 responses", *TOLD["aiokafka"], ACKNOWLEDGED.strip()} <= set(shown)
