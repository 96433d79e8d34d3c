"""The Kafka that everything is measured on."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.kafka.broker import KafkaBroker, KafkaUnavailable
from tests.kafka.topics import TopicAdmin

JVM_OPTIONS = ("-Xmx1g", "-Xms1g", "-XX:+UseSerialGC", "-Xshare:auto")
"""Kafka's own heap, and the full compiler; one collector thread, as there are few processors beside the worker's."""
OURS = ("nps.", "bench.", "bench-")
"""What the names of the benchmark's topics begin with."""


@contextmanager
def broker(bootstrap: str | None = None) -> Iterator[tuple[str, int | None]]:
    """The address of a broker, and its process id if it is started here. Raises KafkaUnavailable."""
    if bootstrap is None:
        with KafkaBroker(jvm_options=JVM_OPTIONS) as kafka:
            yield kafka.bootstrap, kafka.pid
        return
    there = [name for name in TopicAdmin(bootstrap).names() if name.startswith(OURS)]
    if there:
        raise KafkaUnavailable(
            f"{bootstrap} has the topic {there[0]} already, and the benchmark makes and removes topics of its own: "
            "give it a Kafka without them"
        )
    yield bootstrap, None
