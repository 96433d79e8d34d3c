"""The commands that look at a cluster, on real ones: Kafka with log-in and access control, and the embedded broker."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from npstream import cli
from npstream.broker import HOST, EmbeddedBroker, free_port
from npstream.settings import AGENTS, Settings
from npstream.topic_plan import planned_topics
from schemas import topics
from tests.kafka.broker import KafkaBroker

ANSWER_TIMEOUT_S = 20.0
"""An administrator's request takes milliseconds; the rest is for a busy machine."""
POLL_S = 0.02
"""Pause between two looks."""
NAMES = [topic.name for topic in planned_topics(Settings())]
PLAIN_LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
SECURED = {
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,GUARDED:SASL_SSL",
    "sasl.enabled.mechanisms": "PLAIN",
    "listener.name.guarded.plain.sasl.jaas.config": f'{PLAIN_LOGIN} required user_limited="limited-password";',
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "auto.create.topics.enable": "true",  # asking must create nothing all the same
    "super.users": "User:ANONYMOUS",  # whoever comes over the open listener, the broker itself among them
}


def keytool(*arguments: str, store: Path, password: str) -> None:
    """Java's tool for certificates: whoever can run Kafka has it."""
    command = [
        "keytool",
        *arguments,
        "-alias",
        "broker",
        "-keystore",
        str(store),
        "-storepass",
        password,
        "-storetype",
        "PKCS12",
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=ANSWER_TIMEOUT_S)


class SecuredKafka(KafkaBroker):
    """Kafka with a second listener, which encrypts, asks for a log-in, and obeys access control lists."""

    def __init__(self, folder: Path) -> None:
        store, password = folder / "broker.p12", "store-password"
        self.certificate = folder / "broker.pem"
        keytool(
            "-genkeypair", "-keyalg", "RSA", "-dname", "CN=broker", "-ext", f"san=ip:{HOST}", store=store, password=password
        )
        keytool("-exportcert", "-rfc", "-file", str(self.certificate), store=store, password=password)
        keystore = {"location": str(store), "password": password, "type": "PKCS12"}
        super().__init__(SECURED | {f"listener.name.guarded.ssl.keystore.{name}": value for name, value in keystore.items()})
        self.guarded = f"{HOST}:{free_port()}"

    def _write_properties(self, folder: Path) -> None:
        super()._write_properties(folder)
        properties = folder / "server.properties"
        lines = properties.read_text(encoding="utf-8").splitlines()
        listeners = ("listeners=", "advertised.listeners=")
        added = [f"{line},GUARDED://{self.guarded}" if line.startswith(listeners) else line for line in lines]
        properties.write_text("\n".join(added) + "\n", encoding="utf-8")


def topic_names(administrator: AdminClient) -> list[str]:
    """All topics but the broker's own."""
    return [name for name in administrator.list_topics(timeout=ANSWER_TIMEOUT_S).topics if not name.startswith("__")]


def until(condition: Callable[[], bool]) -> None:
    """Wait until the broker has applied what its controller has accepted."""
    deadline = time.monotonic() + ANSWER_TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(POLL_S)


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    with SecuredKafka(tmp_path_factory.mktemp("certificate")) as broker:
        yield broker


@pytest.fixture(scope="module")
def administrator(kafka: SecuredKafka) -> AdminClient:
    return AdminClient({"bootstrap.servers": kafka.bootstrap})


@pytest.fixture
def empty_kafka(kafka: SecuredKafka, administrator: AdminClient) -> SecuredKafka:
    """The cluster with none of our topics."""
    if there := topic_names(administrator):
        for done in administrator.delete_topics(there).values():
            done.result(ANSWER_TIMEOUT_S)
        until(lambda: not topic_names(administrator))
    return kafka


@pytest.fixture
def embedded() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as broker:
        yield broker


@pytest.fixture(
    params=[pytest.param("empty_kafka", marks=pytest.mark.kafka), pytest.param("embedded", marks=pytest.mark.embedded)]
)
def bootstrap(request: pytest.FixtureRequest) -> str:
    """An empty cluster of either kind."""
    address: str = request.getfixturevalue(request.param).bootstrap
    return address


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run the command line against a cluster: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*args: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["npstream", "--set", "partitions=3", *args])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, out, err

    return run


def findings(out: str) -> dict[str, tuple[str, str]]:
    """Subject to status and remedy, of a --json output; a subject that comes twice keeps its first."""
    by_subject: dict[str, tuple[str, str]] = {}
    for finding in json.loads(out):
        by_subject.setdefault(finding["subject"], (finding["status"], finding["remedy"]))
    return by_subject


