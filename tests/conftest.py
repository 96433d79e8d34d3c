"""Fixtures that all tests share: one Kafka and one embedded broker for the whole run, and names that keep tests apart."""

import logging
import os
import uuid
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from typing import Protocol

import pytest
from hypothesis import HealthCheck, settings

from agents import scoring
from npstream import logs
from npstream.broker import EmbeddedBroker
from tests.ci import in_ci
from tests.ci import pytest_make_collect_report as pytest_make_collect_report
from tests.ci import pytest_runtest_makereport as pytest_runtest_makereport
from tests.kafka.broker import KafkaBroker
from tests.model.bench import Bench

pytest_plugins = ["pytester"]

# A run in several processes tells each of them the width of the terminal; what is printed to pipes must not depend on it.
os.environ.pop("COLUMNS", None)

# No deadlines, since the machine may be busy with something else; a failure prints what reproduces it.
settings.register_profile("dev", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("dev"), database=None)
settings.load_profile("ci" if in_ci() else "dev")


class Broker(Protocol):
    """What tests know of a broker."""

    @property
    def bootstrap(self) -> str: ...


class ForeignBroker:
    """A broker that somebody else runs."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap


def pytest_configure() -> None:
    """`make compiled` must find what it has compiled: another order of the path, and it would test the sources once more."""
    if "NPSTREAM_COMPILED" in os.environ and not str(scoring.__file__).endswith(tuple(EXTENSION_SUFFIXES)):
        raise pytest.UsageError(f"agents.scoring is {scoring.__file__}: not compiled")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that uses a broker with the broker's name, so that `-m "not kafka"` needs no Java."""
    for item in items:
        for broker in {"kafka", "embedded"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(broker)


@pytest.fixture(scope="session")
def kafka() -> Iterator[Broker]:
    """Apache Kafka, one node, shared by all tests; NPSTREAM_TEST_BOOTSTRAP takes one that runs already.

    Tests that kill the broker, or need it empty, make a `KafkaBroker` of their own.
    """
    foreign = os.environ.get("NPSTREAM_TEST_BOOTSTRAP")
    if foreign:
        yield ForeignBroker(foreign)
        return
    with KafkaBroker() as broker:
        yield broker


@pytest.fixture(scope="session")
def embedded() -> Iterator[EmbeddedBroker]:
    """The embedded broker, shared by all tests; it knows no transactions."""
    with EmbeddedBroker() as broker:
        yield broker


@pytest.fixture(
    scope="session",
    params=[pytest.param("kafka", marks=pytest.mark.kafka), pytest.param("embedded", marks=pytest.mark.embedded)],
)
def broker(request: pytest.FixtureRequest) -> Broker:
    """Either broker: a test that takes this one runs twice."""
    either: Broker = request.getfixturevalue(request.param)
    return either


@pytest.fixture
def logging_as_it_was() -> Iterator[None]:
    """Put back what `npstream.logs.set_up` changes."""
    root = logging.getLogger()
    names = (*logs.QUIET, *logs.SILENT, logs.WIRE)
    before = root.handlers[:], root.level, {name: logging.getLogger(name).level for name in names}
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    for name, level in before[2].items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture(params=["memory", "disk"])
def each_store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests on the model cluster run with state in memory, and again with state on the disks of two machines."""
    monkeypatch.setattr(Bench, "machines", 2 if request.param == "disk" else 0)


@pytest.fixture
def app_id() -> str:
    """A name that no other test has: for application ids, group ids, and as a prefix of topics."""
    return f"test-{uuid.uuid4().hex[:12]}"
