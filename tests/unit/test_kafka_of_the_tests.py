"""The Kafka that tests run on says in one line what it lacks; it is never skipped."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kafka import broker
from tests.kafka.broker import KafkaBroker, KafkaUnavailable


@pytest.fixture
def java_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a Java on the path that is of another version."""

    def install(version: str) -> None:
        java = tmp_path / "java"
        java.write_text(f"#!/bin/sh\necho '{version}' >&2\n")
        java.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        (tmp_path / "kafka_2.13-4.1.0.jar").touch()
        monkeypatch.setattr(broker, "LIBS", tmp_path)

    return install


def test_without_java_it_says_which_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(KafkaUnavailable, match=r"^java is not installed: install Java 17 or newer"):
        KafkaBroker().start()


def test_without_the_jars_it_says_how_to_fetch_them(
    java_says: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    java_says('openjdk version "17.0.15" 2025-04-15')
    monkeypatch.setattr(broker, "LIBS", tmp_path / "empty")
    with pytest.raises(KafkaUnavailable, match=r"empty: run make setup$"):
        KafkaBroker().start()


@pytest.mark.parametrize(
    "version",
    ['java version "1.8.0_391"', 'openjdk version "11.0.22" 2024-01-16', "something else"],
    ids=["8", "11", "unknown"],
)
def test_an_old_java_is_named(java_says: Callable[[str], None], version: str) -> None:
    java_says(version)
    with pytest.raises(KafkaUnavailable, match="is too old for Kafka 4") as refusal:
        KafkaBroker().start()
    assert version in str(refusal.value)
