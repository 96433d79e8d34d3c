"""What is deployed agrees with the program that it runs: compose file, image, scrape configuration.

No container engine is needed: the files are read. `tests/integration/test_compose_as_processes.py` runs the same set-up.
"""

import fnmatch
import functools
import json
import re
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from prometheus_client import CollectorRegistry
from ruamel.yaml import YAML

from npstream import cli
from npstream.settings import Settings
from npstream.worker import STOP_TIMEOUT_S
from streams import health
from tests.integration.test_wheel import locked

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
PROMETHEUS = ROOT / "deploy" / "prometheus"
COMMAND_TIMEOUT_S = 60
"""Each command takes less than a second; the rest is for a busy machine."""


@functools.cache
def yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path)


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml(COMPOSE)["services"]
    return found


def ours() -> dict[str, dict[str, Any]]:
    """The services that run our image."""
    return {name: service for name, service in services().items() if "build" in service}


def workers() -> dict[str, dict[str, Any]]:
    return {name: service for name, service in ours().items() if service["command"] == ["worker"]}


def settings(service: dict[str, Any]) -> Settings:
    return Settings.load(environ=service.get("environment", {}))


# The compose file.


def test_the_compose_file_keeps_to_the_compose_specification() -> None:
    command = [Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", COMPOSE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def parse(arguments: list[str]) -> list[str]:
    """The names of the commands that these arguments reach; nothing is run. Raises click's errors."""
    context = cli.cli.make_context("npstream", list(arguments))
    reached = []
    while isinstance(context.command, click.Group):
        name, command, rest = context.command.resolve_command(context, [*context._protected_args, *context.args])
        assert name is not None
        assert command is not None
        context = command.make_context(name, rest, parent=context)
        reached.append(name)
    return reached


def test_each_service_of_ours_runs_a_command_that_there_is() -> None:
    reached = {name: parse(service["command"]) for name, service in ours().items() if service["command"] != ["--help"]}
    assert reached == {"topics": ["topics", "create"], "worker-1": ["worker"], "worker-2": ["worker"]}
    assert ours()["npstream"]["command"] == ["--help"]
    with pytest.raises(click.UsageError):
        parse(["topics", "creat"])


@pytest.mark.parametrize("name", ours())
def test_each_variable_of_a_service_is_a_setting_and_they_agree_with_each_other(name: str) -> None:
    environ = ours()[name]["environment"]
    assert [variable for variable in environ if not variable.startswith("NPSTREAM_")] == []
    assert all(isinstance(value, str) for value in environ.values())
    assert settings(ours()[name]).source_of("bootstrap").value == "environment"


def test_topics_are_made_with_the_settings_that_the_workers_have() -> None:
    made = settings(services()["topics"])
    for worker in workers().values():
        used = settings(worker)
        for name in ("bootstrap", "app_id", "agents", "partitions", "replication", "security_protocol"):
            assert getattr(used, name) == getattr(made, name)


def listeners(name: str) -> dict[str, tuple[str, int]]:
    """Kafka's listeners by name: host and port."""
    text = services()["kafka"]["environment"][name]
    found = re.findall(r"(\w+)://([^:,]*):(\d+)", text)
    assert len(found) == len(text.split(","))
    return {listener: (host, int(port)) for listener, host, port in found}


def published(service: dict[str, Any]) -> dict[int, tuple[str, int]]:
    """Port in the container to address and port on this machine."""
    found = {}
    for line in service.get("ports", []):
        host, outside, inside = line.rsplit(":", 2)
        found[int(inside)] = (host, int(outside))
    return found


def test_kafka_tells_containers_and_this_machine_an_address_that_reaches_it() -> None:
    listening, advertised = listeners("KAFKA_LISTENERS"), listeners("KAFKA_ADVERTISED_LISTENERS")
    environ = services()["kafka"]["environment"]
    assert set(listening) == {*advertised, environ["KAFKA_CONTROLLER_LISTENER_NAMES"]}
    assert {name: port for name, (_, port) in advertised.items()}.items() <= {n: p for n, (_, p) in listening.items()}.items()
    assert set(environ["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].replace(":PLAINTEXT", "").split(",")) == set(listening)
    voter = f"{environ['KAFKA_NODE_ID']}@kafka:{listening[environ['KAFKA_CONTROLLER_LISTENER_NAMES']][1]}"
    assert environ["KAFKA_CONTROLLER_QUORUM_VOTERS"] == voter
    for service in ours().values():
        assert settings(service).bootstrap == "{}:{}".format(*advertised["INSIDE"])
    # npstream on this machine finds it without any setting
    assert Settings().bootstrap == "{}:{}".format(*advertised["OUTSIDE"])
    assert published(services()["kafka"]) == {listening["OUTSIDE"][1]: advertised["OUTSIDE"]}


def test_kafka_keeps_its_data_and_is_of_the_version_that_the_tests_run() -> None:
    kafka = services()["kafka"]
    volume, _, target = kafka["volumes"][0].partition(":")
    assert target == kafka["environment"]["KAFKA_LOG_DIRS"]
    assert volume in yaml(COMPOSE)["volumes"]
    image, _, version = kafka["image"].partition(":")
    assert image == "apache/kafka"
    assert version in re.findall(r"<[\w.]*version>([\d.]+)</", (ROOT / "tests" / "kafka" / "pom.xml").read_text())


def test_one_node_is_asked_for_one_copy_of_what_kafka_keeps_for_itself() -> None:
    environ = services()["kafka"]["environment"]
    copies = {name: value for name, value in environ.items() if name.endswith(("REPLICATION_FACTOR", "MIN_ISR"))}
    kinds = ("OFFSETS_TOPIC", "TRANSACTION_STATE_LOG", "SHARE_COORDINATOR_STATE_TOPIC")
    assert {name.removeprefix("KAFKA_") for name in copies} == {
        *(f"{kind}_REPLICATION_FACTOR" for kind in kinds),
        *(f"{kind}_MIN_ISR" for kind in kinds[1:]),
    }
    assert set(copies.values()) == {"1"}


def test_nothing_starts_before_what_it_needs() -> None:
    started = services()
    for service in started.values():
        for needed, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "test" in started[needed]["healthcheck"]
            if how["condition"] == "service_completed_successfully":
                assert started[needed]["restart"] == "no"
    for worker in workers().values():
        conditions = {needed: how["condition"] for needed, how in worker["depends_on"].items()}
        assert conditions == {"kafka": "service_healthy", "topics": "service_completed_successfully"}
    assert started["topics"]["depends_on"] == {"kafka": {"condition": "service_healthy"}}


def test_what_runs_for_good_is_started_again_and_has_the_time_to_end_well() -> None:
    lasting = {name: service for name, service in services().items() if service["restart"] != "no"}
    assert set(lasting) == {"kafka", "prometheus", *workers()}
    assert {service["restart"] for service in lasting.values()} == {"unless-stopped"}
    for worker in workers().values():
        assert int(worker["stop_grace_period"].removesuffix("s")) > STOP_TIMEOUT_S


def test_nothing_is_reachable_from_other_machines() -> None:
    outside = [address for service in services().values() for address in published(service).values()]
    assert {host for host, _ in outside} == {"127.0.0.1"}
    assert len({port for _, port in outside}) == len(outside) == 4


def test_images_of_others_have_a_fixed_version() -> None:
    images = [service["image"] for name, service in services().items() if name not in ours()]
    assert [image for image in images if not re.fullmatch(r"[\w/]+:v?\d+\.\d+\.\d+", image)] == []


def test_containers_of_ours_may_do_nothing_that_they_need_not() -> None:
    for service in ours().values():
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])


# Scraping.


def targets(job: str) -> list[str]:
    (found,) = [config for config in yaml(PROMETHEUS / "prometheus.yml")["scrape_configs"] if config["job_name"] == job]
    return [target for group in found["static_configs"] for target in group["targets"]]


def test_prometheus_scrapes_each_worker_where_it_listens() -> None:
    assert len(workers()) == 2
    assert sorted(targets("npstream")) == sorted(f"{name}:{settings(w).http_port}" for name, w in workers().items())
    for worker in workers().values():
        assert settings(worker).http_host == "0.0.0.0"
        assert settings(worker).source_of("http_host").value == "environment"
        assert list(published(worker)) == [settings(worker).http_port]


def test_prometheus_is_given_its_configuration_and_the_alerts() -> None:
    prometheus = services()["prometheus"]
    mounts = [volume.split(":") for volume in prometheus["volumes"]]
    (source,) = [ROOT / host for host, inside, *_ in mounts if inside == "/etc/prometheus"]
    assert source.resolve() == PROMETHEUS
    options = dict(option.removeprefix("--").split("=", 1) for option in prometheus["command"])
    assert options["config.file"] == "/etc/prometheus/prometheus.yml"
    assert options["storage.tsdb.path"] in [inside for _, inside, *_ in mounts]
    assert [(PROMETHEUS / name).is_file() for name in yaml(PROMETHEUS / "prometheus.yml")["rule_files"]] == [True]


# The image.


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in their order, with continued lines joined."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split(None, 1)[0], line.split(None, 1)[1].strip()) for line in text.splitlines() if line.strip()]


def instruction(name: str) -> str:
    """The last instruction of this name."""
    return [rest for found, rest in instructions() if found == name][-1]


def copied() -> list[str]:
    """What is copied from the repository."""
    return [
        source for found, rest in instructions() if found == "COPY" and "--from" not in rest for source in rest.split()[:-1]
    ]


def sent_to_the_builder(path: str) -> bool:
    """Whether .dockerignore lets a path of the repository through; the last line that fits decides."""
    through = True
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!")
        if pattern and not pattern.startswith("#") and (fnmatch.fnmatch(path, pattern) or path.startswith(pattern + "/")):
            through = line.startswith("!")
    return through


@pytest.mark.parametrize("source", copied())
def test_each_source_of_the_image_is_there_and_reaches_the_builder(source: str) -> None:
    assert (ROOT / source).exists()
    assert sent_to_the_builder(source)


def test_nothing_else_reaches_the_builder() -> None:
    there = [path.relative_to(ROOT).as_posix() for path in (*ROOT.iterdir(), *(ROOT / "deploy").iterdir())]
    assert sorted(path for path in there if sent_to_the_builder(path)) == sorted(copied())
    assert not sent_to_the_builder("npstream/__pycache__")


def test_the_image_is_made_of_what_the_wheel_is_made_of() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert set(copied()) >= {*packages, "pyproject.toml", project["project"]["readme"], "LICENSE"}
    (entry,) = json.loads(instruction("ENTRYPOINT"))
    assert project["project"]["scripts"] == {entry: "npstream.cli:main"}
    assert parse(json.loads(instruction("CMD"))) == ["worker"]


def test_all_that_is_installed_is_locked() -> None:
    installs = re.findall(r"install (.*?)(?:&&|$)", " && ".join(rest for found, rest in instructions() if found == "RUN"))
    assert len(installs) == 3
    for install in installs:
        lock = re.search(r"--require-hashes --requirement (\S+)", install)
        assert lock is not None or "--no-index" in install
        if lock is not None:
            assert lock[1] in [Path(source).name for source in copied()]
    assert locked(ROOT / "deploy" / "build.lock").items() <= locked(ROOT / "requirements.lock").items()


def test_the_image_runs_as_nobody_in_particular_and_ends_on_sigterm() -> None:
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", instruction("USER"))
    assert instruction("EXPOSE") == str(Settings().http_port)
    # the form of a list: a shell between would keep SIGTERM to itself
    assert instruction("ENTRYPOINT").startswith("[")


def probe() -> list[str]:
    """The image's health check, to be run by this Python."""
    program, *arguments = json.loads(instruction("HEALTHCHECK").partition(" CMD ")[2])
    assert program == "python"
    return [sys.executable, *arguments]


def healthy(port: int) -> bool:
    environ = {"NPSTREAM_HTTP_PORT": str(port), "http_proxy": "http://127.0.0.1:9"}  # as Docker hands it to containers
    return (
        subprocess.run(probe(), env=environ, stderr=subprocess.DEVNULL, timeout=COMMAND_TIMEOUT_S, check=False).returncode == 0
    )


@pytest.fixture
def served() -> Iterator[health.Health]:
    """A worker's HTTP port; the worker is not ready."""
    server = health.Health(CollectorRegistry(), lambda: ["waiting for the broker"])
    server.start("127.0.0.1", 0)
    yield server
    server.stop()


def test_a_worker_that_waits_for_its_broker_is_healthy(served: health.Health) -> None:
    assert healthy(served.port)


def test_a_worker_whose_event_loop_hangs_is_not(served: health.Health, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "LOOP_TIMEOUT_S", -1.0)
    assert not healthy(served.port)


def test_a_worker_that_does_not_answer_is_not() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, so that nobody else listens there
        assert not healthy(closed.getsockname()[1])
