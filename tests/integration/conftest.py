"""Fixtures for tests of the command line on a broker."""

import os
import sys

import pytest

from npstream import cli
from tests.conftest import Broker
from tests.integration.cluster import Cluster, Run


@pytest.fixture
def cluster(broker: Broker) -> Cluster:
    return Cluster(broker.bootstrap)


@pytest.fixture
def transactional(kafka: Broker) -> Cluster:
    return Cluster(kafka.bootstrap)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, app_id: str) -> Run:
    """Run the command line against a cluster, and return the exit code."""
    for name in [name for name in os.environ if name.startswith("NPSTREAM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "120")

    def run(cluster: Cluster, *args: str) -> int:
        flags = ["--bootstrap", cluster.connection.bootstrap, "--set", f"app_id={app_id}"]
        monkeypatch.setattr(sys, "argv", ["npstream", *flags, *args])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert isinstance(ended.value.code, int)
        return ended.value.code

    return run
