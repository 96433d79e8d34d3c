"""What docker-compose.yml sets up, as plain processes on this machine: Kafka with its settings, the topic set-up, both workers
with theirs, and a scrape of each. Only addresses, ports and folders are other ones."""

import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, ConfigResource

from npstream.broker import HOST, free_port
from schemas import topics
from tests.integration.topics_reading import read
from tests.integration.workers import Worker, Workers, command, until
from tests.kafka.broker import KafkaBroker
from tests.unit.test_deploy import healthy, listeners, services, settings, targets, workers

ACCOUNTS = 40
"""Enough that each worker has some, whatever partitions it has."""
SCORED_TIMEOUT_S = 60.0
"""It takes a second; the rest is for a busy machine."""


class ComposedKafka(KafkaBroker):
    """Kafka with the settings of the compose file, and no others."""

    def _write_properties(self, folder: Path) -> None:
        ports = {name: free_port() for name in listeners("KAFKA_LISTENERS")} | {"OUTSIDE": self._port}
        addresses = {
            "LISTENERS": self._addresses(listeners("KAFKA_LISTENERS"), ports),
            "ADVERTISED_LISTENERS": self._addresses(listeners("KAFKA_ADVERTISED_LISTENERS"), ports),
            "CONTROLLER_QUORUM_VOTERS": f"1@{HOST}:{ports['CONTROLLER']}",
            "LOG_DIRS": str(folder / "data"),
        }
        environ = services()["kafka"]["environment"]
        given = {name.removeprefix("KAFKA_"): value for name, value in environ.items() if name.startswith("KAFKA_")}
        assert addresses.keys() <= given.keys()
        lines = [f"{name.replace('_', '.').lower()}={value}\n" for name, value in (given | addresses).items()]
        (folder / "server.properties").write_text("".join(lines), encoding="utf-8")

    @staticmethod
    def _addresses(names: dict[str, tuple[str, int]], ports: dict[str, int]) -> str:
        return ",".join(f"{name}://{HOST}:{ports[name]}" for name in names)


@pytest.fixture(scope="module")
def kafka() -> Iterator[ComposedKafka]:
    with ComposedKafka() as broker:
        yield broker


@pytest.fixture(scope="module")
def bootstrap(kafka: ComposedKafka) -> str:
    return kafka.bootstrap


def test_kafka_knows_every_setting_that_it_is_given(bootstrap: str) -> None:
    """It starts all the same if it does not, and keeps the value to itself, since it might be a secret."""
    administrator = AdminClient({"bootstrap.servers": bootstrap})
    (answer,) = administrator.describe_configs([ConfigResource(ConfigResource.Type.BROKER, "1")]).values()
    entries = answer.result(SCORED_TIMEOUT_S)
    environ = services()["kafka"]["environment"]
    given = [name.removeprefix("KAFKA_").replace("_", ".").lower() for name in environ if name.startswith("KAFKA_")]
    assert [name for name in given if name not in entries or entries[name].is_sensitive] == []


def own(name: str) -> dict[str, object]:
    """The settings of a service, by name, but for those that say where it is."""
    environ = services()[name]["environment"]
    given = {variable.removeprefix("NPSTREAM_").lower(): value for variable, value in environ.items()}
    here = {"http_host": HOST, "http_port": free_port(), "log_format": "text"}
    return {name: here.get(name, value) for name, value in given.items() if name != "bootstrap"}


def topic_set_up(bootstrap: str) -> subprocess.CompletedProcess[str]:
    return command(bootstrap, "npstream", *services()["topics"]["command"], settings=own("topics"))


def produce(bootstrap: str, sent: Mapping[str, str]) -> None:
    """Send a response for each id, of the account given."""
    producer = Producer({"bootstrap.servers": bootstrap})
    now = datetime.now(UTC).isoformat()
    for number, (response, account) in enumerate(sent.items()):
        payload = {"response_id": response, "account_id": account, "score": number % 11, "responded_at": now}
        producer.produce(topics.RAW, json.dumps(payload), key=account)
    assert producer.flush(SCORED_TIMEOUT_S) == 0


def port_of(worker: Worker) -> int:
    found = re.search(r"on http://[^:]+:(\d+)", worker.log)
    assert found is not None
    return int(found[1])


def test_topics_two_workers_and_a_scrape_of_each_score_every_response_once(bootstrap: str, tmp_path: Path) -> None:
    first = topic_set_up(bootstrap)
    assert first.returncode == 0, first.stderr
    # and when the set-up is started again, as it is with every `up`
    assert "Nothing to create." in topic_set_up(bootstrap).stdout

    with Workers(bootstrap, "npstream", tmp_path) as processes:
        running = {target.partition(":")[0]: processes.start(**own(target.partition(":")[0])) for target in targets("npstream")}
        assert running.keys() == workers().keys()
        for worker in running.values():
            worker.wait_ready()

        def shared() -> bool:
            return all(len(worker.assigned.get("scoring", ())) == settings(services()["topics"]).partitions // 2
                       and worker.problems == [] for worker in running.values())  # fmt: skip

        until(shared, "the workers share the partitions", SCORED_TIMEOUT_S)
        sent = {f"r-{number}": f"account-{number % ACCOUNTS}" for number in range(5 * ACCOUNTS)}
        produce(bootstrap, sent)

        def counted(metric: str) -> list[float]:
            return [worker.total(metric) for worker in running.values()]

        until(lambda: sum(counted("npstream_responses_total")) >= len(sent), "all are scored", SCORED_TIMEOUT_S)
        assert sum(counted("npstream_responses_total")) == len(sent)
        assert all(count > 0 for count in counted("npstream_responses_total"))
        assert counted("npstream_exactly_once") == [1, 1]
        assert all(healthy(port_of(worker)) for worker in running.values())

        scored = [json.loads(record.value or b"") for record in read(bootstrap, topics.SCORED)]
        assert Counter(event["response_id"] for event in scored) == dict.fromkeys(sent, 1)
        assert {event["response_id"]: event["account_id"] for event in scored} == sent
        assert [worker.terminate() for worker in running.values()] == [0, 0]
        assert not any(healthy(port_of(worker)) for worker in running.values())