def test_topics_are_created_once_and_shown_and_checked(bootstrap: str, run: Run) -> None:
    assert run("--bootstrap", bootstrap, "topics", "check")[0] == 1
    code, out, _ = run("--bootstrap", bootstrap, "topics", "create", "--dry-run")
    assert (code, out.count("would be created")) == (0, len(NAMES))
    assert [topic["exists"] for topic in json.loads(run("--bootstrap", bootstrap, "topics", "show", "--json")[1])] == [
        False
    ] * len(NAMES)

    code, out, _ = run("--bootstrap", bootstrap, "topics", "create")
    assert (code, out.count(" created ")) == (0, len(NAMES))
    code, out, _ = run("--bootstrap", bootstrap, "topics", "create")
    assert (code, out.splitlines()[-1]) == (0, "Nothing to create.")

    shown = {topic["name"]: topic for topic in json.loads(run("--bootstrap", bootstrap, "topics", "show", "--json")[1])}
    assert list(shown) == NAMES
    assert {(topic["exists"], topic["partitions"], topic["replication"]) for topic in shown.values()} == {(True, 3, 1)}
    assert shown[topics.RESPONSES]["retention_ms"] == 800 * 86_400_000
    assert shown["npstream-scoring-changelog"]["clean_up"] == "compact"
    code, out, _ = run("--bootstrap", bootstrap, "topics", "check", "--json")
    assert (code, findings(out)) == (0, dict.fromkeys(NAMES, ("ok", "")))


def test_only_what_is_missing_is_created(bootstrap: str, run: Run) -> None:
    assert run("--bootstrap", bootstrap, "--set", "agents=intake", "topics", "create")[0] == 0
    code, out, _ = run("--bootstrap", bootstrap, "topics", "create")
    created = [line.split()[0] for line in out.splitlines() if line.rstrip().endswith("created")]
    assert (code, created) == (0, [f"npstream-{agent}-changelog" for agent in AGENTS if agent != "intake"])


def test_another_partition_count_than_that_of_the_topics_is_refused_and_nothing_created(bootstrap: str, run: Run) -> None:
    assert run("--bootstrap", bootstrap, "--set", "agents=intake", "topics", "create", "--partitions", "2")[0] == 0
    code, _, err = run("--bootstrap", bootstrap, "topics", "create")
    assert code == 1
    assert "nps.responses.raw has 2 partitions, 3 were asked for" in err
    assert len(err.splitlines()) == 1
    out = run("--bootstrap", bootstrap, "topics", "show", "--json")[1]
    assert [topic["name"] for topic in json.loads(out) if not topic["exists"]] == NAMES[1 - len(AGENTS) :]
    assert findings(run("--bootstrap", bootstrap, "topics", "check", "--json")[1])["partitions"][1].startswith(
        "set partitions = 2"
    )


def test_a_replication_that_the_cluster_cannot_give_is_refused_in_one_line_a_topic(empty_kafka: SecuredKafka, run: Run) -> None:
    code, _, err = run("--bootstrap", empty_kafka.bootstrap, "topics", "create", "--replication", "3")
    assert code == 1
    assert [line.split(":")[1] for line in err.splitlines()] == [f" cannot create {name}" for name in NAMES]
    assert all("InvalidReplicationFactor" in line for line in err.splitlines())


def test_topics_of_another_shape_are_told_with_what_to_do(
    empty_kafka: SecuredKafka, administrator: AdminClient, run: Run
) -> None:
    odd = [
        NewTopic(topics.DETRACTORS, 5, 1),
        NewTopic("npstream-scoring-changelog", 3, 1, config={"cleanup.policy": "delete"}),
        NewTopic(topics.RESPONSES, 3, 1, config={"retention.ms": "1000"}),
    ]
    for done in administrator.create_topics(odd).values():
        done.result(ANSWER_TIMEOUT_S)
    until(lambda: {topic.topic for topic in odd} <= set(topic_names(administrator)))
    code, out, _ = run("--bootstrap", empty_kafka.bootstrap, "topics", "check", "--json")
    found = findings(out)
    assert code == 1
    assert found[topics.RAW] == ("failed", "npstream topics create")
    assert found[topics.DETRACTORS][0] == "failed"
    assert found["npstream-scoring-changelog"][1].endswith("--add-config cleanup.policy=compact")
    assert found[topics.RESPONSES][1].endswith(f"--add-config retention.ms={800 * 86_400_000}")


def test_asking_about_topics_creates_none_where_brokers_create_what_is_asked_for(
    empty_kafka: SecuredKafka, administrator: AdminClient, run: Run
) -> None:
    run("--bootstrap", empty_kafka.bootstrap, "topics", "show")
    run("--bootstrap", empty_kafka.bootstrap, "check")
    assert topic_names(administrator) == []


def test_check_finds_a_cluster_ready_and_warns_of_a_single_copy(empty_kafka: SecuredKafka, run: Run) -> None:
    run("--bootstrap", empty_kafka.bootstrap, "topics", "create")
    code, out, _ = run("--bootstrap", empty_kafka.bootstrap, "check", "--json")
    statuses = {subject: status for subject, (status, _) in findings(out).items()}
    assert code == 0
    assert {subject for subject, status in statuses.items() if status == "warning"} == {"replication", "min.insync.replicas"}
    assert {status for subject, status in statuses.items() if subject not in ("replication", "min.insync.replicas")} == {"ok"}
    groups = {f"group npstream-{agent}" for agent in AGENTS}
    assert {"broker", "transactions", "limits", "topic permissions", "transactional ids", *groups, *NAMES} <= statuses.keys()


def test_check_tells_that_the_embedded_broker_has_no_transactions(embedded: EmbeddedBroker, run: Run) -> None:
    run("--bootstrap", embedded.bootstrap, "topics", "create")
    code, out, _ = run("--bootstrap", embedded.bootstrap, "check", "--json")
    assert (code, findings(out)["transactions"][0]) == (0, "warning")
    code, out, _ = run("--bootstrap", embedded.bootstrap, "--set", "guarantee=transactions", "check", "--json")
    assert (code, findings(out)["transactions"][0]) == (1, "failed")


def login(broker: SecuredKafka, **other: str) -> list[str]:
    """Settings for the guarded listener, in a file of the test's folder: a password is no flag."""
    values = {
        "bootstrap": broker.guarded,
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "PLAIN",
        "sasl_username": "limited",
        "sasl_password": "limited-password",
        "ssl_ca_file": str(broker.certificate),
    }
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in (values | other).items()]
    Path("login.toml").write_text("".join(lines), encoding="utf-8")
    return ["--config", "login.toml"]


def test_a_wrong_password_is_one_line_that_does_not_show_it(kafka: SecuredKafka, run: Run) -> None:
    code, _, err = run(*login(kafka, sasl_password="wrong-password"), "topics", "show")
    assert code == 1
    assert len(err.splitlines()) == 1
    assert "refuses the log-in of limited" in err
    assert "wrong-password" not in err


def test_a_log_in_mechanism_that_the_broker_does_not_know_is_one_line(kafka: SecuredKafka, run: Run) -> None:
    code, _, err = run(*login(kafka, sasl_mechanism="SCRAM-SHA-256"), "topics", "show")
    assert code == 1
    assert len(err.splitlines()) == 1
    assert "check sasl_mechanism" in err


def test_a_certificate_of_an_unknown_authority_is_one_line(kafka: SecuredKafka, run: Run) -> None:
    code, _, err = run(*login(kafka, ssl_ca_file=""), "topics", "show")
    assert code == 1
    assert len(err.splitlines()) == 1
    assert "no TLS with the broker" in err
    assert "ssl_ca_file" in err


def test_an_authority_file_that_holds_none_is_one_line(kafka: SecuredKafka, run: Run, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate", encoding="utf-8")
    code, _, err = run(*login(kafka, ssl_ca_file=str(empty)), "topics", "show")
    assert code == 2
    assert len(err.splitlines()) == 1
    assert str(empty) in err


def test_a_plain_client_at_a_guarded_listener_is_one_line(kafka: SecuredKafka, run: Run) -> None:
    code, _, err = run("--bootstrap", kafka.guarded, "topics", "show", "--timeout", "5")
    assert code == 1
    assert len(err.splitlines()) == 1
    assert "check bootstrap and security_protocol" in err


def allow(administrator: AdminClient, kind: ResourceType, prefix: str, *operations: AclOperation) -> None:
    bindings = [
        AclBinding(kind, prefix, ResourcePatternType.PREFIXED, "User:limited", "*", operation, AclPermissionType.ALLOW)
        for operation in operations
    ]
    for done in administrator.create_acls(bindings).values():
        done.result(ANSWER_TIMEOUT_S)


def test_each_missing_permission_is_named_until_all_are_given(
    empty_kafka: SecuredKafka, administrator: AdminClient, run: Run
) -> None:
    run("--bootstrap", empty_kafka.bootstrap, "topics", "create")

    def check() -> tuple[int, dict[str, tuple[str, str]]]:
        code, out, _ = run(*login(empty_kafka), "check", "--json")
        return code, findings(out)

    code, found = check()
    assert code == 1
    assert {found[name] for name in NAMES} == {("failed", "allow Describe on it")}
    assert found["group npstream-intake"] == ("failed", "allow Read on group npstream-intake")
    assert found["transactional ids"] == ("failed", "allow Write on transactional ids with the prefix npstream-")
    assert "may not see nps.responses.raw" in run(*login(empty_kafka), "topics", "create")[2]

    allow(administrator, ResourceType.TOPIC, "nps", AclOperation.READ)
    allow(administrator, ResourceType.GROUP, "npstream-", AclOperation.READ)
    until(lambda: check()[1]["group npstream-intake"][0] == "ok")  # given last, so all are in force
    code, found = check()
    assert code == 1
    assert found[topics.RAW] == (
        "not verifiable",
        "",
    )  # describing its configuration is one more permission, which nobody needs
    status, remedy = found["topic permissions"]
    assert status == "failed"
    assert f"Write on {topics.DETRACTORS}" in remedy
    assert "Read on" not in remedy

    allow(administrator, ResourceType.TOPIC, "nps", AclOperation.WRITE, AclOperation.DESCRIBE_CONFIGS)
    allow(administrator, ResourceType.TRANSACTIONAL_ID, "npstream-", AclOperation.WRITE)
    until(lambda: check()[1]["transactional ids"][0] == "ok")
    code, found = check()
    assert [subject for subject, (status, _) in found.items() if status == "failed"] == []
    assert (code, found["topic permissions"][0], found["transactional ids"][0]) == (0, "ok", "ok")
